"""What in a comment is a command, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.commands import Command, Verb, parse_commands

APPLY, PLAN = Command(Verb.APPLY), Command(Verb.PLAN)


@pytest.mark.parametrize(
    "body",
    [
        "/apply",
        "/apply   ",
        "/apply\t",
        "Looks good.\n\n/apply\n\nThanks!",
        "Looks good.\r\n/apply\r\nThanks!",
        "/apply\n/apply",
        "```\nsome code\n```\n/apply",
        "~~~~\n~~~\n~~~~\n/apply",
        "````\n```\n````\n/apply",
        "```hcl\nx = 1\n```   \n/apply",
        "`/plan` first, then\n/apply",
        "```/plan```\n/apply",
        "<!-- hidden -->\n/apply",
        "<!-- hidden\n/plan\n-->\n/apply",
        "/deploy\n/apply",
        "> /plan\n\n/apply",
    ],
)
def test_a_command_is_the_first_word_of_a_line_of_its_own(body: str) -> None:
    assert parse_commands(body) == (APPLY,)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "please /apply",
        "apply",
        " /apply",
        "    /apply",
        "\t/apply",
        "> /apply",
        ">/apply",
        "- /apply",
        "```\n/apply\n```",
        "```\n/apply",
        "~~~ sh\n/apply\n~~~",
        "```\n~~~\n/apply",
        "````\n```\n/apply\n````",
        "   ```\n/apply\n   ```",
        "`/apply`",
        "/applyall",
        "/Apply",
        "/apply-now",
        "/apply.",
        "//apply",
        "/ apply",
        "/deploy",
        "/etc/passwd",
        "quoted\u2028/apply",
        "quoted\x0c/apply",
        "<!--\n/apply\n-->",
        "<!-- never closed\n/apply",
        "text <!-- begins here\n/apply\nends --> here",
    ],
)
def test_what_only_looks_like_a_command_is_none(body: str) -> None:
    assert parse_commands(body) == ()


def test_names_follow_the_command() -> None:
    assert parse_commands("/apply network  database\t") == (Command(Verb.APPLY, ("network", "database")),)
    assert str(Command(Verb.APPLY, ("network", "database"))) == "/apply network database"
    assert str(PLAN) == "/plan"


def test_different_commands_are_kept_in_their_order() -> None:
    body = "/plan network\n/apply\n/plan network\n/apply network"
    assert parse_commands(body) == (
        Command(Verb.PLAN, ("network",)),
        APPLY,
        Command(Verb.APPLY, ("network",)),
    )


@given(st.text(alphabet="/aply \t\r\n`~>-<!x", max_size=60))
def test_no_comment_breaks_the_grammar_and_none_gives_a_command_twice(body: str) -> None:
    commands = parse_commands(body)
    assert len(set(commands)) == len(commands)


@given(st.text(max_size=200))
def test_nothing_in_a_quote_is_ever_a_command(text: str) -> None:
    quoted = "\n".join(f"> {line}" for line in text.replace("\r", "\n").split("\n"))
    assert parse_commands(quoted) == ()
