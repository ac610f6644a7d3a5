"""`/why` in a comment: collects the answer for each workspace that is meant."""

from __future__ import annotations

from bot.domain.changes.apply_order import ApplyPlace, place_of, why_others_first
from bot.domain.changes.decisions import Refuse, StartApply, decide_apply
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.changes.why import WhyReport, WhySection, why_decided, why_sentences, with_checks
from bot.domain.commands.grammar import CommentCommand
from bot.domain.commands.targets import find_targets
from bot.domain.reports.speaking_run import speaking_run_of_change
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.requirements import RequirementChecker
from bot.services.comments.answer import CommentAnswer
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import Addresses, ChangeRecord, Transaction
from bot.services.reports.automerge import approved_for_merge, decided, said_of_merge
from bot.services.runs.change_runs import runs_about, runs_of_change
from bot.services.runs.merge_results import why_not_planned, why_plan_outdated
from bot.services.runs.queue_position import why_it_waits


class WhyComments:
    """Carries out the why commands of comments."""

    def __init__(self, requirement_checker: RequirementChecker, addresses: Addresses) -> None:
        self._requirement_checker = requirement_checker
        self._addresses = addresses

    def carry_out(
        self,
        tx: Transaction,
        command: CommentCommand,
        record: ChangeRecord,
        answer: CommentAnswer,
        outcome: DeliveryResult,
    ) -> None:
        """Answer for the named workspaces, or for all of the repository."""
        change = record.change
        there = tx.workspaces.of_repo(change.repo)
        chosen, unknown = find_targets(command, there)
        for word in unknown:
            answer.refuse(outcome, word, f"{change.repo.path} has no such workspace", word)
        if not chosen:
            return
        found = [self._because(tx, workspace, record, answer) for workspace in chosen]
        open_ones = found if command.named else [each for each in found if each.touched]
        others = [] if command.named else [each for each in found if not each.touched]
        merging = said_of_merge(tx, record, decided(tx, record), all_=True)
        answer.why = WhyReport(change.head_sha, tuple(open_ones), tuple(others), merging)
        answer.done += 1
        outcome.say(DecisionKind.WHY, str(command))

    def _because(
        self, tx: Transaction, workspace: Workspace, record: ChangeRecord, answer: CommentAnswer
    ) -> WhySection:
        change = record.change
        here = why_decided(workspace, change, record.reasons)
        if workspace.id not in record.workspace_ids:
            return WhySection(workspace.name, False, (f"does not run on this change: {here}",))
        runs = runs_about(tx, workspace, change)
        run = speaking_run_of_change(change, runs)
        applying = decide_apply(change, runs, answer.asked_at, workspace.merging.apply_when)
        if conflict := why_not_planned(tx, workspace, change):
            applying = Refuse(conflict)
        waits = why_it_waits(tx, workspace, run) if run else ""
        approver = approved_for_merge(tx, record, workspace.id, run.digest) if run and change.open else ""
        moved = why_plan_outdated(record, workspace, run) if run is not None else ""
        if moved and not isinstance(applying, Refuse):
            applying = Refuse(moved)
        order = Order(tx.workspaces.get(each) for each in record.workspace_ids)
        if isinstance(applying, StartApply) and not applying.preview.modes.destroy:
            place = place_of(workspace, change, order, lambda other: runs_of_change(tx, other, change))
            applying = (
                Refuse(self._others_first(tx, place, workspace, record, answer)) if place.first else applying
            )
        earlier = tuple(each.name for each in order.before(workspace) if each.active)
        note = conflict or record.note
        said = why_sentences(workspace, here, run, waits, note, applying, approver, moved, earlier)
        if run is None:
            return WhySection(workspace.name, True, said)
        facts = answer.facts
        checks = (
            self._requirement_checker.checks(tx, workspace, facts, run, None) if facts is not None else ()
        )
        if facts is None and workspace.require:
            said = (*said, f"an apply needs: {', '.join(workspace.require)}")
        return WhySection(
            workspace.name, True, with_checks(said, checks, applying), checks, self._addresses.run(run.id)
        )

    @staticmethod
    def _others_first(
        tx: Transaction, place: ApplyPlace, workspace: Workspace, record: ChangeRecord, answer: CommentAnswer
    ) -> str:
        """Say what has to be applied before a workspace, and how."""

        def refusal_of(other: Workspace) -> str:
            runs = runs_about(tx, other, record.change)
            decided = decide_apply(record.change, runs, answer.asked_at, other.merging.apply_when)
            return decided.reason if isinstance(decided, Refuse) else ""

        return why_others_first(place, workspace, {}, refusal_of)
