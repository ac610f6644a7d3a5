"""Long texts in little room: the part that differs is always shown, and what is left out is counted."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.plan_diff.escaping import quoted

_CONTEXT = 32
"""Characters that are shown before the first difference."""


@dataclass(slots=True)
class Window:
    """A part of a text. `before` and `after` say how many characters are left out on its sides."""

    shown: str
    before: int = 0
    after: int = 0
    ascii_only: bool = False

    def __str__(self) -> str:
        if not self.before and not self.after:
            return quoted(self.shown, self.ascii_only)
        head = f"({self.before:,} character{'s' * (self.before != 1)} before) …" if self.before else ""
        tail = f"… ({self.after:,} more character{'s' * (self.after != 1)})" if self.after else ""
        return f"{head}{quoted(self.shown, self.ascii_only)}{tail}"


def start(text: str, most: int) -> Window:
    """Return the beginning of a text."""
    if len(text) <= most:
        return Window(text)
    return Window(text[:most], after=max(0, len(text) - most))


def around(old: str, new: str, most: int) -> tuple[Window, Window]:
    """Return both texts, cut so that the first difference is in the windows, and can be told by eye."""
    first = common_start(old, new)
    # A letter in place of another one that may look like it, such as a Cyrillic one.
    alike = {old[first : first + 1].isascii(), new[first : first + 1].isascii()} == {True, False}
    if len(old) <= most and len(new) <= most:
        return Window(old, ascii_only=alike), Window(new, ascii_only=alike)
    begin = max(0, first - min(_CONTEXT, most // 2))
    return _from(old, begin, most, alike), _from(new, begin, most, alike)


def common_start(old: str, new: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        if old[low:middle] == new[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _from(text: str, begin: int, most: int, alike: bool) -> Window:
    return Window(text[begin : begin + most], begin, max(0, len(text) - begin - most), alike)
