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
# Of lines that others take the place of: both are in sight, with what is around them.
_MOST_REPLACED = 240


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
    return _first(_MOST_SHOWN, list(_compared(old, new)))


def _first(most: int, lines: Sequence[DiffLine]) -> tuple[DiffLine, ...]:
    if len(lines) <= most:
        return tuple(lines)
    return (*lines[:most], DiffLine(Side.SKIPPED, f"{len(lines) - most} more lines"))


def _lines(side: Side, lines: Sequence[str]) -> list[DiffLine]:
    return [DiffLine(side, line) for line in lines]


def _compared(old: Sequence[str], new: Sequence[str]) -> Iterator[DiffLine]:
    steps = _steps(old, new)
    for number, (kind, begin, end, start, stop) in enumerate(steps):
        if kind == "equal":
            yield from _equal(old[begin:end], first=number == 0, last=number == len(steps) - 1)
            continue
        most = _MOST_REPLACED if end > begin and stop > start else _MOST_SHOWN - 1
        yield from _first(most, _lines(Side.BEFORE, old[begin:end]))
        yield from _first(most, _lines(Side.AFTER, new[start:stop]))


def _steps(old: Sequence[str], new: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Return what to do to `old` to get `new`, as `difflib` says it.

    The lines that both have at their beginning and end are not compared: what differs is found in texts of
    any length.
    """
    least = min(len(old), len(new))
    head = next((n for n in range(least) if old[n] != new[n]), least)
    tail = next((n for n in range(least - head) if old[-1 - n] != new[-1 - n]), least - head)
    gone, come = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(gone), len(come)) > _MOST_COMPARED:
        found = [("replace", 0, len(gone), 0, len(come))]
    else:
        found = list(SequenceMatcher(None, gone, come, autojunk=False).get_opcodes())
    steps = [(kind, b + head, e + head, s + head, t + head) for kind, b, e, s, t in found]
    if head:
        steps.insert(0, ("equal", 0, head, 0, head))
    if tail:
        steps.append(("equal", len(old) - tail, len(old), len(new) - tail, len(new)))
    return steps


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
