"""The only module that creates and changes runs: row, timeline and consequences, in one transaction.

Consequences (for approvals, reports, other workspaces) are injected. Workers are woken after the transaction.
If that is lost, the sweep finds what the database says is due (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.errors import Conflict, LeaseLost, StoreUnavailable
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.queue import holds_by
from bot.domain.runs.run import Run, RunEvent
from bot.domain.workspaces.variables import Variable
from bot.services.metrics.runs import count_moves
from bot.services.metrics.series import SilentMeter
from bot.services.outbox.wake import Wake, wake_workers
from bot.services.plans.snapshot import fix_all_variables, fix_variables
from bot.services.ports import Clock, Dispatch, Meter, RunQuery, Spans, Store, Transaction
from bot.services.runs.queue_position import turns_of, whose_turn
from bot.services.runs.report_subjects import subjects_of
from bot.services.tracing.spans import SilentSpans

log = logging.getLogger(__name__)

Moves = Sequence[tuple[Run, RunEvent]]
"""The next versions of a run, step by step, each with its line for the timeline."""

Step = Callable[[Transaction, Run], Moves]
"""Decides within the transaction how a run changes."""

TRIES = 10
STORE_PATIENCE = timedelta(minutes=10)
STORE_PAUSE = timedelta(seconds=2)

SAVED_OR_WAITING = frozenset({RunStatus.PLANNED_AND_SAVED.value, RunStatus.PENDING.value})


@dataclass(frozen=True)
class RunChange:
    """A run that was created (`before` is None) or changed, with the time."""

    before: Run | None
    run: Run
    at: datetime

    @property
    def finished(self) -> bool:
        """Whether this change made the run final."""
        return self.before is not None and not self.before.final and self.run.final

    def reached(self, status: RunStatus) -> bool:
        """Whether this change brought the run to this status."""
        return self.run.status is status and (self.before is None or self.before.status is not status)


Consequence = Callable[[Transaction, RunChange, Wake], None]
"""Notes what follows from a changed run elsewhere, in the transaction that changes it."""


def lease_of(run_id: str) -> str:
    """Return the name of a worker's lease on a run."""
    return f"run:{run_id}"


