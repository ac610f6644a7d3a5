"""Where a run's time went, read from its timeline: the queue, the work of each stage, the wait for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunEvent

INITIALIZED = "initialized"
"""The timeline's word for `terraform init` being done."""


class TimePart(StrEnum):
    """What a run's time is spent on."""

    QUEUE = "queue"
    FETCH = "fetch"
    INIT = "init"
    PLAN = "plan"
    POLICIES = "policies"
    WAIT = "wait"
    APPLY = "apply"


@dataclass(frozen=True)
class TimeSpan:
    """A part of a run's time, from one moment to another."""

    part: TimePart
    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it took."""
        return max(self.end - self.begin, timedelta())


_S = RunStatus
_PARTS: dict[RunStatus, TimePart] = {
    _S.PENDING: TimePart.QUEUE,
    _S.FETCHING: TimePart.FETCH,
    _S.FETCHING_COMPLETED: TimePart.FETCH,
    _S.PLAN_QUEUED: TimePart.FETCH,
    _S.PLANNING: TimePart.PLAN,
    _S.PLANNED: TimePart.WAIT,
    _S.POLICY_CHECKING: TimePart.POLICIES,
    _S.POLICY_OVERRIDE: TimePart.WAIT,
    _S.POLICY_CHECKED: TimePart.WAIT,
    _S.CONFIRMED: TimePart.QUEUE,
    _S.APPLY_QUEUED: TimePart.QUEUE,
    _S.APPLYING: TimePart.APPLY,
}


def spans(timeline: Sequence[RunEvent], now: datetime) -> tuple[TimeSpan, ...]:
    """Return what a run's time went into, in order; what still goes on ends `now`."""
    found: list[TimeSpan] = []
    part: TimePart | None = None
    begin, initialized = now, False
    for event in timeline:
        if event.kind == INITIALIZED and part in (TimePart.PLAN, TimePart.APPLY):
            found.append(TimeSpan(TimePart.INIT, begin, event.at))
            begin, initialized = event.at, True
            continue
        status = _status(event.kind)
        if status is None:
            continue
        if part is not None:
            found.append(TimeSpan(part, begin, event.at))
        part, begin, initialized = _PARTS.get(status), event.at, False
    if part is TimePart.PLAN and not initialized:
        part = TimePart.INIT
    if part is not None:
        found.append(TimeSpan(part, begin, now))
    return _joined(found)


def _status(kind: str) -> RunStatus | None:
    try:
        return RunStatus(kind)
    except ValueError:
        return None


def _joined(found: Sequence[TimeSpan]) -> tuple[TimeSpan, ...]:
    """Join what follows upon its like, and leave out what took no time."""
    joined: list[TimeSpan] = []
    for span in found:
        if span.end <= span.begin:
            continue
        if joined and joined[-1].part is span.part:
            joined[-1] = TimeSpan(span.part, joined[-1].begin, span.end)
        else:
            joined.append(span)
    return tuple(joined)


def stage_times(timeline: Sequence[RunEvent], begins: RunStatus) -> tuple[datetime | None, datetime | None]:
    """Return when a stage began and ended, from its status to the one after; None if not yet."""
    begin: datetime | None = None
    for event in timeline:
        if event.kind == begins.value:
            begin = event.at
        elif begin is not None and _status(event.kind) in lifecycle.TRANSITIONS:
            return begin, event.at
    return begin, None


def usual(lengths: Sequence[timedelta]) -> timedelta | None:
    """Return how long something usually takes: the median; None if nothing is known."""
    return timedelta(seconds=median(each.total_seconds() for each in lengths)) if lengths else None


def most(lengths: Sequence[timedelta]) -> timedelta | None:
    """Return how long nine of ten take at most (the 90th percentile); None if nothing is known."""
    ordered = sorted(lengths)
    return ordered[-(-9 * len(ordered) // 10) - 1] if ordered else None
