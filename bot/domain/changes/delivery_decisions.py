"""The decisions on a delivery: one for each workspace or run that it concerns (promise 7)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class DecisionKind(StrEnum):
    """The kinds of decisions. The values are stored, searched and shown."""

    NOTHING = "nothing"
    REFUSED = "refused"
    FAILED = "failed"
    RUN = "run"
    PREVIEW = "preview"
    REPLAY = "replay"
    APPROVED = "approved"
    CONFIRMED = "confirmed"
    ASKED = "asked"
    OVERRIDDEN = "overridden"
    DISCARDED = "discarded"
    CANCELED = "canceled"
    DISCARD = "discard"
    CANCEL = "cancel"
    RETRY = "retry"
    LOCK = "lock"
    UNLOCK = "unlock"
    WHY = "why"
    HELP = "help"
    UNKNOWN = "unknown"
    """Another version stored a value that this one does not know."""


BY_BOT = "bots give no commands"
NO_COMMAND = "the comment has no command for Plangate"
ONLY_NEW = "the comment is not from Plangate, and only new comments are read"
OURS = "the comment is what Plangate wrote"
NOISE = (BY_BOT, NO_COMMAND, ONLY_NEW, OURS)
"""The reasons of deliveries that nobody looks for: our own comments, edits, and talk."""


@dataclass(frozen=True)
class DeliveryDecision:
    """One decision: its kind and reason, and its workspace and run (empty for none)."""

    kind: DecisionKind
    reason: str
    workspace: str = ""
    run: str = ""
