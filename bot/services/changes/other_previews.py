"""Previews of other open changes after an apply: marked as outdated, and planned again.

Limited for each apply: a hundred open changes must not cause a hundred plans.
"""

from __future__ import annotations

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.runs.run import Run
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.outbox import wanted_by
from bot.services.plans.neighbours import latest_preview
from bot.services.ports import ChangeRecord, Delivery, Store, Transaction
from bot.services.runs.create import RunFactory
from bot.services.runs.merge_results import why_not_planned
from bot.services.runs.transitions import Transitions


class OtherPreviews:
    """Plans other changes again, at most `limit` after one apply."""

    def __init__(
        self, store: Store, ledger: Ledger, run_factory: RunFactory, transitions: Transitions, limit: int
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._run_factory = run_factory
        self._transitions = transitions
        self._limit = limit

    def applied(self, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Mark the previews that an apply has outdated, and plan the first of them again. Raises Conflict."""
        run_id, workspace_id = wanted_by(delivery)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery.id):
                return
            run, workspace = tx.runs.get(run_id), tx.workspaces.get(workspace_id)
            left = self._limit if workspace.merging.replan_siblings else 0
            for record, preview in self._previewed(tx, run):
                name = f"{workspace.name}, change {record.change.number}"
                self._transitions.report(tx, record.id, outcome.wake)
                if conflict := why_not_planned(tx, workspace, record.change):
                    outcome.say(DecisionKind.NOTHING, conflict, name)
                    continue
                if not left:
                    outcome.say(DecisionKind.NOTHING, f"outdated by {run.id}; /plan plans it again", name)
                    continue
                left -= 1
                why = f"{run.id} was applied, so the plan before is outdated"
                made = self._run_factory.preview(
                    tx, workspace, record.change, "plangate", why, outcome.wake, preview.modes
                )
                outcome.say(DecisionKind.PREVIEW, why, name, made.id)
            self._ledger.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)

    @staticmethod
    def _previewed(tx: Transaction, run: Run) -> list[tuple[ChangeRecord, Run]]:
        """Return the other open changes with a finished plan of their latest commit, newest change first.

        A fork's code is planned again only if a person had this commit planned (promise 5). Without a plan
        there is nothing to plan again.
        """
        workspace = tx.workspaces.get(run.workspace_id)
        # A run in the queue plans again by itself and asks again if needed.
        queued = {each.change_number for each in tx.runs.queue(workspace.id)}
        found = []
        for record in tx.changes.open_of(workspace.repo, None, workspace.id):
            if record.change.number in {run.change_number, *queued}:
                continue
            preview = latest_preview(tx, workspace.id, record.change)
            if preview is not None and preview.status_at <= run.status_at:
                found.append((record, preview))
        return found
