"""A forge's merge queue: plans the commit of a group of changes before it is merged.

The plans are previews of that commit. Its status `plangate` succeeds only if each of them is the approved
plan (see `merge_queue_verdict`), so that no plan is merged unseen (promise 1).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.changes.decisions import NoRun, decide_group
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.events import GroupAsked, GroupGone, GroupQueued, RepoRef
from bot.domain.runs.run import RunSource
from bot.services.changes.discovery import Discovery
from bot.services.changes.used_modules import UsedModules
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.ports import Forge, RunQuery, Store, Transaction
from bot.services.runs.cancel import PLANGATE, canceled
from bot.services.runs.create import RunFactory
from bot.services.runs.report_subjects import CommitSubject
from bot.services.runs.transitions import Transitions


class MergeQueue:
    """Handles the events of a forge's merge queue."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        discovery: Discovery,
        run_factory: RunFactory,
        ledger: Ledger,
        transitions: Transitions,
        used_modules: UsedModules,
    ) -> None:
        self._used_modules = used_modules
        self._store = store
        self._forges = forges
        self._discovery = discovery
        self._run_factory = run_factory
        self._ledger = ledger
        self._transitions = transitions

    def queued(self, event: GroupQueued, delivery_id: str, outcome: DeliveryResult) -> None:
        """Plan the group's commit in each workspace that it touches, compared with its base.

        Changes from forks are planned too, because only people with write access can queue them (promise 5).
        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Conflict.
        """
        repo = event.repo
        if self._is_concerned(repo, delivery_id, outcome):
            self._plan(event, delivery_id, outcome)

    def _is_concerned(self, repo: RepoRef, delivery_id: str, outcome: DeliveryResult) -> bool:
        with self._store.reading() as tx:
            if repo in tx.overviews.repos() or self._discovery.looks_at(repo):
                return True
        self._ledger.nothing(delivery_id, outcome, f"no workspace is configured for {repo.path}")
        return False

    def _plan(
        self, event: GroupQueued, delivery_id: str, outcome: DeliveryResult, *, replaces: bool = False
    ) -> None:
        repo = event.repo
        files = self._forges[repo.forge].files_between(repo, event.base_sha, event.head_sha)
        found = self._discovery.look(repo, event.base_branch, event.default_branch, event.head_sha)

        with self._store.reading() as tx:
            known = tx.workspaces.of_repo(repo)
        here = (w for w in (*known, *(found or ())) if w.on_branch(event.base_branch, event.default_branch))
        files = self._used_modules.look(repo, files, event.head_sha, here)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery_id):
                return
            if replaces:
                others = RunQuery(repo=repo, change_number=event.number, limit=None)
                why = "the merge train tests another commit for this change"
                self._stop(tx, others, why, outcome, but=event.head_sha)
            if found is not None:
                self._discovery.keep(tx, repo, found, on_branch=False)
            for decision in decide_group(event, tx.workspaces.of_repo(repo), files):
                if isinstance(decision, NoRun):
                    outcome.say(DecisionKind.NOTHING, decision.reason, decision.workspace_name)
                    continue
                workspace, reason = decision.workspace, decision.reason
                run = self._run_factory.of_queue(tx, workspace, event, reason, outcome.wake)
                if run is None:
                    outcome.say(
                        DecisionKind.NOTHING, "this commit of the queue is planned already", workspace.name
                    )
                else:
                    outcome.say(DecisionKind.PREVIEW, reason, workspace.name, run.id)
            # If it touches no workspace, the report sets the status to success.
            self._transitions.report(tx, str(CommitSubject(repo, event.head_sha)), outcome.wake)
            self._ledger.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)

    def asked(self, event: GroupAsked, delivery_id: str, outcome: DeliveryResult) -> None:
        """Plan a commit if it belongs to a merge queue.

        Stops earlier plans of the queue for this change. Raises as `queued` does.
        """
        repo = event.repo
        if not self._is_concerned(repo, delivery_id, outcome):
            return
        base = self._forges[repo.forge].queue_base(repo, event.number, event.head_sha)
        if base is None:
            self._ledger.nothing(delivery_id, outcome, "the pipeline is not a merge train's")
            return
        group = GroupQueued(
            repo, event.number, event.head_sha, "", base, event.base_branch, event.default_branch
        )
        self._plan(group, delivery_id, outcome, replaces=True)

    def gone(self, event: GroupGone, delivery_id: str, outcome: DeliveryResult) -> None:
        """Stop planning a commit that the queue merged or removed. Raises Conflict."""
        why = f"the merge queue has done with this commit: {event.reason}"
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery_id):
                return
            self._stop(tx, RunQuery(repo=event.repo, commit=event.head_sha, limit=None), why, outcome)
            if not outcome.decisions:
                outcome.say(DecisionKind.NOTHING, "no plan of a merge queue's is under way for this commit")
            self._ledger.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)

    def _stop(
        self, tx: Transaction, query: RunQuery, why: str, outcome: DeliveryResult, *, but: str = ""
    ) -> None:
        """Cancel the queue's unfinished plans, except those of one commit. Raises Conflict."""
        for run in tx.runs.find(query):
            if run.source is not RunSource.QUEUE or not run.cancelable or run.commit == but:
                continue
            moves = canceled(tx, self._transitions, run, PLANGATE, why)
            self._transitions.save(tx, run, moves, outcome.wake)
            outcome.say(DecisionKind.CANCELED, why, tx.workspaces.get(run.workspace_id).name, run.id)