class Transitions:
    """Creates and changes runs, and wakes the workers that have work because of it.

    No other module saves a run. `change` opens its own transaction and wakes workers after it. `carry_out`,
    `save` and `add` work within the caller's transaction. The caller calls `wake` after it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        consequences: Iterable[Consequence],
        meter: Meter | None = None,
        spans: Spans | None = None,
    ) -> None:
        self.meter = meter or SilentMeter()
        self._spans = spans or SilentSpans()
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._consequences = tuple(consequences)

    def event(self, run: Run, kind: str, actor: str = "", message: str = "") -> RunEvent:
        """Return a line for the run's timeline, with the current time."""
        return RunEvent(run.id, self._clock.now(), kind, actor, message)

    def moved(
        self, run: Run, to: RunStatus, actor: str = "", message: str = "", **changes: object
    ) -> tuple[Run, RunEvent]:
        """Return the run in its next status, with the line for the timeline. Raises IllegalMove."""
        return run.move(to, self._clock.now(), **changes), self.event(run, to.value, actor, message)

    # --- in a transaction of its own ------------------------------------------------------------------------

    def change(self, run_id: str, step: Step, fence: int | None = None) -> Run:
        """Carry out a step on the run, again if a concurrent change was quicker. Then wake workers.

        With a fence, only while we hold the lease: raises LeaseLost. Exceptions of `step` end it.
        """
        for left in reversed(range(TRIES)):
            wake = Wake()
            try:
                with self._store.transaction() as tx:
                    if fence is not None:
                        tx.leases.check(lease_of(run_id), fence)
                    run = self.carry_out(tx, run_id, step, wake)
            except LeaseLost:
                raise
            except Conflict:
                if not left:
                    raise
                continue
            self.wake(wake)
            return run
        raise AssertionError("unreachable")  # pragma: no cover

    def change_at_last(self, run_id: str, step: Step, fence: int) -> Run:
        """Carry out a step that must not be lost. Waits if the database is unavailable.

        Its cause (an apply ended) can't be found out again. Raises as `change` does, and StoreUnavailable if
        the database stays unavailable.
        """
        until = self._clock.now() + STORE_PATIENCE
        while True:
            try:
                return self.change(run_id, step, fence)
            except StoreUnavailable as error:
                if self._clock.now() >= until:
                    raise
                log.warning("%s waits for the database: %s", run_id, error)
                self._clock.wait(STORE_PAUSE)

    # --- within the caller's transaction --------------------------------------------------------------------

    def carry_out(self, tx: Transaction, run_id: str, step: Step, wake: Wake) -> Run:
        """Carry out a step on the run's current row. Raises Conflict if a concurrent change was quicker."""
        run = tx.runs.get(run_id)
        return self.save(tx, run, step(tx, run), wake)

    def save(self, tx: Transaction, run: Run, moves: Moves, wake: Wake) -> Run:
        """Save the decided steps for the run as it was read. Raises Conflict if it has changed since."""
        saved = run
        for moved, event in moves:
            before = saved
            saved = tx.runs.save(replace(moved, version=saved.version), event)
            if saved.status is not before.status:
                wake.left.append((before, saved))
        if saved.version != run.version:
            self._note_consequences(tx, run, saved, wake)
        return saved

    def add(
        self, tx: Transaction, run: Run, event: RunEvent, wake: Wake, own: Sequence[Variable] = ()
    ) -> Run:
        """Insert a run at the end of its queue, fixed to the current values of its variables.

        `own` are variables of this run alone.
        """
        added = tx.runs.add(run, event)
        fix_variables(tx, added, own)
        self._note_consequences(tx, None, added, wake)
        if added.plan_only:
            wake.runs.append(added)
        return added

    def add_all(self, tx: Transaction, new: Sequence[tuple[Run, RunEvent]], wake: Wake) -> Sequence[Run]:
        """Insert runs of different workspaces as `add` does, at the cost of a few queries for all."""
        if not new:
            return ()
        # Looked up before: the new ones that wait for each other change nothing for each other.
        awaited = tx.waiting_runs.awaited([run.workspace_id for run, _ in new])
        added = tx.runs.add_all(new)
        fix_all_variables(tx, added)
        now = self._clock.now()
        for run in added:
            for consequence in self._consequences:
                consequence(tx, RunChange(None, run, now), wake)
        queued = [run for run in added if not run.plan_only]
        turns = turns_of(tx, frozenset(run.workspace_id for run in queued)) if queued else {}
        for run in added:
            turn = turns.get(run.workspace_id)
            if run.plan_only or (turn is not None and turn.id == run.id):
                wake.runs.append(run)
            if not run.plan_only and run.workspace_id in awaited:
                for other in tx.waiting_runs.workspaces_after(run):
                    self.next(tx, other, wake)
        return added

    def _note_consequences(self, tx: Transaction, before: Run | None, run: Run, wake: Wake) -> None:
        changed = RunChange(before, run, self._clock.now())
        for consequence in self._consequences:
            consequence(tx, changed, wake)
        if not run.plan_only:
            self._go_on_with_queue(tx, changed, wake)
        if changed.finished and before is not None and before.status is RunStatus.APPLYING:
            self._discard_saved(tx, run, wake)

    def _go_on_with_queue(self, tx: Transaction, changed: RunChange, wake: Wake) -> None:
        before, run = changed.before, changed.run
        if before is None:
            # A new run at the end of the queue changes nothing for the runs before it.
            turn = whose_turn(tx, run.workspace_id)
            if turn is not None and turn.id == run.id:
                wake.runs.append(run)
        elif changed.finished or holds_by(run) != holds_by(before) or before.saved:
            self.next(tx, run.workspace_id, wake)
        else:
            return
        for other in tx.waiting_runs.workspaces_after(run):
            self.next(tx, other, wake)

    def _discard_saved(self, tx: Transaction, applied: Run, wake: Wake) -> None:
        """Discard the saved plans of a workspace whose state may have changed: they are stale."""
        why = f"{applied.id} was applied after this plan was made: plan again"
        unfinished = RunQuery(
            workspace_id=applied.workspace_id, statuses=SAVED_OR_WAITING, save_plan=True, limit=None
        )
        for run in tx.runs.find(unfinished):
            if run.saved or run.saved_and_confirmed:
                self.save(tx, run, [self.moved(run, RunStatus.DISCARDED, "plangate", why)], wake)

    def next(self, tx: Transaction, workspace_id: str, wake: Wake) -> None:
        """Wake the next run of the workspace, and update the positions of the waiting runs."""
        turn = whose_turn(tx, workspace_id)
        if turn is not None and turn.id not in {run.id for run in wake.runs}:
            wake.runs.append(turn)
        waiting = [run for run in tx.runs.queue(workspace_id) if run.status is RunStatus.PENDING]
        subjects = subjects_of(tx, workspace_id, waiting)
        tx.posts.mark_due(self._clock.now(), *subjects)
        wake.waiting.update(subjects)

    def report(self, tx: Transaction, subject: str, wake: Wake) -> None:
        """Mark a subject to be reported."""
        wake.report(tx, subject, self._clock.now())

    # --- after it -------------------------------------------------------------------------------------------

    def wake(self, wake: Wake) -> None:
        """Wake the workers. If Redis is down, nothing is lost: the sweep wakes them later."""
        wake_workers(self._dispatch, wake)
        count_moves(self.meter, self._spans, wake.left)
        wake.left.clear()
