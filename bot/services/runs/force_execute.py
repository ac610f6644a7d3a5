"""Force-execute: a pending run goes first, and the runs that wait before it are discarded."""

from __future__ import annotations

from bot.domain.errors import IllegalMove
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, require
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Store
from bot.services.runs.cancel import discarded
from bot.services.runs.transitions import Transitions


class ForceExecute:
    """Discards what is in a run's way."""

    def __init__(self, store: Store, clock: Clock, transitions: Transitions) -> None:
        self._store = store
        self._clock = clock
        self._transitions = transitions

    @audited(AuditAction.FORCE_EXECUTE)
    def execute(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Discard the runs before a pending run. Raises Forbidden, NotFound, IllegalMove.

        A run that has a worker is never stopped by this.
        """
        require(person, Action.FORCE_EXECUTE)
        wake = Wake()
        with self._store.transaction() as tx:
            run = tx.runs.get(run_id)
            if run.plan_only or run.status is not RunStatus.PENDING:
                raise IllegalMove(f"{run_id} is {run.status.value}: only a pending run can be forced")
            tx.workspaces.get(run.workspace_id, for_update=True)
            queue = tx.runs.queue(run.workspace_id)
            ahead = [each for each in queue if each.holds_workspace or each.sequence < run.sequence]
            for each in ahead:
                if not each.discardable:
                    raise IllegalMove(
                        f"{each.id} is before {run_id} and is {each.status.value}: let it end, or cancel it"
                    )
            for each in ahead:
                why = f"{run_id} was forced to go first"
                moves = discarded(self._transitions, each, person.login, why)
                self._transitions.save(tx, each, moves, wake)
            done(tx, self._clock, person, AuditAction.FORCE_EXECUTE, run, comment)
        self._transitions.wake(wake)
        return run
