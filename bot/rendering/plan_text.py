"""Terraform's text of a plan as a diff that the forge colours, cut at a line where it is too long."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.rendering.neutral import Markdown, clean, fence

_LONGEST_LINE = 1000
_SIGN = re.compile(r"( *)(-/\+|\+/-|[-+~])(?= )")


@dataclass(frozen=True)
class Excerpt:
    """The part of a text that is shown, fenced, and how many lines of it are not."""

    text: Markdown
    more: int = 0


@dataclass(frozen=True)
class Lines:
    """A cleaned text by its lines. `beyond` counts those that were left out before cleaning."""

    lines: tuple[str, ...]
    info: str
    beyond: int = 0

    @property
    def size(self) -> int:
        """How many characters the lines have with their ends."""
        return sum(len(line) + 1 for line in self.lines)

    def head(self, most: int) -> Excerpt | None:
        """Return the first whole lines within `most` characters, None where not one fits."""
        shown, used = [], 0
        for line in self.lines:
            used += len(line) + 1
            if used > most:
                break
            shown.append(line)
        return self._excerpt(shown)

    def tail(self, most: int) -> Excerpt | None:
        """Return the last whole lines within `most` characters, None where not one fits."""
        shown, used = [], 0
        for line in reversed(self.lines):
            used += len(line) + 1
            if used > most:
                break
            shown.append(line)
        return self._excerpt(shown[::-1])

    def _excerpt(self, shown: list[str]) -> Excerpt | None:
        if not any(shown):
            return None
        return Excerpt(fence("\n".join(shown), self.info), len(self.lines) - len(shown) + self.beyond)


def plan_lines(text: str, most: int) -> Lines:
    """Return the start of a plan's text as a diff; beyond `most` characters lines are only counted."""
    text, beyond = _start(text, most)
    return Lines(_trimmed(as_diff(line.rstrip()) for line in clean(text).split("\n")), "diff", beyond)


def error_lines(text: str, most: int) -> Lines:
    """Return the start of an error message, without the frame that Terraform draws round it."""
    text, beyond = _start(text, most)
    return Lines(_trimmed(_unframed(line) for line in clean(text).split("\n")), "text", beyond)


def output_lines(text: str, most: int) -> Lines:
    """Return the end of a process's output, without Terraform's frames."""
    cut = text[-most:]
    if len(cut) < len(text) and "\n" in cut:
        cut = cut[cut.index("\n") + 1 :]
    beyond = text.count("\n", 0, len(text) - len(cut))
    return Lines(_trimmed(_unframed(line) for line in clean(cut).split("\n")), "text", beyond)


def as_diff(line: str) -> str:
    """Move Terraform's sign to the first column, where a diff has it and forges colour the line by it.

    No forge colours a `~`, but a `!` (GitHub's grammar and GitLab's lexer alike): an update has that first,
    and its `~` where Terraform puts it. A replacement keeps its `-/+` in the same way, for a `-` in the first
    column would read as destroyed.
    """
    found = _SIGN.match(line)
    if not found:
        return line
    indent, sign = found.groups()
    rest = line[found.end() :]
    if len(sign) > 1:
        return f"!{indent} {sign}{rest}"
    return f"!{indent[1:]}~{rest}" if sign == "~" else sign + indent + rest


def _start(text: str, most: int) -> tuple[str, int]:
    """Cut a text behind a whole line, and count the lines that are left out."""
    if len(text) <= most:
        return text, 0
    end = text.rfind("\n", 0, most)
    cut = text[:end] if end > 0 else text[:most]
    return cut, max(1, text.count("\n", len(cut)))


def _unframed(line: str) -> str:
    line = line.rstrip()
    return "" if line in ("╷", "╵", "│") else line.removeprefix("│ ")


def _trimmed(lines: Iterable[str]) -> tuple[str, ...]:
    kept = [_short(line) for line in lines]
    while kept and not kept[0]:
        kept.pop(0)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def _short(line: str) -> str:
    more = len(line) - _LONGEST_LINE
    return line if more <= 0 else f"{line[:_LONGEST_LINE]}… ({more} more characters)"
