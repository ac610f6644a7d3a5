"""Which changes of policy sets are tried on stored plans, and what came of it: the Replays port."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.replays import Compared, Replay, ReplayResult, ReplayState, Standing
from bot.store.columns import keepable
from bot.store.policy_tables import WANTED, policy_replays
from bot.store.upserts import insert_once

_KEY = ("change_id", "set_name", "commit_sha")


class SqlReplays:
    """Replays of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, replay: Replay) -> Replay:
        """Insert, or return the one of the same change, set and commit that is there."""
        insert_once(self._connection, policy_replays, _KEY, _row(replay))
        columns = policy_replays.c
        query = sa.select(policy_replays).where(
            columns.change_id == replay.change_id,
            columns.set_name == replay.set_name,
            columns.commit_sha == replay.commit,
        )
        return _read(self._connection.execute(query).mappings().one())

    def get(self, replay_id: str) -> Replay:
        """Return one. Raises NotFound."""
        query = sa.select(policy_replays).where(policy_replays.c.id == replay_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no replay {replay_id}")
        return _read(row)

    def save(self, replay: Replay) -> None:
        """Keep what has become of one."""
        row = _row(replay)
        self._connection.execute(
            sa.update(policy_replays).where(policy_replays.c.id == row.pop("id")).values(**row)
        )

    def of_change(self, change_id: str) -> Sequence[Replay]:
        """Return those of a change, by set, of each the newest first."""
        columns = policy_replays.c
        query = (
            sa.select(policy_replays)
            .where(columns.change_id == change_id)
            .order_by(columns.set_name, columns.asked_at.desc(), columns.id)
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the ids of those that are wanted and may be tried at `now`, oldest first."""
        columns = policy_replays.c
        may = sa.or_(columns.not_before.is_(None), columns.not_before <= now)
        query = sa.select(columns.id).where(WANTED, may).order_by(columns.asked_at, columns.id).limit(limit)
        return self._connection.execute(query).scalars().all()


def _row(replay: Replay) -> dict[str, Any]:
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
        "result": _written(replay.result) if replay.result else None,
    }


def _written(result: ReplayResult) -> dict[str, Any]:
    compared = [
        {**asdict(each), "before": int(each.before), "after": int(each.after)} for each in result.compared
    ]
    return {
        **asdict(result),
        "compared": compared,
        "errors": [keepable(error) for error in result.errors],
    }


def _read(row: sa.RowMapping) -> Replay:
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
        result=_result(row["result"]) if row["result"] is not None else None,
    )


def _result(written: Mapping[str, Any]) -> ReplayResult:
    compared = tuple(
        Compared(
            each["run_id"],
            each["workspace"],
            Standing(each["before"]),
            Standing(each["after"]),
            tuple(each["newly"]),
            tuple(each["no_longer"]),
        )
        for each in written["compared"]
    )
    return ReplayResult(**{**written, "compared": compared, "errors": tuple(written["errors"])})
