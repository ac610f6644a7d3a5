"""What services of run tasks may do with their token: answer, and read the plan they are asked about."""

from __future__ import annotations

from bot.domain.errors import Conflict
from bot.domain.notifications.messages import one_line
from bot.domain.tasks.tasks import LONGEST_MESSAGE, MOST_OUTCOMES, TaskResult, TaskStage
from bot.services.ports import ArtifactKind, Store, TaskAnswer
from bot.services.run_tasks.tokens import TaskTokens


class TaskCallbacks:
    """Takes the answers of services."""

    def __init__(self, store: Store, tokens: TaskTokens) -> None:
        self._store = store
        self._tokens = tokens

    def answer(self, result_id: str, token: str, answer: TaskAnswer) -> TaskResult:
        """Store an answer. The worker that waits acts on it. Raises Forbidden, Conflict."""
        self._tokens.admit(result_id, token)
        clean = TaskAnswer(
            answer.status,
            one_line(answer.message, LONGEST_MESSAGE),
            answer.url if answer.url.startswith(("https://", "http://")) else "",
            tuple(one_line(each, LONGEST_MESSAGE) for each in answer.outcomes[:MOST_OUTCOMES]),
        )
        with self._store.transaction() as tx:
            if not tx.task_results.answered(result_id, clean):
                raise Conflict("this result of a run task is final already")
            return tx.task_results.get(result_id)

    def plan_json(self, result_id: str, token: str) -> bytes:
        """Return Terraform's JSON of the plan, empty before there is one. Raises Forbidden."""
        result = self._tokens.admit(result_id, token)
        if result.stage is TaskStage.PRE_PLAN:
            return b""
        with self._store.reading() as tx:
            return tx.artifacts.get(result.run_id, ArtifactKind.PLAN_JSON) or b""
