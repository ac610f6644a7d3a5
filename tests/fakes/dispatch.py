"""A dispatch that keeps what it was asked in order of priority, for a test to take it from there."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bot.domain.lifecycle import APPLY_STAGES
from bot.domain.run import Run

PRIORITY = ("receive", "apply", "plan", "preview", "replay", "report")


@dataclass(frozen=True)
class Job:
    """Something for a worker to do. `swept` says that the sweep asked for it."""

    queue: str
    subject: str
    swept: bool = False


class FakeDispatch:
    """Implements Dispatch. While `down`, it raises ConnectionError; `asked` holds every job there was."""

    def __init__(self) -> None:
        self.down = False
        self.asked: list[Job] = []
        self._waiting: deque[Job] = deque()

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        self._put(Job("receive", delivery_id, swept))

    def advance(self, run: Run, *, swept: bool = False) -> None:
        queue = "apply" if run.status in APPLY_STAGES else "preview" if run.plan_only else "plan"
        self._put(Job(queue, run.id, swept))

    def report(self, subject: str, *, swept: bool = False) -> None:
        self._put(Job("report", subject, swept))

    def replay(self, replay_id: str, *, swept: bool = False) -> None:
        self._put(Job("replay", replay_id, swept))

    def take(self) -> Job | None:
        """Return what a worker would take next, None where nothing waits."""
        if not self._waiting:
            return None
        job = min(self._waiting, key=lambda each: PRIORITY.index(each.queue))
        self._waiting.remove(job)
        return job

    def lose_everything(self) -> None:
        """What a Redis does that was not told to keep its data."""
        self._waiting.clear()

    def _put(self, job: Job) -> None:
        if self.down:
            raise ConnectionError("Redis does not answer")
        self.asked.append(job)
        self._waiting.append(job)
