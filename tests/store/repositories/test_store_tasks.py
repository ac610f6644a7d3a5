"""Results of run tasks, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.errors import NotFound
from bot.domain.tasks.tasks import TaskResult, TaskStage, TaskStatus
from bot.services.ports import TaskAnswer
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, event, run, workspace


def test_results_are_kept_and_the_first_final_answer_counts(store: SqlStore) -> None:
    place = workspace()
    of = run(place)
    first = TaskResult("taskrs-1", of.id, TaskStage.PRE_PLAN, "cost", AT, AT + MINUTE)
    other = replace(first, id="taskrs-2", stage=TaskStage.POST_PLAN, created_at=AT + MINUTE)
    with store.transaction() as tx:
        tx.workspaces.put(place)
        tx.runs.add(of, event(of))
        tx.task_results.add([first, other])
        tx.task_results.add([])
    with store.transaction() as tx:
        assert tx.task_results.answered("taskrs-1", TaskAnswer(TaskStatus.RUNNING, "counting"))
        tx.task_results.sent("taskrs-1", AT)
        answer = TaskAnswer(TaskStatus.FAILED, "no", "https://x.test", ("a", "b"))
        assert tx.task_results.answered("taskrs-1", answer)
        assert not tx.task_results.answered("taskrs-1", TaskAnswer(TaskStatus.PASSED))
    with store.reading() as tx:
        wanted = replace(
            first,
            sent_at=AT,
            status=TaskStatus.FAILED,
            message="no",
            url="https://x.test",
            outcomes=("a", "b"),
        )
        assert tx.task_results.get("taskrs-1") == wanted
        assert tx.task_results.of_run(of.id, TaskStage.PRE_PLAN, AT) == [wanted]
        assert tx.task_results.of_run(of.id, TaskStage.PRE_PLAN, AT + MINUTE) == []
        assert tx.task_results.of_run(of.id, TaskStage.POST_PLAN, AT) == [other]
        with pytest.raises(NotFound, match="taskrs-3"):
            tx.task_results.get("taskrs-3")
