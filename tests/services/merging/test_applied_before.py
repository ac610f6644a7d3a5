"""After a merge, a squash or a rebase: the branch's run ends as applied on the change, without Terraform."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import EngineError
from bot.domain.ids import new_id
from bot.domain.workspaces.workspace import Merging, PlanOf, Triggers, Workspace
from bot.services.plans.plan_inputs import save_inputs, saved_inputs
from bot.services.ports import StateVersion
from tests.fakes.engine import change, plan_json
from tests.fakes.house import REPO, House

_SERIALS = itertools.count(1)
MERGED = {"head.tf": "head1"}


def applied(house: House, **fields: Any) -> Workspace:
    """Have a change planned and applied, whose state is kept here."""
    house.forge.set_branch(REPO, "main", "base1")
    house.engine.plans["network"] = plan_json(change("a.b"))
    house.engine.places, house.engine.state_here = ("network", "."), True
    workspace = house.workspace("network", **{"merging": Merging(plan_of=PlanOf.MERGE), **fields})
    house.engine.during("apply", lambda job: keep_state(house, workspace, job.run_id))
    house.open_change(1, "head1", "network/a.tf")
    house.say(1, "/apply")
    assert house.runs()[-1].status.value == "applied"
    return workspace


def keep_state(house: House, workspace: Workspace, run_id: str) -> None:
    """Have a run store a new version of the state."""
    with house.store.transaction() as tx:
        serial, now = next(_SERIALS), house.clock.now()
        tx.states.add(
            StateVersion(new_id("sv"), workspace.id, run_id, serial, "l", f"m{serial}", now, 2), b"{}"
        )


def squashed(house: House, **files: str) -> str:
    """Have the branch get a commit, of which only its files are known."""
    house.merges.bases["squashed"] = {**MERGED, **files}
    house.push("squashed", "network/a.tf")
    return house.runs()[-1].id


def test_a_commit_with_the_same_files_ends_without_terraform(house: House) -> None:
    applied(house)
    before = house.engine.count("plan")
    run = house.run(squashed(house))
    assert (run.status.value, run.has_changes, run.commit) == ("planned_and_finished", False, "squashed")
    assert house.engine.count("plan") == before
    assert house.said("squashed", "plangate/network/plan") == ("success", "As applied on #1")
    assert house.timeline(run)[-1].message.startswith("as applied on #1, by run-")


def test_the_order_of_the_merge_and_the_push_does_not_matter(house: House) -> None:
    applied(house)
    house.close_change(1, merged=True, as_commit="squashed")
    assert house.run(squashed(house)).has_changes is False
    assert house.said("squashed", "plangate/network/plan")[1] == "As applied on #1"


def test_a_commit_with_other_files_is_planned(house: House) -> None:
    applied(house)
    run = squashed(house, **{"network/new.tf": "1"})
    assert house.engine.count("plan", run) == 1


def test_files_that_the_plan_can_not_read_do_not_matter(house: House) -> None:
    applied(house)
    house.engine.places = ("network",)
    house.say(1, "/plan")
    house.engine.will_find("network", change("a.c"))
    house.say(1, "/plan")
    house.engine.during("apply", lambda job: keep_state(house, _only(house), job.run_id))
    house.say(1, "/apply")
    run = squashed(house, **{"other/new.tf": "1"})
    assert house.engine.count("plan", run) == 0


@pytest.mark.parametrize("triggers", [Triggers(prefixes=("other",)), Triggers(file_triggers=False)])
def test_files_that_a_trigger_names_do(house: House, triggers: Triggers) -> None:
    applied(house, triggers=triggers)
    with house.store.transaction() as tx:
        of = house.runs()[-1].id
        inputs = saved_inputs(tx, of)
        assert inputs is not None
        save_inputs(tx, of, replace(inputs, places=("network",)), ())
    run = squashed(house, **{"other/new.tf": "1"})
    assert house.engine.count("plan", run) == 1


def test_an_apply_whose_configuration_had_a_backend_of_its_own_is_planned(house: House) -> None:
    applied(house)
    with house.store.transaction() as tx:
        of = house.runs()[-1].id
        inputs = saved_inputs(tx, of)
        assert inputs is not None
        save_inputs(tx, of, replace(inputs, backend="s3", state=""), ())
    run = squashed(house)
    assert house.engine.count("plan", run) == 1


def test_a_state_that_has_moved_since_is_planned(house: House) -> None:
    workspace = applied(house)
    keep_state(house, workspace, "")
    run = squashed(house)
    assert house.engine.count("plan", run) == 1


def test_a_workspace_that_keeps_its_state_elsewhere_is_planned(house: House) -> None:
    house.forge.set_branch(REPO, "main", "base1")
    house.engine.plans["network"] = plan_json(change("a.b"))
    house.workspace("network", merging=Merging(plan_of=PlanOf.MERGE))
    house.open_change(1, "head1", "network/a.tf")
    house.say(1, "/apply")
    run = squashed(house)
    assert house.engine.count("plan", run) == 1


def test_a_workspace_that_plans_heads_is_planned(house: House) -> None:
    applied(house, merging=Merging())
    run = squashed(house)
    assert house.engine.count("plan", run) == 1


@pytest.mark.parametrize("command", ["/plan -target=a.b", "/plan -refresh-only"])
def test_an_apply_of_a_part_is_planned(house: House, command: str) -> None:
    workspace = applied(house)
    house.engine.will_find("network", change("a.c"))
    house.say(1, command)
    house.engine.during("apply", lambda job: keep_state(house, workspace, job.run_id))
    house.say(1, "/apply")
    run = squashed(house)
    assert house.engine.count("plan", run) == 1


def test_commits_that_can_not_be_compared_are_planned(house: House) -> None:
    applied(house)
    house.merges.comparing.append(EngineError("the commit was not found"))
    run = squashed(house)
    assert house.engine.count("plan", run) == 1


def _only(house: House) -> Workspace:
    found = house.find_workspace("network")
    assert found is not None
    return found
