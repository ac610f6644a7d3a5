"""`/why` in a comment: answers for each workspace that is meant."""

from __future__ import annotations

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.commands.grammar import CommentCommand
from bot.domain.commands.targets import find_targets
from bot.services.comments.answer import CommentAnswer
from bot.services.comments.why_reports import WhyQuestion, WhyReports
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import ChangeRecord, Transaction


class WhyComments:
    """Carries out the why commands of comments."""

    def __init__(self, reports: WhyReports) -> None:
        self._reports = reports

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
        asked = WhyQuestion(answer.asked_at, answer.facts)
        answer.why = self._reports.of_change(tx, record, chosen, asked, named=bool(command.named))
        answer.done += 1
        outcome.say(DecisionKind.WHY, str(command))
