"""Builds a run's timeline: a handful of events that people look for, and every event on demand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunEvent
from bot.domain.runs.timing import INITIALIZED
from bot.web.page import wording
from bot.web.page.output import harmless
from bot.web.runs.context import TimelineRow

_LONGEST_MESSAGE = 1000
_S = RunStatus
# States on the way to another: the event that ends them says what people want to know.
_ON_THE_WAY = frozenset(
    {
        _S.FETCHING, _S.FETCHING_COMPLETED, _S.PLAN_QUEUED, _S.PLANNING, _S.POLICY_CHECKING,
        _S.POLICY_CHECKED, _S.APPLY_QUEUED, _S.APPLYING,
    }
)  # fmt: skip
_INTERNAL = frozenset({status.value for status in _ON_THE_WAY} | {INITIALIZED})
# Which event begins what another event ends.
_BEGINS = {
    _S.PLANNED.value: (_S.PLANNING.value, "took"),
    _S.APPLIED.value: (_S.APPLYING.value, "took"),
    _S.CONFIRMED.value: (_S.PLANNED.value, "after"),
    _S.DISCARDED.value: (_S.PLANNED.value, "after"),
}
_SAME = 0.5


def build(
    timeline: Sequence[RunEvent], now: datetime
) -> tuple[tuple[TimelineRow, ...], tuple[TimelineRow, ...]]:
    """Return the events that matter, and all of them, both newest first."""
    every = [_row(timeline, place, now) for place in range(len(timeline))]
    last = len(timeline) - 1
    # A run under way shows what it is doing now.
    shown = [
        row
        for place, (event, row) in enumerate(zip(timeline, every, strict=True))
        if place == last or event.kind not in _INTERNAL
    ]
    return tuple(reversed(shown)), tuple(reversed(every))


def _row(timeline: Sequence[RunEvent], place: int, now: datetime) -> TimelineRow:
    event = timeline[place]
    said = event.kind == "comment"
    message = harmless(wording.first_line(event.message, 500))
    if said:
        message = "\n".join(map(harmless, event.message[:_LONGEST_MESSAGE].splitlines()))
    return TimelineRow(
        badge=wording.status_badge("created" if not place and event.kind == _S.PENDING.value else event.kind),
        actor=harmless(event.actor),
        message=message,
        said=said,
        when=wording.moment(event.at, now),
        took=_took(timeline, place),
    )


def _took(timeline: Sequence[RunEvent], place: int) -> str:
    """Say how long it took until an event, counted from the event that began it. Empty if none did."""
    event = timeline[place]
    kind, word = _BEGINS.get(event.kind, ("", ""))
    if event.kind == _S.ERRORED.value:
        kind = next(
            (e.kind for e in reversed(timeline[:place]) if e.kind in (_S.PLANNING.value, _S.APPLYING.value)),
            "",
        )
        word = "took"
    began = next((each for each in reversed(timeline[:place]) if each.kind == kind), None)
    if began is None or (event.at - began.at).total_seconds() < _SAME:
        return ""
    return f"{word} {wording.took(event.at - began.at)}"
