"""States of Terraform: their versions and their locks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class StateVersion:
    """One version of a workspace's state. `refused` says why it was stored without becoming current.

    Made by a run, or by a person: then `made_by` is their login, and `note` says what of. A refused version
    that `waits` becomes current by itself once nothing prevents it.
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
    waits: bool = False


@dataclass(frozen=True)
class StateUpload:
    """A state that a person announced, and sends later. `id` is the id of the version that it becomes.

    `md5` is in hex. `locked_at` is when the lock was taken under which it was announced: only under that
    same lock it is accepted. `role` is the person's role there.
    """

    id: str
    workspace_id: str
    by: str
    role: int
    serial: int
    lineage: str
    md5: str
    force: bool
    locked_at: datetime
    created_at: datetime


@dataclass(frozen=True)
class StateLock:
    """Terraform's lock on a state: its lock info as JSON, and the run that holds it."""

    workspace_id: str
    lock_id: str
    run_id: str
    info: str
    at: datetime


class CurrentStates(Protocol):
    """The current versions of states."""

    def current(self, workspace_id: str) -> StateVersion | None:
        """Return the newest version that was not refused."""
        ...

    def currents(self, workspace_ids: Iterable[str]) -> Mapping[str, StateVersion]:
        """Return the current version of each workspace that has one."""
        ...


class States(CurrentStates, Protocol):
    """Stores every version of every state (encrypted), and Terraform's locks on them."""

    def add(self, version: StateVersion, data: bytes) -> None:
        """Store a version."""
        ...

    def data(self, version_id: str) -> bytes:
        """Return the state of a version. Raises NotFound."""
        ...

    def versions(self, workspace_id: str, limit: int = 100, offset: int = 0) -> Sequence[StateVersion]:
        """Return all versions, newest first. Includes refused ones."""
        ...

    def lock(self, lock: StateLock) -> StateLock | None:
        """Lock the state. Return the lock that prevents it, None if the state is locked now."""
        ...

    def locked(self, workspace_id: str) -> StateLock | None:
        """Return the current lock."""
        ...

    def unlock(self, workspace_id: str, lock_id: str | None) -> bool:
        """Unlock. Without an id, removes any lock. False if another lock is held."""
        ...


class StateHistory(Protocol):
    """Single versions of states, whatever their workspace."""

    def get(self, version_id: str) -> StateVersion:
        """Return a version. Raises NotFound."""
        ...

    def accepted(self, workspace_id: str, limit: int, offset: int = 0) -> Sequence[StateVersion]:
        """Return the versions of a workspace that were not refused, newest first."""
        ...

    def count_accepted(self, workspace_id: str) -> int:
        """Return how many versions of a workspace were not refused."""
        ...

    def waiting(self) -> Sequence[StateVersion]:
        """Return the versions that wait to become current, oldest first."""
        ...

    def settle(self, version_id: str, *, refused: str, note: str = "") -> None:
        """End a version's wait: it becomes current, or stays refused for a reason."""
        ...


class StateLocks(Protocol):
    """Terraform's locks over all workspaces."""

    def all(self) -> Sequence[StateLock]:
        """Return all locks, oldest first."""
        ...


class StateUploads(Protocol):
    """States that people announced and have not sent yet."""

    def add(self, upload: StateUpload) -> None:
        """Store one. Deletes those of its workspace that were announced under an earlier lock."""
        ...

    def get(self, upload_id: str) -> StateUpload:
        """Return one. Raises NotFound."""
        ...

    def remove(self, upload_id: str) -> None:
        """Delete one."""
        ...
