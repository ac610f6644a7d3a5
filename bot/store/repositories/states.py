"""Terraform's states and its locks on them: the ports States, StateHistory, StateLocks and StateUploads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.services.ports.states import StateLock, StateUpload, StateVersion
from bot.services.ports.world import Vault
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_once
from bot.store.schema.states import state_locks, state_uploads, state_versions

ABOUT_VERSION = [column for column in state_versions.c if column.name not in ("data", "position")]
# Built once: building a statement costs as much as carrying it out.
_CURRENT = (
    sa.select(*ABOUT_VERSION)
    .where(state_versions.c.workspace_id == sa.bindparam("of"), state_versions.c.refused == "")
    .order_by(state_versions.c.position.desc())
    .limit(1)
)


class SqlStates:
    """States of one transaction; every version goes through the vault (promise 6)."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def current(self, workspace_id: str) -> StateVersion | None:
        """Return the newest version that was not refused, by the order in which they were kept."""
        row = self._connection.execute(_CURRENT, {"of": workspace_id}).mappings().first()
        return None if row is None else read_version(row)

    def currents(self, workspace_ids: Iterable[str]) -> Mapping[str, StateVersion]:
        """Return the current version of each workspace that has one."""
        found = {}
        for part in in_parts(workspace_ids):
            newest = (
                sa.select(sa.func.max(state_versions.c.position))
                .where(state_versions.c.workspace_id.in_(part), state_versions.c.refused == "")
                .group_by(state_versions.c.workspace_id)
            )
            query = sa.select(*ABOUT_VERSION).where(state_versions.c.position.in_(newest))
            for row in self._connection.execute(query).mappings():
                found[row["workspace_id"]] = read_version(row)
        return found

    def add(self, version: StateVersion, data: bytes) -> None:
        """Store a version; one with `refused` is stored but never current."""
        statement = sa.insert(state_versions).values(
            id=version.id,
            workspace_id=version.workspace_id,
            run_id=version.run_id or None,
            serial=version.serial,
            lineage=version.lineage,
            md5=version.md5,
            created_at=version.created_at,
            size=version.size,
            refused=version.refused,
            made_by=version.made_by,
            note=version.note,
            waits=version.waits,
            data=self._vault.encrypt(data),
        )
        self._connection.execute(statement.inline())

    def data(self, version_id: str) -> bytes:
        """Return a version's state. Raises NotFound."""
        query = sa.select(state_versions.c.data).where(state_versions.c.id == version_id)
        token = self._connection.execute(query).scalar_one_or_none()
        if token is None:
            raise NotFound(f"there is no state version {version_id}")
        return self._vault.decrypt(token)

    def versions(self, workspace_id: str, limit: int = 100, offset: int = 0) -> Sequence[StateVersion]:
        """Return the versions, newest first, refused ones too."""
        query = (
            sa.select(*ABOUT_VERSION)
            .where(state_versions.c.workspace_id == workspace_id)
            .order_by(state_versions.c.position.desc())
            .limit(limit)
            .offset(offset)
        )
        return [read_version(row) for row in self._connection.execute(query).mappings()]

    def lock(self, lock: StateLock) -> StateLock | None:
        """Lock the state; return None, or the existing lock of another holder.

        A repeated request for the same lock succeeds (the answer was lost).
        """
        row = {
            "workspace_id": lock.workspace_id,
            "lock_id": lock.lock_id,
            "run_id": lock.run_id or None,
            "info": lock.info,
            "at": lock.at,
        }
        while not insert_once(self._connection, state_locks, ["workspace_id"], row):
            stands = self.locked(lock.workspace_id)
            if stands is not None:
                same = (stands.lock_id, stands.run_id) == (lock.lock_id, lock.run_id)
                return None if same else stands
            # It was released between the two statements: try again.
        return None

    def locked(self, workspace_id: str) -> StateLock | None:
        """Return the current lock."""
        query = sa.select(state_locks).where(state_locks.c.workspace_id == workspace_id)
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _read_lock(row)

    def unlock(self, workspace_id: str, lock_id: str | None) -> bool:
        """Unlock; without an id any lock. False if another lock exists; True if there is none."""
        statement = sa.delete(state_locks).where(state_locks.c.workspace_id == workspace_id)
        if lock_id is not None:
            statement = statement.where(state_locks.c.lock_id == lock_id)
        if self._connection.execute(statement).rowcount:
            return True
        return self.locked(workspace_id) is None


