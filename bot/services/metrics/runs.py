"""Counts the statuses that runs left, after the transaction in which they did."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.runs.lifecycle import AT_WORK
from bot.domain.runs.run import Run
from bot.services.metrics.catalogue import RUNS_FINISHED, STAGE_SECONDS
from bot.services.ports import Meter, Spans


def count_moves(meter: Meter, spans: Spans, moves: Sequence[tuple[Run, Run]]) -> None:
    """Count, and trace, how long each run stayed in the status that it left; count the runs that ended."""
    for before, after in moves:
        kind = "preview" if after.plan_only else "run"
        stayed = (after.status_at - before.status_at).total_seconds()
        meter.observe(STAGE_SECONDS, max(stayed, 0.0), status=before.status.value, kind=kind)
        if before.status in AT_WORK:
            spans.past(before.status.value, before.status_at, after.status_at)
        if after.final:
            meter.count(RUNS_FINISHED, status=after.status.value, kind=kind)
