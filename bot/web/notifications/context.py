"""View models of the page of notifications."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, Link, Pager, Timestamp


@dataclass(frozen=True)
class DestinationRow:
    """A destination: what it is told about, and where a test is asked for."""

    name: str
    kind: str
    about: str
    test_url: str


@dataclass(frozen=True)
class AttemptRow:
    """One attempt to deliver a message."""

    when: Timestamp
    ok: bool
    answer: str


@dataclass(frozen=True)
class NotificationRow:
    """A message, and how its delivery went. `next_at` is None if it is not tried again."""

    id: str
    badge: Badge
    destination: str
    title: Link
    lines: tuple[str, ...]
    when: Timestamp
    next_at: Timestamp | None
    attempts: tuple[AttemptRow, ...]


@dataclass(frozen=True)
class NotificationsPage:
    """The destinations, and the messages to them, newest first."""

    chrome: Chrome
    destinations: tuple[DestinationRow, ...]
    rows: tuple[NotificationRow, ...]
    pager: Pager
    destination: str
    asked: bool
