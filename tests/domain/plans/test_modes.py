"""Modes and their flags: what people may write, and what is refused and how; nothing odd gets through."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.commands.flags import CommandArguments, parse_arguments, split_words
from bot.domain.commands.grammar import CommentCommand, Verb, parse_commands
from bot.domain.errors import Invalid
from bot.domain.plans.modes import (
    ALLOWED_BY_DEFAULT,
    LONGEST_ADDRESS,
    MOST_ADDRESSES,
    NORMAL,
    Mode,
    Modes,
    make_modes,
    why_not_allowed,
)
from bot.domain.plans.plan import Counts
from bot.domain.reports.headlines import plan_headline, state_words
from bot.domain.runs.lifecycle import RunStatus
from tests.store.samples import run, workspace

INSTANCE = 'aws_instance.web["blue green"]'
ADDRESSES = [
    "aws_instance.web",
    "aws_instance.web[0]",
    INSTANCE,
    r'aws_instance.web["with \"quotes\" and \\"]',
    'aws_instance.web["${x} ] [ \' = -destroy"]',
    'module.app.module.db["a.b"].aws_db.main[12]',
    "größe.maß",
    "my-provider_thing.the-name",
]


# --- addresses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_taken_as_terraform_shows_it(address: str) -> None:
    made = make_modes(replace=[address], target=[address])
    assert made == Modes(replace_addrs=(address,), target_addrs=(address,))
    assert made.flags == (f"-replace={address}", f"-target={address}")


@pytest.mark.parametrize(
    "address",
    [
        *("", " ", "web", "aws_instance.", ".web", "aws_instance.web.id", "-aws.web", "1a.b", "module"),
        *("aws_instance.web[", "aws_instance.web[-1]", "aws_instance.web[x]", 'aws_instance.web["]'),
        *("aws_instance.web; rm", "$(id).web", "aws_instance.web -destroy", "a.b\nc.d"),
        *("a.b\x1b[31m", 'a.b["\u202e"]', "a.b" * LONGEST_ADDRESS),
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    for mode in ("replace", "target"):
        with pytest.raises(Invalid, match=f"^-{mode}"):
            make_modes(replace=[address]) if mode == "replace" else make_modes(target=[address])


def test_modules_and_data_are_targets_but_nothing_to_replace() -> None:
    for address in ("module.app", 'module.app["x"].module.db[1]', "data.aws_ami.latest"):
        assert make_modes(target=[address]).target_addrs == (address,)
        with pytest.raises(Invalid, match="not the address of a resource"):
            make_modes(replace=[address])


def test_doubles_count_once_and_there_is_a_limit() -> None:
    assert make_modes(target=["a.b", "a.b", " a.b "]).target_addrs == ("a.b",)
    many = [f"a.b{number}" for number in range(MOST_ADDRESSES + 1)]
    assert len(make_modes(target=many[:-1]).target_addrs) == MOST_ADDRESSES
    with pytest.raises(Invalid, match="50 addresses at most"):
        make_modes(target=many)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"destroy": True, "refresh_only": True}, "-destroy and -refresh-only exclude each other"),
        ({"destroy": True, "replace": ["a.b"]}, "-replace and -destroy exclude each other"),
        ({"refresh_only": True, "replace": ["a.b"]}, "-replace and -refresh-only exclude each other"),
    ],
)
def test_modes_that_terraform_does_not_combine_are_refused(asked: dict[str, object], why: str) -> None:
    with pytest.raises(Invalid, match=why):
        make_modes(**asked)  # type: ignore[arg-type]


# --- what a workspace allows --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modes", "allowed", "refused"),
    [
        (NORMAL, (), ""),
        (Modes(target_addrs=("a.b",)), ALLOWED_BY_DEFAULT, ""),
        (Modes(destroy=True), tuple(Mode), ""),
        (Modes(destroy=True), ALLOWED_BY_DEFAULT, "-destroy is not allowed in workspace network"),
        (Modes(refresh_only=True), (Mode.DESTROY,), "-refresh-only is not allowed"),
        (Modes(replace_addrs=("a.b",), target_addrs=("a.b",)), (), "-replace and -target is not allowed"),
    ],
)
def test_a_mode_must_be_allowed_in_the_workspace(
    modes: Modes, allowed: tuple[Mode, ...], refused: str
) -> None:
    why = why_not_allowed(modes, allowed, "network")
    assert why.startswith(refused)
    assert bool(why) == bool(refused)
    if why:
        assert "allowed_modes in plangate.yml" in why


# --- flags in comments --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rest", "names", "modes"),
    [
        ("", (), NORMAL),
        ("network  app", ("network", "app"), NORMAL),
        ("-destroy network", ("network",), Modes(destroy=True)),
        ("network -destroy", ("network",), Modes(destroy=True)),
        ("--refresh-only", (), Modes(refresh_only=True)),
        ("-destroy=false", (), NORMAL),
        ("-target=a.b -target c.d app", ("app",), Modes(target_addrs=("a.b", "c.d"))),
        (f"-replace={INSTANCE} app", ("app",), Modes(replace_addrs=(INSTANCE,))),
        (f"-replace='{INSTANCE}'", (), Modes(replace_addrs=(INSTANCE,))),
        (f"'-replace={INSTANCE}'", (), Modes(replace_addrs=(INSTANCE,))),
        (r'-replace="aws_instance.web[\"blue green\"]"', (), Modes(replace_addrs=(INSTANCE,))),
    ],
)
def test_flags_are_read_as_a_shell_and_terraform_would(
    rest: str, names: tuple[str, ...], modes: Modes
) -> None:
    assert parse_arguments(split_words(rest)) == CommandArguments(names, modes)


@pytest.mark.parametrize(
    ("rest", "why"),
    [
        ("-detroy", "-detroy is not a valid flag here; did you mean -destroy?"),
        ("-auto-approve", "-auto-approve is not a valid flag here; known are -destroy, -refresh-only"),
        ("-var=x=y", "-var=x=y is not a valid flag here"),
        ("-", "- is not a valid flag here"),
        ("-out=/etc/passwd", "-out=/etc/passwd is not a valid flag here"),
        ("-target", "-target needs an address"),
        ("-target -destroy", "-target needs an address"),
        ("-replace=", "-replace needs an address"),
        ("-destroy=maybe", "-destroy takes no value"),
        ("-destroy=", "-destroy takes no value"),
        ("-target='a.b", "a quote is not closed"),
        ("-" + "x" * 500, "x… is not a valid flag here"),
    ],
)
def test_what_is_no_flag_is_refused_by_name(rest: str, why: str) -> None:
    with pytest.raises(Invalid, match=re.escape(why)):
        parse_arguments(split_words(rest))


def test_a_command_carries_its_flags_and_says_itself_as_it_could_be_written_again() -> None:
    [command] = parse_commands(f"/plan -destroy -target={INSTANCE} network")
    assert command == CommentCommand(Verb.PLAN, ("network",), Modes(destroy=True, target_addrs=(INSTANCE,)))
    assert str(command) == f"/plan -destroy -target={INSTANCE} network"
    assert parse_commands(str(command)) == (command,)


def test_a_command_with_a_mistake_in_it_does_nothing_else() -> None:
    [command] = parse_commands("/plan network -detroy")
    assert (command.targets, command.modes) == ((), NORMAL)
    assert "did you mean -destroy?" in command.problem


def test_apply_takes_no_flags_for_it_applies_what_the_plan_shows() -> None:
    [command] = parse_commands("/apply -destroy network")
    assert command.problem.startswith("flags belong to /plan")
    [command] = parse_commands("/apply network")
    assert command.problem == ""


# Names, keys and numbers of every sort; what is printable stands in quotes as it is.
_NAMES = st.from_regex(r"[a-z_][a-z0-9_-]{0,10}", fullmatch=True).filter(
    lambda name: name not in ("module", "data")
)
_KEYS = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"], exclude_characters='"\\'), max_size=12)
_INDEXES = st.one_of(
    st.just(""),
    st.integers(0, 999).map(lambda number: f"[{number}]"),
    _KEYS.filter(str.isprintable).map(lambda key: f'["{key}"]'),
)
_RESOURCES = st.builds(lambda kind, name, index: f"{kind}.{name}{index}", _NAMES, _NAMES, _INDEXES)
_IN_MODULES = st.builds(
    lambda modules, resource: "".join(f"module.{name}{index}." for name, index in modules) + resource,
    st.lists(st.tuples(_NAMES, _INDEXES), max_size=2),
    _RESOURCES,
)


@given(st.lists(_IN_MODULES, min_size=1, max_size=3, unique=True))
def test_every_address_survives_being_written_in_a_comment_plain_or_quoted(addresses: list[str]) -> None:
    expected = CommandArguments((), Modes(target_addrs=tuple(addresses)))
    plain = " ".join(f"-target={address}" for address in addresses)
    assert parse_arguments(split_words(plain)) == expected
    quoted = " ".join(shlex.quote(f"-target={address}") for address in addresses if "'" not in address)
    kept = tuple(address for address in addresses if "'" not in address)
    assert parse_arguments(split_words(quoted)) == CommandArguments((), Modes(target_addrs=kept))


@given(st.text(max_size=60))
def test_whatever_stands_behind_a_command_is_read_or_refused_and_only_known_flags_come_out(rest: str) -> None:
    for command in parse_commands(f"/plan {rest}"):
        for flag in command.modes.flags:
            assert flag.startswith(("-destroy", "-refresh-only", "-replace=", "-target="))
            assert flag.isprintable()


# --- words --------------------------------------------------------------------------------------------------


def test_the_status_says_how_the_plan_was_made() -> None:
    made = run(workspace(), modes=Modes(destroy=True), counts=Counts(0, 0, 2), has_changes=True)
    made = replace(made, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True)
    assert plan_headline(made)[1] == "Plan with -destroy: 0 to add, 0 to change, 2 to destroy"
    assert state_words(made) == "Planned with -destroy"
    nothing = replace(made, counts=Counts(0, 0, 0), has_changes=False, modes=Modes(target_addrs=("a.b",)))
    assert plan_headline(nothing)[1] == "No changes with -target=a.b"
