"""`/apply` in a comment: confirms, starts an apply, or says why not, for each workspace that is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.changes.apply_order import ApplyPlace, place_of, place_of_destroy, why_others_first
from bot.domain.changes.decisions import (
    ApplyDecision,
    ConfirmRun,
    KeepApproval,
    Refuse,
    StartApply,
    WaitsForFreeze,
    decide_apply,
)
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.changes.requirements import Check, Facts, unmet
from bot.domain.commands.targets import Coded
from bot.domain.errors import NotReady
from bot.domain.events import Change
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, refusal
from bot.domain.runs.lifecycle import CONFIRMED_ALREADY
from bot.domain.runs.run import PLAN_CODE_LENGTH, Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import approve, keep, used
from bot.services.approvals.our_comment import NOT_STANDING, is_disturbed
from bot.services.approvals.requirements import RequirementChecker
from bot.services.approvals.shown_plans import NOT_SHOWN, NOT_WHOLE, WAS_DELAYED, why_delayed, why_not_shown
from bot.services.comments.answer import DELAYED, CommentAnswer
from bot.services.outbox.audit_log import done
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import Addresses, ChangeRecord, Clock, Limits, Transaction
from bot.services.runs import freezes
from bot.services.runs.change_runs import runs_about, runs_of_change
from bot.services.runs.confirm import confirmed
from bot.services.runs.create import RunFactory
from bot.services.runs.merge_results import why_not_planned
from bot.services.runs.order import held
from bot.services.runs.transitions import Transitions

_MOST_TOLD = 5
# The start of the refusal to ignore a freeze before the branch has a run.
AFTER_MERGE = "it is applied after the merge, so `-ignore-freeze` counts only then"
# How long an `/apply` waits for a comment that the forge delays.
PATIENCE = timedelta(hours=1)


@dataclass
class _Asked:
    """One `/apply` while it is carried out. `made` are the runs that apply, `whys` the refusals.

    Both are by workspace. The lists are the refusals by how they are told: those `in_order` are because of
    `depends_on`.
    """

    tx: Transaction
    person: Person
    change: Change
    answer: CommentAnswer
    outcome: DeliveryResult
    facts: Facts
    order: Order
    named: bool
    codes: Mapping[str, str]
    at: datetime
    ignoring: str = ""
    done: int = 0
    made: dict[str, Run] = field(default_factory=dict)
    whys: dict[str, str] = field(default_factory=dict)
    refused: list[tuple[str, str]] = field(default_factory=list)
    hidden: list[tuple[str, str]] = field(default_factory=list)
    in_order: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, workspace: Workspace, why: str, told: list[tuple[str, str]] | None = None) -> None:
        """Note that nothing is applied in a workspace, in the list by which it is told."""
        self.whys[workspace.id] = why
        self.outcome.say(DecisionKind.REFUSED, why, workspace.name)
        if told is not None:
            told.append((workspace.name, why))


class ApplyComments:
    """Carries out the apply commands of comments."""

    def __init__(
        self,
        clock: Clock,
        run_factory: RunFactory,
        transitions: Transitions,
        requirement_checker: RequirementChecker,
        limits: Limits,
        addresses: Addresses,
    ) -> None:
        self._addresses = addresses
        self._shown_for = limits.shown_for
        self._requirement_checker = requirement_checker
        self._clock = clock
        self._run_factory = run_factory
        self._transitions = transitions

    def carry_out(
        self,
        tx: Transaction,
        targets: Sequence[Workspace],
        person: Person,
        record: ChangeRecord,
        answer: CommentAnswer,
        outcome: DeliveryResult,
        exact: Coded,
    ) -> None:
        """Apply in the workspaces, in their order, as the command says: without names, all of them."""
        command, codes, facts = exact.command, exact.codes, answer.facts or Facts(record.change)
        named = command.named or bool(codes)
        if command.ignore_freeze and not person.may(Action.IGNORE_FREEZE):
            return answer.forbid(outcome, "/apply -ignore-freeze", refusal(person, Action.IGNORE_FREEZE))
        # All of one command have one time: by it, their comment is one.
        order = Order(tx.workspaces.get(workspace_id) for workspace_id in record.workspace_ids)
        at = self._clock.now()
        asked = _Asked(
            tx,
            person,
            record.change,
            answer,
            outcome,
            facts,
            order,
            named,
            codes,
            at,
            command.ignore_freeze,
        )
        decided = [(each, *self._decided(asked, each, named=asked.named)) for each in order.sorted(targets)]
        destroys = [each for each in decided if _destroys(each[1])]
        # What is destroyed goes the other way: first what depends on others.
        for each in (*(each for each in decided if each not in destroys), *reversed(destroys)):
            self._apply(asked, *each)
        answer.done += asked.done
        # `/apply` without names means all that can be applied: refusals are shown only if nothing could.
        # Plans that did not fit into the comment are always told, because people may believe they were meant.
        # So are those of workspaces that depend on others.
        answer.refusals.extend([*_in_short(asked.hidden), *asked.in_order])
        if named or not (asked.done or asked.hidden):
            answer.refusals.extend(asked.refused)

        return None

    def _apply(
        self, asked: _Asked, workspace: Workspace, decision: ApplyDecision, checks: Sequence[Check]
    ) -> None:
        if asked.ignoring and isinstance(decision, WaitsForFreeze):
            asked.made[workspace.id] = self._ignore_freeze(asked, workspace, decision.run)
            asked.done += 1
            return None
        if missing := unmet(checks):
            asked.answer.tables.append((workspace.name, checks))
            return asked.refuse(workspace, missing)
        place = ApplyPlace()
        if _destroys(decision):
            place = place_of_destroy(workspace, asked.order, asked.made)
        elif isinstance(decision, StartApply):
            place = place_of(
                workspace,
                asked.change,
                asked.order,
                lambda other: runs_of_change(asked.tx, other, asked.change),
                asked.made,
            )
            if place.first:
                why = why_others_first(place, workspace, asked.whys, lambda w: self._refusal(asked, w))
                return asked.refuse(workspace, why, asked.in_order)
        if isinstance(decision, Refuse):
            told = asked.hidden if decision.reason.startswith(NOT_WHOLE) else asked.refused
            told = asked.in_order if decision.reason.startswith(AFTER_MERGE) else told
            return asked.refuse(workspace, decision.reason, told)
        run = self._do(asked, decision, workspace, place.after)
        asked.done += 1
        if run is not None:
            ignored = asked.ignoring and workspace.freeze
            asked.made[workspace.id] = self._ignore_freeze(asked, workspace, run) if ignored else run
        return None

    def _ignore_freeze(self, asked: _Asked, workspace: Workspace, run: Run) -> Run:
        """Let a run apply during a freeze, with the reason of the person."""
        tx, person, wake = asked.tx, asked.person, asked.outcome.wake
        moves = freezes.ignoring(self._transitions, run, person.login, asked.ignoring)
        run = self._transitions.save(tx, run, moves, wake)
        done(tx, self._clock, person, AuditAction.IGNORE_FREEZE, run, asked.ignoring)
        why = f"{person.login} lets it apply during a freeze: {asked.ignoring}"
        asked.outcome.say(DecisionKind.CONFIRMED, why, workspace.name, run.id)
        if run.status in CONFIRMED_ALREADY:
            wake.runs.append(run)
        return run

    def _decided(
        self, asked: _Asked, workspace: Workspace, *, named: bool, code_given: bool = False
    ) -> tuple[ApplyDecision, Sequence[Check]]:
        """Decide about one workspace, and check what it requires."""
        tx, change, code = asked.tx, asked.change, asked.codes.get(workspace.id, "")
        runs = runs_about(tx, workspace, change)
        decision = decide_apply(change, runs, asked.answer.asked_at, workspace.merging.apply_when)
        if isinstance(decision, Refuse):
            decision = _held(tx, runs) or decision
        if conflict := why_not_planned(tx, workspace, change):
            decision = Refuse(conflict)
        if asked.ignoring and isinstance(decision, WaitsForFreeze):
            # The plan was shown to the person who approved it. What is named must be that plan.
            why = NOT_STANDING if is_disturbed(tx, change.repo, change.number) else _other(decision.run, code)
            decision = Refuse(why) if why else decision
        decision = self._of_what_was_shown(tx, decision, change, asked.answer, code, named=named)
        if asked.ignoring and workspace.freeze and isinstance(decision, KeepApproval):
            decision = Refuse(f"{AFTER_MERGE}: comment `/apply {workspace.name}` to approve its plan")
        if (run := _meant(decision)) is None:
            return decision, ()
        checks = self._requirement_checker.checks(
            tx,
            workspace,
            asked.facts,
            run,
            asked.person,
            code_given=code_given or (bool(code) and not asked.answer.pressed),
        )
        return decision, checks

    def _refusal(self, asked: _Asked, workspace: Workspace) -> str:
        """Say why an apply of a workspace would be refused if the command named it. Empty if it would not."""
        decision, checks = self._decided(asked, workspace, named=True, code_given=True)
        return decision.reason if isinstance(decision, Refuse) else unmet(checks)

    def _do(
        self,
        asked: _Asked,
        decision: ConfirmRun | StartApply | KeepApproval,
        workspace: Workspace,
        after: Sequence[str],
    ) -> Run | None:
        """Keep the approval, and what follows from it. Return the run that applies, if there is one.

        `after` are the runs of other workspaces that a new run waits for.
        """
        tx, person, outcome = asked.tx, asked.person, asked.outcome
        match decision:
            case StartApply(preview):
                record = approve(tx, preview, person, asked.at)
                run = self._run_factory.of_approval(
                    tx, workspace, asked.change, preview, record, outcome.wake, after
                )
                outcome.say(DecisionKind.RUN, f"/apply by {person.login}", workspace.name, run.id)
                return run
            case KeepApproval(preview):
                record = approve(tx, preview, person, asked.at)
                keep(tx, record, "waits for the merge")
                why = f"approved by {person.login}: applied once the change is merged"
                tx.runs.note(self._transitions.event(preview, "approved", person.login, why))
                outcome.say(DecisionKind.APPROVED, why, workspace.name, preview.id)
                return None
            case ConfirmRun(run):
                record = approve(tx, run, person, asked.at)
                used(tx, record, run, self._clock.now())
                moves = confirmed(self._transitions, run, person.login, "/apply")
                run = self._transitions.save(tx, run, moves, outcome.wake)
                outcome.wake.runs.append(run)
                outcome.say(DecisionKind.CONFIRMED, f"/apply by {person.login}", workspace.name, run.id)
                return run

    def _of_what_was_shown(
        self,
        tx: Transaction,
        decision: ApplyDecision,
        change: Change,
        answer: CommentAnswer,
        code: str,
        *,
        named: bool,
    ) -> ApplyDecision:
        """Refuse a plan that the comment did not show. A code names one plan: only who saw it knows it."""
        run = _meant(decision)
        if run is None:
            return decision
        if is_disturbed(tx, change.repo, change.number):
            return Refuse(NOT_STANDING)
        if code:
            if why := _other(run, code):
                return Refuse(why)
            if not answer.pressed:
                return decision
        why = why_not_shown(
            tx,
            change.repo,
            change.number,
            run,
            answer.written_at,
            self._shown_for,
            named=named and not answer.pressed,
        )
        if why == NOT_SHOWN:
            why = self._why_late(tx, change, run, answer)
        if why == NOT_WHOLE:
            name = tx.workspaces.get(run.workspace_id).name
            page = self._addresses.run(run.id)
            why = f"{why}: look at it on {page}, then comment `/apply {name} {run.plan_code}`"
        return Refuse(why) if why else decision

    def _why_late(self, tx: Transaction, change: Change, run: Run, answer: CommentAnswer) -> str:
        """Say why the plan is not shown yet. Raises NotReady while the forge delays the comment with it.

        The comment may be there already, and only its acknowledgement be missing. Then people have seen it.
        """
        now = self._clock.now()
        if delayed := why_delayed(tx, change.repo, change.number, run, now):
            if now - answer.asked_at < PATIENCE:
                raise NotReady(f"{DELAYED}: {delayed}; /apply waits for the comment")
            page = self._addresses.run(run.id)
            return f"{DELAYED}: {delayed}. Look at the plan on {page}, and name it by its plan code"
        return WAS_DELAYED if answer.waited else NOT_SHOWN


def _destroys(decision: ApplyDecision) -> bool:
    return isinstance(decision, StartApply) and decision.preview.modes.destroy


def _other(run: Run, code: str) -> str:
    """Say that a code names another plan than the run's. Empty if it does not, or if there is none."""
    if run.digest.startswith(code):
        return ""
    return f"the plan that can be applied now is {run.plan_code}, not {code[:PLAN_CODE_LENGTH]}"


def _held(tx: Transaction, runs: Sequence[Run]) -> Refuse | None:
    """Return the refusal of an apply whose run waits for another workspace already."""
    for run in runs:
        if why := held(tx, [run]).get(run.id):
            return Refuse(f"{run.id} is approved already and {why}; it goes on by itself after that")
    return None


def _in_short(hidden: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    """Return the refusals of plans that did not fit: many of them in one line."""
    if len(hidden) <= _MOST_TOLD:
        return hidden
    names = ", ".join(name for name, _ in hidden[:_MOST_TOLD])
    why = f"{NOT_WHOLE}: look at it on its page, then comment `/apply` with its name and plan code"
    return [(f"{names} and {len(hidden) - _MOST_TOLD} more", why)]


def _meant(decision: ApplyDecision) -> Run | None:
    """Return the run whose plan would be applied. None if there is none."""
    match decision:
        case ConfirmRun(run):
            return run
        case StartApply(preview) | KeepApproval(preview):
            return preview
        case Refuse():
            return None
