"""Whether a change is merged by itself: once everything that it touches is applied, and by whose word.

The forge has the last word: what it asks of a merge (checks, reviews) it asks of this one too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import headlines
from bot.domain.events import Change
from bot.domain.lifecycle import RunStatus
from bot.domain.merging import MergeMethod
from bot.domain.run import Run
from bot.domain.workspace import Workspace


@dataclass(frozen=True)
class Part:
    """A workspace that a change touches, and its runs of the change's latest commit, newest first.

    `approved` says that the plan shown is approved, to be applied from the branch; `outdated` that the state
    has moved since the plan was made.
    """

    workspace: Workspace
    runs: Sequence[Run] = ()
    approved: bool = False
    outdated: bool = False


@dataclass(frozen=True)
class AutoMerge:
    """What becomes of a change that may merge itself: it is merged now, `waits`, or is `left` to people."""

    waits: str = ""
    left: str = ""
    method: MergeMethod | None = None

    @property
    def ready(self) -> bool:
        """Whether it is to be merged now."""
        return not self.waits and not self.left

    def said(self, refused: str) -> str:
        """Say it in a sentence; `refused` is what the forge said when it was last asked to merge."""
        if self.left:
            return f"Not merged by itself: {self.left}"
        if self.waits:
            return f"Merged by itself {self.waits}"
        if refused:
            return f"Applied, but not merged yet: {refused}. It is tried again by itself"
        return "Applied, and about to be merged by itself"


def automerge(change: Change, parts: Sequence[Part]) -> AutoMerge | None:
    """Decide whether a change is to be merged now; None where it is left to people altogether.

    Where nothing was applied nobody has said yes to anything: a change without effect is merged by people.
    """
    willing = [part.workspace for part in parts if part.workspace.merging.automerge]
    if not willing or not change.open:
        return None
    if others := [part.workspace.name for part in parts if part.workspace not in willing]:
        return AutoMerge(left=f"automerge is off for {', '.join(others)}")
    if left := [f"{part.workspace.name}: {why}" for part in parts if (why := _left(part))]:
        return AutoMerge(waits=f"once every workspace is applied; left: {'; '.join(left)}")
    if not any(part.approved or _applied(part) for part in parts):
        return AutoMerge(left="nothing of its latest commit was applied, so nobody has approved that")
    if change.draft:
        return AutoMerge(waits="once it is no draft any more")
    methods = {w.merging.merge_method: w.name for w in willing if w.merging.merge_method}
    if len(methods) > 1:
        said = ", ".join(f"{name} says {method}" for method, name in methods.items())
        return AutoMerge(left=f"its workspaces are to be merged in different ways ({said})")
    return AutoMerge(method=next(iter(methods), None))


def _applied(part: Part) -> bool:
    return any(run.status is RunStatus.APPLIED for run in part.runs)


def _left(part: Part) -> str:
    """Say what is left to do in a workspace, empty where nothing is."""
    run = headlines.current(part.runs)
    if run is None:
        return "not planned yet"
    if busy := next((each for each in part.runs if not each.plan_only and not each.final), None):
        return headlines.headline(busy)[1]
    if run.status is RunStatus.APPLIED:
        # What was left out by -target is not applied yet, and what was destroyed is not what is merged.
        partly = run.modes.destroy or run.modes.refresh_only or run.modes.target_addrs
        return f"applied with {run.modes} alone" if partly else ""
    if run.status is not RunStatus.PLANNED_AND_FINISHED:
        return headlines.headline(run)[1]
    if run.modes:
        return f"planned with {run.modes} alone"
    if part.outdated:
        return "the state has moved since it was planned"
    return "" if part.approved or not run.has_changes else headlines.headline(run)[1]
