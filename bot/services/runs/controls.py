"""What people do to runs: confirm, discard, cancel, retry; for pages, comments and the CLI alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from bot.domain import actions
from bot.domain.audit import Deed
from bot.domain.errors import Forbidden, IllegalMove, Invalid, NotFound
from bot.domain.ids import new_id
from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Action, Person, refusal
from bot.domain.run import Run, RunEvent, RunSource
from bot.services.approving import approve, used
from bot.services.auditing import audited, done
from bot.services.confirming import confirmed
from bot.services.overriding import Overriding
from bot.services.ports import Clock, Limits, Store, Transaction
from bot.services.requiring import Requiring
from bot.services.snapshot import add_run
from bot.services.transitions import Step, Transitions, Wake, lease_of

UNSEEN = "no worker held the apply, so what was applied is not known for certain: look at the state"


class Controls:
    """Checks the person's role and the run's status, then changes the run.

    Every method raises Forbidden (role), IllegalMove (status; says what is possible now) and NotFound. Of two
    who are at it at once one wins, and the other is told what the run has become.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        transitions: Transitions,
        cool_off: timedelta = Limits.cool_off,
        overriding: Overriding | None = None,
        requiring: Requiring | None = None,
    ) -> None:
        self._requiring = requiring
        self._cool_off = cool_off
        self._overriding = overriding or Overriding(clock, transitions, ())
        self._store = store
        self._clock = clock
        self._transitions = transitions

    @audited(Deed.CONFIRM)
    def confirm(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Let a run that awaits confirmation apply the plan that it holds.

        A change's run must have what its workspace requires, whichever way it is confirmed (promise 7): asks
        the forge, and raises ForgeUnavailable too.
        """
        if self._requiring is not None:
            with self._store.reading() as tx:
                self._check(tx.runs.get(run_id), person, Action.CONFIRM)
            self._requiring.check_run(run_id)

        def step(tx: Transaction, run: Run) -> list[tuple[Run, RunEvent]]:
            self._check(run, person, Action.CONFIRM)
            done(tx, self._clock, person, Deed.CONFIRM, run, comment)
            now = self._clock.now()
            used(tx, approve(tx, run, person, now), run, now)
            return confirmed(self._transitions, run, person.login, comment)

        run = self._transitions.change(run_id, step)
        self._transitions.wake(Wake(runs=[run]))
        return run

    @audited(Deed.DISCARD)
    def discard(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Put a run aside that waits, and let the next one go on."""
        return self._transitions.change(run_id, self.discarding(person, comment))

    def discarding(self, person: Person, comment: str = "") -> Step:
        """Return the step of `discard`, for whoever has a transaction of their own."""

        def step(tx: Transaction, run: Run) -> list[tuple[Run, RunEvent]]:
            self._check(run, person, Action.DISCARD)
            done(tx, self._clock, person, Deed.DISCARD, run, comment)
            return [self._transitions.moved(run, RunStatus.DISCARDED, person.login, comment)]

        return step

    @audited(Deed.OVERRIDE)
    def override(self, run_id: str, person: Person, comment: str = "", policy: str = "") -> Run:
        """Override soft-mandatory policies that failed, one or all of them; the comment is the reason."""
        teams = self._overriding.teams_of_run(self._store, run_id, person)

        def step(tx: Transaction, run: Run) -> Sequence[tuple[Run, RunEvent]]:
            moves = self._overriding.moves(tx, run, person, comment, policy, teams)
            done(tx, self._clock, person, Deed.OVERRIDE, run, comment)
            return moves

        run = self._transitions.change(run_id, step)
        if run.status is RunStatus.APPLY_QUEUED:
            self._transitions.wake(Wake(runs=[run]))
        return run

    def may_override(self, run_id: str, person: Person) -> bool:
        """Whether the run waits for an override that this person may give; asks the forge for teams."""
        teams = self._overriding.teams_of_run(self._store, run_id, person)
        with self._store.reading() as tx:
            return self._overriding.may(tx, tx.runs.get(run_id), person, teams)

    def overriders(self, tx: Transaction, run: Run) -> str:
        """Say who may override what holds the run; empty where nothing does, or nobody is named."""
        return self._overriding.overriders(tx, run)

    @audited(Deed.CANCEL)
    def cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """Stop a run: at once where nobody works on it, else by an interrupt that its worker sends."""
        return self._transitions.change(run_id, self.canceling(person, comment))

    def canceling(self, person: Person, comment: str = "") -> Step:
        """Return the step of `cancel`, for whoever has a transaction of their own."""

        def step(tx: Transaction, run: Run) -> list[tuple[Run, RunEvent]]:
            self._check(run, person, Action.CANCEL)
            done(tx, self._clock, person, Deed.CANCEL, run, comment)
            return canceled(self._transitions, tx, self._clock, run, person.login, comment)

        return step

    @audited(Deed.FORCE_CANCEL)
    def force_cancel(self, run_id: str, person: Person, comment: str = "") -> Run:
        """End a run that a cancel did not end within the cool-off.

        Its worker kills the process at its next look; without a worker the run ends here, and the sweep
        lets go of its lock on the state once its Terraform is silent for long (promise 3).
        """

        def step(tx: Transaction, run: Run) -> list[tuple[Run, RunEvent]]:
            self._check(run, person, Action.FORCE_CANCEL)
            done(tx, self._clock, person, Deed.FORCE_CANCEL, run, comment)
            asked = self._transitions.event(run, "force-cancel requested", person.login, comment)
            wish = replace(run, force_cancel=True)
            if tx.leases.held([lease_of(run.id)], self._clock.now()):
                return [(wish, asked)]
            why = UNSEEN if run.status is RunStatus.APPLYING else ""
            return [(wish, asked), self._transitions.moved(wish, RunStatus.CANCELED, person.login, why)]

        return self._transitions.change(run_id, step)

    @audited(Deed.COMMENT)
    def comment(self, run_id: str, person: Person, text: str) -> Run:
        """Put what a person says into the run's timeline; said twice in a row, it stands there once."""
        if not text.strip():
            raise Invalid("a comment needs words")
        with self._store.transaction() as tx:
            run = tx.runs.get(run_id)
            if not person.may(Action.COMMENT):
                raise Forbidden(refusal(person, Action.COMMENT))
            said = self._transitions.event(run, "comment", person.login, text)
            last = tx.runs.timeline(run_id)[-1:]
            if not any(replace(event, at=said.at) == said for event in last):
                tx.runs.note(said)
                done(tx, self._clock, person, Deed.COMMENT, run, text)
        return run

    @audited(Deed.RETRY)
    def retry(self, run_id: str, person: Person, comment: str = "", as_id: str = "") -> Run:
        """Make a new run of the same kind on the same commit, with the variables as they are now.

        The old one stays as it is. `as_id` is what the new one is called: asked for again, it is made once.
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
        """Do `retry` within a transaction, and note whom to wake after it."""
        old = tx.runs.get(run_id)
        self._check(old, person, Action.RETRY)
        now = self._clock.now()
        run = Run(
            id=as_id or new_id("run"),
            workspace_id=old.workspace_id,
            status=RunStatus.PENDING,
            source=RunSource.RETRY,
            plan_only=old.plan_only,
            commit=old.commit,
            branch=old.branch,
            message=old.message,
            created_by=person.login,
            created_at=now,
            status_at=now,
            change_number=old.change_number,
            modes=old.modes,
        )
        why = f"retry of {old.id}: {comment}" if comment else f"retry of {old.id}"
        event = self._transitions.event(run, "pending", person.login, why)
        run = add_run(tx, run, event)
        done(tx, self._clock, person, Deed.RETRY, run, why.removeprefix("retry "))
        self._transitions.after(tx, None, run, wake)
        if run.plan_only:
            wake.runs.append(run)
        return run

    def _check(self, run: Run, person: Person, action: Action) -> None:
        """Make sure, in the transaction that acts, that the role and the run's status allow it."""
        if why := actions.why_forbidden(run, person, action):
            raise Forbidden(why)
        if why := actions.why_not(run, action, self._clock.now(), self._cool_off):
            raise IllegalMove(why)


def canceled(
    transitions: Transitions, tx: Transaction, clock: Clock, run: Run, by: str, comment: str
) -> list[tuple[Run, RunEvent]]:
    """Return the steps that cancel a run: to its end where nobody holds it, else the wish that it stop."""
    now = clock.now()
    asked = transitions.event(run, "cancel requested", by, comment)
    wish = replace(run, cancel_requested_by=by, cancel_requested_at=now)
    idle = run.status is RunStatus.PENDING or not tx.leases.held([lease_of(run.id)], now)
    # An apply that was cut off may have left a Terraform at work: the sweep ends it, not a cancel.
    if idle and run.status is not RunStatus.APPLYING:
        return [(wish, asked), transitions.moved(wish, RunStatus.CANCELED, by)]
    return [(wish, asked)]
