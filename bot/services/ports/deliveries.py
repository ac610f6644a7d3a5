"""Deliveries: webhook calls, and the decisions on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.changes.delivery_decisions import DeliveryDecision
from bot.domain.events import ForgeEvent, Ignored, RepoRef


@dataclass(frozen=True)
class Delivery:
    """One webhook call. `headers` are the relevant ones. `decisions` say what the delivery led to.

    `repo` is the repository's path, empty if there is none. `meaning` is the parsed body, read once before it
    is stored. It is None if the delivery is not from a forge, or if another version stored it.
    """

    id: str
    forge: str
    event: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    handled_at: datetime | None = None
    decisions: tuple[DeliveryDecision, ...] = ()
    error: str = ""
    attempts: int = 0
    repo: str = ""
    meaning: ForgeEvent | Ignored | None = field(default=None, repr=False)


FOUND = " (found)"
FOUND_PUSH, FOUND_CHANGE, FOUND_COMMENT = (f"{what}{FOUND}" for what in ("push", "change", "comment"))
"""Events of deliveries that we made ourselves, because we found on the forge what no webhook told us."""


def was_found(delivery: Delivery | DeliveryRecord) -> bool:
    """Whether a delivery stands for a webhook that did not come."""
    return delivery.event.endswith(FOUND)


class DeliveryStatus(StrEnum):
    """What a delivery led to."""

    ANY = ""
    RUN = "run"
    NOTHING = "nothing"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True)
class DeliveryQuery:
    """Which deliveries to find. Empty fields match everything.

    `event` and `repo` match parts. Each word of `text` must be in the reasons, the error or the id. Without
    `noise`, comments that are none of our business are left out.
    """

    event: str = ""
    repo: str = ""
    outcome: DeliveryStatus = DeliveryStatus.ANY
    text: str = ""
    noise: bool = True


EVERY_DELIVERY = DeliveryQuery()


@dataclass(frozen=True)
class DeliveryRecord:
    """A delivery in a list: without its headers and its body, which may have 25 MB."""

    id: str
    forge: str
    event: str
    received_at: datetime
    handled_at: datetime | None
    decisions: tuple[DeliveryDecision, ...]
    error: str
    attempts: int
    repo: str = ""


class Deliveries(Protocol):
    """Stores webhook calls. Each is accepted once (promise 3)."""

    def add(self, delivery: Delivery) -> bool:
        """Store a delivery. False if its id exists already."""
        ...

    def get(self, delivery_id: str, *, for_update: bool = False) -> Delivery:
        """Return a delivery. `for_update` locks it until the transaction ends. Raises NotFound."""
        ...

    def handled(
        self, delivery_id: str, at: datetime, decisions: Sequence[DeliveryDecision], error: str = ""
    ) -> None:
        """Store the decisions, and that the delivery is handled."""
        ...

    def failed(self, delivery_id: str, error: str) -> None:
        """Store why this attempt failed. The delivery stays due."""
        ...

    def due(self, before: datetime, limit: int) -> Sequence[str]:
        """Return the ids of deliveries received before `before` and not handled, oldest first."""
        ...

    def overtaken(self, delivery: Delivery) -> bool:
        """Return whether the forge has sent a later event of the same kind.

        For a delivery that we found ourselves: a later one of any kind.
        """
        ...

    def recent(
        self, limit: int, offset: int = 0, query: DeliveryQuery = EVERY_DELIVERY
    ) -> Sequence[DeliveryRecord]:
        """Return the deliveries that match, newest first, without the first `offset`."""
        ...


class Redeliveries(Protocol):
    """Deliveries that are handled once more."""

    def reopen(self, delivery_id: str) -> bool:
        """Make a failed delivery due again. False if it did not fail."""
        ...


class Heard(Protocol):
    """Stores which comments were handled. Each is handled once, whatever delivery brings it."""

    def add(self, repo: RepoRef, comment_id: str, at: datetime) -> bool:
        """Store that a comment is handled. False if it was before. Waits for a concurrent transaction."""
        ...

    def has(self, repo: RepoRef, comment_id: str) -> bool:
        """Return whether a comment was handled."""
        ...
