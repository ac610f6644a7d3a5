"""When a change is merged by itself: applied everywhere, by somebody's word, with automerge everywhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.changes.automerge import AutoMerge, TouchedWorkspace, automerge
from bot.domain.plans.modes import Modes
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import RunSource
from bot.domain.workspaces.merge_method import MergeMethod
from bot.domain.workspaces.workspace import Merging
from tests.fakes.runs import a_change, a_run, a_workspace

CHANGE = a_change()
ON = Merging(automerge=True)


def part(name: str, *runs: Any, merging: Merging = ON, **fields: bool) -> TouchedWorkspace:
    return TouchedWorkspace(a_workspace(name, merging=merging), runs, **fields)


def run(status: RunStatus, **fields: Any) -> Any:
    return a_run(status=status, **{"commit": "h1", "change_number": 1, "source": RunSource.COMMENT, **fields})


APPLIED = run(RunStatus.APPLIED, apply_status=StageStatus.FINISHED)
PLANNED = run(RunStatus.PLANNED_AND_FINISHED, plan_only=True, has_changes=True)
IDLE = run(RunStatus.PLANNED_AND_FINISHED, plan_only=True, has_changes=False)
FAILED = run(RunStatus.ERRORED, plan_only=True, plan_status=StageStatus.ERRORED, error="no provider")
WAITS = run(RunStatus.PENDING)


def test_a_change_that_is_applied_everywhere_is_merged() -> None:
    assert automerge(CHANGE, [part("net", APPLIED, PLANNED), part("app", IDLE)]) == AutoMerge()


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ((), "net: not planned yet"),
        ((PLANNED,), "net: Plan: "),
        ((WAITS, PLANNED), "net: Planning before the apply"),
        ((FAILED,), "net: Plan failed: no provider"),
        ((PLANNED, APPLIED), "net: Plan: "),
        ((IDLE, WAITS), "net: Planning before the apply"),
        ((replace(APPLIED, modes=Modes(target_addrs=("a.b",))),), "net: applied with -target=a.b alone"),
        ((replace(APPLIED, modes=Modes(destroy=True)),), "net: applied with -destroy alone"),
        ((replace(IDLE, modes=Modes(refresh_only=True)),), "net: planned with -refresh-only alone"),
    ],
)
def test_what_is_left_in_one_workspace_is_said(runs: tuple[Any, ...], why: str) -> None:
    found = automerge(CHANGE, [part("net", *runs), part("app", APPLIED)])
    assert found is not None and not found.ready
    assert f"left: {why}" in found.waits


def test_a_plan_after_the_apply_that_finds_nothing_changes_nothing() -> None:
    assert automerge(CHANGE, [part("net", IDLE, APPLIED, PLANNED)]) == AutoMerge()


def test_a_resource_that_was_replaced_on_demand_is_applied_all_the_same() -> None:
    replaced = replace(APPLIED, modes=Modes(replace_addrs=("a.b",)))
    assert automerge(CHANGE, [part("net", replaced)]) == AutoMerge()


def test_where_nothing_was_applied_nobody_has_said_yes() -> None:
    found = automerge(CHANGE, [part("net", IDLE), part("app", IDLE)])
    assert found is not None and "nobody has approved the merge" in found.left


def test_an_approval_for_after_the_merge_is_a_yes() -> None:
    assert automerge(CHANGE, [part("net", PLANNED, approved=True)]) == AutoMerge()


def test_a_plan_without_changes_of_a_state_that_has_moved_on_is_not_enough() -> None:
    found = automerge(CHANGE, [part("net", APPLIED), part("app", IDLE, outdated=True)])
    assert found is not None and "app: the state has moved since it was planned" in found.waits


def test_one_workspace_without_it_leaves_the_change_to_people() -> None:
    found = automerge(CHANGE, [part("net", APPLIED), part("app", IDLE, merging=Merging())])
    assert found == AutoMerge(left="automerge is off for app")


def test_a_draft_waits_and_a_closed_change_is_not_merged() -> None:
    found = automerge(replace(CHANGE, draft=True), [part("net", APPLIED)])
    assert found == AutoMerge(waits="until it is no longer a draft")
    assert automerge(replace(CHANGE, open=False), [part("net", APPLIED)]) is None
    assert automerge(CHANGE, []) is None
    assert automerge(CHANGE, [part("net", APPLIED, merging=Merging())]) is None


def test_the_way_of_merging_is_the_one_that_is_named_unless_two_are() -> None:
    squash, rebase = (
        Merging(automerge=True, merge_method=method) for method in (MergeMethod.SQUASH, MergeMethod.REBASE)
    )
    parts = [part("net", APPLIED, merging=squash), part("app", IDLE)]
    assert automerge(CHANGE, parts) == AutoMerge(method=MergeMethod.SQUASH)
    found = automerge(CHANGE, [*parts, part("dns", IDLE, merging=rebase)])
    assert found is not None and "net says squash, dns says rebase" in found.left


def test_what_is_said() -> None:
    assert AutoMerge(left="x").said("") == "Not merged by itself: x"
    assert AutoMerge(waits="once y").said("") == "Merged by itself once y"
    assert AutoMerge().said("a review is missing").startswith("Applied, but not merged yet: a review is miss")
