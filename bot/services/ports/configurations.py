"""Uploaded configurations: what is known of each, and its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from bot.domain.runs.configuration_version import ConfigurationVersion


class ConfigurationVersions(Protocol):
    """Stores uploads, encrypted at rest."""

    def add(self, version: ConfigurationVersion) -> None:
        """Store a new one."""
        ...

    def get(self, version_id: str, *, for_update: bool = False) -> ConfigurationVersion:
        """Return one. `for_update` locks it until the transaction ends. Raises NotFound."""
        ...

    def save(self, version: ConfigurationVersion) -> None:
        """Update one. Its workspace, creator and time of creation never change."""
        ...

    def of_workspace(self, workspace_id: str, limit: int, offset: int = 0) -> Sequence[ConfigurationVersion]:
        """Return those of a workspace, newest first."""
        ...

    def count(self, workspace_id: str) -> int:
        """Return how many a workspace has."""
        ...

    def put_bytes(self, version_id: str, data: bytes) -> None:
        """Store the archive."""
        ...

    def bytes_of(self, version_id: str) -> bytes:
        """Return the archive. Raises NotFound if it was deleted, or did not come yet."""
        ...

    def archive_old(self, before: datetime, limit: int) -> int:
        """Delete the bytes of those from before `before`, and return how many there were.

        Not of a workspace's newest one, nor of one with a run that is not final.
        """
        ...
