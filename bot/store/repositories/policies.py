"""What policies said of runs, and the sets' versions that said it: the PolicyChecks port."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.policy import Level, Outcome, Override, PolicyCheck
from bot.services.ports.policies import SetVersion
from bot.services.ports.world import Vault
from bot.store.columns import keepable
from bot.store.policy_tables import policy_checks, policy_set_versions
from bot.store.upserts import insert_once


class SqlPolicyChecks:
    """Policy checks of one transaction; a set's files are encrypted by the vault."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def keep_version(self, version: SetVersion) -> None:
        """Keep a set's version; nothing happens where it is kept."""
        files = {path: base64.b64encode(data).decode() for path, data in version.files.items()}
        row = {
            "id": version.id,
            "set_name": version.set_name,
            "origin": version.origin,
            "commit_sha": version.commit,
            "seen_at": version.seen_at,
            "files": self._vault.encrypt(json.dumps(files).encode()),
        }
        insert_once(self._connection, policy_set_versions, ["id"], row)

    def version(self, version_id: str) -> SetVersion:
        """Return a version with its files. Raises NotFound."""
        query = sa.select(policy_set_versions).where(policy_set_versions.c.id == version_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no version {version_id} of a policy set")
        return self._read_version(row)

    def fetched(self, set_name: str, origin: str, commit: str) -> SetVersion | None:
        """Return what was fetched from a place at a commit before, None where it was not."""
        query = (
            sa.select(policy_set_versions)
            .where(
                policy_set_versions.c.set_name == set_name,
                policy_set_versions.c.origin == origin,
                policy_set_versions.c.commit_sha == commit,
            )
            .limit(1)
        )
        row = self._connection.execute(query).mappings().first()
        return self._read_version(row) if row is not None else None

    def put(self, run_id: str, checks: Sequence[PolicyCheck]) -> None:
        """Keep a run's checks, in place of earlier ones."""
        self._connection.execute(sa.delete(policy_checks).where(policy_checks.c.run_id == run_id))
        if checks:
            rows = [_row(run_id, position, check) for position, check in enumerate(checks)]
            self._connection.execute(sa.insert(policy_checks), rows)

    def of_run(self, run_id: str) -> Sequence[PolicyCheck]:
        """Return a run's checks in the order in which they were put."""
        query = (
            sa.select(policy_checks)
            .where(policy_checks.c.run_id == run_id)
            .order_by(policy_checks.c.position)
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def origins(self, run_id: str) -> Mapping[str, tuple[str, str]]:
        """Return where each set that judged a run came from: name of the set to origin and commit."""
        versions = policy_set_versions.c
        query = (
            sa.select(versions.set_name, versions.origin, versions.commit_sha)
            .join(policy_checks, policy_checks.c.version_id == versions.id)
            .where(policy_checks.c.run_id == run_id)
            .distinct()
        )
        return {name: (origin, commit) for name, origin, commit in self._connection.execute(query)}

    def _read_version(self, row: sa.RowMapping) -> SetVersion:
        files = json.loads(self._vault.decrypt(row["files"]))
        return SetVersion(
            id=row["id"],
            set_name=row["set_name"],
            origin=row["origin"],
            commit=row["commit_sha"],
            files={path: base64.b64decode(data) for path, data in files.items()},
            seen_at=row["seen_at"],
        )


def _row(run_id: str, position: int, check: PolicyCheck) -> dict[str, Any]:
    override = check.override
    return {
        "run_id": run_id,
        "position": position,
        "version_id": check.version,
        "set_name": check.set_name,
        "policy": check.policy,
        "level": check.level.value,
        "outcome": check.outcome.value,
        "messages": [keepable(message) for message in check.messages],
        "seconds": check.seconds,
        "description": check.description,
        "file": check.file,
        "override_by": override.by if override else None,
        "override_reason": override.reason if override else None,
        "override_at": override.at if override else None,
    }


def _read(row: sa.RowMapping) -> PolicyCheck:
    override = None
    if row["override_at"] is not None:
        override = Override(row["override_by"], row["override_reason"], row["override_at"])
    return PolicyCheck(
        set_name=row["set_name"],
        version=row["version_id"],
        policy=row["policy"],
        level=Level(row["level"]),
        outcome=Outcome(row["outcome"]),
        messages=tuple(row["messages"]),
        seconds=row["seconds"],
        description=row["description"],
        file=row["file"],
        override=override,
    )
