"""Uploaded configurations in the database: the ConfigurationVersions port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.runs.configuration_version import ConfigurationVersion, UploadStatus
from bot.services.ports.world import Vault
from bot.store.schema.configurations import configuration_versions, uploads
from bot.store.schema.runs import UNFINISHED, runs

_FIXED = ("id", "workspace_id", "created_by", "created_at")
# A database takes only so much at once, and encrypting one needs several times its size in memory.
_PIECE = 4 * 1024 * 1024


class SqlConfigurationVersions:
    """Uploads of one transaction; their bytes go through the vault (promise 6)."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def add(self, version: ConfigurationVersion) -> None:
        """Store a new one."""
        self._connection.execute(sa.insert(configuration_versions).values(**_row(version)))

    def get(self, version_id: str, *, for_update: bool = False) -> ConfigurationVersion:
        """Return one. Raises NotFound."""
        query = sa.select(configuration_versions).where(configuration_versions.c.id == version_id)
        row = self._connection.execute(query.with_for_update() if for_update else query).mappings().first()
        if row is None:
            raise NotFound(f"there is no configuration version {version_id}")
        return _read(row)

    def save(self, version: ConfigurationVersion) -> None:
        """Update one."""
        values = {name: value for name, value in _row(version).items() if name not in _FIXED}
        which = configuration_versions.c.id == version.id
        self._connection.execute(sa.update(configuration_versions).where(which).values(**values))

    def of_workspace(self, workspace_id: str, limit: int, offset: int = 0) -> Sequence[ConfigurationVersion]:
        """Return those of a workspace, newest first."""
        query = (
            sa.select(configuration_versions)
            .where(configuration_versions.c.workspace_id == workspace_id)
            .order_by(configuration_versions.c.created_at.desc(), configuration_versions.c.id.desc())
            .limit(limit)
            .offset(offset)
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def count(self, workspace_id: str) -> int:
        """Return how many a workspace has."""
        which = configuration_versions.c.workspace_id == workspace_id
        query = sa.select(sa.func.count()).select_from(configuration_versions).where(which)
        return int(self._connection.execute(query).scalar_one())

    def put_bytes(self, version_id: str, data: bytes) -> None:
        """Store the archive, in pieces."""
        self._drop([version_id])
        for number, begin in enumerate(range(0, max(1, len(data)), _PIECE)):
            token = self._vault.encrypt(data[begin : begin + _PIECE])
            row = {"configuration_version_id": version_id, "piece": number, "data": token}
            self._connection.execute(sa.insert(uploads).values(**row))

    def bytes_of(self, version_id: str) -> bytes:
        """Return the archive. Raises NotFound."""
        query = (
            sa.select(uploads.c.data)
            .where(uploads.c.configuration_version_id == version_id)
            .order_by(uploads.c.piece)
        )
        pieces = [self._vault.decrypt(token) for token in self._connection.execute(query).scalars()]
        if not pieces:
            raise NotFound(f"the upload of {version_id} is not stored any more")
        return b"".join(pieces)

    def archive_old(self, before: datetime, limit: int) -> int:
        """Delete the bytes of old ones that nothing needs."""
        mine, other = configuration_versions, configuration_versions.alias()
        newer = sa.exists().where(
            other.c.workspace_id == mine.c.workspace_id, other.c.created_at > mine.c.created_at
        )
        needed = sa.exists().where(runs.c.configuration_version == mine.c.id, UNFINISHED)
        query = (
            sa.select(mine.c.id)
            .where(mine.c.created_at < before, mine.c.status == UploadStatus.UPLOADED.value, newer, ~needed)
            .limit(limit)
        )
        found = self._connection.execute(query).scalars().all()
        self._drop(found)
        which = mine.c.id.in_(found)
        self._connection.execute(sa.update(mine).where(which).values(status=UploadStatus.ARCHIVED.value))
        return len(found)

    def _drop(self, version_ids: Sequence[str]) -> None:
        self._connection.execute(
            sa.delete(uploads).where(uploads.c.configuration_version_id.in_(version_ids))
        )


def _row(version: ConfigurationVersion) -> dict[str, Any]:
    return {**vars(version), "status": version.status.value}


def _read(row: sa.RowMapping) -> ConfigurationVersion:
    return ConfigurationVersion(**{**row, "status": UploadStatus(row["status"])})
