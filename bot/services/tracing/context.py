"""The ids of the work at hand, which each line of the log carries, and its place in a trace."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

IDS = ("request", "delivery", "run", "change", "workspace")
"""The ids that a line of the log may carry."""

_LONGEST = 100
# Source: https://www.w3.org/TR/trace-context/#traceparent-header
_TRACEPARENT = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_NONE: Mapping[str, str] = MappingProxyType({})

_ids: ContextVar[Mapping[str, str]] = ContextVar("plangate ids", default=_NONE)
_traceparent: ContextVar[str] = ContextVar("plangate traceparent", default="")


def ids() -> Mapping[str, str]:
    """Return the ids of the work at hand, by their names in `IDS`."""
    return _ids.get()


@contextmanager
def about(**named: str) -> Iterator[None]:
    """Say in the block what the work is about. Empty ids are left out. Raises ValueError for another name."""
    if unknown := set(named) - set(IDS):
        raise ValueError(f"these are not ids of work: {', '.join(sorted(unknown))}")
    token = _ids.set({**_ids.get(), **{name: text[:_LONGEST] for name, text in named.items() if text}})
    try:
        yield
    finally:
        _ids.reset(token)


def traceparent() -> str:
    """Return the place in a trace, as W3C's header has it. Empty if nothing is traced."""
    return _traceparent.get()


@contextmanager
def traced_from(parent: object) -> Iterator[None]:
    """Go on with a trace in the block. An invalid `traceparent` counts as none: it may be hostile."""
    valid = isinstance(parent, str) and _TRACEPARENT.fullmatch(parent)
    token = _traceparent.set(str(parent) if valid else "")
    try:
        yield
    finally:
        _traceparent.reset(token)
