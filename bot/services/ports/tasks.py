"""Run tasks: their stored results, and who asks the services."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.domain.tasks.tasks import PlanHook, RunTask, TaskAnswer, TaskResult, TaskStage
from bot.services.ports.engine import Watch


@dataclass(frozen=True)
class TaskMailbox:
    """Where a task is asked, and the key that signs each request."""

    url: str = field(repr=False)
    key: str = field(repr=False)


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


class HookRunner(Protocol):
    """Runs hooks in the sandbox."""

    def run(self, hook: PlanHook, plan_json: bytes, about: Mapping[str, str], watch: Watch) -> TaskAnswer:
        """Run a hook on a plan, empty before there is one. `about` is added to its environment.

        Raises Interrupted if the watcher says so.
        """
        ...
