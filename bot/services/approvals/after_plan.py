"""What follows a finished plan: the run ends, applies, or waits for a confirmation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.plans.approved_plan import PlanMatch
from bot.domain.plans.delta import sentence
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Approval, RestOf, Run, RunEvent, RunSource
from bot.services.approvals.approvals import OTHER_MATERIALS, used
from bot.services.approvals.approved_elsewhere import approved_before_merge, carried_over, made_from_others
from bot.services.approvals.covered import plan_match
from bot.services.approvals.left_of_plan import left_of_plan
from bot.services.approvals.merge_approvals import goes_on
from bot.services.outbox.audit_log import AUTO_APPLY, applied_by_itself
from bot.services.plans.merge_queue_verdict import why_not_approved
from bot.services.plans.shown_plan import shown_delta
from bot.services.ports import Transaction
from bot.services.runs.confirm import confirmed
from bot.services.runs.transitions import Transitions


class AfterPlan:
    """Decides how a planned run continues, within the transaction that stores its plan."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    def moves(self, tx: Transaction, run: Run) -> Sequence[tuple[Run, RunEvent]]:
        """Return the automatic moves. None if a person or the forge must be asked first.

        A plan that was approved elsewhere continues after its requirements were checked again.
        """
        if run.cancel_requested_at and not run.plan_only:
            return [self._transitions.moved(run, RunStatus.DISCARDED, run.cancel_requested_by)]
        if run.source is RunSource.QUEUE and (why := why_not_approved(tx, run)):
            return [self._transitions.moved(run, RunStatus.PLANNED_AND_FINISHED, message=why, delta=why)]
        if run.save_plan and run.plan_only and (run.has_changes or run.allow_empty_apply):
            return [self._transitions.moved(run, RunStatus.PLANNED_AND_SAVED)]
        if run.plan_only or not (run.has_changes or run.allow_empty_apply):
            return [self._transitions.moved(run, RunStatus.PLANNED_AND_FINISHED)]
        if run.approval is not None and run.rest_of is not None:
            return self._of_the_rest(tx, run, run.approval, run.rest_of)
        if run.approval is not None:
            if carried_over(tx, run) is not None:
                return []
            others = made_from_others(tx, run)
            match = plan_match(tx, run.approval.digest, run.approval.shown_run_id, run)
            if match is not PlanMatch.OTHER and not others:
                return self._approved(tx, run, run.approval, match)
            if closed := self._closed(tx, run):
                return [self._transitions.moved(run, RunStatus.DISCARDED, "plangate", closed)]
            # Promise 1: a plan that differs from the approved one asks again, and shows the difference.
            delta = OTHER_MATERIALS if others else self._delta(tx, run)
            event = self._transitions.event(run, "plan changed", message=delta)
            return [(replace(run, delta=delta, freeze_ignored=""), event)]
        # Auto-apply was decided at creation.
        if run.applies_by_itself:
            if approved := approved_before_merge(tx, run):
                return goes_on(tx, self._transitions, run, approved)
            moves = confirmed(self._transitions, run, AUTO_APPLY)
            applied_by_itself(tx, run, moves[0][1].at)
            return moves
        if made_from_others(tx, run):
            return [(run, self._transitions.event(run, "approval not carried over", message=OTHER_MATERIALS))]
        return []

    def _approved(
        self, tx: Transaction, run: Run, approval: Approval, match: PlanMatch
    ) -> Sequence[tuple[Run, RunEvent]]:
        """Return the steps by which a run applies a plan that its approval covers (promise 1)."""
        why = f"the plan equals the one approved in {approval.shown_run_id}"
        if match is PlanMatch.BECAME_KNOWN:
            why = f"{why}, but for values that are known now: {self._delta(tx, run)}"
            if approval.id:
                used(tx, tx.approvals.get(approval.id), run, run.status_at)
        return confirmed(self._transitions, run, approval.by, why)

    def _of_the_rest(
        self, tx: Transaction, run: Run, approval: Approval, rest_of: RestOf
    ) -> Sequence[tuple[Run, RunEvent]]:
        """Return the steps by which a retry goes on with exactly what a failed apply has left, or asks."""
        found = left_of_plan(tx, run)
        if found.rest is None:
            delta = f"it is not exactly what {rest_of.run_id} has left: {found.why}"
            return [(replace(run, delta=delta), self._transitions.event(run, "plan changed", message=delta))]
        if approval.id:
            used(tx, tx.approvals.get(approval.id), run, run.status_at)
        words = found.rest.words
        going_on = replace(run, rest_of=replace(rest_of, words=words))
        return confirmed(self._transitions, going_on, approval.by, f"{words} of {rest_of.run_id}")

    @staticmethod
    def _closed(tx: Transaction, run: Run) -> str:
        """Say why the run's change can't answer any more. Empty if it can."""
        repo = tx.workspaces.get(run.workspace_id).repo
        record = tx.changes.numbered(repo, run.change_number) if run.change_number is not None else None
        if record is None or record.change.open:
            return ""
        what = "merged" if record.change.merged else "closed"
        return f"the plan is not the one that was approved, and the change is {what}"

    @staticmethod
    def _delta(tx: Transaction, run: Run) -> str:
        assert run.approval is not None
        rows = shown_delta(tx, run.approval.shown_run_id, run.id)
        if rows is None:
            return "the plan is not the one that was approved"
        # A difference that no resource shows, such as another version of a provider.
        return sentence(rows) or "the same resources, but another plan"
