"""A forge's merge queue: the commit that a group of changes would make is planned before it is merged.

The plans are previews of that commit. Its status `plangate` turns green only where each of them is what was
approved (see `queue_verdicts`), so that nothing is merged whose plan nobody has seen (promise 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.decisions import Nothing, decide_group
from bot.domain.events import GroupAsked, GroupGone, GroupQueued, RepoRef
from bot.domain.run import RunSource
from bot.services.changes import Changed
from bot.services.controls import canceled
from bot.services.discovering import Discovery
from bot.services.making import NewRuns
from bot.services.outcome import Outcome
from bot.services.ports import Clock, Forge, RunQuery, Store, Transaction
from bot.services.subjects import Commit
from bot.services.transitions import Transitions


class MergeQueue:
    """Answers a forge's merge queue."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, Forge],
        discovery: Discovery,
        new_runs: NewRuns,
        changed: Changed,
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._discovery = discovery
        self._new_runs = new_runs
        self._changed = changed
        self._transitions = transitions

    def queued(self, event: GroupQueued, delivery_id: str, outcome: Outcome) -> None:
        """Plan the group's commit in each workspace that it touches: all that differs from its base counts.

        A change from a fork is planned too, for only who may write puts one into the queue (promise 5).
        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Conflict.
        """
        repo = event.repo
        if self._is_concerned(repo, delivery_id, outcome):
            self._plan(event, delivery_id, outcome)

    def _is_concerned(self, repo: RepoRef, delivery_id: str, outcome: Outcome) -> bool:
        with self._store.reading() as tx:
            if tx.workspaces.of_repo(repo) or self._discovery.looks_at(repo):
                return True
        self._changed.nothing(delivery_id, outcome, f"no workspace is configured for {repo.path}")
        return False

    def _plan(
        self, event: GroupQueued, delivery_id: str, outcome: Outcome, *, replaces: bool = False
    ) -> None:
        repo = event.repo
        files = self._forges[repo.forge].files_between(repo, event.base_sha, event.head_sha)
        found = self._discovery.look(repo, event.base_branch, event.default_branch, event.head_sha)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery_id):
                return
            if replaces:
                others = RunQuery(repo=repo, change_number=event.number, limit=1000)
                why = "the merge train tries another commit for this change"
                self._stop(tx, others, why, outcome, but=event.head_sha)
            if found is not None:
                self._discovery.keep(tx, repo, found)
            for decision in decide_group(event, tx.workspaces.of_repo(repo), files):
                if isinstance(decision, Nothing):
                    outcome.say("nothing", decision.reason, decision.workspace_name)
                    continue
                workspace, reason = decision.workspace, decision.reason
                run = self._new_runs.of_queue(tx, workspace, event, reason, outcome.wake)
                if run is None:
                    outcome.say("nothing", "this commit of the queue is planned already", workspace.name)
                else:
                    outcome.say("preview", reason, workspace.name, run.id)
            # Where it touches nothing, the check turns green by that.
            self._transitions.report(tx, str(Commit(repo, event.head_sha)), outcome.wake)
            self._changed.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)

    def asked(self, event: GroupAsked, delivery_id: str, outcome: Outcome) -> None:
        """Find out whether a commit is a queue's, and plan it if so.

        What was tried for the change before it is planned no further. Raises as `queued` does.
        """
        repo = event.repo
        if not self._is_concerned(repo, delivery_id, outcome):
            return
        base = self._forges[repo.forge].queue_base(repo, event.number, event.head_sha)
        if base is None:
            self._changed.nothing(delivery_id, outcome, "the pipeline is not a merge train's")
            return
        group = GroupQueued(
            repo, event.number, event.head_sha, "", base, event.base_branch, event.default_branch
        )
        self._plan(group, delivery_id, outcome, replaces=True)

    def gone(self, event: GroupGone, delivery_id: str, outcome: Outcome) -> None:
        """Stop planning a commit that the queue has done with. Raises Conflict."""
        why = f"the merge queue has done with this commit: {event.reason}"
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery_id):
                return
            self._stop(tx, RunQuery(repo=event.repo, commit=event.head_sha, limit=1000), why, outcome)
            if not outcome.decisions:
                outcome.say("nothing", "no plan of a merge queue's is under way for this commit")
            self._changed.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)

    def _stop(self, tx: Transaction, query: RunQuery, why: str, outcome: Outcome, *, but: str = "") -> None:
        """Cancel the queue's plans that are not finished, but for those of one commit. Raises Conflict."""
        for run in tx.runs.find(query):
            if run.source is not RunSource.QUEUE or not run.cancelable or run.commit == but:
                continue
            saved = run
            for moved, line in canceled(self._transitions, tx, self._clock, run, "plangate", why):
                saved = tx.runs.save(replace(moved, version=saved.version), line)
            self._transitions.after(tx, run, saved, outcome.wake)
            outcome.say("canceled", why, tx.workspaces.get(run.workspace_id).name, run.id)
