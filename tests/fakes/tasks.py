"""Services of run tasks: they keep what they are asked, and a test says what they do then."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from bot.domain.errors import ReceiverError
from bot.domain.tasks.tasks import RunTask


class FakeTaskCaller:
    """Implements TaskCaller. `errors` are raised first, one for each request; `then` is called after that."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.errors: deque[ReceiverError] = deque()
        self.then: Callable[[Mapping[str, Any]], object] = lambda _: None

    def ask(self, task: RunTask, request: Mapping[str, Any]) -> None:
        if self.errors:
            raise self.errors.popleft()
        self.asked.append((task.name, request))
        self.then(request)
