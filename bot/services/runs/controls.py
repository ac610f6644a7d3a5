"""Actions of people on runs: confirm, discard, cancel, retry. Pages, comments and the CLI use them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from bot.domain.errors import Forbidden, IllegalMove, Invalid, NotFound
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, refusal
from bot.domain.policies.owners import KnownTeams
from bot.domain.runs import actions
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Store, Transaction
from bot.services.runs.cancel import canceled, discarded
from bot.services.runs.confirm import confirmed
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Moves, Step, Transitions, lease_of

COMMENT = "comment"
"""The kind of a line of the timeline that is a person's comment."""

UNSEEN = "no worker held the apply, so it is not certain what was applied: look at the state"


class Requirements(Protocol):
    """The part of approvals that a confirmation needs."""

    def check_run(self, run_id: str, person: Person) -> None:
        """Check that a change's run may be confirmed. Raises IllegalMove, ForgeUnavailable, NotFound."""
        ...

    def confirmed(self, tx: Transaction, run: Run, person: Person) -> None:
        """Store that a person approved the run's plan and that it is being applied."""
        ...


class Overrides(Protocol):
    """The part of policies that an override needs."""

    def moves(
        self,
        tx: Transaction,
        run: Run,
        person: Person,
        reason: str,
        policy: str,
        teams: KnownTeams,
    ) -> Moves:
        """Return the steps that override the failures. Raises IllegalMove, Forbidden, Invalid."""
        ...

    def may(self, tx: Transaction, run: Run, person: Person, teams: KnownTeams) -> bool:
        """Whether a person may override all failures that stop this run."""
        ...

    def overriders(self, tx: Transaction, run: Run) -> str:
        """Return who may override the failures that stop the run. Empty if the sets have no owners."""
        ...

    def teams_of_run(self, store: Store, run_id: str, person: Person) -> KnownTeams:
        """Fetch the members of the teams that own the sets whose failures stop a run."""
        ...


