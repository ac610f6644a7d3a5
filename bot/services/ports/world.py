"""The rest of the world: time, secrets, jobs, texts, and where things are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from bot.domain.replays import ReplayReport
from bot.domain.report import ChangeReport, OutcomeReport
from bot.domain.requirements import Check
from bot.domain.run import Run
from bot.domain.why import WhyReport


class Clock(Protocol):
    """The time, always in UTC and aware."""

    def now(self) -> datetime:
        """Return the time now."""
        ...

    def wait(self, length: timedelta) -> None:
        """Return after a while."""
        ...


class Vault(Protocol):
    """Encryption at rest, and keyed hashes (promise 6)."""

    def encrypt(self, data: bytes) -> bytes:
        """Return a token that only this vault's keys open."""
        ...

    def decrypt(self, token: bytes) -> bytes:
        """Open a token. Raises PlangateError where no key fits."""
        ...

    def key(self, purpose: str) -> bytes:
        """Return a 32-byte key derived for one purpose, the same on every machine."""
        ...


class Dispatch(Protocol):
    """Wakes a worker. Carries ids alone; losing one loses nothing, for the sweep looks in the database.

    `swept` says that the sweep asks: then one that still waits to be taken is enough. Raises ConnectionError.
    """

    def receive(self, delivery_id: str, *, swept: bool = False) -> None:
        """Have a delivery handled."""
        ...

    def advance(self, run: Run, *, swept: bool = False) -> None:
        """Have a run carried on, in the queue that its status asks for: apply, plan or preview."""
        ...

    def report(self, subject: str, *, swept: bool = False) -> None:
        """Have a subject reported to its forge."""
        ...

    def replay(self, replay_id: str, *, swept: bool = False) -> None:
        """Have a change of a policy set tried on stored plans."""
        ...


class Texts(Protocol):
    """Turns reports into the forge's Markdown, within a limit in characters."""

    def change_comment(self, report: ChangeReport, limit: int) -> str:
        """Return the one comment that a change has, without its marker."""
        ...

    def outcome_comment(self, report: OutcomeReport, limit: int) -> str:
        """Return the comment that tells how an apply ended."""
        ...

    def refusal_comment(
        self,
        login: str,
        lines: Sequence[tuple[str, str]],
        limit: int,
        tables: Sequence[tuple[str, Sequence[Check]]] = (),
    ) -> str:
        """Return the answer to a refused command: a workspace (or command) and why, a line each.

        And a table for each workspace that lacks something to be applied.
        """
        ...

    def why_comment(self, report: WhyReport, limit: int) -> str:
        """Return the answer to `/why`."""
        ...

    def replay_comment(self, report: ReplayReport, limit: int) -> str:
        """Return the comment of a change that touches policy sets: what it would stop or let pass."""
        ...

    def help_comment(self, limit: int) -> str:
        """Return the table of commands."""
        ...


@dataclass(frozen=True)
class Limits:
    """How long things may take.

    `cool_off` is how long after a cancel a force-cancel must wait. `state_lock_grace` is how long a finished
    run's Terraform, whose worker was lost, must be silent before its lock on the state is taken from it.
    `plan_age` is how old a preview's plan may be that a run takes over; `siblings` is how many other changes
    an apply has planned again.
    """

    plan: timedelta = timedelta(hours=2)
    apply: timedelta = timedelta(hours=24)
    lease: timedelta = timedelta(seconds=60)
    report_lease: timedelta = timedelta(seconds=120)
    cool_off: timedelta = timedelta(seconds=30)
    state_lock_grace: timedelta = timedelta(minutes=15)
    plan_age: timedelta = timedelta(hours=1)
    siblings: int = 10


@dataclass(frozen=True)
class Addresses:
    """Where people and Terraform find this server; no trailing slash."""

    public: str
    internal: str
    data: Path

    def run(self, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self.public}/runs/{run_id}"

    def change(self, change_id: str) -> str:
        """Return the address of a change's page."""
        return f"{self.public}/changes/{change_id}"

    def state(self, workspace_id: str) -> str:
        """Return the address of a workspace's state, stable because saved plans hold it."""
        return f"{self.internal}/state/{workspace_id}"
