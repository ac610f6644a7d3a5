"""Texts of many lines: each behind a gutter, so that none of them passes for a line of the plan."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.plan_diff import escaping, windows
from bot.domain.plan_diff.lines import Line
from bot.domain.plan_diff.sequences import Budget, Pair, aligned
from bot.domain.plan_diff.tree import CREATE, DELETE, SAME

_GUTTER = "| "
# Stands for the end of a text that does not end its last line. No line of a text can be this.
_NO_NEWLINE = "\n"
_AROUND = 3


@dataclass(frozen=True)
class TextLimits:
    """How much of a value is shown: characters of a string in one line, and lines of an attribute.

    Nothing is left out in silence: if a limit is met, the text says how much is missing.
    """

    characters: int = 400
    lines: int = 1000


class TextWriter:
    """Writes the lines of texts."""

    def __init__(self, limits: TextLimits, budget: Budget) -> None:
        self._limits = limits
        self._budget = budget

    def whole(self, content: str, indent: int, sign: str) -> list[Line]:
        """Return a text's lines, all with one sign."""
        return [Line(indent, sign, self._behind_gutter(each)) for each in _lines_of(content)]

    def said(self, content: str, indent: int) -> list[Line]:
        """Return the lines of a message or a file; of a very long one the first, and how many more."""
        lines = [Line(indent, SAME, self._behind_gutter(each)) for each in content.rstrip("\n").split("\n")]
        more = len(lines) - self._limits.lines
        if more <= 1:
            return lines
        return [*lines[: self._limits.lines], Line(indent, "", f"# ({more:,} more lines are left out)")]

    def line_by_line(self, old: str, new: str, indent: int) -> list[Line]:
        """Return what differs between two texts, with some unchanged lines around it."""
        before, after = _lines_of(old), _lines_of(new)
        pairs = aligned(before, after, self._budget)
        kept = [i is not None and j is not None for i, j in pairs]
        lines: list[Line] = []
        hidden = 0
        for place, (i, j) in enumerate(pairs):
            if kept[place] and all(kept[max(0, place - _AROUND) : place + _AROUND + 1]):
                hidden += 1
                continue
            if hidden:
                lines.append(Line(indent, "", unchanged("line", hidden)))
                hidden = 0
            line = before[i] if i is not None else after[j or 0]
            other = _exchanged(pairs, place, before, after) if len(line) > self._limits.characters else None
            sign = SAME if kept[place] else CREATE if i is None else DELETE
            lines.append(Line(indent, sign, self._behind_gutter(line, other)))
        if hidden:
            lines.append(Line(indent, "", unchanged("line", hidden)))
        return lines

    def _behind_gutter(self, line: str, other: str | None = None) -> str:
        """Return a line of a text; of a long one the part where it differs from the other."""
        most = self._limits.characters
        if line == _NO_NEWLINE:
            return "# (no newline at the end)"
        if len(line) <= most:
            return f"{_GUTTER}{escaping.visible(line)}" if line else _GUTTER.rstrip()
        window = windows.start(line, most) if other is None else windows.around(line, other, most)[0]
        return f"{_GUTTER}{window}"


def unchanged(word: str, count: int) -> str:
    """Return how many are not shown because they stay the same."""
    return f"# ({count:,} unchanged {word}{'' if count == 1 else 's'} hidden)"


def _lines_of(content: str) -> list[str]:
    """Return the lines of a text, as in a heredoc: the last one ends as well, or it says so."""
    *lines, last = content.split("\n")
    return [*lines, last, _NO_NEWLINE] if last else lines


def _exchanged(pairs: list[Pair], place: int, old: list[str], new: list[str]) -> str | None:
    """Return the line that takes the place of another, or had it before; None if there is none."""
    first, last = place, place
    while first > 0 and None in pairs[first - 1]:
        first -= 1
    while last < len(pairs) and None in pairs[last]:
        last += 1
    removed = [i for i, _ in pairs[first:last] if i is not None]
    added = [j for _, j in pairs[first:last] if j is not None]
    i, j = pairs[place]
    if i is not None and j is None and (nth := removed.index(i)) < len(added):
        return new[added[nth]]
    if j is not None and i is None and (nth := added.index(j)) < len(removed):
        return old[removed[nth]]
    return None
