"""Neighbours: other open changes in a workspace that touch the same resources."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bot.domain.events import Change, RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.masking import mask
from bot.domain.runs.run import Run
from bot.domain.terms import ForgeWords
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.plan_inputs import saved_inputs
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import ChangeRecord, OpenChange, RunQuery, Transaction

MOST_NEIGHBOURS = 20
_NAMED = 3
_PLANNED = (RunStatus.PLANNED_AND_FINISHED, RunStatus.POLICY_SOFT_FAILED)


def neighbours(tx: Transaction, workspace: Workspace, number: int | None) -> list[tuple[str, int, Run]]:
    """Return the other open changes with a plan in the workspace: the record's id, number, and run."""
    found = []
    for record in _others(tx, workspace, number)[:MOST_NEIGHBOURS]:
        if preview := latest_preview(tx, workspace.id, record.change):
            found.append((record.id, record.change.number, preview))
    return found


def _others(tx: Transaction, workspace: Workspace, number: int | None) -> list[ChangeRecord]:
    """Return the newest other open changes that touch the workspace: one more than are compared."""
    found = tx.changes.open_of(workspace.repo, MOST_NEIGHBOURS + 2, workspace.id)
    return [record for record in found if record.change.number != number][: MOST_NEIGHBOURS + 1]


@dataclass(frozen=True)
class Neighbours:
    """The other open changes in workspaces: pairs of a number and the id of the run that planned it.

    `too_many` are the workspaces with more changes than are compared.
    """

    plans: Mapping[str, Sequence[tuple[int, str]]]
    too_many: frozenset[str]


def find_neighbours(
    tx: Transaction, repo: RepoRef, workspace_ids: Collection[str], number: int | None
) -> Neighbours:
    """Return the neighbours of a change in workspaces, with two queries or a few."""
    others: dict[str, list[OpenChange]] = {each: [] for each in workspace_ids}
    for change in tx.changes.open_heads(repo):
        for workspace_id in () if change.number == number else change.workspace_ids:
            if workspace_id in others:
                others[workspace_id].append(change)
    compared = {each: found[:MOST_NEIGHBOURS] for each, found in others.items() if found}
    newest = _newest_previews(tx, repo, {change for found in compared.values() for change in found})
    plans = {
        workspace_id: [
            (change.number, newest[workspace_id, change.number])
            for change in found
            if (workspace_id, change.number) in newest
        ]
        for workspace_id, found in compared.items()
    }
    return Neighbours(plans, frozenset(each for each in others if len(others[each]) > MOST_NEIGHBOURS))


def _newest_previews(
    tx: Transaction, repo: RepoRef, changes: Collection[OpenChange]
) -> dict[tuple[str, int], str]:
    """Return the newest finished plan of each change's latest commit, by workspace and number."""
    heads = {(change.number, change.head_sha) for change in changes}
    if not heads:
        return {}
    query = RunQuery(
        repo=repo,
        commits=frozenset(sha for _, sha in heads),
        plan_only=True,
        statuses=frozenset(_PLANNED),
        limit=None,
    )
    found: dict[tuple[str, int], str] = {}
    for run in tx.runs.find(query):
        if run.change_number is not None and (run.change_number, run.commit) in heads:
            found.setdefault((run.workspace_id, run.change_number), run.id)
    return found


def overlap_words(tx: Transaction, run_id: str, addresses: Sequence[str], other: str) -> str:
    """Name the resources that a run's plan and another's both concern. Empty if there are none."""
    theirs = saved_inputs(tx, other)
    both = sorted(set(addresses) & set(theirs.addresses)) if theirs else []
    if not both:
        return ""
    more = f" and {len(both) - _NAMED} more" if len(both) > _NAMED else ""
    return mask(", ".join(both[:_NAMED]), secrets_of_run(tx, run_id)) + more


def too_many_words(words: ForgeWords) -> str:
    """Say that a plan is not compared with all other changes."""
    return f"it is compared only with the {MOST_NEIGHBOURS} newest of the other open {words.change}s"


def latest_preview(tx: Transaction, workspace_id: str, change: Change) -> Run | None:
    """Return the newest finished plan of a change's latest commit in a workspace."""
    query = RunQuery(workspace_id=workspace_id, change_number=change.number, commit=change.head_sha, limit=20)
    for run in tx.runs.find(query):
        if run.plan_only and run.status in _PLANNED:
            return run
    return None