class SqlStateHistory:
    """Versions of one transaction, whatever their workspace: the StateHistory port."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def accepted(self, workspace_id: str, limit: int, offset: int = 0) -> Sequence[StateVersion]:
        """Return the versions of a workspace that were not refused, newest first."""
        query = (
            sa.select(*ABOUT_VERSION)
            .where(state_versions.c.workspace_id == workspace_id, state_versions.c.refused == "")
            .order_by(state_versions.c.position.desc())
            .limit(limit)
            .offset(offset)
        )
        return [read_version(row) for row in self._connection.execute(query).mappings()]

    def count_accepted(self, workspace_id: str) -> int:
        """Return how many versions of a workspace were not refused."""
        which = sa.and_(state_versions.c.workspace_id == workspace_id, state_versions.c.refused == "")
        query = sa.select(sa.func.count()).select_from(state_versions).where(which)
        return int(self._connection.execute(query).scalar_one())

    def waiting(self) -> Sequence[StateVersion]:
        """Return the versions that wait to become current, oldest first."""
        query = sa.select(*ABOUT_VERSION).where(state_versions.c.waits).order_by(state_versions.c.position)
        return [read_version(row) for row in self._connection.execute(query).mappings()]

    def settle(self, version_id: str, *, refused: str, note: str = "") -> None:
        """End a version's wait: it becomes current, or stays refused for a reason."""
        statement = sa.update(state_versions).where(state_versions.c.id == version_id)
        self._connection.execute(statement.values(waits=False, refused=refused, note=note))

    def get(self, version_id: str) -> StateVersion:
        """Return a version. Raises NotFound."""
        query = sa.select(*ABOUT_VERSION).where(state_versions.c.id == version_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no state version {version_id}")
        return read_version(row)


def read_version(row: sa.RowMapping) -> StateVersion:
    """Return a row as a version."""
    return StateVersion(
        id=row["id"],
        workspace_id=row["workspace_id"],
        run_id=row["run_id"] or "",
        serial=row["serial"],
        lineage=row["lineage"],
        md5=row["md5"],
        created_at=row["created_at"],
        size=row["size"],
        refused=row["refused"],
        made_by=row["made_by"],
        note=row["note"],
        waits=row["waits"],
    )


class SqlStateLocks:
    """Locks of one transaction; `SqlStates` takes and releases them."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def all(self) -> Sequence[StateLock]:
        """Return all locks, oldest first."""
        query = sa.select(state_locks).order_by(state_locks.c.at, state_locks.c.workspace_id)
        return [_read_lock(row) for row in self._connection.execute(query).mappings()]


def _read_lock(row: sa.RowMapping) -> StateLock:
    """Return a row as a lock."""
    return StateLock(row["workspace_id"], row["lock_id"], row["run_id"] or "", row["info"], row["at"])


class SqlStateUploads:
    """Announced states of one transaction: the StateUploads port."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, upload: StateUpload) -> None:
        """Store one. Deletes those of its workspace that were announced under an earlier lock."""
        mine = state_uploads.c.workspace_id == upload.workspace_id
        older = state_uploads.c.locked_at < upload.locked_at
        self._connection.execute(sa.delete(state_uploads).where(mine, older))
        self._connection.execute(sa.insert(state_uploads).values(**vars(upload)))

    def get(self, upload_id: str) -> StateUpload:
        """Return one. Raises NotFound."""
        query = sa.select(state_uploads).where(state_uploads.c.id == upload_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no upload {upload_id}")
        return StateUpload(**row)

    def remove(self, upload_id: str) -> None:
        """Delete one."""
        self._connection.execute(sa.delete(state_uploads).where(state_uploads.c.id == upload_id))
