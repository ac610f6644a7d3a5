"""Locks that a run's Terraform left on the state: let go of at once, long after, or not yet (promise 3)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.domain.errors import EngineError, Interrupted
from bot.domain.ids import new_id
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import CUT_OFF, RunEvent
from bot.services.ports import ApplyResult, EngineJob, Limits, StateLock, StateVersion
from bot.services.states.backend import ENDED, SUCCEEDED
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
ADMIN = Person("ada", Role.ADMIN)
GRACE = timedelta(minutes=15)


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    made = build(limits=Limits(state_lock_grace=GRACE))
    made.workspace("network")
    made.engine.will_find("network", BUCKET)
    return made


def lock(house: House, run_id: str) -> None:
    """Have a run's Terraform take the lock and leave it."""
    place = house.find_workspace("network")
    assert place is not None
    with house.store.transaction() as tx:
        mine = StateLock(place.id, new_id("lock"), run_id, "{}", house.clock.now())
        assert tx.states.lock(mine) is None


def locked_by(house: House) -> str:
    place = house.find_workspace("network")
    assert place is not None
    with house.store.reading() as tx:
        standing = tx.states.locked(place.id)
    return standing.run_id if standing else ""


def pushes_a_state(house: House, run_id: str) -> None:
    place = house.find_workspace("network")
    assert place is not None
    with house.store.transaction() as tx:
        now = house.clock.now()
        tx.states.add(StateVersion(new_id("sv"), place.id, run_id, 7, "l", "m", now, 2), b"{}")


@pytest.mark.parametrize("how", [EngineError("no"), Interrupted("killed")], ids=["error", "killed"])
def test_a_plan_that_ended_before_its_worker_leaves_no_lock(house: House, how: Exception) -> None:
    house.engine.during("plan", lambda job: lock(house, job.run_id))
    house.engine.fail("plan", how)
    house.push("c1", "network/main.tf")
    run = house.only_run()
    assert run.final
    assert locked_by(house) == ""
    assert "state unlocked" in house.kinds(run)


@pytest.mark.parametrize(
    "ended",
    [
        ApplyResult(False, "it failed"),
        ApplyResult(False, "it was killed", interrupted=True),
        ApplyResult(True, "ok"),
    ],
    ids=["failed", "killed", "applied"],
)
def test_an_apply_that_ended_before_its_worker_leaves_no_lock(house: House, ended: ApplyResult) -> None:
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    first = house.runs()[0]
    house.engine.during("apply", lambda job: lock(house, job.run_id))
    house.engine.fail("apply", ended)
    house.controls.confirm(first.id, WRITER)
    house.work()
    assert house.run(first.id).final
    assert locked_by(house) == ""
    # In one transaction with its end, so that the next run finds the state free.
    assert house.runs()[1].status is RunStatus.PLANNED


def a_lost_apply(house: House) -> str:
    """An apply on another machine, whose worker was lost and whose Terraform may go on."""
    house.push("c1", "network/main.tf")
    run = house.only_run()
    house.controls.confirm(run.id, WRITER)
    lock(house, run.id)
    house.engine.lost[run.id] = None
    house.killed_while("apply", house.work)
    house.dispatch.lose_everything()
    house.sweep(minutes=2)
    assert house.run(run.id).status is RunStatus.APPLYING
    return run.id


def test_a_lost_workers_lock_stands_until_its_terraform_is_silent_for_long(house: House) -> None:
    lost = a_lost_apply(house)
    house.push("c2", "network/main.tf", before="c1")
    assert locked_by(house) == lost
    assert house.statuses() == ["applying", "pending"]
    house.sweep(minutes=12)
    assert locked_by(house) == lost
    assert house.statuses() == ["applying", "pending"]
    house.sweep(minutes=2)
    assert locked_by(house) == ""
    assert house.run(lost).error == CUT_OFF
    (line,) = [event for event in house.timeline(house.run(lost)) if event.kind == "state unlocked"]
    assert line.actor == "plangate"
    # Whoever waited for it goes on.
    assert house.statuses() == ["errored", "planned"]


