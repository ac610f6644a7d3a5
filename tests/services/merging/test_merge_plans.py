"""A change's plan is made of its head merged into its base: runs, statuses, conflicts, applies."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.errors import EngineError
from bot.domain.events import ChangeAction, ChangeUpdated
from bot.domain.workspaces.workspace import Merging, PlanOf, Workspace
from tests.fakes.engine import change, plan_json
from tests.fakes.house import REPO, House

MERGES = Merging(plan_of=PlanOf.MERGE)
HOSTILE = "`@ben`\n<!-- x --> [a](http://evil)"


def network(house: House, **fields: Any) -> Workspace:
    house.forge.set_branch(REPO, "main", "base1")
    house.engine.plans["network"] = plan_json(change("a.b"))
    return house.workspace("network", **{"merging": MERGES, **fields})


def test_a_preview_is_of_the_merge_and_reported_on_the_head(house: House) -> None:
    network(house)
    house.open_change(1, "head1", "network/a.tf")
    run = house.only_run()
    assert (run.commit, run.files_of) == ("head1", "merge-head1-base1")
    (job, *_) = house.engine.jobs
    assert (job.commit, job.environment["TFC_CONFIGURATION_VERSION_GIT_COMMIT_SHA"]) == (
        run.files_of,
        "head1",
    )
    assert job.merged is not None
    assert (job.merged.head, job.merged.base) == ("head1", "base1")
    assert house.said("head1") == ("success", "1 workspace planned: +1 ~0 -0")
    assert "on top of main at base1" in house.summary(1)


def test_a_workspace_that_plans_the_head_has_no_merge(house: House) -> None:
    network(house, merging=Merging())
    house.open_change(1, "head1", "network/a.tf")
    run = house.only_run()
    assert (run.merge, run.files_of) == (None, "head1")
    assert "on top of" not in house.summary(1)


def test_each_workspace_of_a_change_is_planned_as_it_says(house: House) -> None:
    network(house)
    house.workspace("app")
    house.open_change(1, "head1", "network/a.tf", "app/a.tf")
    assert sorted(run.files_of for run in house.runs()) == ["head1", "merge-head1-base1"]


def test_what_is_applied_is_the_merge_that_was_shown(house: House) -> None:
    network(house)
    house.open_change(1, "head1", "network/a.tf")
    house.say(1, "/apply")
    applied = house.runs()[-1]
    assert (applied.status.value, applied.files_of) == ("applied", "merge-head1-base1")
    assert {job.commit for job in house.engine.jobs} == {"merge-head1-base1"}


def test_a_conflict_is_not_planned_and_says_so(house: House) -> None:
    network(house)
    house.merges.conflicts["head1", "base1"] = ("a.tf", HOSTILE)
    delivery = house.open_change(1, "head1", "network/a.tf")
    assert house.runs() == []
    assert house.said("head1") == ("failure", "Conflicts with main in 2 files: nothing is planned")
    assert "it has conflicts with main" in house.reasons(delivery)[0]
    shown = house.summary(1)
    assert "it has conflicts with main, so nothing is planned: merge or rebase" in shown
    assert HOSTILE in shown


def test_a_conflict_that_is_resolved_is_planned(house: House) -> None:
    network(house)
    house.merges.conflicts["head1", "base1"] = ("a.tf",)
    house.open_change(1, "head1", "network/a.tf")
    house.update_change(1, "head2", "network/a.tf")
    assert house.said("head2") == ("success", "1 workspace planned: +1 ~0 -0")
    assert "conflicts" not in house.summary(1)


def test_commits_without_a_common_history_say_so(house: House) -> None:
    network(house)
    house.merges.conflicts["head1", "base1"] = ("",)
    house.open_change(1, "head1", "network/a.tf")
    assert house.said("head1") == ("failure", "No history in common with main: nothing is planned")


def test_a_change_with_a_conflict_can_not_be_planned_nor_applied(house: House) -> None:
    network(house)
    house.merges.conflicts["head1", "base1"] = ("a.tf",)
    house.open_change(1, "head1", "network/a.tf")
    for command in ("/plan", "/apply"):
        house.say(1, command)
        assert "it has conflicts with main, so nothing is planned" in house.comments(1)[-1]
    assert house.runs() == []


def test_a_conflict_with_the_newer_base_takes_the_plan_away(house: House) -> None:
    network(house)
    house.open_change(1, "head1", "network/a.tf")
    house.forge.set_branch(REPO, "main", "base2")
    house.merges.conflicts["head1", "base2"] = ("a.tf",)
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished"]
    assert "conflicts with main" in house.comments(1)[-1]
    assert house.said("head1")[0] == "failure"
    plan = house.said("head1", "plangate/network/plan")
    assert plan[1].startswith("Outdated, it has conflicts with main")
    assert "next: nothing" in house.summary(1)


def test_a_plan_on_an_older_base_is_not_applied(house: House) -> None:
    network(house)
    house.open_change(1, "head1", "network/a.tf")
    house.forge.set_branch(REPO, "main", "base2")
    house.merges.bases["base2"] = {"network/other.tf": "1"}
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished"]
    assert "main has moved to base2 since it was planned" in house.comments(1)[-1]
    assert "next: /plan network" in house.summary(1)


def test_an_older_base_with_the_same_readable_files_is_as_good(house: House) -> None:
    network(house)
    house.engine.places = ("network",)
    house.open_change(1, "head1", "network/a.tf")
    house.forge.set_branch(REPO, "main", "base2")
    house.merges.bases["base2"] = {"other/main.tf": "1"}
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished", "applied"]
    assert "base moved" in house.kinds(house.runs()[0])


@pytest.mark.parametrize(
    "path", ["network/x.tf", "modules/m/x.tf", "network", ".gitattributes", "a/.GitAttributes"]
)
def test_a_file_that_the_plan_could_read_makes_it_old(house: House, path: str) -> None:
    network(house)
    house.engine.places = ("modules/m", "network")
    house.open_change(1, "head1", "network/a.tf")
    house.forge.set_branch(REPO, "main", "base2")
    house.merges.bases["base2"] = {path: "1"}
    house.say(1, "/apply")
    assert house.statuses() == ["planned_and_finished"]


def test_a_base_that_moves_while_a_run_waits_is_noticed_when_its_apply_starts(house: House) -> None:
    network(house)
    house.open_change(1, "head1", "network/a.tf")
    house.say(1, "/apply", work=False)
    house.work("receive")

    def move(_: object) -> None:
        house.forge.set_branch(REPO, "main", "base2")
        house.merges.bases["base2"] = {"network/other.tf": "1"}

    # Its own plan is made once more, for nobody has told that the state is ours.
    house.engine.state_here = False
    house.engine.during("plan", move)
    house.clock.forward(hours=2)
    house.work()
    run = house.runs()[-1]
    assert house.engine.applied == []
    assert run.status.value == "planned"
    assert run.lacks.startswith("main has moved to base2")


def test_a_merge_that_fails_is_retried_and_nothing_is_lost(house: House) -> None:
    network(house)
    house.merges.faults.append(EngineError("git merge-tree failed: once"))
    delivery = house.open_change(1, "head1", "network/a.tf")
    assert house.delivery(delivery).handled_at is None
    house.sweep(minutes=10)
    assert house.delivery(delivery).handled_at is not None
    assert house.only_run().files_of == "merge-head1-base1"


def test_a_change_that_gets_another_base_is_planned_on_that(house: House) -> None:
    network(house)
    house.forge.set_branch(REPO, "other", "other1")
    house.workspace("network-other", working_directory="network", branch="other", merging=MERGES)
    house.open_change(1, "head1", "network/a.tf")
    about = house.forge.edit_change(REPO, 1, base_branch="other")
    house.deliver(ChangeUpdated(about, ChangeAction.RETARGETED, "ann"))
    house.work()
    assert house.runs()[-1].files_of == "merge-head1-other1"
    assert "on top of other at other1" in house.summary(1)


def test_why_says_what_a_plan_is_on_top_of_and_that_it_is_old(house: House) -> None:
    network(house)
    house.open_change(1, "head1", "network/a.tf")
    house.say(1, "/why")
    assert "network planned on top of main at base1" in house.comments(1)[-1]
    house.forge.set_branch(REPO, "main", "base2")
    house.merges.bases["base2"] = {"network/other.tf": "1"}
    house.say(1, "/why")
    assert "network can't be applied now: main has moved to base2" in house.comments(1)[-1]
    house.merges.conflicts["head1", "base2"] = ("a.tf",)
    house.say(1, "/why")
    assert "network can't be applied now: it has conflicts with main" in house.comments(1)[-1]
