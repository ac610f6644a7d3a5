"""Whether the plan of an earlier commit is still the plan of a change's newest one.

It is if the two commits differ in no file that the plan can read. This is asked of Git, outside of any
transaction, when the newer run starts. What else a plan depends on is compared in the transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from bot.domain.errors import EngineError, ForgeError, Interrupted
from bot.domain.runs.lifecycle import RunStatus
from bot.services.plans.handed_outputs import States, handed_now
from bot.services.plans.plan_inputs import may_have_read, saved_inputs
from bot.services.ports import ForgeReader, MergeCommits, Store, Watch
from bot.services.runs.merge_results import merged_commit

Watching = Callable[[], AbstractContextManager[Watch]]
"""Watches for as long as Git is at work: keeps the run's lease, and sees a cancel."""

log = logging.getLogger(__name__)


class EarlierPlans:
    """Compares commits of a change, in the files that a plan can read."""

    def __init__(self, store: Store, forges: Mapping[str, ForgeReader], merges: MergeCommits) -> None:
        self._store = store
        self._forges = forges
        self._merges = merges

    def handed(self, run_id: str) -> States:
        """Return the states whose outputs a run that waits gets as variables."""
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
            workspace = tx.workspaces.get(run.workspace_id)
            if not workspace.inputs or run.status is not RunStatus.PENDING:
                return {}
            return handed_now(tx, workspace).read

    def same_files(self, run_id: str, watching: Watching) -> bool:
        """Whether a run plans the same readable files as the earlier preview that it may reuse.

        False if there is none, or if that is not known: the plan is then made as usual. Raises Interrupted.
        """
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
            if run.as_planned is None or run.status is not RunStatus.PENDING:
                return False
            earlier, inputs = tx.runs.get(run.as_planned.run_id), saved_inputs(tx, run.as_planned.run_id)
            workspace = tx.workspaces.get(run.workspace_id)
        # Nobody knows what an init would download now: a branch or a tag may have moved.
        if inputs is None or inputs.places is None or inputs.modules != "":
            return False
        repo = workspace.repo
        try:
            remote = self._forges[repo.forge].remote(repo)
            with watching() as watch:
                paths = self._merges.differing(remote, merged_commit(earlier), merged_commit(run), watch)
        except Interrupted:
            raise
        except (EngineError, ForgeError) as error:
            log.info("%s is planned, because it can't be compared with %s: %s", run_id, earlier.id, error)
            return False
        return not may_have_read(inputs, paths, workspace.triggers)
