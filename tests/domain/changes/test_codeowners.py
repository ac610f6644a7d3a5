"""Who owns a directory: CODEOWNERS as GitHub reads it, and as GitLab does."""

from __future__ import annotations

import pytest

from bot.domain.changes.codeowners import CodeOwners, Owners, owners_of


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
    assert bool(owners_of(CodeOwners(f"{pattern} @wren"), directory)) is matches


def test_the_last_line_that_matches_counts() -> None:
    text = "# who owns what\n*  @one  # everything\n/net/ @Two @acme/Ops mail@example.test\n/net/free/\n"
    file = CodeOwners(text)
    assert owners_of(file, "app") == (Owners(("one",)),)
    assert owners_of(file, "net/prod") == (Owners(("two",), ("acme/ops",)),)
    assert not owners_of(file, "net/free")
    assert str(owners_of(file, "net")[0]) == "two, acme/ops"


@pytest.mark.parametrize("sections", [False, True])
def test_an_empty_file_names_nobody(sections: bool) -> None:
    for text in ("", "\n   \n# nothing\n", "[Docs]\n", "net/\n"):
        assert not owners_of(CodeOwners(text, sections), "net")


# GitLab's reading


@pytest.mark.parametrize(
    ("pattern", "directory", "matches"),
    [
        ("*", "net", True),
        ("*", "", True),
        ("*.tf", "net/prod", True),
        ("*.js", "net", False),
        # A name is a file's: it owns nothing below it.
        ("/net", "net", False),
        ("net", "net", False),
        ("/net/", "net", True),
        ("/net/", "net/prod/eu", True),
        ("/net/", "other/net", False),
        # Without a slash at its start it matches at any depth.
        ("net/", "other/net", True),
        ("net/prod/", "other/net/prod", True),
        ("net/main.tf", "other/net", True),
        ("/net/*", "net", True),
        ("/net/*", "net/prod", False),
        ("/net/**/*", "net/prod/eu", True),
        ("/net/**", "net/prod/eu", False),
        ("/net/**/eu/", "net/prod/eu", True),
        ("/**/**/**/prod/", "net/prod", True),
        ("/n?t/", "net", True),
        ("/[m-o]et/", "net", True),
        ("/[!n]et/", "net", False),
        ("/[z-a]et/", "net", False),
        ("/[n&&[b]et/", "net", True),
        ("my\\ net/", "my net", True),
        ("\\#net/", "#net", True),
        ("/net.tf/", "netXtf", False),
    ],
)
def test_a_pattern_on_gitlab(pattern: str, directory: str, matches: bool) -> None:
    assert bool(owners_of(CodeOwners(f"{pattern} @wren", sections=True), directory)) is matches


def test_each_section_has_owners_of_its_own_and_may_want_several() -> None:
    text = """
* @all-of-us @acme/Ops # @parsed
[Networks][2] @default
/net/
/net/prod/ @prod mail@example.test not-a-handle
^[Optional]
* @nobody
[optional words] [2] @x
[NETWORKS]
/net/late/ @late
[Secrets][0]
/net/ @@maintainer
"""
    everyone = Owners((), ("all-of-us", "acme/ops", "parsed"))
    file = CodeOwners(text, sections=True)
    assert owners_of(file, "app") == (everyone,)
    secrets = Owners((), ("@maintainer",), "Secrets", 1)
    assert owners_of(file, "net") == (everyone, Owners((), ("default",), "Networks", 2), secrets)
    assert owners_of(file, "net/prod")[1] == Owners((), ("prod",), "Networks", 2)
    assert owners_of(file, "net/late")[1] == Owners((), ("late",), "Networks", 2)


def test_a_section_is_required_where_one_of_its_headings_is() -> None:
    text = "^[Docs]\n* @one\n[docs]\n"
    assert owners_of(CodeOwners(text, sections=True), "net") == (Owners((), ("one",), "Docs"),)


def test_what_an_exclamation_mark_takes_out_stays_out_of_that_section() -> None:
    text = "* @one\n!/net/\n/net/ @two\n[Other]\n* @three\n"
    file = CodeOwners(text, sections=True)
    assert owners_of(file, "net") == (Owners((), ("three",), "Other"),)
    assert owners_of(file, "app")[0] == Owners((), ("one",))


def test_a_heading_that_is_none_is_an_entry() -> None:
    file = CodeOwners("* @one\n[Section name\n/net/ @two\n", sections=True)
    assert owners_of(file, "net") == (Owners((), ("two",)),)
