"""The rest of the outside: time, encryption, jobs, comment texts, limits and addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from bot.domain.changes.requirements import Check
from bot.domain.changes.why import WhyReport
from bot.domain.reports.replays import ReplayReport
from bot.domain.reports.report import ApplyReport, ChangeReport, ChangeText
from bot.domain.runs.run import Run


class Clock(Protocol):
    """The time. Always in UTC and aware."""

    def now(self) -> datetime:
        """Return the time now."""
        ...

    def wait(self, length: timedelta) -> None:
        """Sleep for this long."""
        ...


class Vault(Protocol):
    """Encryption at rest, keyed hashes and signatures (promise 6)."""

    def encrypt(self, data: bytes) -> bytes:
        """Encrypt data. Only this vault's keys can decrypt it."""
        ...

    def decrypt(self, token: bytes) -> bytes:
        """Decrypt a token. Raises PlangateError if no key fits."""
        ...

    def key(self, purpose: str) -> bytes:
        """Return a 32-byte key derived for one purpose. It is the same on every machine."""
        ...

    def new_signing_key(self) -> tuple[bytes, Mapping[str, str]]:
        """Return a fresh key that signs JWTs: its private half as a PEM, its public one as a JWK."""
        ...

    def sign(self, private: bytes, key_id: str, claims: Mapping[str, object]) -> str:
        """Return a JWT with these claims, which names the key that signed it."""
        ...


class UpkeepDispatch(Protocol):
    """Wakes a worker for work that no event asked for: looks at forges, and forecasts."""

    def forecast(self, *, swept: bool = False) -> None:
        """Enqueue a look at the forecasts, after all runs. One that waits already is enough."""
        ...

    def check_drift(self, *, swept: bool = False) -> None:
        """Enqueue a look at the drift checks, after all runs. One that waits already is enough."""
        ...

    def catch_up(self, repo: str, *, swept: bool = False) -> None:
        """Enqueue the comparison of a repository with its forge."""
        ...

    def check_hook(self, hook: str, *, swept: bool = False) -> None:
        """Enqueue a look at the failed deliveries of a webhook."""
        ...

    def notify(self, destination: str, *, swept: bool = False) -> None:
        """Enqueue the messages to a destination of notifications. One that waits already is enough."""
        ...


class Dispatch(UpkeepDispatch, Protocol):
    """Wakes a worker. Jobs carry only ids. A lost job loses nothing, because the sweep reads the database.

    `swept` is set by the sweep: it enqueues nothing while the same job waits. Raises ConnectionError.
    """

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        """Enqueue a delivery."""
        ...

    def advance(self, run: Run, *, swept: bool = False) -> None:
        """Enqueue a run, in the queue for its status: apply, plan or preview."""
        ...

    def advance_all(self, runs: Sequence[Run], *, swept: bool = False) -> None:
        """Enqueue many runs as `advance` does, at the cost of a few round trips."""
        ...

    def report(self, subject: str, *, swept: bool = False) -> None:
        """Enqueue the report of a subject. One that waits already is enough: it tells all."""
        ...

    def report_later(self, subject: str, at: datetime) -> None:
        """Enqueue the report of a subject at a time. No worker waits for it. The sweep finds a lost one."""
        ...

    def replay(self, replay_id: str, *, swept: bool = False) -> None:
        """Enqueue a policy replay."""
        ...


@dataclass(frozen=True)
class QueueHealth:
    """The health of Redis and the workers, for `plangate doctor`.

    `socket` is the Unix socket of Redis, None if it listens on TCP. `open` says that it needs no password.
    `workers` and `waiting` count by queue. `swept_at` is None if no sweep has run since Redis started.
    """

    version: str
    socket: Path | None
    open: bool
    workers: Mapping[str, int]
    waiting: Mapping[str, int]
    swept_at: datetime | None


