"""Policy checks, versions of policy sets, and replays: the ports PolicyChecks and Replays."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.policies.policy import EnforcementLevel, Override, PolicyCheck, PolicyOutcome
from bot.domain.reports.replays import PlanComparison, Replay, ReplayResult, ReplayState, SetVerdict
from bot.services.ports.policies import SetVersion
from bot.services.ports.world import Vault
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_once
from bot.store.schema.columns import keepable
from bot.store.schema.policies import WANTED, policy_checks, policy_replays, policy_set_versions


class SqlPolicyChecks:
    """Policy checks of one transaction; a set's files are encrypted by the vault."""

    def __init__(self, connection: sa.Connection, vault: Vault) -> None:
        self._connection = connection
        self._vault = vault

    def keep_version(self, version: SetVersion) -> None:
        """Store a set's version; does nothing if it is stored already."""
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
        """Return the version that was fetched from a place at a commit, None if there is none."""
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
        """Store a run's checks, in place of earlier ones."""
        self._connection.execute(sa.delete(policy_checks).where(policy_checks.c.run_id == run_id))
        if checks:
            rows = [_check_row(run_id, position, check) for position, check in enumerate(checks)]
            self._connection.execute(sa.insert(policy_checks), rows)

    def of_run(self, run_id: str) -> Sequence[PolicyCheck]:
        """Return a run's checks in the order in which they were put."""
        query = (
            sa.select(policy_checks)
            .where(policy_checks.c.run_id == run_id)
            .order_by(policy_checks.c.position)
        )
        return [_read_check(row) for row in self._connection.execute(query).mappings()]

    def of_runs(self, run_ids: Iterable[str]) -> Mapping[str, Sequence[PolicyCheck]]:
        """Return the checks of each run that has some."""
        found: dict[str, list[PolicyCheck]] = {}
        for part in in_parts(run_ids):
            query = (
                sa.select(policy_checks)
                .where(policy_checks.c.run_id.in_(part))
                .order_by(policy_checks.c.position)
            )
            for row in self._connection.execute(query).mappings():
                found.setdefault(row["run_id"], []).append(_read_check(row))
        return found

    def origins(self, run_id: str) -> Mapping[str, tuple[str, str]]:
        """Return the origins of the sets that judged a run: name of the set to origin and commit."""
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


def _check_row(run_id: str, position: int, check: PolicyCheck) -> dict[str, Any]:
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
        "evaluator": check.evaluator,
        "message_count": check.count,
    }


def _read_check(row: sa.RowMapping) -> PolicyCheck:
    override = None
    if row["override_at"] is not None:
        override = Override(row["override_by"], row["override_reason"], row["override_at"])
    return PolicyCheck(
        set_name=row["set_name"],
        version=row["version_id"],
        policy=row["policy"],
        level=EnforcementLevel(row["level"]),
        outcome=PolicyOutcome(row["outcome"]),
        messages=tuple(row["messages"]),
        seconds=row["seconds"],
        description=row["description"],
        file=row["file"],
        override=override,
        evaluator=row["evaluator"],
        count=row["message_count"],
    )


_REPLAY_KEY = ("change_id", "set_name", "commit_sha")


class SqlReplays:
    """Replays of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, replay: Replay) -> Replay:
        """Insert, or return the one of the same change, set and commit that is there."""
        insert_once(self._connection, policy_replays, _REPLAY_KEY, _replay_row(replay))
        columns = policy_replays.c
        query = sa.select(policy_replays).where(
            columns.change_id == replay.change_id,
            columns.set_name == replay.set_name,
            columns.commit_sha == replay.commit,
        )
        return _read_replay(self._connection.execute(query).mappings().one())

    def get(self, replay_id: str) -> Replay:
        """Return one. Raises NotFound."""
        query = sa.select(policy_replays).where(policy_replays.c.id == replay_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no replay {replay_id}")
        return _read_replay(row)

    def save(self, replay: Replay) -> None:
        """Update a replay."""
        row = _replay_row(replay)
        self._connection.execute(
            sa.update(policy_replays).where(policy_replays.c.id == row.pop("id")).values(**row)
        )

    def of_change(self, change_id: str) -> Sequence[Replay]:
        """Return the replays of a change, by set, newest first."""
        columns = policy_replays.c
        query = (
            sa.select(policy_replays)
            .where(columns.change_id == change_id)
            .order_by(columns.set_name, columns.asked_at.desc(), columns.id)
        )
        return [_read_replay(row) for row in self._connection.execute(query).mappings()]

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of the wanted replays that may be tried at `now`, oldest first."""
        columns = policy_replays.c
        may = sa.or_(columns.not_before.is_(None), columns.not_before <= now)
        query = sa.select(columns.id).where(WANTED, may).order_by(columns.asked_at, columns.id).limit(limit)
        return self._connection.execute(query).scalars().all()


def _replay_row(replay: Replay) -> dict[str, Any]:
    return {
        "id": replay.id,
        "change_id": replay.change_id,
        "set_name": replay.set_name,
        "commit_sha": replay.commit,
        "state": replay.state.value,
        "asked_at": replay.asked_at,
        "attempts": replay.attempts,
        "not_before": replay.not_before,
        "why": replay.why,
        "result": _result_row(replay.result) if replay.result else None,
    }


def _result_row(result: ReplayResult) -> dict[str, Any]:
    compared = [
        {**asdict(each), "before": int(each.before), "after": int(each.after)} for each in result.compared
    ]
    return {
        **asdict(result),
        "compared": compared,
        "errors": [keepable(error) for error in result.errors],
    }


def _read_replay(row: sa.RowMapping) -> Replay:
    return Replay(
        id=row["id"],
        change_id=row["change_id"],
        set_name=row["set_name"],
        commit=row["commit_sha"],
        state=ReplayState(row["state"]),
        asked_at=row["asked_at"],
        attempts=row["attempts"],
        not_before=row["not_before"],
        why=row["why"],
        result=_read_result(row["result"]) if row["result"] is not None else None,
    )


def _read_result(written: Mapping[str, Any]) -> ReplayResult:
    compared = tuple(
        PlanComparison(
            each["run_id"],
            each["workspace"],
            SetVerdict(each["before"]),
            SetVerdict(each["after"]),
            tuple(each["newly"]),
            tuple(each["no_longer"]),
        )
        for each in written["compared"]
    )
    return ReplayResult(**{**written, "compared": compared, "errors": tuple(written["errors"])})
