"""Concurrency groups: never more of their runs at work than the limit, and nobody waits for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.concurrency import Concurrency
from bot.services.runs.places import NO_PLACE
from bot.services.runs.transitions import lease_of
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
CHANGE = 1


@pytest.fixture
def grouped(house: House) -> House:
    """Three workspaces of a group with one place, and one that is in none. No run has begun."""
    for name in ("a", "b", "c"):
        house.workspace(name, concurrency=Concurrency("aws", 1))
    house.workspace("free")
    for name in ("a", "b", "c", "free"):
        house.engine.will_find(name, BUCKET)
    return house


def preview(house: House, *names: str, number: int = CHANGE) -> dict[str, Run]:
    """Open a change, and return its runs by workspace. None has begun."""
    house.open_change(number, f"head-{number}", *(f"{name}/a.tf" for name in names), work=False)
    house.work("receive")
    return {name_of(house, run): run for run in house.runs() if run.change_number == number}


def name_of(house: House, run: Run) -> str:
    with house.store.reading() as tx:
        return tx.workspaces.get(run.workspace_id).name


def take(house: House, run: Run) -> int:
    """Be a worker that has just taken a run; returns what releases it."""
    with house.store.transaction() as tx:
        fence = tx.leases.take(lease_of(run.id), "somebody", house.clock.now(), timedelta(minutes=5))
    assert fence is not None
    return fence


def release(house: House, run: Run, fence: int) -> None:
    with house.store.transaction() as tx:
        tx.leases.release(lease_of(run.id), fence, house.clock.now())


def pending(house: House) -> set[str]:
    return {name_of(house, run) for run in house.runs() if run.status is RunStatus.PENDING}


def noted(house: House, run: Run) -> list[str]:
    return [event.message for event in house.timeline(run) if event.kind == NO_PLACE]


def test_a_run_without_a_place_waits_and_others_go_on(grouped: House) -> None:
    runs = preview(grouped, "a", "b", "free")
    take(grouped, runs["a"])
    grouped.work()
    assert pending(grouped) == {"a", "b"}
    assert noted(grouped, runs["b"]) == ["for a place in the group aws (1 of 1 at work: a)"]
    grouped.sweep()
    assert len(noted(grouped, runs["b"])) == 1


def test_every_text_says_for_which_group_a_run_waits(grouped: House) -> None:
    runs = preview(grouped, "a", "b")
    take(grouped, runs["a"])
    grouped.work()
    waits = "Waiting: for a place in the group aws (at most 1 at work)"
    assert grouped.said("head-1", "plangate/b/plan") == ("pending", waits)
    assert waits in grouped.summary(CHANGE)
    grouped.say(CHANGE, "/why b")
    assert "Waiting: for a place in the group aws (1 of 1 at work: a)" in grouped.comments(CHANGE)[-1]


def test_the_end_of_a_run_starts_the_next_without_a_sweep(grouped: House) -> None:
    """Their own jobs found no place, and are gone: the end of each run wakes the next."""
    runs = preview(grouped, "a", "b", "c")
    fence = take(grouped, runs["a"])
    grouped.work()
    assert pending(grouped) == {"a", "b", "c"}
    release(grouped, runs["a"], fence)
    grouped.execution.advance(runs["a"].id)
    grouped.work()
    assert pending(grouped) == set()


@pytest.mark.parametrize("limit", [1, 2])
def test_never_more_are_at_work_than_the_limit(build: Callable[..., House], limit: int) -> None:
    """A worker that is free takes every job there is, while another is in the midst of a plan."""
    house = build()
    for number in range(6):
        house.workspace(f"w{number}", concurrency=Concurrency("aws", limit))
        house.engine.will_find(f"w{number}", BUCKET)
    busy, most = 0, []

    def meanwhile(_: object) -> None:
        nonlocal busy
        busy += 1
        most.append(busy)
        house.engine.during("plan", meanwhile)
        house.work("preview")
        busy -= 1

    house.engine.during("plan", meanwhile)
    house.open_change(CHANGE, "head-1", *(f"w{number}/a.tf" for number in range(6)))
    assert max(most) == limit
    assert set(house.statuses()) == {"planned_and_finished"}


def test_a_run_whose_worker_was_lost_keeps_its_place_until_it_went_on(grouped: House) -> None:
    runs = preview(grouped, "a", "b")
    grouped.killed_while("plan", lambda: grouped.execution.advance(runs["a"].id))
    grouped.dispatch.lose_everything()
    grouped.execution.advance(runs["b"].id)
    assert pending(grouped) == {"b"}
    assert grouped.sweep(minutes=10) >= 1
    assert set(grouped.statuses()) == {"planned_and_finished"}


def test_a_worker_that_is_lost_before_the_run_began_gives_the_place_back(grouped: House) -> None:
    runs = preview(grouped, "a", "b")
    take(grouped, runs["a"])
    grouped.work()
    grouped.clock.forward(minutes=10)
    grouped.execution.advance(runs["b"].id)
    assert "b" not in pending(grouped)


def test_the_sweep_wakes_as_many_as_there_are_places(grouped: House) -> None:
    runs = preview(grouped, "a", "b", "c")
    fence = take(grouped, runs["a"])
    grouped.work()
    grouped.dispatch.asked.clear()
    grouped.sweep()
    assert [job for job in grouped.dispatch.asked if job.queue == "preview"] == []
    release(grouped, runs["a"], fence)
    grouped.clock.forward(seconds=10)
    grouped.sweeping.run()
    assert len([job for job in grouped.dispatch.asked if job.queue == "preview"]) == 1
    grouped.work()
    assert pending(grouped) == set()


def planned(house: House, *names: str) -> dict[str, Run]:
    """Push a commit, and return the runs that wait for a person to confirm them."""
    house.push("c1", *(f"{name}/a.tf" for name in names))
    found = {name_of(house, run): run for run in house.runs()}
    assert {run.status for run in found.values()} == {RunStatus.PLANNED}
    return found


def test_applies_count_too_and_one_that_waits_for_a_person_does_not(grouped: House) -> None:
    """Each of the three was planned while the earlier ones waited for a person."""
    runs = planned(grouped, "a", "b", "c")
    for name in ("a", "b"):
        grouped.controls.confirm(runs[name].id, WRITER)
    fence = take(grouped, runs["a"])
    grouped.work()
    assert grouped.run(runs["b"].id).status is RunStatus.APPLY_QUEUED
    waits = "Waiting: for a place in the group aws (at most 1 at work)"
    assert grouped.said("c1", "plangate/b/apply") == ("pending", waits)
    release(grouped, runs["a"], fence)
    grouped.execution.advance(runs["a"].id)
    grouped.work()
    assert {grouped.run(runs[name].id).status for name in ("a", "b")} == {RunStatus.APPLIED}


def test_a_run_that_waits_for_a_place_can_be_canceled(grouped: House) -> None:
    runs = planned(grouped, "a", "b")
    for name in ("a", "b"):
        grouped.controls.confirm(runs[name].id, WRITER)
    take(grouped, runs["a"])
    grouped.work()
    grouped.controls.cancel(runs["b"].id, WRITER)
    grouped.work()
    assert grouped.run(runs["b"].id).status is RunStatus.CANCELED


def test_a_free_place_goes_to_the_change_that_has_fewer_at_work(house: House) -> None:
    for number in range(5):
        house.workspace(f"w{number}", concurrency=Concurrency("aws", 2))
        house.engine.will_find(f"w{number}", BUCKET)
    big = preview(house, "w0", "w1", "w2", "w3")
    small = preview(house, "w4", number=2)
    fence = take(house, big["w0"])
    take(house, big["w1"])
    house.work("preview")
    assert pending(house) == {"w0", "w1", "w2", "w3", "w4"}
    release(house, big["w0"], fence)
    house.dispatch.asked.clear()
    house.execution.advance(big["w0"].id)
    assert house.run(small["w4"].id).final


def test_names_of_a_large_group_are_left_out() -> None:
    group = Concurrency("aws", 8)
    said = group.waits_behind([f"w{number}" for number in reversed(range(8))])
    assert said == "for a place in the group aws (8 of 8 at work: w0, w1, w2, w3, w4 and 3 more)"
