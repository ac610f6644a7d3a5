"""Webhook deliveries that a forge lists as failed, and that it is asked to send again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.events import RepoRef


@dataclass(frozen=True)
class FailedAttempt:
    """The newest attempt of a forge to deliver a webhook, which failed, as all attempts before it.

    `id` names the attempt on the forge. `delivery_id` is in the webhook's headers; all attempts share it.
    `at` is when the first attempt in the list was made, by the forge's clock, None if it does not tell.
    """

    id: str
    delivery_id: str
    event: str
    at: datetime | None = None


@dataclass(frozen=True)
class HookNews:
    """What a forge's list of deliveries has that is new: the failed ones, those that failed last come first.

    `mark` says how far the list was read. `more` says that this was not all: read on with the mark. `calls`
    is the number of requests that this took.
    """

    failed: tuple[FailedAttempt, ...] = ()
    mark: str = ""
    more: bool = False
    calls: int = 0


class ForgeHookLog(Protocol):
    """A forge's list of the deliveries of our webhooks. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def hook_of(self, repo: RepoRef) -> RepoRef | None:
        """Return the webhook that brings a repository's events; no I/O. None if the forge has no list.

        It is named by its repository. The path is empty if one webhook brings those of all repositories.
        """
        ...

    def failed_deliveries(self, hook: RepoRef, url: str, mark: str, since: datetime) -> HookNews:
        """Return the failed deliveries of the webhook that leads to `url`, since the last call.

        `mark` is that of the last call. If it is empty, returns only a mark. Leaves out events that lead to
        nothing, ids that no webhook can have, and what failed before `since` if the forge tells the time.
        """
        ...

    def send_again(self, hook: RepoRef, attempt_id: str) -> None:
        """Have the forge send a delivery again, as a webhook with the same id. Not retried automatically.

        Raises NotOffered if the forge's version can't do that.
        """
        ...


@dataclass(frozen=True)
class HookWatch:
    """How far the list of a webhook's deliveries is known. `repo` is as `ForgeHookLog.hook_of` names it.

    `checked_at` is when the last check began, `due_at` when the next one is due. `listed_at` is when the
    reading began that came to the end of what was new; `begun_at` when the one began that is going on, None
    if none is. `error` says why the last check failed, empty if it did not. `refused`: the forge does not
    show us the list or send again, so it is tried seldom.
    """

    repo: RepoRef
    due_at: datetime
    checked_at: datetime
    listed_at: datetime | None = None
    mark: str = ""
    calls: int = 0
    error: str = ""
    refused: bool = False
    begun_at: datetime | None = None


class HookWatches(Protocol):
    """Stores how far the list of each webhook's deliveries is known."""

    def all(self) -> Sequence[HookWatch]:
        """Return the webhooks whose lists were read, or are to be."""
        ...

    def put(self, watch: HookWatch) -> None:
        """Insert or update."""
        ...

    def all_due(self, at: datetime) -> None:
        """Make every list due at a time, or earlier."""
        ...


@dataclass(frozen=True)
class FailedDelivery:
    """A delivery that failed on the forge. `id` is the one that it has if it arrives.

    It failed at `failed_at` or later. The forge was asked `times` times to send it again, first at
    `first_asked_at` and last at `asked_at`, and is asked again at `due_at`, or never if that is None. `error`
    says why the forge refused, empty if it did not. `arrived`: it is among the deliveries, or was.
    """

    hook: RepoRef
    id: str
    attempt_id: str
    event: str
    failed_at: datetime
    due_at: datetime | None
    times: int = 0
    asked_at: datetime | None = None
    error: str = ""
    arrived: bool = False
    first_asked_at: datetime | None = None


class FailedDeliveries(Protocol):
    """Stores failed deliveries, each once."""

    def add(self, failed: FailedDelivery) -> bool:
        """Store a failed delivery. False if it is stored already, or has arrived."""
        ...

    def put(self, failed: FailedDelivery) -> None:
        """Update what was asked of the forge."""
        ...

    def due(self, hook: RepoRef, at: datetime, limit: int) -> Sequence[FailedDelivery]:
        """Return what a forge is to be asked for at a time: what has not arrived, earliest due first."""
        ...

    def all_due(self, at: datetime, asked_before: datetime) -> None:
        """Make due at a time what is due later, but not what was asked for since `asked_before`."""
        ...

    def since(self, at: datetime) -> Sequence[FailedDelivery]:
        """Return what failed since a time, latest first."""
        ...

    def failed_at(self, forge: str, delivery_id: str) -> datetime | None:
        """Return when a forge's delivery failed at the earliest, None if it was not listed as failed."""
        ...

    def give_up(self, before: datetime) -> int:
        """Ask no more for what failed before a time and has not arrived. Return how many these are."""
        ...
