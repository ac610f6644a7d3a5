"""The grammar of comment commands: the first word of a line, outside code fences and quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from bot.domain.errors import Invalid
from bot.domain.flags import read_words, split_words
from bot.domain.modes import NORMAL, Modes


class Verb(StrEnum):
    """What a comment may ask for."""

    PLAN = "plan"
    APPLY = "apply"
    OVERRIDE = "override"


@dataclass(frozen=True)
class Command:
    """One command of a comment. `targets` are workspace names; empty: every workspace of the change.

    `text` is what stands behind `/override`: perhaps a workspace, perhaps a policy, and the reason.
    `problem` says what is wrong with what stands behind the verb: then nothing of it is carried out.
    """

    verb: Verb
    targets: tuple[str, ...] = ()
    modes: Modes = NORMAL
    problem: str = ""
    text: str = ""

    def __str__(self) -> str:
        return " ".join([f"/{self.verb.value}", *self.modes.flags, *self.targets, *self.text.split()])


# As Markdown has it: other characters that Unicode calls line ends do not begin a line.
_LINE_END = re.compile(r"\r\n|\r|\n")
# Three backticks with another behind them are code within a line, not a fence.
_FENCE = re.compile(r"^ {0,3}(`{3,}(?![^`]*`)|~{3,})")
_COMMAND = re.compile(r"^/([a-z]+)(?:[ \t]+(.*))?$")


def parse_commands(body: str) -> tuple[Command, ...]:
    """Return the commands of a comment, in order, each once.

    A line in a fence, in a quote, in an HTML comment or indented as code is no command; nor is a slash word
    that we do not know (it may be another bot's).
    """
    found: list[Command] = []
    fence, hidden = "", False
    for raw in _LINE_END.split(body):
        line = raw.rstrip()
        if hidden:
            hidden = "-->" not in line or _hides(line)
            continue
        if match := _FENCE.match(line):
            mark = match.group(1)
            if not fence:
                fence = mark
            elif mark[0] == fence[0] and len(mark) >= len(fence) and line.strip() == mark:
                fence = ""
            continue
        hidden = not fence and _hides(line)
        match = None if fence else _COMMAND.match(line)
        if not match or match.group(1) not in {verb.value for verb in Verb}:
            continue
        command = _command(Verb(match.group(1)), match.group(2) or "")
        if command not in found:
            found.append(command)
    return tuple(found)


def _hides(line: str) -> bool:
    """Whether an HTML comment begins in the line and goes on behind it: nobody sees what stands there."""
    return line.rfind("<!--") > line.rfind("-->")


def _command(verb: Verb, rest: str) -> Command:
    if verb is Verb.OVERRIDE:
        return Command(verb, text=rest.strip())
    try:
        words = read_words(split_words(rest))
    except Invalid as error:
        return Command(verb, problem=str(error))
    if words.modes and verb is not Verb.PLAN:
        why = f"flags belong to /plan: /{verb.value} applies what the plan shows, flags and all"
        return Command(verb, problem=why)
    return Command(verb, words.names, words.modes)
