"""Decisions on events and on `/apply`, as pure functions. Each decision has its reason (promise 7)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.events import BranchPushed, Change, ChangedFiles, GroupQueued, TagPushed
from bot.domain.reports.speaking_run import speaking_run_of_branch
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import ApplyWhen, Workspace


@dataclass(frozen=True)
class StartRun:
    """Create a run in the workspace."""

    workspace: Workspace
    reason: str


@dataclass(frozen=True)
class NoRun:
    """Do nothing: in one workspace, or (empty name) in any."""

    workspace_name: str
    reason: str


Decision = StartRun | NoRun


def decide_push(
    event: BranchPushed, workspaces: Sequence[Workspace], files: ChangedFiles | None
) -> tuple[Decision, ...]:
    """Decide which workspaces run for a push to a branch.

    `files` is None if no workspace is on the branch.
    """
    if not workspaces:
        return (NoRun("", f"no workspace is configured for {event.repo.path}"),)
    here = [w for w in workspaces if w.on_branch(event.branch, event.default_branch)]
    if not here:
        return (NoRun("", f"no workspace of {event.repo.path} follows branch {event.branch}"),)
    return tuple(
        _by_files(w, files or ChangedFiles.unknown())
        if w.merging.apply_when.after
        else NoRun(w.name, "applies changes before they are merged (apply: before_merge), not the branch")
        for w in here
        if not w.triggers.tag_regex
    ) + tuple(
        NoRun(w.name, f"runs on tags that match {w.triggers.tag_regex}, not on pushes")
        for w in here
        if w.triggers.tag_regex
    )


def decide_tag(event: TagPushed, workspaces: Sequence[Workspace]) -> tuple[Decision, ...]:
    """Decide which workspaces run for a tag, whatever the branch."""
    listening = [w for w in workspaces if w.triggers.tag_regex]
    if not listening:
        return (NoRun("", f"no workspace of {event.repo.path} runs on tags"),)
    return tuple(
        StartRun(w, f"tag {event.tag} matches {w.triggers.tag_regex}")
        if re.search(w.triggers.tag_regex, event.tag)
        else NoRun(w.name, f"tag {event.tag} does not match {w.triggers.tag_regex}")
        for w in listening
    )


def decide_change(
    change: Change, workspaces: Sequence[Workspace], files: ChangedFiles
) -> tuple[Decision, ...]:
    """Decide which workspaces preview a change: those on its base branch with paths that it touches."""
    here = [w for w in workspaces if w.on_branch(change.base_branch, change.default_branch)]
    if not here:
        return (NoRun("", f"no workspace of {change.repo.path} follows branch {change.base_branch}"),)
    return tuple(_by_files(w, files) for w in here)


def decide_group(
    event: GroupQueued, workspaces: Sequence[Workspace], files: ChangedFiles
) -> tuple[Decision, ...]:
    """Decide which workspaces plan a merge queue's commit: those that one of its changes would preview."""
    here = [w for w in workspaces if w.on_branch(event.base_branch, event.default_branch)]
    if not here:
        return (NoRun("", f"no workspace of {event.repo.path} follows branch {event.base_branch}"),)
    return tuple(_by_files(w, files) for w in here)


def _by_files(workspace: Workspace, files: ChangedFiles) -> Decision:
    reason = workspace.triggers.reason(files, workspace.working_directory)
    if reason:
        return StartRun(workspace, reason)
    watched = workspace.triggers.watched(workspace.working_directory)
    return NoRun(workspace.name, f"none of the changed files is in {watched}")


@dataclass(frozen=True)
class ConfirmRun:
    """`/apply` confirms a waiting run with its own plan."""

    run: Run


@dataclass(frozen=True)
class StartApply:
    """`/apply` creates a run that is approved for the digest of the preview."""

    preview: Run


@dataclass(frozen=True)
class Refuse:
    """`/apply` does nothing in this workspace, for this reason."""

    reason: str


@dataclass(frozen=True)
class WaitsForFreeze(Refuse):
    """`/apply` does nothing: the run is approved, and waits for a freeze, which an owner may ignore."""

    run: Run


