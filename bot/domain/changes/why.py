"""`/why`: why a workspace runs on a change or not, its status, and what an apply still needs (promise 7).

It reuses existing texts: the status texts say where a run is and why it waits, `/apply` says what prevents
an apply, and the requirements' table says what is missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.changes.decisions import ApplyDecision, Refuse
from bot.domain.changes.requirements import Check, unmet
from bot.domain.events import Change
from bot.domain.reports import headlines
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace


@dataclass(frozen=True)
class WhySection:
    """The answer for one workspace: sentences, and the requirements of an apply if they were checked."""

    workspace: str
    touched: bool
    sentences: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    run_url: str = ""


@dataclass(frozen=True)
class WhyReport:
    """The answer to `/why`. `others` are workspaces that were not named and that the change does not touch.

    `merging` is the state of automerge.
    """

    sha: str
    parts: tuple[WhySection, ...]
    others: tuple[WhySection, ...] = ()
    merging: str = ""


def why_decided(workspace: Workspace, change: Change, reasons: Sequence[tuple[str, str]]) -> str:
    """Say why the workspace runs on the change or not. `reasons` are from the stored decisions."""
    if not workspace.on_branch(change.base_branch, change.default_branch):
        follows = workspace.branch or change.default_branch
        return f"it follows branch {follows}, and this change goes into {change.base_branch}"
    found = dict(reversed(reasons))
    return found.get(workspace.name) or found.get("") or "it did not exist when the change was last checked"


def why_sentences(
    workspace: Workspace,
    here: str,
    run: Run | None,
    waits: str,
    note: str,
    applying: ApplyDecision,
    approver: str = "",
    moved: str = "",
    earlier: Sequence[str] = (),
) -> tuple[str, ...]:
    """Say why a touched workspace runs, its status, and what prevents an apply.

    `approver` has approved the shown plan, which is applied after the merge. `moved` says why the plan is not
    of the change as it would be merged now. `earlier` are the workspaces that are applied before this one.
    """
    first = f"runs on this change: {here}"
    if earlier:
        first = f"{first}; it is applied after {', '.join(earlier)}"
    if run is None:
        return first, note or "nothing has run here yet: comment `/plan`"
    said = [first, f"{run.id}: {headlines.headline(run, waits)[1]}"]
    if run.merge is not None:
        said.append(f"planned on top of {run.merge.top}{f', {moved}' if moved else ''}")
    if approver:
        said.append(headlines.approved_words(approver))
    elif isinstance(applying, Refuse):
        said.append(f"can't be applied now: {applying.reason}")
    else:
        said.append(f"can be applied: comment `/apply {workspace.name} {run.plan_code}`")
    return tuple(said)


def with_checks(said: tuple[str, ...], checks: Sequence[Check], applying: ApplyDecision) -> tuple[str, ...]:
    """Replace the sentence that it can be applied by the missing requirements."""
    if isinstance(applying, Refuse) or not unmet(checks):
        return said
    missing = ", ".join(check.requirement for check in checks if not check.met)
    return (*said[:-1], f"can't be applied yet; it lacks: {missing}")
