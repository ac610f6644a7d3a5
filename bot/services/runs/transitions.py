"""The one way a run changes: row, timeline, what must be reported and who is next, in one transaction.

Workers are woken after it; if that is lost, the sweep finds what the database says is due (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from bot.domain.errors import Conflict, LeaseLost, StoreUnavailable
from bot.domain.lifecycle import RunStatus
from bot.domain.queue import holds_by
from bot.domain.run import Run, RunEvent, RunSource
from bot.services.approved_elsewhere import to_be_asked
from bot.services.approving import kept_approval, settle
from bot.services.neighbours import neighbours
from bot.services.ports import Clock, Dispatch, Store, Transaction
from bot.services.subjects import all_subjects_of, subjects_of
from bot.services.turns import whose_turn
from bot.services.wanting import ASKED, OUTDATED, PLANNED, want, want_followers

log = logging.getLogger(__name__)

Step = Callable[[Transaction, Run], Sequence[tuple[Run, RunEvent]]]

TRIES = 10
STORE_PATIENCE = timedelta(minutes=10)
STORE_PAUSE = timedelta(seconds=2)


@dataclass
class Wake:
    """Whom to wake once the transaction stands."""

    runs: list[Run] = field(default_factory=list)
    subjects: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    deliveries: list[str] = field(default_factory=list)
    replays: list[str] = field(default_factory=list)


def lease_of(run_id: str) -> str:
    """Return the name of the lease under which a worker holds a run."""
    return f"run:{run_id}"


class Transitions:
    """Changes runs, and wakes whoever has something to do because of it."""

    def __init__(self, store: Store, clock: Clock, dispatch: Dispatch) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch

    def event(self, run: Run, kind: str, actor: str = "", message: str = "") -> RunEvent:
        """Return a line for the run's timeline, as of now."""
        return RunEvent(run.id, self._clock.now(), kind, actor, message)

    def moved(
        self, run: Run, to: RunStatus, actor: str = "", message: str = "", **changes: object
    ) -> tuple[Run, RunEvent]:
        """Return the run in its next status with its line. Raises IllegalMove."""
        return run.move(to, self._clock.now(), **changes), self.event(run, to.value, actor, message)

    def change(self, run_id: str, step: Step, fence: int | None = None) -> Run:
        """Carry out a step on the run as it stands, again if somebody was quicker, and wake who is next.

        With a fence, only while the lease is still ours: raises LeaseLost. Whatever `step` raises ends it.
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
        """Carry out a step that must not be lost, waiting for a database that is away for a while.

        What happened in the world (an apply ended) can't be found out again. Raises as `change` does, and
        StoreUnavailable when patience is over.
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

    def carry_out(self, tx: Transaction, run_id: str, step: Step, wake: Wake) -> Run:
        """Carry out a step within a transaction. Raises Conflict where somebody was quicker."""
        before = run = tx.runs.get(run_id)
        for changed, event in step(tx, run):
            run = tx.runs.save(replace(changed, version=run.version), event)
        if run.version != before.version:
            self.after(tx, before, run, wake)
        return run

    def after(self, tx: Transaction, before: Run | None, run: Run, wake: Wake) -> None:
        """Note, within the transaction that made or changed a run, what must be reported and who is next."""
        settle(tx, before, run, self._clock.now())
        if run.reported:
            for subject in all_subjects_of(tx, run):
                self.report(tx, subject, wake)
        if run.plan_only:
            shown = run.change_number is not None and run.source is not RunSource.QUEUE
            if shown and run.final and before is not None and not before.final:
                self._previewed(tx, run, wake)
            return
        if run.status is RunStatus.APPLIED and (before is None or before.status is not RunStatus.APPLIED):
            wake.deliveries += want_followers(tx, run, self._clock.now())
            wake.deliveries += want(tx, OUTDATED, run, self._clock.now())
        stopped = before is not None and not before.awaits_confirmation
        if stopped and to_be_asked(tx, run) is not None:
            wake.deliveries += want(tx, ASKED, run, self._clock.now())
        if before is None:
            # One that joins the queue changes nothing for those before it: whose turn it was is awake.
            turn = whose_turn(tx, run.workspace_id)
            if turn is not None and turn.id == run.id:
                wake.runs.append(run)
        elif (not before.final and run.final) or holds_by(run) != holds_by(before):
            self.next(tx, run.workspace_id, wake)

    def _previewed(self, tx: Transaction, run: Run, wake: Wake) -> None:
        """Note what a change's new plan means: for an approval that waits for it, and for other changes."""
        if kept_approval(tx, run) is not None:
            wake.deliveries += want(tx, PLANNED, run, self._clock.now())
        for other, _, _ in neighbours(tx, tx.workspaces.get(run.workspace_id), run.change_number):
            self.report(tx, other, wake)

    def report(self, tx: Transaction, subject: str, wake: Wake) -> None:
        """Note that a subject must be reported."""
        tx.posts.mark_due(self._clock.now(), subject)
        if subject not in wake.subjects:
            wake.subjects.append(subject)

    def next(self, tx: Transaction, workspace_id: str, wake: Wake) -> None:
        """Wake the run whose turn it is, and tell those that wait of their places."""
        turn = whose_turn(tx, workspace_id)
        if turn is not None and turn.id not in {run.id for run in wake.runs}:
            wake.runs.append(turn)
        waiting = [run for run in tx.runs.queue(workspace_id) if run.status is RunStatus.PENDING]
        subjects = subjects_of(tx, workspace_id, waiting)
        tx.posts.mark_due(self._clock.now(), *subjects)
        wake.waiting.update(subjects)

    def wake(self, wake: Wake) -> None:
        """Wake the workers. A Redis that is down loses nothing: the sweep wakes them later."""
        try:
            for delivery_id in wake.deliveries:
                self._dispatch.receive(delivery_id)
            for run in wake.runs:
                self._dispatch.advance(run)
            for replay_id in wake.replays:
                self._dispatch.replay(replay_id)
            for subject in wake.subjects:
                self._dispatch.report(subject)
            for subject in wake.waiting.difference(wake.subjects):
                # However often a long queue is told, one report of each that waits to be made is enough.
                self._dispatch.report(subject, swept=True)
        except ConnectionError as error:
            log.warning("no worker could be woken (%s); the sweep will", error)