@dataclass(frozen=True)
class KeepApproval:
    """`/apply` approves the preview's plan, which is applied after the merge."""

    preview: Run


ApplyDecision = ConfirmRun | StartApply | KeepApproval | Refuse


def decide_apply(
    change: Change, runs: Sequence[Run], asked_at: datetime, apply_when: ApplyWhen = ApplyWhen.BOTH
) -> ApplyDecision:
    """Decide what `/apply` does in one workspace; `runs` are the change's runs there, newest first.

    After a merge, the branch's runs are among them.

    A plan that is newer than `asked_at` can't be meant, because the person did not see it (promise 1).
    """
    if change.merged:
        return _merged(runs, asked_at)
    if not change.open:
        return Refuse("it is closed: reopen it to plan and apply")
    active = next((r for r in runs if not r.plan_only and not r.final), None)
    if not apply_when.before:
        return _kept(runs, change, asked_at)
    if active:
        if active.awaits_confirmation and active.commit == change.head_sha:
            return Refuse(_UNSEEN) if active.status_at > asked_at else ConfirmRun(active)
        if active.awaits_confirmation:
            return Refuse(f"{active.id} waits with a plan of an older commit: discard it on its page first")
        if active.status is RunStatus.POLICY_OVERRIDE:
            return Refuse(
                f"policies hold {active.id}: an owner has to comment `/override` with a reason first"
            )
        if active.waits_for_freeze and active.frozen is not None:
            waits = f"{active.id} is approved already and {active.frozen.words}"
            return WaitsForFreeze(f"{waits}; {_IGNORE}", active)
        return Refuse(f"{active.id} is under way already ({active.status.value})")
    head = [r for r in runs if r.commit == change.head_sha]
    if not head:
        return Refuse("there is no plan of the latest commit yet: comment `/plan`")
    if not head[0].plan_only and head[0].status is RunStatus.APPLIED:
        return Refuse(f"this commit is applied already, by {head[0].id}")
    preview = next((r for r in head if r.plan_only and r.status is not RunStatus.CANCELED), None)
    return _approve(preview, asked_at)


def _kept(runs: Sequence[Run], change: Change, asked_at: datetime) -> ApplyDecision:
    head = [run for run in runs if run.commit == change.head_sha and run.plan_only]
    decision = _approve(next((r for r in head if r.status is not RunStatus.CANCELED), None), asked_at)
    return KeepApproval(decision.preview) if isinstance(decision, StartApply) else decision


def _merged(runs: Sequence[Run], asked_at: datetime) -> ApplyDecision:
    """After a merge, the branch's own run may be applied."""
    run = speaking_run_of_branch(runs)
    if run is None:
        return Refuse("it is merged already, and the branch has no run of that merge yet")
    if run.awaits_confirmation:
        return Refuse(_UNSEEN) if run.status_at > asked_at else ConfirmRun(run)
    if run.waits_for_freeze and run.frozen is not None:
        waits = f"it is merged already, and {run.id} of the branch is approved and {run.frozen.words}"
        return WaitsForFreeze(f"{waits}; {_IGNORE}", run)
    what = "is finished" if run.final else "is under way"
    return Refuse(f"it is merged already, and {run.id} of the branch {what} ({run.status.value})")


_IGNORE = "an owner lets it start by `-ignore-freeze` with a reason"
_UNSEEN = "the plan is newer than your comment: look at it, and comment again"


def _approve(preview: Run | None, asked_at: datetime) -> ApplyDecision:
    if preview is None:
        return Refuse("there is no plan of the latest commit: comment `/plan`")
    if not preview.final:
        return Refuse("the plan of the latest commit is not finished yet: comment again when it is shown")
    # A soft failure may be applied: the new run stops and asks for the override.
    if preview.status not in (RunStatus.PLANNED_AND_FINISHED, RunStatus.POLICY_SOFT_FAILED):
        return Refuse("the plan of the latest commit failed: fix it, or comment `/plan` to plan again")
    if not preview.has_changes:
        return Refuse("there is nothing to apply: the plan has no changes")
    if preview.status_at > asked_at:
        return Refuse(_UNSEEN)
    return StartApply(preview)
