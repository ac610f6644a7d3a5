"""Destinations of notifications: where messages go, and about which events of which workspaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.workspace import Workspace


class DestinationKind(StrEnum):
    """How a message is delivered."""

    SLACK = "slack"
    TEAMS = "teams"
    EMAIL = "email"
    WEBHOOK = "webhook"


class Trigger(StrEnum):
    """The event that a notification tells of."""

    NEEDS_ATTENTION = "needs_attention"
    ERRORED = "errored"
    APPLIED = "applied"
    DRIFTED = "drifted"
    DRIFT_RESOLVED = "drift_resolved"
    POLICY_FAILED = "policy_failed"
    APPROVAL_EXPIRING = "approval_expiring"
    TEST = "test"


CHOSEN = tuple(trigger for trigger in Trigger if trigger is not Trigger.TEST)
"""The triggers that a destination can choose. A test is sent only if a person asks for it."""

USUAL_TRIGGERS = (Trigger.NEEDS_ATTENTION, Trigger.ERRORED, Trigger.POLICY_FAILED, Trigger.DRIFTED)

WORDS: dict[Trigger, str] = {
    Trigger.NEEDS_ATTENTION: "needs confirmation",
    Trigger.ERRORED: "errored",
    Trigger.APPLIED: "applied",
    Trigger.DRIFTED: "drifted",
    Trigger.DRIFT_RESOLVED: "drift resolved",
    Trigger.POLICY_FAILED: "policies failed",
    Trigger.APPROVAL_EXPIRING: "still waits for a person",
    Trigger.TEST: "test",
}


@dataclass(frozen=True)
class Destination:
    """Where messages go. Its address and its secrets are not here: only the adapter has them (promise 6).

    Without `workspaces` and `tags`, every workspace counts. `gather` is how long events of one change are
    gathered into one message. `remind_after` is how long a run waits for a person before
    `approval_expiring`.
    """

    name: str
    kind: DestinationKind
    triggers: tuple[Trigger, ...] = USUAL_TRIGGERS
    workspaces: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    gather: timedelta = timedelta(seconds=30)
    remind_after: timedelta = timedelta(hours=24)

    def chooses(self, workspace: Workspace) -> bool:
        """Whether events of a workspace are told here."""
        if _matches(workspace.name, self.exclude):
            return False
        if not self.workspaces and not self.tags:
            return True
        return bool(set(self.tags) & set(workspace.tags)) or _matches(workspace.name, self.workspaces)

    def trigger(self, events: Iterable[Trigger]) -> Trigger | None:
        """Return the first of the events that this destination wants, None if it wants none of them."""
        return next((event for event in events if event in self.triggers), None)

    @property
    def one_per_run(self) -> bool:
        """Whether each message is about one run: programs expect that."""
        return self.kind is DestinationKind.WEBHOOK


def events_of(before: Run | None, run: Run) -> Sequence[Trigger]:
    """Return what happened when a run changed, the most exact event first. Previews never notify.

    The comment of a change already tells of its previews.
    """
    if run.plan_only or run.source is RunSource.FORECAST or before is None or before.status is run.status:
        return ()
    judged = before.status is RunStatus.POLICY_CHECKING
    match run.status:
        case RunStatus.POLICY_OVERRIDE:
            return (Trigger.POLICY_FAILED, Trigger.NEEDS_ATTENTION)
        case RunStatus.ERRORED:
            return (Trigger.POLICY_FAILED, Trigger.ERRORED) if judged else (Trigger.ERRORED,)
        case RunStatus.APPLIED:
            return (Trigger.APPLIED,)
        case _ if run.awaits_confirmation and not before.awaits_confirmation:
            return (Trigger.NEEDS_ATTENTION,)
        case _:
            return ()


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
