"""Where a run's time went, read from its timeline: the queue, the work of each stage, the wait for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median

from bot.domain import lifecycle
from bot.domain.lifecycle import RunStatus
from bot.domain.run import RunEvent

INITIALIZED = "initialized"
"""The timeline's word for `terraform init` being done."""


class Part(StrEnum):
    """What a run's time is spent on."""

    QUEUE = "queue"
    FETCH = "fetch"
    INIT = "init"
    PLAN = "plan"
    POLICIES = "policies"
    WAIT = "wait"
    APPLY = "apply"


@dataclass(frozen=True)
class Span:
    """A part of a run's time, from one moment to another."""

    part: Part
    begin: datetime
    end: datetime

    @property
    def length(self) -> timedelta:
        """How long it took."""
        return max(self.end - self.begin, timedelta())


_S = RunStatus
_PARTS: dict[RunStatus, Part] = {
    _S.PENDING: Part.QUEUE,
    _S.FETCHING: Part.FETCH,
    _S.FETCHING_COMPLETED: Part.FETCH,
    _S.PLAN_QUEUED: Part.FETCH,
    _S.PLANNING: Part.PLAN,
    _S.PLANNED: Part.WAIT,
    _S.POLICY_CHECKING: Part.POLICIES,
    _S.POLICY_OVERRIDE: Part.WAIT,
    _S.POLICY_CHECKED: Part.WAIT,
    _S.CONFIRMED: Part.QUEUE,
    _S.APPLY_QUEUED: Part.QUEUE,
    _S.APPLYING: Part.APPLY,
}


def spans(timeline: Sequence[RunEvent], now: datetime) -> tuple[Span, ...]:
    """Return what a run's time went into, in order; what still goes on ends `now`."""
    found: list[Span] = []
    part: Part | None = None
    begin, initialized = now, False
    for event in timeline:
        if event.kind == INITIALIZED and part in (Part.PLAN, Part.APPLY):
            found.append(Span(Part.INIT, begin, event.at))
            begin, initialized = event.at, True
            continue
        status = _status(event.kind)
        if status is None:
            continue
        if part is not None:
            found.append(Span(part, begin, event.at))
        part, begin, initialized = _PARTS.get(status), event.at, False
    if part is Part.PLAN and not initialized:
        part = Part.INIT
    if part is not None:
        found.append(Span(part, begin, now))
    return _joined(found)


def _status(kind: str) -> RunStatus | None:
    try:
        return RunStatus(kind)
    except ValueError:
        return None


def _joined(found: Sequence[Span]) -> tuple[Span, ...]:
    """Join what follows upon its like, and leave out what took no time."""
    joined: list[Span] = []
    for span in found:
        if span.end <= span.begin:
            continue
        if joined and joined[-1].part is span.part:
            joined[-1] = Span(span.part, joined[-1].begin, span.end)
        else:
            joined.append(span)
    return tuple(joined)


def stage_times(timeline: Sequence[RunEvent], begins: RunStatus) -> tuple[datetime | None, datetime | None]:
    """Return when a stage began and ended, from its status to the one after; None where not yet."""
    begin: datetime | None = None
    for event in timeline:
        if event.kind == begins.value:
            begin = event.at
        elif begin is not None and _status(event.kind) in lifecycle.TRANSITIONS:
            return begin, event.at
    return begin, None


def usual(lengths: Sequence[timedelta]) -> timedelta | None:
    """Return how long something usually takes: the median; None where nothing is known."""
    return timedelta(seconds=median(each.total_seconds() for each in lengths)) if lengths else None