@dataclass(frozen=True)
class QueueLoad:
    """What waits in one queue, since when the first job of it does, and how many workers take from it."""

    jobs: int
    since: datetime | None
    workers: int


class Queues(Protocol):
    """Redis and its workers, for the processes that monitor them. Raises ConnectionError."""

    def ping(self) -> None:
        """Check that Redis answers."""
        ...

    def open_to_anybody(self) -> bool:
        """Whether Redis listens on TCP and needs no password."""
        ...

    def note_sweep(self, at: datetime) -> None:
        """Store when the last sweep was. It is only shown to people: losing it does no harm."""
        ...

    def swept_at(self) -> datetime | None:
        """Return when the last sweep was. None if there was none since Redis started."""
        ...

    def load(self) -> Mapping[str, QueueLoad]:
        """Return what waits, by queue, at the cost of two round trips."""
        ...

    def condition(self) -> QueueHealth:
        """Return the health of Redis and the workers."""
        ...


class CommentTexts(Protocol):
    """Renders reports as the forge's Markdown, within a limit in characters."""

    def change_comment(self, report: ChangeReport, limit: int) -> ChangeText:
        """Return the comment of a change, without its marker, and which plans it shows whole."""
        ...

    def applies_comment(self, reports: Sequence[ApplyReport], url: str, limit: int) -> str:
        """Return the comment on the applies of one `/apply`. `url` is the page with all runs."""
        ...

    def refusal_comment(
        self,
        login: str,
        lines: Sequence[tuple[str, str]],
        limit: int,
        tables: Sequence[tuple[str, Sequence[Check]]] = (),
    ) -> str:
        """Return the answer to a refused command: one line for each workspace (or command), with the reason.

        Adds a table for each workspace that does not meet its requirements.
        """
        ...

    def why_comment(self, report: WhyReport, limit: int) -> str:
        """Return the answer to `/why`."""
        ...

    def replay_comment(self, report: ReplayReport, limit: int) -> str:
        """Return the comment on a policy replay: what the changed set would stop or let pass."""
        ...

    def help_comment(self, limit: int) -> str:
        """Return the table of commands."""
        ...


@dataclass(frozen=True)
class Limits:
    """Time limits and other limits.

    `cool_off` is how long a force-cancel waits after a cancel. `state_lock_grace` is how long a finished run,
    whose worker was lost, must be silent before its lock on the state is released. `plan_age` is the oldest
    plan of a preview that a run may reuse. `state_patience` is how long an apply tries to store its state
    while the web or the database is away. `siblings` is how many other changes are planned again after an
    apply. `forecasts` is how many other open changes one is planned together with; 0: none.
    `drift_checks` is how many drift checks are under way at once; 0: none.
    `shown_for` is how long a comment must have shown a plan when `/apply` is written.
    """

    plan: timedelta = timedelta(hours=2)
    apply: timedelta = timedelta(hours=24)
    lease: timedelta = timedelta(seconds=60)
    report_lease: timedelta = timedelta(seconds=120)
    cool_off: timedelta = timedelta(seconds=30)
    state_lock_grace: timedelta = timedelta(minutes=15)
    plan_age: timedelta = timedelta(hours=1)
    siblings: int = 10
    forecasts: int = 3
    drift_checks: int = 2
    shown_for: timedelta = timedelta(seconds=3)
    state_patience: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class Addresses:
    """The addresses of this server, without trailing slash, and its data directory."""

    public: str
    internal: str
    data: Path

    def run(self, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self.public}/runs/{run_id}"

    def change(self, change_id: str) -> str:
        """Return the address of a change's page."""
        return f"{self.public}/changes/{change_id}"

    def hook(self, forge: str) -> str:
        """Return the address that a forge's webhooks lead to."""
        return f"{self.public}/hooks/{forge}"

    def state(self, workspace_id: str) -> str:
        """Return the address of a workspace's state. It never changes, because saved plans contain it."""
        return f"{self.internal}/state/{workspace_id}"
