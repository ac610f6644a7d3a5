"""Automerge: merges a change after everything that it touches is applied.

The forge decides: its own rules for merges (checks, reviews) apply to this merge too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.events import Change
from bot.domain.reports import headlines
from bot.domain.reports.speaking_run import speaking_run
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.merge_method import MergeMethod
from bot.domain.workspaces.workspace import Workspace


@dataclass(frozen=True)
class TouchedWorkspace:
    """A workspace that a change touches, with its runs of the latest commit, newest first.

    `approved` says that the shown plan is approved, to be applied from the branch. `outdated` says that the
    state has changed since the plan.
    """

    workspace: Workspace
    runs: Sequence[Run] = ()
    approved: bool = False
    outdated: bool = False


@dataclass(frozen=True)
class AutoMerge:
    """The decision for a change with automerge: it is merged now, `waits`, or is `left` to people."""

    waits: str = ""
    left: str = ""
    method: MergeMethod | None = None

    @property
    def ready(self) -> bool:
        """Whether to merge it now."""
        return not self.waits and not self.left

    def said(self, refused: str) -> str:
        """Return the decision as a sentence. `refused` is the forge's last refusal to merge."""
        if self.left:
            return f"Not merged by itself: {self.left}"
        if self.waits:
            return f"Merged by itself {self.waits}"
        if refused:
            return f"Applied, but not merged yet: {refused}. It is retried automatically"
        return "Applied, and about to be merged by itself"


def automerge(change: Change, parts: Sequence[TouchedWorkspace]) -> AutoMerge | None:
    """Decide whether to merge a change now. None if the change does not use automerge.

    If nothing was applied, nobody approved anything: people merge a change without effect.
    """
    willing = [part.workspace for part in parts if part.workspace.merging.automerge]
    if not willing or not change.open:
        return None
    if others := [part.workspace.name for part in parts if part.workspace not in willing]:
        return AutoMerge(left=f"automerge is off for {', '.join(others)}")
    if left := [f"{part.workspace.name}: {why}" for part in parts if (why := _left(part))]:
        return AutoMerge(waits=f"once every workspace is applied; left: {'; '.join(left)}")
    if not any(part.approved or _applied(part) for part in parts):
        return AutoMerge(left="nothing of its latest commit was applied, so nobody has approved the merge")
    if change.draft:
        return AutoMerge(waits="until it is no longer a draft")
    methods = {w.merging.merge_method: w.name for w in willing if w.merging.merge_method}
    if len(methods) > 1:
        said = ", ".join(f"{name} says {method}" for method, name in methods.items())
        return AutoMerge(left=f"its workspaces are to be merged in different ways ({said})")
    return AutoMerge(method=next(iter(methods), None))


def _applied(part: TouchedWorkspace) -> bool:
    return any(run.status is RunStatus.APPLIED for run in part.runs)


def _left(part: TouchedWorkspace) -> str:
    """Say what is left to do in a workspace. Empty if nothing is."""
    run = speaking_run(part.runs)
    if run is None:
        return "not planned yet"
    if busy := next((each for each in part.runs if not each.plan_only and not each.final), None):
        return headlines.headline(busy)[1]
    if run.status is RunStatus.APPLIED:
        # A plan with -target is not complete, and a destroy plan is not what the merge contains.
        partly = run.modes.destroy or run.modes.refresh_only or run.modes.target_addrs
        return f"applied with {run.modes} alone" if partly else ""
    if run.status is not RunStatus.PLANNED_AND_FINISHED:
        return headlines.headline(run)[1]
    if run.modes:
        return f"planned with {run.modes} alone"
    if part.outdated:
        return "the state has moved since it was planned"
    return "" if part.approved or not run.has_changes else headlines.headline(run)[1]
