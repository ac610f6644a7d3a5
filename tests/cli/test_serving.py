"""`plangate web`: what it is told to listen at."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from bot.cli import cli


@pytest.mark.parametrize(
    "wrong", ["127.0.0.1:99999", "127.0.0.1", ":", "127.0.0.1:http", ":8000", "127.0.0.1:²"]
)
def test_what_is_no_address_is_refused(wrong):
    done = CliRunner().invoke(cli, ["web", "--bind", wrong])
    assert (done.exit_code, "is no address with a port" in done.output) == (2, True)
