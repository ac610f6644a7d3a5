"""`/plan`, `/discard`, `/cancel`, `/retry`, `/lock` and `/unlock` in a comment, by the rules of the pages."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.commands.grammar import CommentCommand, Verb
from bot.domain.errors import Conflict, Refused
from bot.domain.events import Change
from bot.domain.people.permissions import Action, Person
from bot.domain.plans.modes import why_not_allowed
from bot.domain.runs import actions
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.comments.answer import CommentAnswer
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import Clock, Limits, Transaction
from bot.services.runs.controls import RunControls
from bot.services.runs.create import RunFactory
from bot.services.runs.locks import WorkspaceLocks
from bot.services.runs.merge_results import why_not_planned, why_plan_outdated
from bot.services.runs.transitions import Transitions

_KINDS = {
    Verb.PLAN: DecisionKind.PREVIEW,
    Verb.DISCARD: DecisionKind.DISCARD,
    Verb.CANCEL: DecisionKind.CANCEL,
    Verb.RETRY: DecisionKind.RETRY,
    Verb.LOCK: DecisionKind.LOCK,
    Verb.UNLOCK: DecisionKind.UNLOCK,
}
_CLOSED = "the change is closed: there is nothing to plan"


class RunComments:
    """Carries out the commands that control runs and workspaces, within the comment's transaction."""

    def __init__(
        self,
        clock: Clock,
        run_factory: RunFactory,
        transitions: Transitions,
        controls: RunControls,
        workspace_locks: WorkspaceLocks,
    ) -> None:
        self._clock = clock
        self._run_factory = run_factory
        self._transitions = transitions
        self._controls = controls
        self._workspace_locks = workspace_locks

    def carry_out(
        self,
        tx: Transaction,
        command: CommentCommand,
        targets: Sequence[Workspace],
        person: Person,
        change: Change,
        answer: CommentAnswer,
        outcome: DeliveryResult,
    ) -> None:
        """Carry it out in each workspace. Without names, refusals are shown only if nothing was done."""
        refused: list[tuple[str, str]] = []
        done = 0
        for workspace in targets:
            try:
                run_id = self._do(tx, command, workspace, person, change, outcome)
            except Refused as error:
                refused.append((workspace.name, str(error)))
                outcome.say(DecisionKind.REFUSED, str(error), workspace.name)
                continue
            done += 1
            outcome.say(_KINDS[command.verb], _why(command, person), workspace.name, run_id)
        answer.done += done
        if command.named or not done or command.verb is Verb.PLAN:
            answer.refusals.extend(refused)

    def _do(
        self,
        tx: Transaction,
        command: CommentCommand,
        workspace: Workspace,
        person: Person,
        change: Change,
        outcome: DeliveryResult,
    ) -> str:
        """Carry it out in one workspace. Return the run that it concerns, if any. Raises Refused."""
        wake = outcome.wake
        match command.verb:
            case Verb.PLAN:
                return self._plan(tx, command, workspace, person, change, outcome)
            case Verb.LOCK:
                try:
                    self._workspace_locks.locked(tx, workspace.name, person, command.text, wake)
                except Conflict as error:
                    # A lock of another person is the answer, not a race to retry.
                    raise Refused(str(error)) from error
                return ""
            case Verb.UNLOCK:
                self._workspace_locks.unlocked(tx, workspace.name, person, wake, force=command.force)
                return ""
            case _:
                return self._control(tx, command, workspace, person, change, outcome)

    def _control(
        self,
        tx: Transaction,
        command: CommentCommand,
        workspace: Workspace,
        person: Person,
        change: Change,
        outcome: DeliveryResult,
    ) -> str:
        wake = outcome.wake
        runs = self._run_factory.of_change(tx, workspace, change)
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
                record = tx.changes.numbered(change.repo, change.number)
                if outdated := why_plan_outdated(record, workspace, run):
                    raise Refused(outdated)
                run = self._controls.retried(tx, run.id, person, wake)
        return run.id

    def _plan(
        self,
        tx: Transaction,
        command: CommentCommand,
        workspace: Workspace,
        person: Person,
        change: Change,
        outcome: DeliveryResult,
    ) -> str:
        why = "" if change.open else _CLOSED
        why = why or why_not_planned(tx, workspace, change)
        if why := why or why_not_allowed(command.modes, workspace.allowed_modes, workspace.name):
            raise Refused(why)
        because = _why(command, person)
        made = self._run_factory.preview(
            tx, workspace, change, person.login, because, outcome.wake, command.modes
        )
        return made.id

    def _first(self, runs: Sequence[Run], action: Action) -> Run:
        """Return the newest run that allows this action now. Raises Refused, with the reason if none does."""
        for run in runs:
            if action in run.legal():
                return run
        if not runs:
            raise Refused("this change has no run here")
        raise Refused(actions.why_not(runs[0], action, self._clock.now(), Limits.cool_off))


def _why(command: CommentCommand, person: Person) -> str:
    return " ".join((f"/{command.verb.value}", *command.modes.flags, "by", person.login))
