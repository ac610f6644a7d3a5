"""Deletes what old applies and old states left, a few at a time: the RunRetention port."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.runs import lifecycle
from bot.services.ports.runs import ArtifactKind
from bot.store.schema.runs import artifacts, output, runs
from bot.store.schema.states import state_versions
from bot.store.schema.workspaces import workspaces

_FINAL = sorted(status.value for status in lifecycle.FINAL)
# The snapshot of variables masks what stays of the run.
_FILES = [kind.value for kind in ArtifactKind if kind is not ArtifactKind.VARIABLES]


class SqlRunRetention:
    """Forgets within one transaction. `held`: the names of workspaces under a legal hold."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def files(self, before: datetime, held: Sequence[str], limit: int) -> int:
        """Delete plans and other files of runs that may apply, and ended before `before`."""
        of_plan = artifacts.c.kind.in_(_FILES)
        kept = sa.exists().where(artifacts.c.run_id == runs.c.id, of_plan)
        found = self._old_runs(before, held, limit, kept)
        self._connection.execute(sa.delete(artifacts).where(artifacts.c.run_id.in_(found), of_plan))
        return len(found)

    def output(self, before: datetime, held: Sequence[str], limit: int) -> int:
        """Delete the output of runs that may apply, and ended before `before`."""
        found = self._old_runs(before, held, limit, sa.exists().where(output.c.run_id == runs.c.id))
        self._connection.execute(sa.delete(output).where(output.c.run_id.in_(found)))
        return len(found)

    def states(self, before: datetime, held: Sequence[str], limit: int) -> int:
        """Delete versions of states that another one replaced before `before`."""
        newer = state_versions.alias()
        replaced = sa.exists().where(
            newer.c.workspace_id == state_versions.c.workspace_id,
            newer.c.position > state_versions.c.position,
            newer.c.refused == "",
            newer.c.created_at < before,
        )
        old = (
            sa.select(state_versions.c.position)
            .where(
                state_versions.c.created_at < before,
                ~state_versions.c.waits,
                replaced,
                _free(state_versions.c.workspace_id, held),
            )
            .order_by(state_versions.c.position)
            .limit(limit)
        )
        found = self._connection.execute(old).scalars().all()
        self._connection.execute(sa.delete(state_versions).where(state_versions.c.position.in_(found)))
        return len(found)

    def _old_runs(
        self, before: datetime, held: Sequence[str], limit: int, kept: sa.ColumnElement[bool]
    ) -> Sequence[str]:
        newer = runs.alias()
        # The newest run of a workspace stays whole: what is applied next is compared with it.
        followed = sa.exists().where(
            newer.c.workspace_id == runs.c.workspace_id,
            ~newer.c.plan_only,
            newer.c.sequence > runs.c.sequence,
            newer.c.status == lifecycle.RunStatus.APPLIED.value,
        )
        query = (
            sa.select(runs.c.id)
            .where(
                ~runs.c.plan_only,
                runs.c.status.in_(_FINAL),
                runs.c.status_at < before,
                followed,
                kept,
                _free(runs.c.workspace_id, held),
            )
            .order_by(runs.c.status_at)
            .limit(limit)
        )
        return self._connection.execute(query).scalars().all()


def _free(workspace_id: sa.Column[str], held: Sequence[str]) -> sa.ColumnElement[bool]:
    return workspace_id.not_in(sa.select(workspaces.c.id).where(workspaces.c.name.in_(held)))
