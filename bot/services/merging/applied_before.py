"""A branch's commit with the files that a change has applied: its run may end without Terraform.

After a merge, a squash or a rebase, the branch has another commit than the one that was applied. So files are
compared, not ids: all that the applied plan could read.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from bot.domain.errors import EngineError
from bot.domain.events import BranchPushed
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.merge_result import AsApplied, MergedCommit
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.plan_inputs import may_have_read, saved_inputs
from bot.services.ports import Forge, MergeCommits, RunQuery, Store, Transaction
from bot.services.runs.merge_results import merged_commit

log = logging.getLogger(__name__)


class AppliedBefore:
    """Finds the runs of changes that have applied the files of a branch's commit."""

    def __init__(self, store: Store, forges: Mapping[str, Forge], merges: MergeCommits) -> None:
        self._store = store
        self._forges = forges
        self._merges = merges

    def by_workspace(self, event: BranchPushed, workspaces: Sequence[Workspace]) -> Mapping[str, AsApplied]:
        """Return the run that applied the same files, for each workspace that has one, by its id.

        What can't be compared is planned as usual. Raises ForgeUnavailable, ForgeRefused, NotFound.
        """
        with self._store.reading() as tx:
            applied = {each.id: run for each in workspaces if (run := _applied(tx, each, event)) is not None}
            inputs = {run.id: saved_inputs(tx, run.id) for run in applied.values()}
        triggers = {each.id: each.triggers for each in workspaces}
        if not applied:
            return {}
        forge = self._forges[event.repo.forge]
        remote, words, differs = forge.remote(event.repo), forge.words, dict[str, frozenset[str]]()
        found = {}
        for workspace_id, run in applied.items():
            try:
                if run.files_of not in differs:
                    commit = merged_commit(run)
                    differs[run.files_of] = self._merges.differing(remote, commit, MergedCommit(event.after))
            except EngineError as error:
                log.warning("%s: can't compare it with %s: %s", event.after, run.id, error)
                continue
            if not may_have_read(inputs[run.id], differs[run.files_of], triggers[workspace_id]):
                found[workspace_id] = AsApplied(run.id, words.numbered(run.change_number or 0))
        return found


def _applied(tx: Transaction, workspace: Workspace, event: BranchPushed) -> Run | None:
    """Return the workspace's newest apply, if it was of a whole change's merge result."""
    if not (workspace.merging.plans_merges and workspace.on_branch(event.branch, event.default_branch)):
        return None
    statuses = frozenset({RunStatus.APPLIED.value})
    found = tx.runs.find(RunQuery(workspace_id=workspace.id, plan_only=False, statuses=statuses, limit=1))
    run = found[0] if found else None
    whole = run is not None and run.merge is not None and run.change_number is not None and not run.modes
    return run if whole else None
