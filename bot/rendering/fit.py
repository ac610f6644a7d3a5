"""Finds how much of a comment fits: what matters least gives way first, and nothing is cut in the middle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Depth:
    """The limits of each kind: characters of a plan or an error, numbers of other things.

    `gone` limits the objects to destroy or replace, `resources` all others of a kind, `folds` the workspaces
    with a plan, `names` those that share a line. `fit` defines the order in which they shrink.
    """

    plan: int
    resources: int
    error: int
    rows: int
    warned: int
    policies: int = 0
    folds: int = 0
    gone: int = 0
    names: int = 0


# What shrinks, down to what: before an object to destroy or a failure is cut, everything else is.
_STEPS = (
    ("plan", 16_000),
    ("rows", 100),
    ("names", 25),
    ("folds", 1),
    ("plan", 0),
    ("folds", 0),
    ("resources", 0),
    ("policies", 0),
    ("names", 3),
    ("rows", 25),
    ("error", 400),
    ("gone", 100),
    ("error", 0),
    ("gone", 0),
    ("names", 0),
    ("rows", 0),
    ("warned", 0),
)


def fit(depth: Depth, render: Callable[[Depth], str], limit: int) -> tuple[str, Depth] | None:
    """Return the longest text within `limit` characters and its depth, None if not even the shortest fits.

    `depth` must be the greatest of everything. A smaller number of one kind never makes the text much longer,
    so a binary search finds the greatest that fits. The length of the returned text was checked.
    """
    text, plan = render(depth), depth.plan
    for name, least in _STEPS:
        if len(text) <= limit:
            return text, depth
        most = int(getattr(depth, name))
        if most <= least:
            continue
        depth = replace(depth, **{name: least})
        text = render(depth)
        if len(text) <= limit:
            text, found = _fullest(depth, name, most, render, limit, text)
            # Fewer plans may leave room for more of those that are left.
            return _fullest(found, "plan", plan, render, limit, text) if name == "folds" else (text, found)
    return (text, depth) if len(text) <= limit else None


def _fullest(
    depth: Depth, name: str, most: int, render: Callable[[Depth], str], limit: int, best: str
) -> tuple[str, Depth]:
    """Return the text with as much of one kind as fits, knowing that `best` fits with the least of it."""
    low, high = int(getattr(depth, name)) + 1, most - 1
    while low <= high:
        middle = (low + high) // 2
        deeper = replace(depth, **{name: middle})
        tried = render(deeper)
        if len(tried) <= limit:
            best, depth, low = tried, deeper, middle + 1
        else:
            high = middle - 1
    return best, depth
