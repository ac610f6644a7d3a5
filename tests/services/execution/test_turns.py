"""Turns between changes: a worker that is free starts a run of the change with the fewest runs at work."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.errors import StoreUnavailable
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.runs.transitions import lease_of
from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
BIG, SMALL = 1, 2


@pytest.fixture
def two_changes(house: House) -> House:
    """A change of six workspaces, and behind it one of one workspace; no run has begun."""
    for number in range(7):
        house.workspace(f"w{number}")
        house.engine.will_find(f"w{number}", BUCKET)
    house.open_change(BIG, "h1", *(f"w{number}/a.tf" for number in range(6)), work=False)
    house.open_change(SMALL, "h2", "w6/a.tf", work=False)
    house.work("receive")
    return house


def of(house: House, number: int) -> list[Run]:
    return sorted((run for run in house.runs() if run.change_number == number), key=lambda run: run.id)


def waiting(house: House, number: int) -> list[Run]:
    return [run for run in of(house, number) if run.status is RunStatus.PENDING]


def take(house: House, run: Run) -> None:
    """Be a worker that has just taken a run."""
    with house.store.transaction() as tx:
        assert tx.leases.take(lease_of(run.id), "somebody", house.clock.now(), timedelta(minutes=5))


def test_the_next_worker_starts_the_small_change_behind_the_big_one(two_changes: House) -> None:
    first, second, *_ = waiting(two_changes, BIG)
    take(two_changes, first)
    two_changes.execution.advance(second.id)
    assert waiting(two_changes, SMALL) == []
    assert len(waiting(two_changes, BIG)) == 6


def test_every_run_is_advanced_by_as_many_jobs(two_changes: House) -> None:
    first, *others = waiting(two_changes, BIG)
    take(two_changes, first)
    for run in (*others, *of(two_changes, SMALL)):
        two_changes.execution.advance(run.id)
    assert [run.id for run in waiting(two_changes, BIG)] == [first.id]
    assert waiting(two_changes, SMALL) == []


def test_while_nobody_is_at_work_each_job_starts_its_own_run(two_changes: House) -> None:
    run = waiting(two_changes, BIG)[3]
    two_changes.execution.advance(run.id)
    assert run.id not in {each.id for each in waiting(two_changes, BIG)}


def test_a_run_whose_worker_was_lost_goes_on_by_its_own_job(two_changes: House) -> None:
    first, second, *_ = waiting(two_changes, BIG)
    two_changes.killed_while("plan", lambda: two_changes.execution.advance(first.id))
    two_changes.clock.forward(minutes=10)
    take(two_changes, second)
    two_changes.execution.advance(first.id)
    assert first.id not in {each.id for each in waiting(two_changes, BIG)}
    assert len(waiting(two_changes, SMALL)) == 1


def test_pushes_take_turns_too_but_never_in_a_workspace_that_is_locked(house: House) -> None:
    places = {name: house.workspace(name).id for name in ("a", "b", "c", "d")}
    names = {place: name for name, place in places.items()}
    house.workspace_locks.lock("c", WRITER)
    house.push("c1", "a/a.tf", "b/a.tf", work=False)
    house.work("receive")
    house.push("c2", "c/a.tf", "d/a.tf", work=False)
    house.work("receive")
    runs = {names[run.workspace_id]: run for run in house.runs()}
    take(house, runs["a"])
    house.execution.advance(runs["b"].id)
    begun = {name for name, run in runs.items() if house.run(run.id).status is not RunStatus.PENDING}
    assert begun == {"d"}


def test_a_worker_that_starts_while_the_database_is_away_does_not_end(tmp_path: Path) -> None:
    vault = FernetVault([generate_key()])
    house = House(SqlStore(f"sqlite:///{tmp_path}/nowhere/plangate.db", vault), vault)
    house.execution.warm_up()
    with pytest.raises(StoreUnavailable), house.store.reading() as tx:
        tx.workspaces.all()
