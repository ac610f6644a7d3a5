"""What an event leads to, each with its reason."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.changes.decisions import (
    ConfirmRun,
    NoRun,
    Refuse,
    StartApply,
    StartRun,
    decide_apply,
    decide_change,
    decide_push,
    decide_tag,
)
from bot.domain.events import BranchPushed, ChangedFiles, TagPushed
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Triggers, Workspace
from tests.fakes.runs import AT, LATER, REPO, a_change, a_preview, a_run, a_workspace

NETWORK = a_workspace("network", working_directory="network")
RELEASE = a_workspace("release", working_directory="network", branch="release")
TAGGED = a_workspace("tagged", working_directory="network", triggers=Triggers(tag_regex=r"^v\d"))
EVERY_PUSH = a_workspace("every", triggers=Triggers(file_triggers=False))
TOUCHES, ELSEWHERE = ChangedFiles(("network/main.tf",)), ChangedFiles(("README.md",))


def pushed(branch: str = "main") -> BranchPushed:
    return BranchPushed(REPO, branch, "b", "c1", "ann", "Add", "main")


@pytest.mark.parametrize(
    ("branch", "workspaces", "files", "decisions"),
    [
        ("main", [], TOUCHES, (NoRun("", "no workspace is configured for acme/infra"),)),
        ("topic", [NETWORK], None, (NoRun("", "no workspace of acme/infra follows branch topic"),)),
        ("main", [NETWORK, RELEASE], TOUCHES, (StartRun(NETWORK, "network/main.tf is in network"),)),
        ("release", [NETWORK, RELEASE], TOUCHES, (StartRun(RELEASE, "network/main.tf is in network"),)),
        ("main", [NETWORK], ELSEWHERE, (NoRun("network", "none of the changed files is in network/"),)),
        (
            "main",
            [NETWORK],
            None,
            (StartRun(NETWORK, "the list of changed files is incomplete, so every workspace runs"),),
        ),
        (
            "main",
            [EVERY_PUSH],
            ELSEWHERE,
            (StartRun(EVERY_PUSH, "file triggers are off, so every push runs"),),
        ),
        ("main", [TAGGED], TOUCHES, (NoRun("tagged", r"runs on tags that match ^v\d, not on pushes"),)),
    ],
)
def test_a_push_runs_what_follows_its_branch_and_is_touched(
    branch: str, workspaces: list[Workspace], files: ChangedFiles | None, decisions: tuple[object, ...]
) -> None:
    assert decide_push(pushed(branch), workspaces, files) == decisions


@pytest.mark.parametrize(
    ("tag", "workspaces", "decisions"),
    [
        ("v1", [NETWORK], (NoRun("", "no workspace of acme/infra runs on tags"),)),
        ("v1", [NETWORK, TAGGED], (StartRun(TAGGED, r"tag v1 matches ^v\d"),)),
        ("beta", [TAGGED], (NoRun("tagged", r"tag beta does not match ^v\d"),)),
    ],
)
def test_a_tag_runs_what_listens_to_it(
    tag: str, workspaces: list[Workspace], decisions: tuple[object, ...]
) -> None:
    assert decide_tag(TagPushed(REPO, tag, "c1", "ann", "", "main"), workspaces) == decisions


@pytest.mark.parametrize(
    ("base", "files", "decisions"),
    [
        ("main", TOUCHES, (StartRun(NETWORK, "network/main.tf is in network"),)),
        ("release", TOUCHES, (StartRun(RELEASE, "network/main.tf is in network"),)),
        ("main", ELSEWHERE, (NoRun("network", "none of the changed files is in network/"),)),
        ("topic", TOUCHES, (NoRun("", "no workspace of acme/infra follows branch topic"),)),
    ],
)
def test_a_change_is_previewed_where_it_would_be_merged(
    base: str, files: ChangedFiles, decisions: tuple[object, ...]
) -> None:
    assert decide_change(a_change(base_branch=base), [NETWORK, RELEASE], files) == decisions


# --- /apply -----------------------------------------------------------------------------------------------

DONE = {"commit": "h1", "has_changes": True, "digest": "d"}
READY = a_preview("run-1", RunStatus.PLANNED_AND_FINISHED, **DONE)


def apply_run(status: RunStatus, commit: str = "h1") -> Run:
    return a_run("run-2", status, commit=commit, source=RunSource.COMMENT, change_number=1)


@pytest.mark.parametrize(
    ("runs", "why"),
    [
        ([], "there is no plan of the latest commit yet: comment `/plan`"),
        (
            [a_preview("run-1", RunStatus.PLANNED_AND_FINISHED, **{**DONE, "commit": "h0"})],
            "there is no plan of the latest commit yet: comment `/plan`",
        ),
        (
            [a_preview("run-1", RunStatus.PLANNING, commit="h1")],
            "the plan of the latest commit is not finished yet",
        ),
        ([a_preview("run-1", RunStatus.CANCELED, commit="h1")], "there is no plan of the latest commit"),
        ([a_preview("run-1", RunStatus.ERRORED, commit="h1")], "the plan of the latest commit failed"),
        (
            [a_preview("run-1", RunStatus.PLANNED_AND_FINISHED, commit="h1", has_changes=False)],
            "there is nothing to apply",
        ),
        ([apply_run(RunStatus.PENDING), READY], "run-2 is under way already (pending)"),
        ([apply_run(RunStatus.PLANNING), READY], "run-2 is under way already (planning)"),
        ([apply_run(RunStatus.APPLYING, "h0"), READY], "run-2 is under way already (applying)"),
        ([apply_run(RunStatus.PLANNED, "h0"), READY], "run-2 waits with a plan of an older commit"),
        ([apply_run(RunStatus.POLICY_OVERRIDE), READY], "policies hold run-2: an owner has to comment"),
        ([apply_run(RunStatus.APPLIED), READY], "this commit is applied already, by run-2"),
    ],
)
def test_apply_is_refused_with_the_reason(runs: list[Run], why: str) -> None:
    decision = decide_apply(a_change(), runs, LATER)
    assert isinstance(decision, Refuse)
    assert decision.reason.startswith(why)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"open": False, "merged": True}, "it is merged already"),
        ({"open": False}, "it is closed: reopen it to plan and apply"),
    ],
)
def test_nothing_is_applied_through_a_change_that_is_no_longer_open(state: dict[str, bool], why: str) -> None:
    for runs in ([READY], [apply_run(RunStatus.PLANNED), READY]):
        decision = decide_apply(a_change(**state), runs, LATER)
        assert isinstance(decision, Refuse)
        assert decision.reason.startswith(why)


@pytest.mark.parametrize("before", [RunStatus.DISCARDED, RunStatus.ERRORED, RunStatus.CANCELED])
def test_apply_approves_the_preview_also_after_an_attempt_that_came_to_nothing(before: RunStatus) -> None:
    assert decide_apply(a_change(), [apply_run(before), READY], LATER) == StartApply(READY)
    assert decide_apply(a_change(), [READY], LATER) == StartApply(READY)


def test_a_canceled_preview_does_not_hide_the_finished_one_before_it() -> None:
    canceled = a_preview("run-2", RunStatus.CANCELED, commit="h1")
    assert decide_apply(a_change(), [canceled, READY], LATER) == StartApply(READY)


def test_apply_confirms_a_run_that_waits_with_a_plan_of_its_own() -> None:
    waiting = apply_run(RunStatus.PLANNED)
    assert decide_apply(a_change(), [waiting, READY], LATER) == ConfirmRun(waiting)


@pytest.mark.parametrize("runs", [[READY], [apply_run(RunStatus.PLANNED), READY]])
def test_a_plan_made_after_the_comment_is_not_what_it_approved(runs: list[Run]) -> None:
    decision = decide_apply(a_change(), runs, AT - timedelta(seconds=1))
    assert decision == Refuse("the plan is newer than your comment: look at it, and comment again")
