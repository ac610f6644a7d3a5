"""Where a command's records come from: the server that --server names, else the database here.

Only the one that is needed is imported: a machine that only asks a server has no configuration of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from bot.cli.records.records import Records
from bot.domain.errors import ConfigError

if TYPE_CHECKING:
    from bot.cli.records.local import LocalRecords


@contextmanager
def records() -> Iterator[Records]:
    """Yield the records for this command. Raises ConfigError, Invalid."""
    given = click.get_current_context().find_root().params
    if not given.get("server"):
        yield _local()
        return
    from bot.cli.records.connection import ServerConnection, checked_address  # noqa: PLC0415
    from bot.cli.records.credentials import token  # noqa: PLC0415
    from bot.cli.records.remote import RemoteRecords  # noqa: PLC0415

    connection = ServerConnection(checked_address(given["server"], allow_http=given["allow_http"]), token())
    try:
        yield RemoteRecords(connection)
    finally:
        connection.close()


def records_here() -> LocalRecords:
    """Return the records of the database here, for commands that no server takes. Raises ConfigError."""
    context = click.get_current_context()
    if context.find_root().params.get("server"):
        raise ConfigError(
            f"`{context.command_path}` works only on the server's machine, with its settings: run it there "
            "without --server and PLANGATE_SERVER"
        )
    return _local()


def _local() -> LocalRecords:
    from bot.cli.records.local import LocalRecords  # noqa: PLC0415

    return LocalRecords()