def test_a_terraform_that_still_pushes_states_keeps_its_lock_and_the_states_are_kept(house: House) -> None:
    lost = a_lost_apply(house)
    house.clock.forward(minutes=10)
    pushes_a_state(house, lost)
    house.sweep(minutes=14)
    assert locked_by(house) == lost
    house.sweep(minutes=2)
    assert locked_by(house) == ""
    place = house.find_workspace("network")
    assert place is not None
    with house.store.reading() as tx:
        assert [version.run_id for version in tx.states.versions(place.id)] == [lost]


def test_a_terraform_that_ends_its_step_and_unlocks_lets_the_next_run_go_on(house: House) -> None:
    lost = a_lost_apply(house)
    house.push("c2", "network/main.tf", before="c1")
    place = house.find_workspace("network")
    assert place is not None
    with house.store.transaction() as tx:
        tx.states.unlock(place.id, None)
    house.sweep()
    assert house.run(lost).error == CUT_OFF
    assert house.statuses() == ["errored", "planned"]


def pushes_its_last_state(house: House, run_id: str) -> None:
    """Have a lost apply's Terraform store its state and unlock it. How it ended is not told yet."""
    pushes_a_state(house, run_id)
    place = house.find_workspace("network")
    assert place is not None
    with house.store.transaction() as tx:
        tx.states.unlock(place.id, None)


def test_an_apply_that_has_just_stored_its_state_is_given_the_time_to_say_how_it_ended(house: House) -> None:
    lost = a_lost_apply(house)
    pushes_its_last_state(house, lost)
    house.sweep()
    assert house.run(lost).status is RunStatus.APPLYING
    with house.store.transaction() as tx:
        tx.runs.note(RunEvent(lost, house.clock.now(), ENDED, "plangate", SUCCEEDED))
    house.sweep()
    assert (house.run(lost).status, house.run(lost).error) == (RunStatus.APPLIED, "")


def test_one_that_never_says_how_it_ended_was_cut_off(house: House) -> None:
    lost = a_lost_apply(house)
    pushes_its_last_state(house, lost)
    house.sweep(minutes=1)
    assert house.run(lost).error == CUT_OFF


def test_the_lock_of_a_run_that_a_worker_holds_is_never_taken(house: House) -> None:
    seen: list[str] = []

    def long_after(job: EngineJob) -> None:
        lock(house, job.run_id)
        for _ in range(3):
            house.clock.forward(seconds=50)
            house.sweeping.run()
        seen.append(locked_by(house))

    house.push("c1", "network/main.tf")
    run = house.only_run()
    house.controls.confirm(run.id, WRITER)
    house.engine.during("apply", long_after)
    house.work("apply")
    assert seen == [run.id]


def test_a_plan_that_begins_anew_takes_the_lost_ones_lock(house: House) -> None:
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    lock(house, run.id)
    house.killed_while("plan", house.work)
    house.dispatch.lose_everything()
    free: list[str] = []
    house.engine.during("plan", lambda _: free.append(locked_by(house)))
    house.sweep(minutes=2)
    assert free == [""]
    assert house.only_run().status is RunStatus.PLANNED
    assert house.kinds(run).count("state unlocked") == 1


def test_a_force_canceled_apply_without_a_worker_ends_and_its_lock_is_left_to_the_sweep(house: House) -> None:
    house.push("c1", "network/main.tf")
    run = house.only_run()
    house.controls.confirm(run.id, WRITER)
    lock(house, run.id)
    house.killed_while("apply", house.work)
    house.dispatch.lose_everything()
    house.clock.forward(minutes=2)
    house.controls.cancel(run.id, WRITER)
    house.clock.forward(seconds=30)
    ended = house.controls.force_cancel(run.id, ADMIN, "it hangs")
    assert ended.status is RunStatus.CANCELED
    assert "not certain what was applied" in house.timeline(run)[-1].message
    house.sweep()
    assert locked_by(house) == run.id
    house.sweep(minutes=16)
    assert locked_by(house) == ""
