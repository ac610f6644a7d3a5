"""A dispatch that keeps what it was asked in order of priority, for a test to take it from there."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.runs.lifecycle import APPLY_STAGES
from bot.domain.runs.run import Run
from bot.services.ports import QueueHealth, QueueLoad

PRIORITY = (
    "receive",
    "apply",
    "plan",
    "preview",
    "replay",
    "forecast",
    "check_drift",
    "report",
    "catch_up",
    "check_hook",
    "notify",
)


@dataclass(frozen=True)
class Job:
    """Something for a worker to do. `swept` says that the sweep asked for it."""

    queue: str
    subject: str
    swept: bool = False


class FakeDispatch:
    """Implements Dispatch and Queues. While `down`, it raises ConnectionError.

    `asked` holds every job there was, `later` when which report is asked for.
    """

    def __init__(self) -> None:
        self.down = False
        self.swept: datetime | None = None
        self.asked: list[Job] = []
        self.later: dict[str, datetime] = {}
        self._waiting: deque[Job] = deque()

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        self._put(Job("receive", delivery_id, swept))

    def advance(self, run: Run, *, swept: bool = False) -> None:
        queue = "apply" if run.status in APPLY_STAGES else "preview" if run.plan_only else "plan"
        self._put(Job(queue, run.id, swept))

    def advance_all(self, runs: Sequence[Run], *, swept: bool = False) -> None:
        for run in runs:
            self.advance(run, swept=swept)

    def report(self, subject: str, *, swept: bool = False) -> None:
        self.ping()
        if not any((job.queue, job.subject) == ("report", subject) for job in self._waiting):
            self._put(Job("report", subject, swept))

    def report_later(self, subject: str, at: datetime) -> None:
        self.ping()
        self.later[subject] = at

    def take_later(self) -> datetime | None:
        """Ask for the report that is due next, and return when it is. None if there is none."""
        if not self.later:
            return None
        subject = min(self.later, key=lambda each: self.later[each])
        at = self.later.pop(subject)
        self.report(subject)
        return at

    def replay(self, replay_id: str, *, swept: bool = False) -> None:
        self._put(Job("replay", replay_id, swept))

    def forecast(self, *, swept: bool = False) -> None:
        if not any(job.queue == "forecast" for job in self._waiting):
            self._put(Job("forecast", "", swept))

    def check_drift(self, *, swept: bool = False) -> None:
        if not any(job.queue == "check_drift" for job in self._waiting):
            self._put(Job("check_drift", "", swept))

    def catch_up(self, repo: str, *, swept: bool = False) -> None:
        self._put(Job("catch_up", repo, swept))

    def check_hook(self, hook: str, *, swept: bool = False) -> None:
        self._put(Job("check_hook", hook, swept))

    def notify(self, destination: str, *, swept: bool = False) -> None:
        if not any((job.queue, job.subject) == ("notify", destination) for job in self._waiting):
            self._put(Job("notify", destination, swept))

    def ping(self) -> None:
        if self.down:
            raise ConnectionError("Redis does not answer")

    def open_to_anybody(self) -> bool:
        return False

    def note_sweep(self, at: datetime) -> None:
        self.ping()
        self.swept = at

    def swept_at(self) -> datetime | None:
        self.ping()
        return self.swept

    def load(self) -> dict[str, QueueLoad]:
        self.ping()
        waiting = Counter(job.queue for job in self._waiting)
        return {name: QueueLoad(waiting[name], None, 1) for name in PRIORITY}

    def condition(self) -> QueueHealth:
        self.ping()
        waiting = Counter(job.queue for job in self._waiting)
        return QueueHealth("fake", None, False, dict.fromkeys(PRIORITY, 1), waiting, self.swept)

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
        self.later.clear()

    def _put(self, job: Job) -> None:
        self.ping()
        self.asked.append(job)
        self._waiting.append(job)
