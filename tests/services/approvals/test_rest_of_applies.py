"""An apply that failed half-way goes on under its approval, with exactly the rest (promise 1)."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.domain.workspaces.variables import Category, StoredVariable, Variable
from bot.services.ports import ApplyResult, StateLock
from bot.services.runs import abandoned_locks
from bot.services.states.backend import ENDED, FAILED
from bot.services.states.kept_aside import new_version
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

FIRST, SECOND, THIRD = (change(f"a.{name}", after={"size": 1}) for name in ("first", "second", "third"))
BROKE = ApplyResult(False, "Error: no such size")
SAID = "a.first: Creating...\na.first: Creation complete after 1s [id=1]\na.second: Creating...\n"
WORDS = "1 done, 1 failed, 1 left: the plan is exactly the rest"


def state(*names: str, serial: int = 1, **more: Any) -> bytes:
    resources = [
        {"mode": "managed", "type": "a", "name": n, "instances": [{"attributes": {"id": n}, **more}]}
        for n in names
    ]
    return json.dumps({"version": 4, "serial": serial, "lineage": "one", "resources": resources}).encode()


def store(house: House, run: Run, data: bytes, refused: str = "") -> None:
    with house.store.transaction() as tx:
        tx.states.add(new_version(run, data, refused, house.clock.now()), data)


def applies(house: House) -> list[Run]:
    return house.runs(plan_only=False)


def fail_half_way(house: House, *names: str, **more: Any) -> None:
    """Have the next apply store a state with these objects, and fail."""
    house.engine.during("apply", lambda job: store(house, house.run(job.run_id), state(*names, **more)))
    house.engine.fail("apply", BROKE, SAID)


@pytest.fixture
def half(house: House) -> House:
    """A change whose apply has made the first of three things."""
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", FIRST, SECOND, THIRD)
    house.open_change(1, "h1", "network/main.tf")
    fail_half_way(house, "first")
    house.say(1, "/apply")
    house.engine.will_find("network", SECOND, THIRD)
    return house


def last(house: House) -> Run:
    return applies(house)[-1]


def asked_again(house: House) -> str:
    """Return why the newest run asks for an approval. Fails if it does not."""
    run = last(house)
    assert run.status is RunStatus.PLANNED
    assert len(house.engine.applied) == 1
    assert run.approval is not None
    with house.store.reading() as tx:
        assert tx.approvals.get(run.approval.id).state.value == "fallen"
    return run.delta


def test_a_retry_applies_exactly_the_rest_without_a_new_approval(half: House) -> None:
    old = last(half)
    assert old.status is RunStatus.ERRORED
    half.say(1, "/retry network")
    run = last(half)
    assert run.status is RunStatus.APPLIED
    assert run.rest_of is not None
    assert (run.rest_of.run_id, run.rest_of.words) == (old.id, WORDS)
    (said,) = [e for e in half.timeline(run) if e.kind == "confirmed"]
    assert (said.actor, said.message) == (WRITER.login, f"{WORDS} of {old.id}")
    with half.store.reading() as tx:
        record = tx.approvals.of_apply(run.id)
        assert record is not None
        assert old.approval is not None
        assert (record.at, record.by, record.state.value) == (old.approval.at, WRITER.login, "used")


def test_the_comment_says_how_much_was_left(half: House) -> None:
    half.engine.during("apply", lambda _: half.work("report"))
    half.engine.during("apply", lambda _: None)
    half.say(1, "/retry network")
    half.work()
    assert WORDS in half.summary(1)


def test_a_failed_apply_suggests_what_goes_on_with_it(half: House) -> None:
    assert "next: /retry network" in half.summary(1)
    half.update_change(1, "h2", "network/main.tf")
    # A retry of an older commit would be refused.
    assert not any("/retry" in text for text in half.comments(1))


def test_the_page_s_retry_does_the_same_and_once(half: House) -> None:
    half.controls.retry(last(half).id, WRITER, as_id="run-again")
    half.controls.retry(applies(half)[0].id, WRITER, as_id="run-again")
    half.work()
    assert [run.status.value for run in applies(half)] == ["errored", "applied"]


def test_a_rest_that_fails_again_goes_on_with_its_own_rest(half: House) -> None:
    fail_half_way(half, "first", "second", serial=2)
    half.say(1, "/retry network")
    half.engine.will_find("network", THIRD)
    half.say(1, "/retry network")
    assert [run.status.value for run in applies(half)] == ["errored", "errored", "applied"]
    run = last(half)
    assert run.rest_of is not None
    assert run.rest_of.words == "1 done, 0 failed, 1 left: the plan is exactly the rest"


def test_an_apply_that_did_nothing_goes_on_with_all_of_it(house: House) -> None:
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", FIRST)
    house.open_change(1, "h1", "network/main.tf")
    house.engine.fail("apply", BROKE)
    house.say(1, "/apply")
    house.say(1, "/retry network")
    assert last(house).status is RunStatus.APPLIED


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ([SECOND, THIRD, change("a.more")], "+ a.more"),
        ([SECOND], "no longer + a.third"),
        ([SECOND, change("a.third", after={"size": 2})], "other values for a.third (size)"),
        ([FIRST, SECOND, THIRD], "the same resources, but another plan"),
        ([SECOND, change("a.third", "delete")], "- a.third; no longer + a.third"),
    ],
)
def test_anything_else_asks_again_with_the_difference(half: House, found: list[Any], why: str) -> None:
    half.engine.will_find("network", *found)
    half.say(1, "/retry network")
    assert asked_again(half) == f"it is not exactly what {applies(half)[0].id} has left: {why}"
    half.say(1, "/apply network")
    assert last(half).status is RunStatus.APPLIED


def test_a_tainted_object_is_made_again(house: House) -> None:
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", FIRST)
    house.open_change(1, "h1", "network/main.tf")
    fail_half_way(house, "first", status="tainted")
    house.say(1, "/apply")
    why = {"action_reason": "replace_because_tainted"}
    before = {"id": "first"}
    house.engine.will_find(
        "network", change("a.first", "delete", "create", before=before, after={"size": 1}, **why)
    )
    house.say(1, "/retry network")
    assert last(house).status is RunStatus.APPLIED


def test_a_state_that_somebody_else_has_changed_asks_again(half: House) -> None:
    data = state("first", serial=2)
    with half.store.transaction() as tx:
        version = new_version(applies(half)[0], data, "", half.clock.now())
        tx.states.add(replace(version, run_id="", made_by="ben"), data)
    half.say(1, "/retry network")
    assert "the state is not the one that" in asked_again(half)


@pytest.mark.parametrize("sensitive", [False, True])
def test_another_value_of_a_variable_asks_again(half: House, sensitive: bool) -> None:
    place = half.find_workspace("network")
    assert place is not None
    with half.store.transaction() as tx:
        given = Variable("token", "new", Category.TERRAFORM, sensitive=sensitive)
        tx.variables.put(StoredVariable("var-1", given, "ann", half.clock.now()), workspace_id=place.id)
    half.say(1, "/retry network")
    assert "variables have changed" in asked_again(half)


def test_other_files_ask_again(half: House) -> None:
    half.engine.files["h1"] = "other files"
    half.say(1, "/retry network")
    asked_again(half)


def test_a_state_that_is_kept_elsewhere_asks_again(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", FIRST, SECOND)
    house.open_change(1, "h1", "network/main.tf")
    house.engine.fail("apply", BROKE)
    house.say(1, "/apply")
    house.say(1, "/retry network")
    assert "does not store the state" in asked_again(house)


@pytest.mark.parametrize("what", ["locked", "killed", "kept aside"])
def test_a_state_that_may_lack_something_asks_again(half: House, what: str) -> None:
    old, now = applies(half)[0], half.clock.now()
    if what == "kept aside":
        store(half, old, state("first", "second", serial=9), "it could not be pushed")
    with half.store.transaction() as tx:
        if what == "locked":
            tx.states.lock(StateLock(old.workspace_id, "lock-1", old.id, "{}", now))
        if what == "killed":
            tx.runs.note(RunEvent(old.id, now, abandoned_locks.KIND, "plangate", "it was killed"))
    half.say(1, "/retry network", work=False)
    half.work("receive")
    half.execution.advance(last(half).id)
    if what == "locked":
        # Nothing starts while the lock is there. Once it is released, the timeline says so.
        assert last(half).status is RunStatus.PENDING
        half.sweep(hours=2)
    half.work()
    asked_again(half)


def test_an_approver_who_lost_access_is_not_enough(half: House) -> None:
    half.forge.set_role(REPO, "olga", Role.OWNER)
    half.forge.set_role(REPO, WRITER.login, Role.READ)
    half.clock.forward(hours=2)
    half.say(1, "/retry network", by="olga")
    run = last(half)
    assert (run.status, len(half.engine.applied)) == (RunStatus.PLANNED, 1)
    assert "apply needs write access" in run.lacks


def test_a_reader_may_not_have_it_go_on(half: House) -> None:
    half.say(1, "/retry network", by="rea")
    assert len(applies(half)) == 1


def test_a_canceled_apply_needs_a_new_approval(house: House) -> None:
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", FIRST)
    house.open_change(1, "h1", "network/main.tf")
    house.engine.during("apply", lambda job: house.controls.cancel(job.run_id, WRITER))
    house.say(1, "/apply")
    assert last(house).status is RunStatus.CANCELED
    house.say(1, "/retry network")
    assert (last(house).status, last(house).approval) == (RunStatus.PLANNED, None)


def test_an_apply_of_the_branch_goes_on_under_its_confirmation(house: House) -> None:
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", FIRST, SECOND, THIRD)
    house.push("c1", "network/main.tf")
    fail_half_way(house, "first")
    house.controls.confirm(last(house).id, WRITER)
    house.work()
    house.engine.will_find("network", SECOND, THIRD)
    house.controls.retry(last(house).id, Person("olga", Role.OWNER))
    house.work()
    assert (last(house).status, last(house).confirmed_by) == (RunStatus.APPLIED, WRITER.login)


def test_an_apply_that_nobody_approved_asks(house: House) -> None:
    house.engine.state_here = True
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", FIRST, SECOND)
    fail_half_way(house, "first")
    house.push("c1", "network/main.tf")
    house.engine.will_find("network", SECOND)
    house.controls.retry(last(house).id, WRITER)
    house.work()
    assert last(house).status is RunStatus.PLANNED


# --- whatever dies ------------------------------------------------------------------------------------------


def lost(house: House, *, seen: bool) -> None:
    """Have the worker of an apply be killed. `seen`: its Terraform has told how it ended."""
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", FIRST, SECOND, THIRD)
    house.open_change(1, "h1", "network/main.tf")
    house.say(1, "/apply", work=False)
    house.work("receive")
    run = last(house)
    house.killed_while("apply", lambda: house.execution.advance(run.id))
    store(house, run, state("first"))
    if seen:
        with house.store.transaction() as tx:
            tx.runs.note(RunEvent(run.id, house.clock.now(), ENDED, "plangate", FAILED))
    house.sweep(minutes=10)
    house.sweep(minutes=10)
    assert last(house).cut_off
    house.engine.will_find("network", SECOND, THIRD)
    house.say(1, "/retry network")


def test_after_a_lost_worker_it_goes_on_if_its_terraform_has_stored_all(house: House) -> None:
    lost(house, seen=True)
    assert last(house).status is RunStatus.APPLIED


def test_after_a_lost_worker_it_asks_if_nobody_saw_the_end(house: House) -> None:
    lost(house, seen=False)
    run = last(house)
    assert (run.status, house.engine.count("apply", run.id)) == (RunStatus.PLANNED, 0)
    assert "it is not certain what" in run.delta


@pytest.mark.parametrize("stage", ["fetch", "plan"])
def test_a_worker_that_dies_while_it_plans_the_rest_loses_nothing(half: House, stage: str) -> None:
    half.say(1, "/retry network", work=False)
    half.work("receive")
    run = last(half)
    half.killed_while(stage, lambda: half.execution.advance(run.id))
    half.sweep(minutes=10)
    half.sweep(minutes=10)
    assert last(half).status is RunStatus.APPLIED
    assert [run_id for run_id, _ in half.engine.applied] == [applies(half)[0].id, run.id]
