"""Where Terraform's states are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class StateVersion:
    """One version of a workspace's state. `refused` says why it was kept aside and is not current.

    Made by a run, or by a person: then `made_by` is their login, and `note` says what of.
    """

    id: str
    workspace_id: str
    run_id: str
    serial: int
    lineage: str
    md5: str
    created_at: datetime
    size: int
    refused: str = ""
    made_by: str = ""
    note: str = ""


@dataclass(frozen=True)
class StateLock:
    """Terraform's lock on a state: its own lock info as JSON, and the run that holds it."""

    workspace_id: str
    lock_id: str
    run_id: str
    info: str
    at: datetime


class States(Protocol):
    """Every version of every state (encrypted), and Terraform's locks on them."""

    def current(self, workspace_id: str) -> StateVersion | None:
        """Return the newest version that was not refused."""
        ...

    def add(self, version: StateVersion, data: bytes) -> None:
        """Keep a version."""
        ...

    def data(self, version_id: str) -> bytes:
        """Return a version's state. Raises NotFound."""
        ...

    def versions(self, workspace_id: str, limit: int = 100, offset: int = 0) -> Sequence[StateVersion]:
        """Return the versions, newest first, refused ones too."""
        ...

    def lock(self, lock: StateLock) -> StateLock | None:
        """Lock the state; return the lock that is in the way, None where this one now stands."""
        ...

    def locked(self, workspace_id: str) -> StateLock | None:
        """Return the lock that stands."""
        ...

    def unlock(self, workspace_id: str, lock_id: str | None) -> bool:
        """Unlock; without an id whatever stands. False where another lock stands."""
        ...


class StateHistory(Protocol):
    """Single versions of states, whatever became of them."""

    def get(self, version_id: str) -> StateVersion:
        """Return a version. Raises NotFound."""
        ...


class StateLocks(Protocol):
    """Terraform's locks over all workspaces."""

    def all(self) -> Sequence[StateLock]:
        """Return every lock that stands, oldest first."""
        ...
