"""Pools of workers: a run, its code and its secrets never come to a worker of another pool."""

from __future__ import annotations

from bot.domain.workspaces.workspace import Workspace
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House


def with_pools(house: House) -> tuple[Workspace, Workspace, House]:
    """Return a workspace of a pool, one of none, and the world of the pool's worker."""
    ours, theirs = house.workspace("prod", pool="production"), house.workspace("lab")
    pool = House(house.store, house.vault, pool="production")
    for each in (house, pool):
        each.engine.will_find("prod", change("aws_vpc.main"))
        each.engine.will_find("lab", change("aws_vpc.main"))
    return ours, theirs, pool


def test_a_worker_of_no_pool_leaves_a_pools_run_alone_whatever_a_job_says(house: House) -> None:
    ours, _, pool = with_pools(house)
    house.push("c1", "prod/main.tf")
    assert house.statuses(ours) == ["pending"]
    assert house.engine.count("fetch") == house.engine.count("plan") == 0
    (run,) = house.runs(ours)
    pool.clock.at = house.clock.at
    pool.execution.advance(run.id)
    assert house.statuses(ours) == ["planned"]
    assert pool.engine.count("plan") == 1


def test_a_pools_worker_leaves_the_others_alone(house: House) -> None:
    _, theirs, pool = with_pools(house)
    house.push("c1", "lab/main.tf", work=False)
    house.work("receive")
    (run,) = house.runs(theirs)
    pool.execution.advance(run.id)
    assert house.statuses(theirs) == ["pending"]
    assert pool.engine.count("fetch") == 0


def test_an_apply_stays_in_its_pool_too(house: House) -> None:
    ours, _, pool = with_pools(house)
    house.push("c1", "prod/main.tf")
    (run,) = house.runs(ours)
    pool.clock.at = house.clock.at
    pool.execution.advance(run.id)
    house.controls.confirm(run.id, WRITER)
    house.work()
    assert house.statuses(ours) == ["apply_queued"]
    pool.execution.advance(run.id)
    assert house.statuses(ours) == ["applied"]
    assert (house.engine.count("apply"), pool.engine.count("apply")) == (0, 1)


def test_turns_are_taken_within_a_pool(house: House) -> None:
    """A big change of the pool has a run at work: its next job starts no run of another pool instead."""
    ours, theirs, pool = with_pools(house)
    house.open_change(1, "h1", "prod/a.tf", work=False)
    house.open_change(2, "h2", "lab/a.tf", work=False)
    house.work("receive")
    (run,) = house.runs(ours)
    pool.clock.at = house.clock.at
    pool.execution.advance(run.id)
    assert house.statuses(ours) == ["planned_and_finished"]
    assert house.statuses(theirs) == ["pending"]


def test_a_workspace_that_changes_its_pool_takes_its_waiting_runs_along(house: House) -> None:
    ours, _, pool = with_pools(house)
    house.push("c1", "prod/main.tf")
    with house.store.transaction() as tx:
        tx.workspaces.put(Workspace(**{**vars(ours), "pool": ""}))
    house.sweep()
    assert house.statuses(ours) == ["planned"]
    assert pool.engine.count("plan") == 0
