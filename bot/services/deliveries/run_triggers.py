"""Run triggers: a successful apply starts runs in the workspaces that name its workspace.

The wanted run is stored in the transaction that marks the run applied, as an internal delivery. So it is
accepted once, handled by a worker that asks the forge, retried while the forge is down, found by the sweep
if everything else was lost, and listed with the forges' deliveries (promise 3).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.errors import NotFound, NotReady
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.run_triggers import followers
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.carry_over import CarryOver
from bot.services.approvals.continue_after_merge import ContinueAfterMerge
from bot.services.changes.base_moves import BaseMoves
from bot.services.changes.other_previews import OtherPreviews
from bot.services.deliveries.new_outputs import NewOutputs, why_nothing_new
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.outbox import APPLIED, ASKED, BASE_MOVED, OUTDATED, PLANNED, applied_id, wanted_by
from bot.services.plans.handed_outputs import handed_now
from bot.services.ports import Delivery, ForgeReader, Store, Transaction
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Transitions


class RunTriggers:
    """Creates the runs that another workspace's apply triggers."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, ForgeReader],
        ledger: Ledger,
        run_factory: RunFactory,
        transitions: Transitions,
        carry_over: CarryOver,
        other_previews: OtherPreviews,
        continue_after_merge: ContinueAfterMerge,
        base_moves: BaseMoves,
        new_outputs: NewOutputs,
    ) -> None:
        self._new_outputs = new_outputs
        self._store = store
        self._forges = forges
        self._ledger = ledger
        self._run_factory = run_factory
        self._transitions = transitions
        self._others: dict[str, Callable[[Delivery, DeliveryResult], None]] = {
            APPLIED: self._follow,
            PLANNED: carry_over.planned,
            ASKED: continue_after_merge.asked,
            OUTDATED: other_previews.applied,
            BASE_MOVED: base_moves.moved,
        }

    def handle(self, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Handle an internal delivery. Raises ForgeUnavailable, ForgeRefused, NotFound, Conflict."""
        return self._others[delivery.event](delivery, outcome)

    def _follow(self, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Create the run on the current commit of its workspace's branch."""
        applied, workspace_id = wanted_by(delivery)
        with self._store.reading() as tx:
            workspace = tx.workspaces.get(workspace_id)
            read = handed_now(tx, workspace).read
        if not workspace.active:
            return self._ledger.nothing(delivery.id, outcome, f"{workspace.name} was retired meanwhile")
        branch, commit = self._forges[workspace.repo.forge].branch_head(workspace.repo, workspace.branch)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery.id):
                return None
            cause = tx.runs.get(applied)
            source = tx.workspaces.get(cause.workspace_id)
            handed = handed_now(tx, workspace, read)
            if workspace.inputs:
                self._new_outputs.plan_again(tx, workspace, cause, handed, outcome)
            triggered = source.name in workspace.run_triggers
            if why_not := "" if triggered else why_nothing_new(tx, workspace, handed):
                outcome.say(DecisionKind.NOTHING, why_not, workspace.name)
            else:
                self._start(tx, workspace, branch, commit, cause, outcome)
            self._ledger.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def _start(
        self,
        tx: Transaction,
        workspace: Workspace,
        branch: str,
        commit: str,
        cause: Run,
        outcome: DeliveryResult,
    ) -> None:
        source = tx.workspaces.get(cause.workspace_id)
        waiting = next((run for run in tx.runs.queue(workspace.id) if cause.id in run.after), None)
        if waiting is not None:
            why = f"{waiting.id} has waited for {cause.id} and plans what it made"
            outcome.say(DecisionKind.NOTHING, why, workspace.name, waiting.id)
            return
        earlier = self._triggered_before(tx, workspace, cause, source)
        why = f"{cause.id} was applied in {source.name}"
        run = self._run_factory.of_trigger(tx, workspace, branch, commit, cause, why, outcome.wake, earlier)
        outcome.say(DecisionKind.RUN, why, workspace.name, run.id)

    @staticmethod
    def _triggered_before(
        tx: Transaction, workspace: Workspace, cause: Run, source: Workspace
    ) -> tuple[str, ...]:
        """Return the runs of the same apply that a workspace's run waits for, as `depends_on` says.

        Raises NotReady while one of them is yet to be created.
        """
        found: list[str] = []
        order = Order(followers(source, tx.workspaces.all()))
        for other in order.before(workspace):
            try:
                delivery = tx.deliveries.get(applied_id(cause, other))
            except NotFound:
                continue  # it follows only since the apply, which starts no run there
            if delivery.handled_at is None:
                raise NotReady(f"the run of {other.name}, which comes first, is not created yet")
            found += [each.run for each in delivery.decisions if each.kind is DecisionKind.RUN]
        return tuple(found)
