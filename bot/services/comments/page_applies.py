"""`/apply` by a button on the page of a change: the rules, the record and the steps of the comment.

The button names one plan by its code, as `/apply name CODE` does. It counts less than a code that somebody
typed: the comment must have shown the plan whole, as for a bare `/apply` (promise 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.changes.decisions import ConfirmRun, Refuse, decide_apply
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.changes.requirements import Facts, unmet
from bot.domain.commands.grammar import CommentCommand, Verb
from bot.domain.commands.targets import Coded
from bot.domain.errors import Forbidden, IllegalMove, Invalid
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, refusal
from bot.domain.runs.run import PLAN_CODE_LENGTH, Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.our_comment import NOT_STANDING, is_disturbed
from bot.services.approvals.requirements import RequirementChecker
from bot.services.comments.answer import CommentAnswer
from bot.services.comments.apply import ApplyComments
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import ChangeRecord, Clock, ForgeReader, Store, Transaction
from bot.services.runs.change_runs import runs_about
from bot.services.runs.merge_results import why_not_planned, why_plan_outdated
from bot.services.runs.transitions import Transitions

_MOVED = "a newer commit was pushed: look at its plan first"


class PageApplies:
    """Applies the plan that a change's page shows for a workspace."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, ForgeReader],
        applies: ApplyComments,
        requirement_checker: RequirementChecker,
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._applies = applies
        self._requirement_checker = requirement_checker
        self._transitions = transitions

    @audited(AuditAction.APPLY)
    def apply(self, name: str, change_id: str, code: str, person: Person) -> None:
        """Do what `/apply name CODE` does on the change. Pressed twice, it applies once.

        Raises Forbidden, IllegalMove (says why not), Invalid, NotFound, ForgeError.
        """
        if not person.may(Action.CONFIRM):
            raise Forbidden(refusal(person, Action.CONFIRM))
        if len(code) != PLAN_CODE_LENGTH:
            raise Invalid("the plan's code is missing: reload the page and try again")
        with self._store.reading() as tx:
            known = tx.changes.get(change_id)
            workspace = _touched(tx, known, name)
            if self._under_way(tx, workspace, known, code, person):
                return
        repo, number = known.change.repo, known.change.number
        forge = self._forges.get(repo.forge)
        if forge is None:
            raise IllegalMove(f"the forge {repo.forge} is no longer configured")
        change = forge.change(repo, number)
        if change.head_sha != known.change.head_sha:
            raise IllegalMove(_MOVED)
        facts = self._requirement_checker.facts(change, [workspace])
        now = self._clock.now()
        answer, outcome = CommentAnswer(now, now, facts=facts, pressed=True), DeliveryResult()
        with self._store.transaction() as tx:
            record = replace(tx.changes.get(change_id), change=change)
            exact = Coded(CommentCommand(Verb.APPLY, (name,)), {workspace.id: code})
            self._applies.carry_out(tx, [workspace], person, record, answer, outcome, exact)
            if not answer.done:
                raise IllegalMove(_why_not(answer))
            for decision in outcome.decisions:
                if decision.kind is not DecisionKind.REFUSED:
                    about = decision.run or name
                    done(tx, self._clock, person, AuditAction.APPLY, about, f"/apply {name} {code}")
            self._transitions.report(tx, record.id, outcome.wake)
        self._transitions.wake(outcome.wake)

    def why_refused(
        self, tx: Transaction, record: ChangeRecord, workspace: Workspace, person: Person | None, facts: Facts
    ) -> str:
        """Say why an apply of a workspace's plan would be refused. Empty if it would not.

        Without a person, roles do not count.
        """
        change = facts.change
        if conflict := why_not_planned(tx, workspace, change):
            return conflict
        runs = runs_about(tx, workspace, change)
        decision = decide_apply(change, runs, self._clock.now(), workspace.merging.apply_when)
        if isinstance(decision, Refuse):
            return decision.reason
        if is_disturbed(tx, change.repo, change.number):
            return NOT_STANDING
        run = decision.run if isinstance(decision, ConfirmRun) else decision.preview
        if outdated := why_plan_outdated(record, workspace, run):
            return outdated
        return unmet(self._requirement_checker.checks(tx, workspace, facts, run, person))

    @staticmethod
    def _under_way(
        tx: Transaction, workspace: Workspace, record: ChangeRecord, code: str, person: Person
    ) -> bool:
        """Whether this person's approval of this plan is being applied already."""
        return any(
            _approved(run, code, person) and not run.final for run in runs_about(tx, workspace, record.change)
        )


def _touched(tx: Transaction, record: ChangeRecord, name: str) -> Workspace:
    """Return the workspace of that name if the change touches it. Raises IllegalMove.

    The answer is the same for other workspaces and for none: people here may not know those of others.
    """
    for workspace_id in record.workspace_ids:
        workspace = tx.workspaces.get(workspace_id)
        if workspace.name == name:
            return workspace
    raise IllegalMove(f"this change does not touch {name}")


def _approved(run: Run, code: str, person: Person) -> bool:
    given = run.approval
    return given is not None and given.by == person.login and given.digest.startswith(code)


def _why_not(answer: CommentAnswer) -> str:
    missing = [f"{name} is not ready to be applied: {unmet(checks)}" for name, checks in answer.tables]
    refused = [f"{name}: {why}".replace("comment again", "try again") for name, why in answer.refusals]
    return "; ".join([*missing, *refused]) or "there is nothing to apply"
