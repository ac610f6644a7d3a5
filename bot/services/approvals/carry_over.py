"""The approval of a change that gets a newer commit: it becomes void, or waits for an equal plan.

Each workspace is handled separately, so a newer commit affects only the workspaces that it touches. The
comparison is requested in the transaction that stores the plan (see `outbox`), so that none is missed.
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain.changes.apply_order import ApplyPlace, place_of
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.errors import NotReady
from bot.domain.events import Change
from bot.domain.plans.delta import sentence
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import OTHER_MATERIALS, fell, kept_approval, made_again
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.outbox import wanted_by
from bot.services.plans.plan_inputs import made_from_the_same
from bot.services.plans.shown_plan import shown_delta
from bot.services.ports import Clock, Delivery, Store, Transaction
from bot.services.runs.change_runs import runs_of_change
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Transitions


class CarryOver:
    """Compares a finished plan of a change with the approval that waits for it."""

    def __init__(
        self, store: Store, clock: Clock, ledger: Ledger, run_factory: RunFactory, transitions: Transitions
    ) -> None:
        self._clock = clock
        self._store = store
        self._ledger = ledger
        self._run_factory = run_factory
        self._transitions = transitions

    def planned(self, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Create the run that applies if the plan is the approved one.

        Raises Conflict. Raises NotReady while an approval in a workspace that comes first waits, too.
        """
        run_id, workspace_id = wanted_by(delivery)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery.id):
                return
            shown, workspace = tx.runs.get(run_id), tx.workspaces.get(workspace_id)
            self._carry(tx, shown, workspace, outcome)
            self._ledger.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)

    def _carry(self, tx: Transaction, shown: Run, workspace: Workspace, outcome: DeliveryResult) -> None:
        number = shown.change_number
        record = tx.changes.numbered(workspace.repo, number) if number is not None else None
        kept = kept_approval(tx, shown)
        if record is None or kept is None:
            return outcome.say(DecisionKind.NOTHING, "no approval waits for this plan", workspace.name)
        if not record.change.open or record.change.head_sha != shown.commit:
            return outcome.say(
                DecisionKind.NOTHING, "this is not the change's latest commit any more", workspace.name
            )
        order = Order(tx.workspaces.get(each) for each in record.workspace_ids)
        applies_now = workspace.merging.apply_when.before
        place = ApplyPlace()
        if applies_now:
            change = record.change
            place = place_of(workspace, change, order, lambda other: runs_of_change(tx, other, change))
            if waiting := next((each for each in place.first if _is_carried_over(tx, each, change)), None):
                raise NotReady(f"the approval of {waiting.name}, which comes first, is not carried over yet")
        if why := self._why_other(tx, kept, shown) or place.why:
            fell(tx, kept, why, self._clock.now())
            asked = f"{kept.by}'s approval does not stand: {why}"
            event = self._transitions.event(shown, "approval not carried over", message=asked)
            self._transitions.save(tx, shown, [(replace(shown, delta=asked), event)], outcome.wake)
            outcome.say(DecisionKind.NOTHING, why, workspace.name)
        elif not applies_now:
            if kept.commit == shown.commit and tx.runs.get(kept.shown_run_id).merge != shown.merge:
                # The branch will have the files of this plan. What was approved stays on record as it was.
                tx.approvals.add(made_again(tx, kept, shown))
                fell(tx, kept, "the same plan was made again on another base", self._clock.now())
            why = f"{kept.by} has approved this plan, to be applied once the change is merged"
            outcome.say(DecisionKind.NOTHING, why, workspace.name)
        else:
            run = self._run_factory.of_approval(
                tx, workspace, record.change, shown, kept, outcome.wake, place.after
            )
            on = f" on top of {shown.merge.top}" if shown.merge and kept.commit == shown.commit else ""
            why = f"the plan{on} equals the one that {kept.by} approved for {kept.commit[:8]}"
            tx.runs.note(self._transitions.event(run, "approval carried over", kept.by, why))
            outcome.say(DecisionKind.RUN, why, workspace.name, run.id)
        self._transitions.report(tx, record.id, outcome.wake)
        return None

    @staticmethod
    def _why_other(tx: Transaction, kept: ApprovalRecord, shown: Run) -> str:
        """Say why a plan is not the approved one, with the difference. Empty if it is."""
        if kept.digest == shown.digest and shown.has_changes:
            return "" if made_from_the_same(tx, kept, shown) else OTHER_MATERIALS
        rows = shown_delta(tx, kept.shown_run_id, shown.id)
        since = sentence(rows) if rows else ""
        where = shown.commit[:8] if shown.merge is None or shown.commit != kept.commit else shown.merge.top
        what = "the plan of" if where == shown.commit[:8] else "the plan on top of"
        return f"{what} {where} is not the one that was approved{f' ({since})' if since else ''}"


def _is_carried_over(tx: Transaction, workspace: Workspace, change: Change) -> bool:
    """Whether an approval in a workspace waits for the plan of the change's latest commit."""
    kept = (each.state is ApprovalState.KEPT for each in tx.approvals.of_change(workspace.id, change.number))
    return workspace.merging.apply_when.before and any(kept)
