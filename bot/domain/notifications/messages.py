"""Messages of notifications, the same for every kind of destination. No message has a secret or output."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.domain.notifications.destinations import WORDS, Trigger

MOST_LINES = 20
"""How many events one message names. It counts the others."""

LONGEST = 200
_UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


@dataclass(frozen=True)
class Notice:
    """One event that one destination is told of. `key` is unique: an event counts once.

    Notices of one `topic` (a change, a commit, a run) are gathered into one message. `due_at` is when that
    goes out at the latest. A test has no workspace and no run.
    """

    key: str
    destination: str
    topic: str
    trigger: Trigger
    workspace_id: str
    run_id: str
    at: datetime
    due_at: datetime
    detail: str = ""


@dataclass(frozen=True)
class MessageLine:
    """One event in a message. Texts are one line each, and may be hostile: each kind escapes them."""

    trigger: Trigger
    at: datetime
    workspace: str = ""
    workspace_id: str = ""
    run_id: str = ""
    url: str = ""
    detail: str = ""
    run_status: str = ""
    run_message: str = ""
    run_created_at: datetime | None = None
    run_created_by: str = ""

    @property
    def words(self) -> str:
        """Say what happened: `needs confirmation: 2 to add`."""
        return f"{WORDS[self.trigger]}: {self.detail}" if self.detail else WORDS[self.trigger]


@dataclass(frozen=True)
class Message:
    """What one destination is told at once. `more` counts the events that no line is about."""

    id: str
    title: str
    url: str
    lines: tuple[MessageLine, ...]
    more: int = 0

    @property
    def rest(self) -> str:
        """Say how many events are left out, empty if none is."""
        return f"and {self.more} more" if self.more else ""


class NotificationState(StrEnum):
    """Where the delivery of a message stands."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


def one_line(text: str, longest: int = LONGEST) -> str:
    """Return text from outside as one short printable line: no controls, no marks that turn text around."""
    words = " ".join(text.split())
    clean = "".join(each if each.isprintable() else _UNPRINTABLE for each in words[: longest + 1])
    return f"{clean[: longest - 1]}…" if len(clean) > longest else clean


def packed_message(message: Message) -> dict[str, Any]:
    """Return a message as JSON."""
    lines = [
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(each).items()
        }
        for each in message.lines
    ]
    return {
        "id": message.id,
        "title": message.title,
        "url": message.url,
        "lines": lines,
        "more": message.more,
    }


def unpacked_message(kept: dict[str, Any]) -> Message:
    """Return a message from its JSON."""
    lines = tuple(
        MessageLine(
            **{
                **line,
                "trigger": Trigger(line["trigger"]),
                "at": datetime.fromisoformat(line["at"]),
                "run_created_at": datetime.fromisoformat(line["run_created_at"])
                if line["run_created_at"]
                else None,
            }
        )
        for line in kept["lines"]
    )
    return Message(**{**kept, "lines": lines})
