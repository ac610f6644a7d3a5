"""States that Terraform could not push: which become current, when, and how their runs end (promise 3)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.domain.errors import Forbidden
from bot.domain.ids import new_id
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import CUT_OFF, Run
from bot.services.execution.advance import STORED_AFTER_ALL
from bot.services.ports import ApplyResult, StateLock, StateVersion
from bot.services.states.backend import SUCCEEDED, Access, Grant
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
ONLY_UNSAVED = "Error: Failed to save state"


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    made = build()
    made.workspace("network", auto_apply=True)
    made.engine.will_find("network", BUCKET)
    return made


def state(serial: int = 1, lineage: str = "one", **more: object) -> bytes:
    return json.dumps({"version": 4, "serial": serial, "lineage": lineage, **more}).encode()


def current(house: House, run: Run) -> bytes:
    with house.store.reading() as tx:
        found = tx.states.current(run.workspace_id)
        return tx.states.data(found.id) if found else b""


def aside(house: House, run: Run) -> list[StateVersion]:
    with house.store.reading() as tx:
        return [version for version in tx.states.versions(run.workspace_id) if version.refused]


def lock(house: House, run: Run, holder: str) -> None:
    with house.store.transaction() as tx:
        mine = StateLock(run.workspace_id, new_id("lock"), holder, "{}", house.clock.now())
        assert tx.states.lock(mine) is None


def writing(run: Run) -> Grant:
    return Grant(run.id, run.workspace_id, Access.WRITE)


def lost(house: House) -> Run:
    """A run whose worker was lost during the apply, on another machine, and which has ended."""
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    house.killed_while("apply", house.work)
    house.dispatch.lose_everything()
    house.engine.lost[run.id] = None
    house.sweep(minutes=2)
    assert house.run(run.id).error == CUT_OFF
    return house.run(run.id)


def test_a_run_that_only_could_not_store_its_state_ends_as_applied(house: House) -> None:
    left = ApplyResult(False, ONLY_UNSAVED, errored_state=state(), only_unsaved=True)
    house.engine.fail("apply", left)
    house.push("c1", "network/main.tf")
    run = house.only_run()
    assert (run.status, run.error) == (RunStatus.APPLIED, "")
    assert STORED_AFTER_ALL in [event.message for event in house.timeline(run)]
    assert current(house, run) == state()
    assert house.said("c1")[0] == "success"


def test_a_state_that_does_not_follow_the_current_one_stays_aside_and_the_run_fails(house: House) -> None:
    house.engine.fail("apply", ApplyResult(False, ONLY_UNSAVED, errored_state=state(), only_unsaved=True))
    house.push("c1", "network/main.tf")
    house.engine.will_find("network", BUCKET)
    other = ApplyResult(False, ONLY_UNSAVED, errored_state=state(2, "another"), only_unsaved=True)
    house.engine.fail("apply", other)
    house.push("c2", "network/main.tf", before="c1")
    run = house.runs()[1]
    assert (run.status, run.error) == (RunStatus.ERRORED, ONLY_UNSAVED)
    (kept,) = aside(house, run)
    assert "this is another state" in kept.refused
    assert not kept.waits
    assert current(house, run) == state()


def test_a_first_state_that_got_no_lineage_gets_one(house: House) -> None:
    left = ApplyResult(False, ONLY_UNSAVED, errored_state=state(0, "", outputs={}), only_unsaved=True)
    house.engine.fail("apply", left)
    house.push("c1", "network/main.tf")
    found = json.loads(current(house, house.only_run()))
    assert found.pop("lineage")
    assert found == {"version": 4, "serial": 0, "outputs": {}}


def test_a_lost_runs_state_waits_for_another_runs_lock_and_then_becomes_current(house: House) -> None:
    run = lost(house)
    house.push("c2", "network/main.tf", before="c1", work=False)
    house.work("receive")
    following = house.runs()[1]
    lock(house, run, following.id)
    with pytest.raises(Forbidden):
        house.services.states.push(writing(run), state(), "its lock")
    (kept,) = aside(house, run)
    assert kept.waits
    house.sweeping.run()
    assert current(house, run) == b""
    with house.store.transaction() as tx:
        tx.states.unlock(run.workspace_id, None)
    house.sweeping.run()
    assert current(house, run) == state()
    assert aside(house, run) == []
    assert "state stored" in house.kinds(run)


def test_a_waiting_state_is_given_up_once_somebody_else_has_written(house: House) -> None:
    run = lost(house)
    house.push("c2", "network/main.tf", before="c1", work=False)
    house.work("receive")
    following = house.runs()[1]
    lock(house, run, following.id)
    with pytest.raises(Forbidden):
        house.services.states.push(writing(run), state(serial=5), "its lock")
    with house.store.transaction() as tx:
        tx.states.unlock(run.workspace_id, None)
        newer = StateVersion(
            new_id("sv"), run.workspace_id, following.id, 2, "one", "m", house.clock.now(), 2
        )
        tx.states.add(newer, state(2))
    house.sweeping.run()
    assert current(house, run) == state(2)
    (kept,) = aside(house, run)
    assert not kept.waits
    assert kept.refused.endswith(f"; the state was changed meanwhile, by {following.id}")


def test_a_state_that_a_person_pushed_meanwhile_is_not_replaced(house: House) -> None:
    run = lost(house)
    house.clock.forward(minutes=1)
    house.services.state_versions.push(run.workspace_id, state(1), WRITER)
    with pytest.raises(Forbidden):
        house.services.states.push(writing(run), state(2), "")
    assert current(house, run) == state(1)


def test_a_lost_runs_state_that_arrives_without_a_lock_is_taken_at_once(house: House) -> None:
    run = lost(house)
    house.services.states.push(writing(run), state(), "its lock")
    assert current(house, run) == state()


def test_a_finished_runs_token_can_not_change_the_state(house: House) -> None:
    house.push("c1", "network/main.tf")
    run = house.only_run()
    assert run.status is RunStatus.APPLIED
    with pytest.raises(Forbidden):
        house.services.states.push(writing(run), state(), "")
    with pytest.raises(Forbidden):
        house.services.states.end(writing(run), state(2), succeeded=True)
    house.sweeping.run()
    assert current(house, run) == b""
    assert [version.waits for version in aside(house, run)] == [False, False]


def test_what_a_lost_workers_terraform_leaves_ends_its_run_and_frees_the_state(house: House) -> None:
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    house.killed_while("apply", house.work)
    house.dispatch.lose_everything()
    house.engine.lost[run.id] = None
    lock(house, run, run.id)
    house.sweep(minutes=2)
    assert house.run(run.id).status is RunStatus.APPLYING
    for _ in range(2):  # its first answer was lost
        house.services.states.end(writing(run), state(), succeeded=True)
    assert current(house, run) == state()
    with house.store.reading() as tx:
        assert tx.states.locked(run.workspace_id) is None
    house.sweep()
    ended = house.run(run.id)
    assert (ended.status, ended.error) == (RunStatus.APPLIED, "")
    assert [event.message for event in house.timeline(ended)].count(SUCCEEDED) == 1
    assert house.engine.applied == []


def test_a_plans_token_ends_nothing(house: House) -> None:
    run = lost(house)
    for access in (Access.READ, Access.LOCK):
        with pytest.raises(Forbidden):
            house.services.states.end(Grant(run.id, run.workspace_id, access), state(), succeeded=True)
    assert current(house, run) == b""


def test_states_in_trees_of_killed_workers_are_stored_before_the_trees_go(house: House) -> None:
    run = lost(house)
    house.engine.trees.add(run.id)
    house.engine.left_states[run.id] = None  # its Terraform is at work
    house.clock.forward(hours=1)
    house.sweeping.tidy(house.engine)
    assert run.id in house.engine.trees
    house.engine.left_states[run.id] = state()
    house.sweeping.tidy(house.engine)
    assert current(house, run) == state()
    assert house.engine.trees == set()


def test_an_apply_gives_its_worker_time_to_come_back_after_an_outage(house: House) -> None:
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    run = house.only_run()
    wait = house.clock.wait

    def outage(_: object) -> None:
        """All leases have expired; another worker is quicker than the one that applies."""
        house.clock.forward(minutes=10)

        def back(length: timedelta) -> None:
            wait(length)
            with house.store.transaction() as tx:
                tx.leases.renew(f"run:{run.id}", 1, house.clock.now(), house.limits.lease)

        house.clock.wait = back  # type: ignore[method-assign]
        house.execution.advance(run.id)
        house.clock.wait = wait  # type: ignore[method-assign]

    house.engine.during("apply", outage)
    house.work()
    assert house.statuses() == ["applied"]
