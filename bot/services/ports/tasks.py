"""Run tasks: their stored results, and who asks the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.domain.tasks.tasks import RunTask, TaskResult, TaskStage, TaskStatus


@dataclass(frozen=True)
class TaskMailbox:
    """Where a task is asked, and the key that signs each request."""

    url: str = field(repr=False)
    key: str = field(repr=False)


@dataclass(frozen=True)
class TaskAnswer:
    """What a service said of a result."""

    status: TaskStatus
    message: str = ""
    url: str = ""
    outcomes: tuple[str, ...] = ()


class TaskResults(Protocol):
    """Stores the results of run tasks."""

    def add(self, results: Sequence[TaskResult]) -> None:
        """Store new results."""
        ...

    def get(self, result_id: str) -> TaskResult:
        """Return a result. Raises NotFound."""
        ...

    def of_run(self, run_id: str, stage: TaskStage, since: datetime) -> Sequence[TaskResult]:
        """Return the results of a run's stage that were created at `since` or later."""
        ...

    def sent(self, result_id: str, at: datetime) -> None:
        """Store that the service took the request."""
        ...

    def answered(self, result_id: str, answer: TaskAnswer) -> bool:
        """Store an answer. False if the result is final already: the first final answer counts."""
        ...


class TaskCaller(Protocol):
    """Asks the services of run tasks. Only it knows their addresses and keys (promise 6)."""

    def ask(self, task: RunTask, request: Mapping[str, Any]) -> None:
        """Send a request. Raises ReceiverAway, ReceiverRefused."""
        ...
