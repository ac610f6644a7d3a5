"""What follows a finished plan, before a person has a say: its end, the apply, or the question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.delta import sentence
from bot.domain.lifecycle import RunStatus
from bot.domain.run import Run, RunEvent, RunSource
from bot.services.approved_elsewhere import approved_before_merge, carried_over
from bot.services.confirming import confirmed
from bot.services.merging import goes_on
from bot.services.ports import Transaction
from bot.services.queue_verdicts import why_not_approved
from bot.services.showing import shown_delta
from bot.services.transitions import Transitions


class AfterPlan:
    """Decides how a planned run goes on, within the transaction that keeps its plan."""

    def __init__(self, transitions: Transitions) -> None:
        self._transitions = transitions

    def moves(self, tx: Transaction, run: Run) -> Sequence[tuple[Run, RunEvent]]:
        """Return the moves that follow by themselves; none where a person is asked, or the forge.

        What was approved elsewhere goes on once what an apply needs was asked again; see `going_on`.
        """
        if run.cancel_requested_at and not run.plan_only:
            return [self._transitions.moved(run, RunStatus.DISCARDED, run.cancel_requested_by)]
        if run.source is RunSource.QUEUE and (why := why_not_approved(tx, run)):
            return [self._transitions.moved(run, RunStatus.PLANNED_AND_FINISHED, message=why, delta=why)]
        if run.plan_only or not run.has_changes:
            return [self._transitions.moved(run, RunStatus.PLANNED_AND_FINISHED)]
        if run.approval is not None:
            if carried_over(tx, run) is not None:
                return []
            if run.approval.digest == run.digest:
                why = f"the plan equals the one approved in {run.approval.shown_run_id}"
                return confirmed(self._transitions, run, run.approval.by, why)
            if closed := self._closed(tx, run):
                return [self._transitions.moved(run, RunStatus.DISCARDED, "plangate", closed)]
            # Promise 1: another plan than the one approved asks again, and says what is new.
            delta = self._delta(tx, run)
            event = self._transitions.event(run, "plan changed", message=delta)
            return [(replace(run, delta=delta), event)]
        # Whether it may go on by itself was decided when it was made, but a destroy plan never does.
        if run.auto_apply and not run.modes.destroy:
            if approved := approved_before_merge(tx, run):
                return goes_on(tx, self._transitions, run, approved)
            return confirmed(self._transitions, run, "auto-apply")
        return []

    @staticmethod
    def _closed(tx: Transaction, run: Run) -> str:
        """Say that the run's change takes no answer any more, empty where it does."""
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
        # What no resource shows, such as another version of a provider.
        return sentence(rows) or "the same resources, made in another way"
