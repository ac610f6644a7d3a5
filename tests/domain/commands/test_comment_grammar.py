"""What in a comment is a command, and what only looks like one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.commands.grammar import CommentCommand, Verb, near_misses, parse_commands

APPLY, PLAN = CommentCommand(Verb.APPLY), CommentCommand(Verb.PLAN)


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
    assert parse_commands("/apply network  database\t") == (
        CommentCommand(Verb.APPLY, ("network", "database")),
    )
    assert str(CommentCommand(Verb.APPLY, ("network", "database"))) == "/apply network database"
    assert str(PLAN) == "/plan"


def test_different_commands_are_kept_in_their_order() -> None:
    body = "/plan network\n/apply\n/plan network\n/apply network"
    assert parse_commands(body) == (
        CommentCommand(Verb.PLAN, ("network",)),
        APPLY,
        CommentCommand(Verb.APPLY, ("network",)),
    )


@given(st.text(alphabet="/aply \t\r\n`~>-<!x", max_size=60))
def test_no_comment_breaks_the_grammar_and_none_gives_a_command_twice(body: str) -> None:
    commands = parse_commands(body)
    assert len(set(commands)) == len(commands)


@given(st.text(max_size=200))
def test_nothing_in_a_quote_is_ever_a_command(text: str) -> None:
    quoted = "\n".join(f"> {line}" for line in text.replace("\r", "\n").split("\n"))
    assert parse_commands(quoted) == ()


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("/lock a b because of  rain", CommentCommand(Verb.LOCK, ("a", "b"), text="of rain")),
        ("/discard because because", CommentCommand(Verb.DISCARD, text="because")),
        ("/cancel", CommentCommand(Verb.CANCEL)),
        ("/plangate lock a because we move", CommentCommand(Verb.LOCK, ("a",), text="we move")),
        ("/plangate\tapply", CommentCommand(Verb.APPLY)),
        ("/lock becausely", CommentCommand(Verb.LOCK, ("becausely",))),
        ("/unlock --force a", CommentCommand(Verb.UNLOCK, ("a",), force=True)),
        ("/plan -d envs/prod/ a", CommentCommand(Verb.PLAN, ("a",), directories=("envs/prod",))),
        ("/retry -d=./envs -d .", CommentCommand(Verb.RETRY, directories=("envs", "."))),
        ("/help me", CommentCommand(Verb.HELP, ("me",))),
    ],
)
def test_what_stands_behind_a_command(line: str, command: CommentCommand) -> None:
    assert parse_commands(line) == (command,)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("/lock -force a", "-force is not a valid flag here"),
        ("/plan -d", "-d needs a directory"),
        ("/plan -d -destroy", "-d needs a directory"),
        ("/cancel -destroy", "flags belong to /plan: /cancel takes none"),
        ("/lock 'a", "a quote is not closed"),
        ("/apply net -ignore-freeze", "-ignore-freeze needs a reason"),
        ("/apply net -ignore-freeze  because ", "-ignore-freeze needs a reason"),
        ("/plan net -ignore-freeze now", "-ignore-freeze is not a valid flag here"),
    ],
)
def test_what_is_wrong_behind_a_command_is_said(line: str, problem: str) -> None:
    (command,) = parse_commands(line)
    assert command.problem.startswith(problem)


@pytest.mark.parametrize(
    "line",
    [
        "/apply net -ignore-freeze the site is down",
        "/apply net --ignore-freeze because the  site is down",
        "/apply -ignore-freeze the site is down",
    ],
)
def test_an_apply_may_ignore_a_freeze_with_a_reason(line: str) -> None:
    (command,) = parse_commands(line)
    assert command.targets == (("net",) if "net" in line else ())
    assert command.ignore_freeze == "the site is down"
    assert parse_commands(str(command)) == (command,)


def test_a_command_is_written_as_it_was_read() -> None:
    for line in ("/lock a -d envs because of rain", "/unlock a -force", "/plan -destroy a"):
        (command,) = parse_commands(line)
        assert parse_commands(str(command)) == (command,)


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("/aply", (("/aply", Verb.APPLY),)),
        ("/Apply now", (("/Apply", Verb.APPLY),)),
        ("/apply.", (("/apply", Verb.APPLY),)),
        ("/cancle x\n/hlep", (("/cancle", Verb.CANCEL), ("/hlep", Verb.HELP))),
        ("/aply\n/aply a", (("/aply", Verb.APPLY),)),
        ("/apply", ()),
        ("/deploy", ()),
        ("/lgtm", ()),
        ("/etc/passwd", ()),
        ("> /aply", ()),
        ("```\n/aply\n```", ()),
        ("<!--\n/aply\n-->", ()),
    ],
)
def test_what_is_almost_a_command(body: str, meant: tuple[tuple[str, Verb], ...]) -> None:
    assert near_misses(body) == meant
