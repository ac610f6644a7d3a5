"""Splits the arguments of a command into words and parses the flags among them, as Terraform does."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.errors import Invalid
from bot.domain.plans.modes import NORMAL, Mode, Modes, make_modes

_QUOTES = ("'", '"')
_TRUTHS = {"": True, "true": True, "false": False}


@dataclass(frozen=True)
class CommandArguments:
    """The arguments of a command: names and plan modes."""

    names: tuple[str, ...] = ()
    modes: Modes = NORMAL


def split_words(text: str) -> tuple[str, ...]:
    """Split into words at spaces. Quotes around a word or a value are removed. In brackets they stay.

    So an index such as `["blue"]` may be written as shown, or quoted as for a shell:
    `-target='aws_instance.web["blue"]'`. Raises Invalid if a quote is not closed.
    """
    words: list[str] = []
    word, started, depth = "", False, 0
    rest = text
    while rest:
        letter = rest[0]
        if letter in _QUOTES:
            quoted, rest = _quoted(rest)
            started = True
            word += quoted if depth else _unquoted(quoted)
            continue
        rest = rest[1:]
        if letter.isspace() and not depth:
            if started:
                words.append(word)
            word, started = "", False
            continue
        depth = max(0, depth + (letter == "[") - (letter == "]"))
        word, started = word + letter, True
    if started:
        words.append(word)
    return tuple(words)


def _quoted(text: str) -> tuple[str, str]:
    """Return the quoted part at the beginning, with its quotes, and the rest."""
    quote, position = text[0], 1
    while position < len(text):
        if text[position] == "\\" and quote == '"':
            position += 2
            continue
        if text[position] == quote:
            return text[: position + 1], text[position + 1 :]
        position += 1
    raise Invalid(f"a quote is not closed: {text[:60]}")


def _unquoted(quoted: str) -> str:
    inner = quoted[1:-1]
    return re.sub(r'\\(["\\])', r"\1", inner) if quoted[0] == '"' else inner


def parse_arguments(words: Sequence[str]) -> CommandArguments:
    """Parse names and flags. Raises Invalid: names unknown flags and invalid addresses.

    Two dashes work as one, and an address may follow its flag as the next word, as in Terraform.
    """
    names: list[str] = []
    plain = {Mode.DESTROY: False, Mode.REFRESH_ONLY: False}
    addresses: dict[Mode, list[str]] = {Mode.REPLACE: [], Mode.TARGET: []}
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if not word.startswith("-"):
            names.append(word)
            continue
        flag, equals, value = word.lstrip("-").partition("=")
        mode = _mode(flag, word)
        if mode in plain:
            if value not in _TRUTHS or (equals and not value):
                raise Invalid(f"-{mode.value} takes no value, or true or false")
            plain[mode] = _TRUTHS[value]
            continue
        if not equals and (not waiting or waiting[0].startswith("-")):
            raise Invalid(f"-{mode.value} needs an address: -{mode.value}=aws_instance.web")
        addresses[mode].append(value if equals else waiting.pop(0))
    modes = make_modes(
        destroy=plain[Mode.DESTROY],
        refresh_only=plain[Mode.REFRESH_ONLY],
        replace=addresses[Mode.REPLACE],
        target=addresses[Mode.TARGET],
    )
    return CommandArguments(tuple(names), modes)


def _mode(flag: str, word: str) -> Mode:
    known = {mode.value: mode for mode in Mode}
    if flag in known:
        return known[flag]
    near = difflib.get_close_matches(flag, known, n=1)
    hint = f"did you mean -{near[0]}?" if near else "known are " + ", ".join(f"-{name}" for name in known)
    shown = word if len(word) <= 60 else word[:59] + "…"
    raise Invalid(f"{shown} is not a valid flag here; {hint}")
