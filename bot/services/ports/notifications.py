"""Notifications: their outbox, their log, and who carries them to where they go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from typing import Protocol

from bot.domain.notifications.destinations import Destination
from bot.domain.notifications.messages import Message, Notice, NotificationState


@dataclass(frozen=True)
class Notification:
    """A message to a destination, and how far its delivery is. `next_at` is when it is tried next."""

    id: str
    destination: str
    topic: str
    message: Message
    created_at: datetime
    state: NotificationState = NotificationState.WAITING
    attempts: int = 0
    next_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class DeliveryAttempt:
    """One attempt to deliver a message. `answer` is what the receiver said, without any secret."""

    notification_id: str
    at: datetime
    ok: bool
    answer: str


class Notices(Protocol):
    """The outbox of notifications: events that destinations are told of, and the messages made of them."""

    def want(self, notices: Sequence[Notice]) -> Sequence[str]:
        """Store events. One whose key is known is left as it is. Return the destinations of the new ones."""
        ...

    def known(self, keys: Sequence[str]) -> frozenset[str]:
        """Return which of these events are stored."""
        ...

    def waiting(self, destination: str, limit: int) -> Sequence[Notice]:
        """Return the events of a destination that no message tells of yet, oldest first."""
        ...

    def told_by(self, notification: Notification, notices: Sequence[Notice]) -> None:
        """Store a message, and that it tells of these events."""
        ...

    def due_destinations(self, now: datetime) -> frozenset[str]:
        """Return the destinations with an event or a message that is due."""
        ...

    def due(self, destination: str, now: datetime, limit: int) -> Sequence[Notification]:
        """Return the messages to a destination that are tried now, oldest first."""
        ...

    def attempted(self, notification: Notification, attempt: DeliveryAttempt) -> None:
        """Store an attempt, and where the message stands after it."""
        ...


class NotificationLog(Protocol):
    """What was sent, when, and how it went."""

    def find(self, destination: str, limit: int, offset: int = 0) -> Sequence[Notification]:
        """Return the newest messages; without a destination those to all."""
        ...

    def get(self, notification_id: str) -> Notification:
        """Return a message. Raises NotFound."""
        ...

    def attempts(self, notification_ids: Sequence[str]) -> Mapping[str, Sequence[DeliveryAttempt]]:
        """Return the attempts for each message that has some, oldest first."""
        ...

    def forget(self, before: datetime, limit: int) -> int:
        """Delete messages from before `before` that are not waiting, at most `limit`. Return how many."""
        ...


class Messengers(Protocol):
    """Carries messages to destinations. Only it knows their addresses and secrets (promise 6)."""

    def send(self, destination: Destination, message: Message) -> str:
        """Deliver a message and return the receiver's answer in a few words.

        Raises ReceiverAway if it may work later, ReceiverRefused if the receiver did not take it.
        """
        ...


@dataclass(frozen=True)
class Mailbox:
    """Where a destination is: an address of the web with the key that signs, or addresses of people."""

    url: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    to: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailServer:
    """The mail server. `implicit_tls`: TLS from the first byte; otherwise by STARTTLS."""

    host: str
    port: int
    sender: str
    implicit_tls: bool = False
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def here(self) -> bool:
        """Whether the server is this machine: then it may do without encryption."""
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"
