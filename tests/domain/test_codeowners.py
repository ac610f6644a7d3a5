"""Who owns a directory: the lines of CODEOWNERS as GitHub reads them."""

from __future__ import annotations

import pytest

from bot.domain.codeowners import Owners, owners_of


@pytest.mark.parametrize(
    ("pattern", "directory", "matches"),
    [
        ("*", "net", True),
        ("*", "", True),
        ("*.tf", "net/prod", True),
        ("*.js", "net", False),
        ("/net", "net", True),
        ("/net", "net/prod", True),
        ("/net/", "net/prod", True),
        ("/net/", "other/net", False),
        ("net/", "other/net", True),
        ("net", "other/net", True),
        ("net", "network", False),
        ("/net/*", "net", True),
        ("/net/*", "net/prod", False),
        ("net/prod", "other/net/prod", False),
        ("/net/**", "net/prod/eu", True),
        ("**/prod", "net/prod", True),
        ("**/prod/", "prod", True),
        ("/net/**/eu/", "net/prod/eu", True),
        ("/n?t/", "net", True),
        ("!/net/", "net", False),
        ("/[n]et/", "net", False),
        ("my\\ net/", "my net", True),
        ("/net.tf/", "netXtf", False),
    ],
)
def test_a_pattern(pattern: str, directory: str, matches: bool) -> None:
    assert bool(owners_of(f"{pattern} @wren", directory)) is matches


def test_the_last_line_that_matches_counts() -> None:
    text = "# who owns what\n*  @one  # everything\n/net/ @Two @acme/Ops mail@example.test\n/net/free/\n"
    assert owners_of(text, "app") == Owners(("one",))
    assert owners_of(text, "net/prod") == Owners(("two",), ("acme/ops",))
    assert not owners_of(text, "net/free")
    assert str(owners_of(text, "net")) == "two, acme/ops"


def test_an_empty_file_names_nobody() -> None:
    assert not owners_of("", "net")
    assert not owners_of("\n   \n# nothing\n", "net")
