"""Where a run's time went, as its timeline tells it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunEvent
from bot.domain.runs.timing import TimePart, spans, stage_times, usual

START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def timeline(*events: str) -> list[RunEvent]:
    """Events as `kind@seconds`."""
    found = []
    for event in events:
        kind, _, seconds = event.partition("@")
        found.append(RunEvent("run-1", START + timedelta(seconds=float(seconds)), kind, "", ""))
    return found


def told(events: Sequence[str], now: float = 1000.0) -> list[tuple[str, float]]:
    found = spans(timeline(*events), START + timedelta(seconds=now))
    return [(span.part.value, span.length.total_seconds()) for span in found]


WHOLE = (
    "pending@0", "fetching@5", "fetching_completed@7", "plan_queued@7", "planning@7", "initialized@17",
    "planned@47", "policy_checking@47", "policy_checked@50", "comment@60", "confirmed@110",
    "apply_queued@110", "applying@112", "applied@172",
)  # fmt: skip


def test_each_part_has_its_time() -> None:
    assert told(WHOLE) == [
        ("queue", 5), ("fetch", 2), ("init", 10), ("plan", 30), ("policies", 3), ("wait", 60), ("queue", 2),
        ("apply", 60),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "last"),
    [
        (("pending@0",), ("queue", 30)),
        (("pending@0", "planning@10"), ("init", 20)),
        (("pending@0", "planning@10", "initialized@12"), ("plan", 18)),
        (("pending@0", "planning@10", "planned@20"), ("wait", 10)),
        (("pending@0", "applying@10"), ("apply", 20)),
    ],
)
def test_what_still_goes_on_ends_now(events: tuple[str, ...], last: tuple[str, int]) -> None:
    assert told(events, now=30)[-1] == last


def test_a_plan_that_did_not_say_when_init_was_done_is_all_plan() -> None:
    assert told(("planning@0", "planned@10", "planned_and_finished@10")) == [("plan", 10)]


def test_an_apply_on_another_machine_inits_first() -> None:
    assert told(("applying@0", "initialized@4", "applied@10")) == [("init", 4), ("apply", 6)]


def test_what_took_no_time_is_left_out_and_clocks_that_differ_do_no_harm() -> None:
    assert told(("pending@0", "fetching@0", "planning@5", "planned@3", "discarded@3")) == [("fetch", 5)]
    assert told(()) == []


def test_a_stage_begins_with_its_status_and_ends_with_the_next() -> None:
    found = stage_times(timeline(*WHOLE), RunStatus.PLANNING)
    assert found == (START + timedelta(seconds=7), START + timedelta(seconds=47))
    assert stage_times(timeline("pending@0"), RunStatus.PLANNING) == (None, None)
    begun = stage_times(timeline("applying@3", "comment@4"), RunStatus.APPLYING)
    assert begun == (START + timedelta(seconds=3), None)


def test_the_usual_time_is_the_median() -> None:
    assert usual([]) is None
    lengths = [timedelta(seconds=seconds) for seconds in (1, 40, 3000)]
    assert usual(lengths) == timedelta(seconds=40)


def test_every_part_is_spent_in_some_status() -> None:
    parts = {name for name, _ in told(WHOLE)}
    assert parts == {part.value for part in TimePart}
