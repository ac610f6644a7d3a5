"""Other open changes in a workspace: which of them are about the same resources."""

from __future__ import annotations

from bot.domain.events import Change
from bot.domain.lifecycle import RunStatus
from bot.domain.masking import mask
from bot.domain.run import Run
from bot.domain.words import ForgeWords
from bot.domain.workspace import Workspace
from bot.services.basis import kept_basis
from bot.services.ports import RunQuery, Transaction
from bot.services.snapshot import secrets_of_run

MOST_NEIGHBOURS = 20
_NAMED = 3
_PLANNED = (RunStatus.PLANNED_AND_FINISHED, RunStatus.POLICY_SOFT_FAILED)


def neighbours(tx: Transaction, workspace: Workspace, number: int | None) -> list[tuple[str, int, Run]]:
    """Return the other open changes with a plan in the workspace: record's id, number, and the plan's run."""
    found = []
    for record in tx.changes.open_of(workspace.repo, MOST_NEIGHBOURS):
        if record.change.number == number or workspace.id not in record.workspace_ids:
            continue
        if preview := latest_preview(tx, workspace.id, record.change):
            found.append((record.id, record.change.number, preview))
    return found


def overlaps(tx: Transaction, workspace: Workspace, run: Run, words: ForgeWords) -> tuple[str, ...]:
    """Say which other open changes plan to change the same resources, and which resources those are."""
    mine = kept_basis(tx, run.id)
    if mine is None or not mine.addresses:
        return ()
    said = []
    for _, number, preview in neighbours(tx, workspace, run.change_number):
        theirs = kept_basis(tx, preview.id)
        both = sorted(set(mine.addresses) & set(theirs.addresses)) if theirs else []
        if both:
            more = f" and {len(both) - _NAMED} more" if len(both) > _NAMED else ""
            names = mask(", ".join(both[:_NAMED]), secrets_of_run(tx, run.id))
            said.append(f"{words.change} {words.numbered(number)} plans to change {names}{more} too")
    return tuple(said)


def latest_preview(tx: Transaction, workspace_id: str, change: Change) -> Run | None:
    """Return the newest finished plan of a change's latest commit in a workspace."""
    query = RunQuery(workspace_id=workspace_id, change_number=change.number, commit=change.head_sha, limit=20)
    for run in tx.runs.find(query):
        if run.plan_only and run.status in _PLANNED:
            return run
    return None