class RunControls:
    """Checks the person's role and the run's status, then changes the run.

    Every method raises Forbidden (role), IllegalMove (status; says what is possible now) and NotFound. If two
    people act at the same time, one wins and the other gets IllegalMove.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        transitions: Transitions,
        run_factory: RunFactory,
        cool_off: timedelta,
        policy_overrides: Overrides,
        requirement_checker: Requirements,
    ) -> None:
        self._run_factory = run_factory
        self._requirement_checker = requirement_checker
        self._cool_off = cool_off
        self._policy_overrides = policy_overrides
        self._store = store
        self._clock = clock
        self._transitions = transitions

    @audited(AuditAction.APPLY)
    def confirm(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Apply the plan of a run that waits for confirmation.

        A change's run must meet the requirements of its workspace, no matter who confirms it (promise 7).
        This asks the forge, so it raises ForgeUnavailable too.
        """
        with self._store.reading() as tx:
            self._check(tx.runs.get(run_id), person, Action.CONFIRM)
        self._requirement_checker.check_run(run_id, person)

        def step(tx: Transaction, run: Run) -> Moves:
            self._check(run, person, Action.CONFIRM)
            done(tx, self._clock, person, AuditAction.APPLY, run, comment)
            self._requirement_checker.confirmed(tx, run, person)
            return confirmed(self._transitions, run, person.login, comment)

        run = self._transitions.change(run_id, step)
        self._transitions.wake(Wake(runs=[run]))
        return run

    @audited(AuditAction.DISCARD)
    def discard(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Discard a waiting run, and start the next one."""
        return self._transitions.change(run_id, self.discarding(person, comment))

    def discarding(self, person: Person, comment: str = "") -> Step:
        """Return the step of `discard`, for callers with their own transaction."""

        def step(tx: Transaction, run: Run) -> Moves:
            self._check(run, person, Action.DISCARD)
            done(tx, self._clock, person, AuditAction.DISCARD, run, comment)
            return discarded(self._transitions, run, person.login, comment)

        return step

    @audited(AuditAction.OVERRIDE)
    def override(self, run_id: str, person: Person, comment: str = "", policy: str = "") -> Run:
        """Override soft-mandatory policies that failed, one or all of them. The comment is the reason."""
        teams = self._policy_overrides.teams_of_run(self._store, run_id, person)

        def step(tx: Transaction, run: Run) -> Moves:
            moves = self._policy_overrides.moves(tx, run, person, comment, policy, teams)
            done(tx, self._clock, person, AuditAction.OVERRIDE, run, comment)
            return moves

        run = self._transitions.change(run_id, step)
        if run.status is RunStatus.APPLY_QUEUED:
            self._transitions.wake(Wake(runs=[run]))
        return run

    def may_override(self, run_id: str, person: Person) -> bool:
        """Whether the run waits for an override that this person may give. Asks the forge for teams."""
        teams = self._policy_overrides.teams_of_run(self._store, run_id, person)
        with self._store.reading() as tx:
            return self._policy_overrides.may(tx, tx.runs.get(run_id), person, teams)

    def overriders(self, tx: Transaction, run: Run) -> str:
        """Return who may override the run's failures. Empty if there are none, or no owners."""
        return self._policy_overrides.overriders(tx, run)

    @audited(AuditAction.CANCEL)
    def cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Cancel a run: at once if it has no worker, else its worker interrupts the process."""
        return self._transitions.change(run_id, self.canceling(person, comment))

    def canceling(self, person: Person, comment: str = "") -> Step:
        """Return the step of `cancel`, for callers with their own transaction."""

        def step(tx: Transaction, run: Run) -> Moves:
            self._check(run, person, Action.CANCEL)
            done(tx, self._clock, person, AuditAction.CANCEL, run, comment)
            return canceled(tx, self._transitions, run, person.login, comment)

        return step

    @audited(AuditAction.FORCE_CANCEL)
    def force_cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """End a run that did not end within the cool-off after a cancel.

        Its worker kills the process at the next tick. Without a worker the run ends here. The sweep releases
        its lock on the state after its Terraform was silent for long enough (promise 3).
        """

        def step(tx: Transaction, run: Run) -> Moves:
            self._check(run, person, Action.FORCE_CANCEL)
            done(tx, self._clock, person, AuditAction.FORCE_CANCEL, run, comment)
            asked = self._transitions.event(run, "force-cancel requested", person.login, comment)
            wish = replace(run, force_cancel=True)
            if tx.leases.held([lease_of(run.id)], self._clock.now()):
                return [(wish, asked)]
            why = UNSEEN if run.status is RunStatus.APPLYING else ""
            return [(wish, asked), self._transitions.moved(wish, RunStatus.CANCELED, person.login, why)]

        return self._transitions.change(run_id, step)

    @audited(AuditAction.COMMENT)
    def comment(self, run_id: str, person: Person, text: str) -> Run:
        """Add a comment to the run's timeline. The same comment twice in a row is added once."""
        if not text.strip():
            raise Invalid("a comment needs words")
        with self._store.transaction() as tx:
            run = tx.runs.get(run_id)
            if not person.may(Action.COMMENT):
                raise Forbidden(refusal(person, Action.COMMENT))
            said = self._transitions.event(run, COMMENT, person.login, text)
            last = tx.runs.timeline(run_id)[-1:]
            if not any(replace(event, at=said.at) == said for event in last):
                tx.runs.note(said)
                done(tx, self._clock, person, AuditAction.COMMENT, run, text)
        return run

    @audited(AuditAction.RETRY)
    def retry(self, run_id: str, person: Person, comment: str = "", as_id: str = "") -> Run:
        """Create a run of the same kind on the same commit, with the current values of the variables.

        The old run does not change. `as_id` is the id of the new run: a repeated request creates it once.
        """
        wake = Wake()
        with self._store.transaction() as tx:
            try:
                return tx.runs.get(as_id)
            except NotFound:
                run = self.retried(tx, run_id, person, wake, comment, as_id)
        self._transitions.wake(wake)
        return run

    def retried(
        self, tx: Transaction, run_id: str, person: Person, wake: Wake, comment: str = "", as_id: str = ""
    ) -> Run:
        """Do `retry` within a transaction, and note which workers to wake after it."""
        old = tx.runs.get(run_id)
        self._check(old, person, Action.RETRY)
        why = f"retry of {old.id}: {comment}" if comment else f"retry of {old.id}"
        run = self._run_factory.of_retry(tx, old, person.login, why, wake, as_id)
        done(tx, self._clock, person, AuditAction.RETRY, run, why.removeprefix("retry "))
        return run

    def _check(self, run: Run, person: Person, action: Action) -> None:
        """Check, in the transaction that acts, that the role and the run's status allow the action."""
        if why := actions.why_forbidden(run, person, action):
            raise Forbidden(why)
        if why := actions.why_not(run, action, self._clock.now(), self._cool_off):
            raise IllegalMove(why)
