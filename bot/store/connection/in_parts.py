"""Long lists of values, for statements that take only so many."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

# SQLite before 3.32 takes no more than 999 values in one statement.
_AT_ONCE = 500


def in_parts(values: Iterable[str]) -> Iterator[Sequence[str]]:
    """Yield values, each once and in order, in lists that a statement takes."""
    left = iter(sorted({*values}))
    while part := list(islice(left, _AT_ONCE)):
        yield part
