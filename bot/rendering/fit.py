"""Finds how much of a comment fits: what matters least gives way first, and nothing is cut in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Depth:
    """How much is shown of each kind: characters of a plan or an error, numbers of the others.

    They give way in the order that `fit` says.
    """

    plan: int
    resources: int
    error: int
    rows: int
    warned: int
    policies: int = 0


def fit(depth: Depth, render: Callable[[Depth], str], limit: int) -> str | None:
    """Return the fullest text within `limit` characters, None where not even the barest fits.

    `depth` must be the greatest of everything. A smaller number of one kind never makes the text much longer,
    so the greatest that fits is found by halving; every text that is returned was measured.
    """
    text = render(depth)
    for name in ("plan", "resources", "policies", "error", "rows", "warned"):
        if len(text) <= limit:
            return text
        most = int(getattr(depth, name))
        depth = replace(depth, **{name: 0})
        text = render(depth)
        if len(text) <= limit:
            return _fullest(depth, name, most, render, limit, text)
    return text if len(text) <= limit else None


def _fullest(
    depth: Depth, name: str, most: int, render: Callable[[Depth], str], limit: int, best: str
) -> str:
    """Return the text with as much of one kind as fits, knowing that `best` fits with none of it."""
    low, high = 1, most - 1
    while low <= high:
        middle = (low + high) // 2
        tried = render(replace(depth, **{name: middle}))
        if len(tried) <= limit:
            best, low = tried, middle + 1
        else:
            high = middle - 1
    return best
