"""Drift: when workspaces are checked, and what was found, as stored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from bot.domain.workspaces.drifted import DriftedResource

ON_REQUEST = datetime(1970, 1, 1, tzinfo=UTC)
"""As `due_at` of a check: the workspace has no times, people ask for its checks."""


@dataclass(frozen=True)
class DriftCheck:
    """How far a workspace is checked. `due_at` is the last time that was due and is taken care of.

    `wanted`: a check starts as soon as no other run waits. `run_id` is the check under way, empty if none is.
    `basis` is the run whose configuration it checks. `checked_at` is when the last check ended, and `error`
    why it found out nothing.
    """

    workspace_id: str
    due_at: datetime
    wanted: bool = False
    run_id: str = ""
    basis: str = ""
    checked_at: datetime | None = None
    error: str = ""


@dataclass(frozen=True)
class DriftRecord:
    """A workspace's drift from its first check to its end. `ended_at` is None while it lasts.

    `run_id` is the last check that found it, at `seen_at`. `basis` is the run whose configuration it checked.
    `number` counts the resources, of which `resources` has the first. `since` says who else wrote the state
    after the basis. `ended_by` says what ended it.
    """

    id: str
    workspace_id: str
    began_at: datetime
    seen_at: datetime
    run_id: str
    basis: str
    resources: tuple[DriftedResource, ...]
    number: int
    since: tuple[str, ...] = ()
    ended_at: datetime | None = None
    ended_by: str = ""


class CheckedWorkspaces(Protocol):
    """Stores how far workspaces are checked for drift."""

    def get(self, workspace_id: str) -> DriftCheck | None:
        """Return how far a workspace is checked. None: it never was."""
        ...

    def all(self) -> Sequence[DriftCheck]:
        """Return how far each workspace is checked."""
        ...

    def put(self, check: DriftCheck) -> None:
        """Insert or update how far a workspace is checked."""
        ...


class Drifts(Protocol):
    """Stores drifts. A workspace has at most one that lasts."""

    def put(self, drift: DriftRecord) -> None:
        """Insert or update a drift."""
        ...

    def lasting(self, workspace_id: str) -> DriftRecord | None:
        """Return the drift of a workspace that lasts."""
        ...

    def all_lasting(self) -> Sequence[DriftRecord]:
        """Return every drift that lasts, the oldest first."""
        ...

    def drifted(self, workspace_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the workspaces whose drift lasts."""
        ...

    def history(self, workspace_id: str, limit: int) -> Sequence[DriftRecord]:
        """Return the drifts of a workspace, newest first."""
        ...
