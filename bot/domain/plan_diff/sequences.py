"""Which elements of two sequences belong together: the shortest way from one to the other.

The algorithm is Myers' (An O(ND) Difference Algorithm, 1986), with a bound on the work.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

_FARTHEST = 300
"""Insertions and deletions that are looked for; beyond, everything in between counts as exchanged."""

Pair = tuple[int | None, int | None]


@dataclass
class Budget:
    """How many steps may still be spent on comparing. One budget is for a whole plan."""

    steps: int = 1_000_000

    def spend(self, steps: int) -> bool:
        """Take some steps; say whether there were enough."""
        self.steps -= steps
        return self.steps >= 0


def aligned(old: Sequence[Hashable], new: Sequence[Hashable], budget: Budget) -> list[Pair]:
    """Return the places of both sequences in order: (i, j) is in both, (i, None) only in the old one.

    Between two common elements come those of the old one first.
    """
    head = 0
    shorter = min(len(old), len(new))
    while head < shorter and old[head] == new[head]:
        head += 1
    tail = 0
    while tail < shorter - head and old[-1 - tail] == new[-1 - tail]:
        tail += 1
    ends = (len(old) - tail, len(new) - tail)
    middle = _common(old[head : ends[0]], new[head : ends[1]], budget)
    common = [
        *((i, i) for i in range(head)),
        *((head + i, head + j) for i, j in middle),
        *((ends[0] + i, ends[1] + i) for i in range(tail)),
    ]
    pairs: list[Pair] = []
    i = j = 0
    for left, right in (*common, (len(old), len(new))):
        pairs += [(each, None) for each in range(i, left)]
        pairs += [(None, each) for each in range(j, right)]
        if left < len(old):
            pairs.append((left, right))
        i, j = left + 1, right + 1
    return pairs


def _common(old: Sequence[Hashable], new: Sequence[Hashable], budget: Budget) -> list[tuple[int, int]]:
    """Return a longest common subsequence as pairs of places; none if that takes too much work."""
    if not old or not new or not set(old) & set(new):
        return []
    frontier = {1: 0}
    trail: list[dict[int, int]] = []
    for distance in range(min(len(old) + len(new), _FARTHEST) + 1):
        if not budget.spend(distance + 1):
            return []
        trail.append(dict(frontier))
        for k in range(-distance, distance + 1, 2):
            down = k == -distance or (k != distance and frontier[k - 1] < frontier[k + 1])
            x = frontier[k + 1] if down else frontier[k - 1] + 1
            y = x - k
            while x < len(old) and y < len(new) and old[x] == new[y]:
                x, y = x + 1, y + 1
            frontier[k] = x
            if x >= len(old) and y >= len(new):
                return _walked_back(trail, len(old), len(new))
    return []


def _walked_back(trail: list[dict[int, int]], x: int, y: int) -> list[tuple[int, int]]:
    found = []
    for distance in range(len(trail) - 1, -1, -1):
        frontier, k = trail[distance], x - y
        down = k == -distance or (k != distance and frontier[k - 1] < frontier[k + 1])
        before_k = k + 1 if down else k - 1
        before_x = frontier[before_k]
        before_y = before_x - before_k
        while x > max(before_x, 0) and y > max(before_y, 0):
            x, y = x - 1, y - 1
            found.append((x, y))
        x, y = before_x, before_y
    return found[::-1]
