"""Follows a branch that has moved: the plans of changes into it, and their approvals.

A plan that can read no file that is another one stays, with its approval. The others are planned again, those
with the oldest approvals first, up to a limit. What is over the limit is outdated and can't be applied until
somebody has it planned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.errors import EngineError, NotFound
from bot.domain.events import RepoRef
from bot.domain.plans.modes import NORMAL
from bot.domain.runs.approval import ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import fell
from bot.services.merging.merge_results import ChangeMerges, MergeSight
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.ports import ChangeRecord, Clock, Delivery, ForgeReader, RunQuery, Store, Transaction
from bot.services.runs.cancel import PLANGATE, stopped
from bot.services.runs.change_runs import runs_of_change
from bot.services.runs.create import RunFactory
from bot.services.runs.merge_results import why_plan_outdated
from bot.services.runs.transitions import Transitions

_APPLIED = frozenset({RunStatus.APPLYING, RunStatus.APPLIED})
_LATEST = datetime.max.replace(tzinfo=UTC)


# A branch that moves on while its changes are looked at is looked at again. Later pushes have deliveries of
# their own.
_PASSES = 5


@dataclass
class _Left:
    """How many plans may still be made because of one push, None until somebody asks.

    What was made at an earlier try of the same `delivery` counts.
    """

    delivery: Delivery
    repo: RepoRef
    branch: str
    most: int
    plans: int | None = None

    def take(self, tx: Transaction) -> bool:
        """Whether one more may be made. Counts it."""
        if self.plans is None:
            self.plans = self.most - _made_since(tx, self.repo, self.branch, self.delivery.received_at)
        if self.plans <= 0:
            return False
        self.plans -= 1
        return True


class BaseMoves:
    """Follows branches for the open changes into them; at most `limit` plans are made again after a push."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, ForgeReader],
        ledger: Ledger,
        merges: ChangeMerges,
        run_factory: RunFactory,
        transitions: Transitions,
        limit: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._ledger = ledger
        self._merges = merges
        self._run_factory = run_factory
        self._transitions = transitions
        self._limit = limit

    def moved(self, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Look at every open change into a branch.

        A change that can't be merged here does not hold the others up. Raises ForgeUnavailable, ForgeRefused,
        EngineError, Conflict: to look again at what was not looked at.
        """
        said = json.loads(delivery.body)
        repo, branch = RepoRef(said["forge"], said["repo"]), said["branch"]
        left, seen, failed = _Left(delivery, repo, branch, self._limit), "", None
        for _ in range(_PASSES):
            try:
                _, base = self._forges[repo.forge].branch_head(repo, branch)
            except NotFound:
                return self._ledger.nothing(delivery.id, outcome, f"{branch} is not there any more")
            if base == seen:
                break
            seen = base
            with self._store.reading() as tx:
                waiting = _in_order(tx, repo, branch)
            for record in waiting:
                try:
                    self._follow(record, base, outcome, left)
                except EngineError as error:
                    failed = error
        if failed is not None:
            raise failed
        with self._store.transaction() as tx:
            if self._ledger.is_due(tx, delivery.id):
                self._ledger.done(tx, delivery.id, outcome)
        return None

    def _follow(self, record: ChangeRecord, base: str, outcome: DeliveryResult, left: _Left) -> None:
        sight = self._merges.look(record.change, base)
        if sight is None:
            return
        with self._store.transaction() as tx:
            now = tx.changes.numbered(record.change.repo, record.change.number)
            known, asked = (now.change if now else None), record.change
            if now is None or known is None or not known.open:
                return
            if (known.head_sha, known.base_branch) != (asked.head_sha, asked.base_branch):
                return  # its own event leads to plans of what it is now
            kept = tx.changes.put(replace(now, merge=sight.result))
            self._merges.keep(tx, kept, sight, outcome.wake)
            for workspace_id in kept.workspace_ids:
                workspace = tx.workspaces.get(workspace_id)
                if workspace.active and workspace.merging.plans_merges:
                    self._plan_again(tx, workspace, kept, sight, outcome, left)
            self._transitions.report(tx, kept.id, outcome.wake)
        self._transitions.wake(outcome.wake)

    def _plan_again(
        self,
        tx: Transaction,
        workspace: Workspace,
        record: ChangeRecord,
        sight: MergeSight,
        outcome: DeliveryResult,
        left: _Left,
    ) -> None:
        """Have the plan made again, unless one of the change's runs is as good on the newer base."""
        change, name = record.change, f"{workspace.name}, change {record.change.number}"
        runs = [run for run in runs_of_change(tx, workspace, change) if run.commit == change.head_sha]
        shown = next((run for run in runs if run.plan_only and run.status is not RunStatus.CANCELED), None)
        if any(run.status in _APPLIED for run in runs):
            return
        old = [run for run in runs if why_plan_outdated(record, workspace, run)]
        why = f"{_moved(change.base_branch)} {sight.result.base[:8]}"
        self._stop(tx, workspace, old, why, outcome)
        if shown is not None and shown not in old:
            outcome.say(DecisionKind.NOTHING, f"{why}: no file that the plan can read has changed", name)
        elif sight.result.conflicting:
            conflict = f"{why}: {sight.result.why_conflicting}"
            self._run_factory.cancel_previews(tx, workspace, change, conflict, outcome.wake)
            outcome.say(DecisionKind.NOTHING, conflict, name)
        elif shown is None and change.from_fork:
            # Promise 5: a fork's code is planned again only if a person had this commit planned.
            outcome.say(DecisionKind.NOTHING, f"{why}; /plan plans it", name)
        elif not left.take(tx):
            outcome.say(DecisionKind.NOTHING, f"{why}, so the plan is outdated; /plan plans it again", name)
        else:
            modes = shown.modes if shown is not None else NORMAL
            made = self._run_factory.preview(tx, workspace, change, PLANGATE, why, outcome.wake, modes)
            outcome.say(DecisionKind.PREVIEW, why, name, made.id)

    def _stop(
        self,
        tx: Transaction,
        workspace: Workspace,
        old: Sequence[Run],
        why: str,
        outcome: DeliveryResult,
    ) -> None:
        """Stop the runs that would apply an outdated plan. Their approvals wait for the new plan."""
        for run in old:
            if run.plan_only or run.final:
                continue
            approval = tx.approvals.get(run.approval.id) if run.approval and run.approval.id else None
            if approval is not None and approval.open:
                if run.delta:
                    fell(tx, approval, why, self._clock.now())
                else:
                    tx.approvals.save(replace(approval, state=ApprovalState.KEPT, why=why))
            if moves := stopped(tx, self._transitions, run, why):
                self._transitions.save(tx, run, moves, outcome.wake)
                outcome.say(DecisionKind.DISCARDED, why, workspace.name, run.id)


def _moved(branch: str) -> str:
    return f"{branch} has moved to"


def _made_since(tx: Transaction, repo: RepoRef, branch: str, at: datetime) -> int:
    """Return how many plans were made since a moment because a branch had moved."""
    made = 0
    for record in tx.changes.open_of(repo, None):
        change = record.change
        query = RunQuery(repo=repo, change_number=change.number, plan_only=True, limit=None)
        if change.base_branch != branch:
            continue
        for run in tx.runs.find(query):
            if run.created_at < at or run.created_by != PLANGATE:
                continue
            made += tx.runs.timeline(run.id)[0].message.startswith(_moved(branch))
    return made


def _in_order(tx: Transaction, repo: RepoRef, branch: str) -> list[ChangeRecord]:
    """Return the open changes into a branch: those with the oldest approvals, then the oldest changes."""
    found = [record for record in tx.changes.open_of(repo, None) if record.change.base_branch == branch]

    def approved_at(record: ChangeRecord) -> datetime:
        number = record.change.number
        given = (each for at in record.workspace_ids for each in tx.approvals.of_change(at, number))
        return min((each.at for each in given if each.open), default=_LATEST)

    return sorted(found, key=lambda record: (approved_at(record), record.change.number))
