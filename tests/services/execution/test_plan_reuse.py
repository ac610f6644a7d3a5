"""What was shown is what is applied: the preview's own file, wherever nothing has changed (promise 1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.domain.ids import new_id
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import Category, StoredVariable, Variable
from bot.services.execution.plan_reuse import STALE
from bot.services.ports import ApplyResult, StateVersion
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
ALL = [
    "pending", "fetching", "fetching_completed", "plan_queued", "planning", "planned",
    "confirmed", "apply_queued", "applying", "applied",
]  # fmt: skip


@pytest.fixture
def shown(house: House) -> House:
    """A change whose plan is shown, of a workspace that keeps its state in Plangate."""
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    return house


def move_state(house: House, serial: int = 1) -> None:
    """Have somebody give the workspace another state."""
    with house.store.transaction() as tx:
        workspace = tx.workspaces.named("network")
        version = StateVersion(
            new_id("sv"), workspace.id, "", serial, "lineage", "md5", datetime(2030, 1, 1, tzinfo=UTC), 2
        )
        tx.states.add(version, b"{}")


def set_variable(house: House) -> None:
    with house.store.transaction() as tx:
        workspace = tx.workspaces.named("network")
        variable = Variable("size", "2", Category.TERRAFORM)
        kept = StoredVariable(id=new_id("var"), variable=variable, set_by="wren", at=house.clock.now())
        tx.variables.put(kept, workspace_id=workspace.id)


def set_version(house: House) -> None:
    with house.store.transaction() as tx:
        tx.workspaces.put(replace(tx.workspaces.named("network"), engine_version="~> 1.9"))


def applied(house: House) -> Run:
    house.say(1, "/apply")
    run = house.runs()[-1]
    assert run.status is RunStatus.APPLIED
    return run


def test_the_very_file_that_was_shown_is_applied_through_all_statuses(shown: House) -> None:
    preview = shown.only_run()
    run = applied(shown)
    assert shown.engine.count("plan") == 1
    assert shown.engine.applied == [(run.id, shown.saved_plan(preview))]
    assert shown.kinds(run) == ALL
    assert f"the plan of {preview.id} is reused" in shown.timeline(run)[1].message
    assert (run.digest, run.counts, run.engine_version) == (
        preview.digest, preview.counts, preview.engine_version,
    )  # fmt: skip
    assert shown.output(run) == shown.output(preview)


@pytest.mark.parametrize(
    ("happens", "why"),
    [
        (move_state, "the state has moved"),
        (set_variable, "variables have changed"),
        (set_version, "the workspace's settings have changed"),
        (lambda house: house.clock.forward(seconds=3600), "the plan is older than 1 h"),
    ],
    ids=["state", "variables", "settings", "age"],
)
def test_whatever_the_plan_hangs_on_has_changed_it_is_made_anew(
    shown: House, happens: Callable[[House], object], why: str
) -> None:
    happens(shown)
    run = applied(shown)
    assert shown.engine.count("plan", run.id) == 1
    assert shown.engine.applied == [(run.id, shown.saved_plan(run))]
    assert shown.timeline(run)[1].message == f"planned again: {why}"


def test_a_state_that_is_kept_elsewhere_may_move_unseen_so_that_the_plan_is_made_anew(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    run = applied(house)
    assert house.engine.count("plan", run.id) == 1


def test_a_state_that_moved_while_the_plan_was_made_is_not_known_to_the_plan(house: House) -> None:
    house.engine.state_here = True
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.engine.during("plan", lambda _: move_state(house))
    house.open_change(1, "h1", "network/a.tf")
    run = applied(house)
    assert house.engine.count("plan", run.id) == 1


def test_it_is_asked_when_the_run_s_turn_has_come_and_not_before(shown: House) -> None:
    with shown.store.reading() as tx:
        workspace = tx.workspaces.named("network")
    shown.workspace_locks.lock(workspace.name, WRITER)
    shown.say(1, "/apply")
    assert shown.runs()[-1].status is RunStatus.PENDING
    move_state(shown)
    shown.workspace_locks.unlock(workspace.name, WRITER)
    shown.work()
    run = shown.runs()[-1]
    assert run.status is RunStatus.APPLIED
    assert shown.engine.count("plan", run.id) == 1


def test_a_plan_that_terraform_calls_stale_has_done_nothing_and_that_is_said(shown: House) -> None:
    shown.engine.fail("apply", ApplyResult(False, "Error: Saved plan is stale\n\nThe given plan file ..."))
    shown.say(1, "/apply")
    run = shown.runs()[-1]
    assert run.status is RunStatus.ERRORED
    assert run.error.startswith(STALE)
