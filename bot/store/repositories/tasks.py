"""Results of run tasks in the database: the TaskResults port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.tasks.tasks import TaskResult, TaskStage, TaskStatus
from bot.services.ports.tasks import TaskAnswer
from bot.store.schema.tasks import task_results

_OPEN = task_results.c.status.in_(sorted(each.value for each in TaskStatus if not each.final))


class SqlTaskResults:
    """Results of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, results: Sequence[TaskResult]) -> None:
        """Store new results."""
        rows = [
            {
                **vars(each),
                "stage": each.stage.value,
                "status": each.status.value,
                "outcomes": list(each.outcomes),
            }
            for each in results
        ]
        if rows:
            self._connection.execute(sa.insert(task_results), rows)

    def get(self, result_id: str) -> TaskResult:
        """Return a result. Raises NotFound."""
        query = sa.select(task_results).where(task_results.c.id == result_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no result {result_id} of a run task")
        return _read(row)

    def of_run(self, run_id: str, stage: TaskStage, since: datetime) -> Sequence[TaskResult]:
        """Return the results of a run's stage that were created at `since` or later."""
        query = (
            sa.select(task_results)
            .where(
                task_results.c.run_id == run_id,
                task_results.c.stage == stage.value,
                task_results.c.created_at >= since,
            )
            .order_by(task_results.c.created_at, task_results.c.task)
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def sent(self, result_id: str, at: datetime) -> None:
        """Store that the service took the request. Its answer may be here already."""
        statement = sa.update(task_results).where(task_results.c.id == result_id)
        self._connection.execute(statement.values(sent_at=at))

    def answered(self, result_id: str, answer: TaskAnswer) -> bool:
        """Store an answer. False if the result is final already: the first final answer counts."""
        statement = (
            sa.update(task_results)
            .where(task_results.c.id == result_id, _OPEN)
            .values(
                status=answer.status.value,
                message=answer.message,
                url=answer.url,
                outcomes=list(answer.outcomes),
            )
        )
        return self._connection.execute(statement).rowcount == 1


def _read(row: sa.RowMapping) -> TaskResult:
    return TaskResult(
        **{
            **row,
            "stage": TaskStage(row["stage"]),
            "status": TaskStatus(row["status"]),
            "outcomes": tuple(row["outcomes"]),
        }
    )
