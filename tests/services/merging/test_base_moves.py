"""The base of open changes moves: plans that stay, plans that are made again, and their approvals."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.errors import EngineError
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.approval import ApprovalState
from bot.domain.workspaces.workspace import ApplyWhen, Merging, PlanOf, Triggers, Workspace
from bot.services.ports import Limits
from tests.fakes.engine import change, plan_json
from tests.fakes.house import REPO, House

MERGES = Merging(plan_of=PlanOf.MERGE)
OTHER_PROVIDER = b'provider "example.com/a/b" {\n  version = "6.0.0"\n  hashes = [\n    "h1:x",\n  ]\n}\n'
AFTER = Merging(ApplyWhen.AFTER_MERGE, plan_of=PlanOf.MERGE)


def network(house: House, **fields: Any) -> Workspace:
    house.forge.set_branch(REPO, "main", "base1")
    house.engine.plans["network"] = plan_json(change("a.b"))
    house.engine.places = ("network",)
    return house.workspace("network", **{"merging": MERGES, **fields})


def opened(house: House, *numbers: int, **fields: Any) -> Workspace:
    workspace = network(house, **fields)
    for number in numbers:
        house.open_change(number, f"head{number}", "network/a.tf")
    return workspace


def move(house: House, to: str, **files: str) -> str:
    """Have somebody push to main; the files of its commit are all that is known of it."""
    house.merges.bases[to] = {path.replace("__", "/") + ".tf": text for path, text in files.items()}
    return house.push(to, "elsewhere/a.tf")


def previews(house: House, number: int = 1) -> list[str]:
    return [run.files_of for run in house.runs(change_number=number) if run.plan_only]


def approvals(house: House, workspace: Workspace, number: int = 1) -> list[ApprovalState]:
    with house.store.reading() as tx:
        return [each.state for each in tx.approvals.of_change(workspace.id, number)]


def test_a_base_that_moves_elsewhere_runs_nothing(house: House) -> None:
    opened(house, 1)
    move(house, "base2", other__x="1")
    assert previews(house) == ["merge-head1-base1"]
    assert "base moved" in house.kinds(house.runs()[0])
    assert "outdated" not in house.summary(1)
    house.say(1, "/apply")
    assert house.runs()[-1].status.value == "applied"


def test_a_base_that_moves_under_a_plan_has_it_made_again(house: House) -> None:
    opened(house, 1)
    move(house, "base2", network__x="1")
    assert previews(house) == ["merge-head1-base1", "merge-head1-base2"]
    assert "on top of main at base2" in house.summary(1)
    house.say(1, "/apply")
    assert (house.runs()[-1].status.value, house.runs()[-1].files_of) == ("applied", "merge-head1-base2")


def test_a_configuration_that_can_read_everything_is_planned_again(house: House) -> None:
    opened(house, 1)
    house.engine.places = None
    house.say(1, "/plan")
    move(house, "base2", other__x="1")
    assert previews(house)[-1] == "merge-head1-base2"


NAMED = [
    Triggers(prefixes=("other",)),
    Triggers(patterns=("network/*", "**/x.tf")),
    Triggers(file_triggers=False),
]


@pytest.mark.parametrize("triggers", NAMED)
def test_a_file_that_a_trigger_names_has_it_planned_again(house: House, triggers: Triggers) -> None:
    opened(house, 1, triggers=triggers)
    move(house, "base2", other__x="1")
    assert previews(house) == ["merge-head1-base1", "merge-head1-base2"]


def test_changes_that_plan_their_heads_are_left_alone(house: House) -> None:
    opened(house, 1, merging=Merging())
    move(house, "base2", network__x="1")
    assert previews(house) == ["head1"]


def test_a_base_that_comes_into_conflict_takes_the_plan_away_and_back(house: House) -> None:
    opened(house, 1)
    house.merges.conflicts["head1", "base2"] = ("network/a.tf",)
    move(house, "base2", network__a="1")
    assert previews(house) == ["merge-head1-base1"]
    assert house.said("head1")[0] == "failure"
    move(house, "base3", network__x="1")
    assert previews(house) == ["merge-head1-base1", "merge-head1-base3"]
    assert house.said("head1") == ("success", "1 workspace planned: +1 ~0 -0")


def test_over_the_limit_plans_are_outdated_and_can_not_be_applied(build: Callable[..., House]) -> None:
    house = build(limits=Limits(siblings=1))
    opened(house, 1, 2)
    move(house, "base2", network__x="1")
    assert (previews(house, 1)[-1], previews(house, 2)[-1]) == ("merge-head1-base2", "merge-head2-base1")
    assert "outdated: main has moved to base2" in house.summary(2)
    house.say(2, "/apply")
    assert "main has moved to base2" in house.comments(2)[-1]
    house.say(2, "/plan")
    house.say(2, "/apply")
    assert house.runs(change_number=2)[-1].files_of == "merge-head2-base2"
    assert house.runs(change_number=2)[-1].status.value == "applied"


def test_the_oldest_approvals_are_planned_again_first(build: Callable[..., House]) -> None:
    house = build(limits=Limits(siblings=1))
    opened(house, 1, 2, merging=AFTER)
    house.say(2, "/apply")
    move(house, "base2", network__x="1")
    assert (previews(house, 1)[-1], previews(house, 2)[-1]) == ("merge-head1-base1", "merge-head2-base2")


def test_a_run_in_the_queue_is_planned_again_and_goes_on_with_its_approval(house: House) -> None:
    workspace = opened(house, 1)
    house.services.workspace_locks.lock(workspace.name, _admin(), "busy")
    house.say(1, "/apply")
    move(house, "base2", network__x="1")
    assert [(r.status.value, r.files_of) for r in house.runs(plan_only=False, change_number=1)] == [
        ("discarded", "merge-head1-base1"),
        ("pending", "merge-head1-base2"),
    ]
    house.services.workspace_locks.unlock(workspace.name, _admin())
    house.work()
    run = house.runs(change_number=1)[-1]
    assert (run.status.value, run.confirmed_by, run.files_of) == ("applied", "wren", "merge-head1-base2")


def test_an_approval_falls_if_the_plan_is_another_and_says_what_differs(house: House) -> None:
    workspace = opened(house, 1, merging=AFTER)
    house.say(1, "/apply")
    house.engine.plans["network"] = plan_json(change("a.b"), change("a.c"))
    move(house, "base2", network__x="1")
    assert approvals(house, workspace) == [ApprovalState.FALLEN]
    shown = house.summary(1)
    assert "wren's approval does not stand: the plan on top of main at base2 is not the one" in shown
    assert "a.c" in shown


def test_an_approval_stands_if_only_files_of_the_base_came(house: House) -> None:
    workspace = opened(house, 1, merging=AFTER)
    house.say(1, "/apply")
    house.engine.files["merge-head1-base2"] = "other files"
    move(house, "base2", network__x="1")
    assert ApprovalState.KEPT in approvals(house, workspace)
    assert "Approved by wren" in house.summary(1)


def test_an_approval_falls_if_the_change_brings_other_files_on_the_new_base(house: House) -> None:
    workspace = opened(house, 1, merging=AFTER)
    house.say(1, "/apply")
    house.engine.files["merge-head1-base2"] = "other files"
    # The base has what the change brings: nothing of it is left.
    house.merges.bases["base2"] = {"head.tf": "head1", "network/x.tf": "1"}
    house.push("base2", "elsewhere/a.tf")
    assert approvals(house, workspace) == [ApprovalState.FALLEN]


def test_an_approval_falls_if_the_providers_are_others(house: House) -> None:
    workspace = opened(house, 1, merging=AFTER)
    house.say(1, "/apply")
    house.engine.locks["merge-head1-base2"] = OTHER_PROVIDER
    move(house, "base2", network__x="1")
    assert approvals(house, workspace) == [ApprovalState.FALLEN]


def test_an_approval_falls_if_the_downloaded_modules_are_others(house: House) -> None:
    workspace = opened(house, 1, merging=AFTER)
    house.say(1, "/apply")
    house.engine.files["merge-head1-base2"] = "other files"
    house.engine.modules["merge-head1-base2"] = "a branch that has moved"
    move(house, "base2", network__x="1")
    assert approvals(house, workspace) == [ApprovalState.FALLEN]


def test_a_fork_is_planned_again_only_if_somebody_had_it_planned(house: House) -> None:
    network(house)
    house.open_change(1, "head1", "network/a.tf", fork=True)
    move(house, "base2", network__x="1")
    assert previews(house) == []
    house.say(1, "/plan")
    move(house, "base3", network__x="2")
    assert previews(house) == ["merge-head1-base2", "merge-head1-base3"]


def test_a_change_that_can_not_be_merged_here_does_not_hold_up_the_others(house: House) -> None:
    opened(house, 1, 2)
    house.merges.faults.append(EngineError("git merge-tree failed: once"))
    move(house, "base2", network__x="1")
    assert (previews(house, 1)[-1], previews(house, 2)[-1]) == ("merge-head1-base1", "merge-head2-base2")
    house.sweep(minutes=10)
    assert (previews(house, 1)[-1], previews(house, 2)[-1]) == ("merge-head1-base2", "merge-head2-base2")
    assert len(previews(house, 2)) == 2


def test_a_retry_makes_no_more_plans_than_one_push_may(build: Callable[..., House]) -> None:
    house = build(limits=Limits(siblings=1))
    opened(house, 1, 2)
    house.merges.faults.append(EngineError("git merge-tree failed: once"))
    move(house, "base2", network__x="1")
    house.sweep(minutes=10)
    assert (previews(house, 1)[-1], previews(house, 2)[-1]) == ("merge-head1-base1", "merge-head2-base2")
    assert "outdated: main has moved to base2" in house.summary(1)
    move(house, "base3", network__x="2")
    assert previews(house, 1)[-1] == "merge-head1-base3"


def test_a_branch_that_never_rests_keeps_no_worker(house: House) -> None:
    opened(house, 1)
    numbers = itertools.count(3)

    def again() -> None:
        house.forge.set_branch(REPO, "main", f"base{next(numbers)}")
        house.merges.moments.append(again)

    house.merges.moments.append(again)
    move(house, "base2", network__x="1")
    house.merges.moments.clear()
    assert next(numbers) < 20
    move(house, "base20", network__x="2")
    assert previews(house)[-1] == "merge-head1-base20"


def test_a_slow_look_at_a_change_does_not_put_an_older_base_over_a_newer_one(house: House) -> None:
    opened(house, 1)
    # While Git merges the newer commit into base1, the branch moves on, which another worker handles first.
    house.merges.moments.append(lambda: _moved_elsewhere(house))
    house.update_change(1, "head1b", "network/a.tf")
    house.work()
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
    assert record is not None
    assert record.merge is not None
    assert (record.change.head_sha, record.merge.base) == ("head1b", "base2")
    assert previews(house)[-1] == "merge-head1b-base2"


def _moved_elsewhere(house: House) -> None:
    move(house, "base2", network__x="1")


@pytest.mark.parametrize("state", ["merged", "closed"])
def test_changes_that_are_closed_are_left_alone(house: House, state: str) -> None:
    opened(house, 1)
    house.close_change(1, merged=state == "merged", as_commit="base2" if state == "merged" else "")
    move(house, "base2", network__x="1")
    assert previews(house) == ["merge-head1-base1"]


def _admin() -> Person:
    return Person("admin", Role.OWNER)
