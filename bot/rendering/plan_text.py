"""A plan's text, errors and output as fenced blocks, cut at a line if they are too long."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from bot.rendering.escape import Markdown, clean, fence

_LONGEST_LINE = 1000


@dataclass(frozen=True)
class Excerpt:
    """The part of a text that is shown, fenced, and how many lines of it are not."""

    text: Markdown
    more: int = 0


@dataclass(frozen=True)
class Lines:
    """A sanitised text as lines. `beyond` counts the lines that were cut before sanitising."""

    lines: tuple[str, ...]
    info: str
    beyond: int = 0

    @cached_property
    def size(self) -> int:
        """How many characters the lines have with their ends."""
        return sum(len(line) + 1 for line in self.lines)

    @cached_property
    def _whole(self) -> Excerpt | None:
        return self._excerpt(list(self.lines))

    def is_whole(self, most: int) -> bool:
        """Whether `head` shows everything within `most` characters."""
        return self.size <= most and not self.beyond

    def head(self, most: int) -> Excerpt | None:
        """Return the first whole lines within `most` characters, None if not one fits."""
        if self.size <= most:
            return self._whole  # a comment is rendered several times until it fits
        shown, used = [], 0
        for line in self.lines:
            used += len(line) + 1
            if used > most:
                break
            shown.append(line)
        return self._excerpt(shown)

    def tail(self, most: int) -> Excerpt | None:
        """Return the last whole lines within `most` characters, None if not one fits."""
        if self.size <= most:
            return self._whole
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
    """Return the start of a plan's diff, as it is; beyond `most` characters lines are only counted.

    The renderer has made each line safe and marked it in its first column, and limits how long it is.
    """
    text, beyond = _start(text, most)
    return Lines(tuple(text.split("\n")) if text else (), "diff", beyond)


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


def _start(text: str, most: int) -> tuple[str, int]:
    """Cut a text after a whole line, and count the lines that are cut."""
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
