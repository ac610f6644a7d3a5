"""Two texts of many lines held against each other, with some unchanged lines around what differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum

_AROUND = 3
# Comparing takes time that grows with the square of the length.
_MOST_COMPARED = 1500
_MOST_SHOWN = 500


class Side(StrEnum):
    """Which of the texts has a line; `SKIPPED` stands for lines that are left out."""

    BOTH = " "
    BEFORE = "-"
    AFTER = "+"
    SKIPPED = "…"


@dataclass(frozen=True)
class DiffLine:
    """One line, and which text has it."""

    side: Side
    text: str


def line_diff(before: str | None, after: str | None) -> tuple[DiffLine, ...]:
    """Return the lines of both texts; a text that is not there is None."""
    old = before.split("\n") if before is not None else []
    new = after.split("\n") if after is not None else []
    if max(len(old), len(new)) > _MOST_COMPARED:
        found = [*_lines(Side.BEFORE, old), *_lines(Side.AFTER, new)]
    else:
        found = list(_compared(old, new))
    if len(found) <= _MOST_SHOWN:
        return tuple(found)
    left = len(found) - _MOST_SHOWN
    return (*found[:_MOST_SHOWN], DiffLine(Side.SKIPPED, f"{left} more lines"))


def _lines(side: Side, lines: Sequence[str]) -> list[DiffLine]:
    return [DiffLine(side, line) for line in lines]


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    steps = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    for number, (kind, begin, end, start, stop) in enumerate(steps):
        if kind == "equal":
            yield from _equal(old[begin:end], first=number == 0, last=number == len(steps) - 1)
        else:
            yield from _lines(Side.BEFORE, old[begin:end])
            yield from _lines(Side.AFTER, new[start:stop])


def _equal(lines: Sequence[str], *, first: bool, last: bool) -> Iterator[DiffLine]:
    """Give the unchanged lines next to what differs, and say how many there are between."""
    head = 0 if first else _AROUND
    tail = 0 if last else _AROUND
    left = len(lines) - head - tail
    if left <= 1:
        yield from _lines(Side.BOTH, lines)
        return
    yield from _lines(Side.BOTH, lines[:head])
    yield DiffLine(Side.SKIPPED, f"{left} unchanged lines")
    yield from _lines(Side.BOTH, lines[len(lines) - tail :])
