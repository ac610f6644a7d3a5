"""Why a workspace runs on a change or not, where it stands, what an apply there still needs (promise 7).

No words of its own where there are some: where a run stands and why it waits are the status's, what keeps an
apply back is what `/apply` would be answered, what is missing is the requirements' table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain import headlines
from bot.domain.decisions import ApplyDecision, Refuse
from bot.domain.events import Change
from bot.domain.requirements import Check, unmet
from bot.domain.run import Run
from bot.domain.workspace import Workspace


@dataclass(frozen=True)
class Because:
    """What is to be said of one workspace: sentences, and what an apply needs, where that was looked up."""

    workspace: str
    touched: bool
    sentences: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    run_url: str = ""


@dataclass(frozen=True)
class WhyReport:
    """The answer to `/why`. `others` are workspaces that nobody named and that the change leaves alone.

    `merging` is where a change stands that is merged by itself.
    """

    sha: str
    parts: tuple[Because, ...]
    others: tuple[Because, ...] = ()
    merging: str = ""


def why_here(workspace: Workspace, change: Change, reasons: Sequence[tuple[str, str]]) -> str:
    """Say why the workspace runs on the change or does not; `reasons` are those that were decided by."""
    if not workspace.on_branch(change.base_branch, change.default_branch):
        follows = workspace.branch or change.default_branch
        return f"it follows branch {follows}, and this change goes into {change.base_branch}"
    found = dict(reversed(reasons))
    return found.get(workspace.name) or found.get("") or "it was not there when the change was last looked at"


def why_so(
    workspace: Workspace,
    here: str,
    run: Run | None,
    waits: str,
    note: str,
    applying: ApplyDecision,
    approver: str = "",
) -> tuple[str, ...]:
    """Say of a workspace that is touched why it runs, where it stands, and what keeps an apply back.

    `approver` approved what is shown already, to be applied once the change is merged.
    """
    first = f"runs on this change: {here}"
    if run is None:
        return first, note or "nothing has run here yet: comment `/plan`"
    said = [first, f"{run.id}: {headlines.headline(run, waits)[1]}"]
    if approver:
        said.append(headlines.approved_words(approver))
    elif isinstance(applying, Refuse):
        said.append(f"can't be applied now: {applying.reason}")
    else:
        said.append(f"can be applied: comment `/apply {workspace.name}`")
    return tuple(said)


def with_checks(said: tuple[str, ...], checks: Sequence[Check], applying: ApplyDecision) -> tuple[str, ...]:
    """Say what is missing in place of that it can be applied."""
    if isinstance(applying, Refuse) or not unmet(checks):
        return said
    missing = ", ".join(check.requirement for check in checks if not check.met)
    return (*said[:-1], f"can't be applied yet; it lacks: {missing}")
