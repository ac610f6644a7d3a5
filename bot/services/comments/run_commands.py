"""`/plan`, `/discard`, `/cancel`, `/retry`, `/lock` and `/unlock` in a comment, as the pages have them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain import actions
from bot.domain.commands import Command, Verb
from bot.domain.errors import Conflict, Refused
from bot.domain.events import Change
from bot.domain.modes import why_not_allowed
from bot.domain.permissions import Action, Person
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.answering import Answer
from bot.services.controls import Controls
from bot.services.locking import Locking
from bot.services.making import NewRuns
from bot.services.outcome import Outcome
from bot.services.ports import Clock, Limits, Transaction
from bot.services.transitions import Transitions

_CLOSED = "the change is closed: there is nothing to plan"


class RunComments:
    """Carries out the commands that control runs and workspaces, within the comment's transaction."""

    def __init__(
        self,
        clock: Clock,
        new_runs: NewRuns,
        transitions: Transitions,
        controls: Controls,
        locking: Locking,
    ) -> None:
        self._clock = clock
        self._new_runs = new_runs
        self._transitions = transitions
        self._controls = controls
        self._locking = locking

    def carry_out(
        self,
        tx: Transaction,
        command: Command,
        targets: Sequence[Workspace],
        person: Person,
        change: Change,
        answer: Answer,
        outcome: Outcome,
    ) -> None:
        """Carry it out in each; without names, a refusal is said only where nothing was done."""
        refused: list[tuple[str, str]] = []
        done = 0
        for workspace in targets:
            try:
                run_id = self._do(tx, command, workspace, person, change, outcome)
            except Refused as error:
                refused.append((workspace.name, str(error)))
                outcome.say("refused", str(error), workspace.name)
                continue
            done += 1
            said = "preview" if command.verb is Verb.PLAN else command.verb.value
            outcome.say(said, _why(command, person), workspace.name, run_id)
        answer.done += done
        if command.named or not done or command.verb is Verb.PLAN:
            answer.refusals.extend(refused)

    def _do(
        self,
        tx: Transaction,
        command: Command,
        workspace: Workspace,
        person: Person,
        change: Change,
        outcome: Outcome,
    ) -> str:
        """Do it in one workspace; return the run that it concerns, if it does one. Raises Refused."""
        wake = outcome.wake
        match command.verb:
            case Verb.PLAN:
                return self._plan(tx, command, workspace, person, change, outcome)
            case Verb.LOCK:
                try:
                    self._locking.locked(tx, workspace.name, person, command.text, wake)
                except Conflict as error:
                    # Somebody else's lock is no race to be run again: it is the answer.
                    raise Refused(str(error)) from error
                return ""
            case Verb.UNLOCK:
                self._locking.unlocked(tx, workspace.name, person, wake, force=command.force)
                return ""
            case _:
                return self._control(tx, command, workspace, person, change, outcome)

    def _control(
        self,
        tx: Transaction,
        command: Command,
        workspace: Workspace,
        person: Person,
        change: Change,
        outcome: Outcome,
    ) -> str:
        wake = outcome.wake
        runs = self._new_runs.of_change(tx, workspace, change)
        match command.verb:
            case Verb.DISCARD:
                run = self._first(runs, Action.DISCARD)
                self._transitions.carry_out(tx, run.id, self._controls.discarding(person, command.text), wake)
            case Verb.CANCEL:
                run = self._first(runs, Action.CANCEL)
                for each in [run, *(r for r in runs if r.id != run.id and r.cancelable)]:
                    step = self._controls.canceling(person, command.text)
                    self._transitions.carry_out(tx, each.id, step, wake)
            case _:
                run = self._first(runs[:1], Action.RETRY)
                if not change.open:
                    raise Refused(_CLOSED)
                if run.commit != change.head_sha:
                    raise Refused(f"{run.id} is of an older commit: comment `/plan` to plan the latest")
                run = self._controls.retried(tx, run.id, person, wake)
        return run.id

    def _plan(
        self,
        tx: Transaction,
        command: Command,
        workspace: Workspace,
        person: Person,
        change: Change,
        outcome: Outcome,
    ) -> str:
        why = "" if change.open else _CLOSED
        if why := why or why_not_allowed(command.modes, workspace.allowed_modes, workspace.name):
            raise Refused(why)
        because = _why(command, person)
        made = self._new_runs.preview(
            tx, workspace, change, person.login, because, outcome.wake, command.modes
        )
        return made.id

    def _first(self, runs: Sequence[Run], action: Action) -> Run:
        """Return the newest run with which this may be done now. Raises Refused, which says why of none."""
        for run in runs:
            if action in run.legal():
                return run
        if not runs:
            raise Refused("this change has no run here")
        raise Refused(actions.why_not(runs[0], action, self._clock.now(), Limits.cool_off))


def _why(command: Command, person: Person) -> str:
    return " ".join((f"/{command.verb.value}", *command.modes.flags, "by", person.login))
