"""Approvals in the database: the Approvals port."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from bot.domain.approval import ApprovalRecord, ApprovalState
from bot.domain.errors import NotFound
from bot.domain.permissions import Role
from bot.store.approval_tables import approvals


class SqlApprovals:
    """Approvals of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, record: ApprovalRecord) -> None:
        """Keep an approval."""
        row = {
            "id": record.id,
            "workspace_id": record.workspace_id,
            "change_number": record.change_number,
            "commit_sha": record.commit,
            "digest": record.digest,
            "shown_run_id": record.shown_run_id,
            "run_id": record.run_id,
            "approved_by": record.by,
            "role": record.role.name.lower(),
            "policy_versions": list(record.policy_versions),
            "at": record.at,
            "state": record.state.value,
            "why": record.why,
            "ended_at": record.ended_at,
        }
        self._connection.execute(sa.insert(approvals).values(**row))

    def get(self, approval_id: str) -> ApprovalRecord:
        """Return an approval. Raises NotFound."""
        query = sa.select(approvals).where(approvals.c.id == approval_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            raise NotFound(f"there is no approval {approval_id}")
        return _read(row)

    def save(self, record: ApprovalRecord) -> None:
        """Keep what became of an approval: its state, run, reason and end; the rest never changes."""
        self._connection.execute(
            sa.update(approvals)
            .where(approvals.c.id == record.id)
            .values(state=record.state.value, run_id=record.run_id, why=record.why, ended_at=record.ended_at)
        )

    def of_change(self, workspace_id: str, change_number: int | None) -> Sequence[ApprovalRecord]:
        """Return what was approved in a workspace on a change, or of no change's, newest first."""
        query = (
            sa.select(approvals)
            .where(approvals.c.workspace_id == workspace_id, approvals.c.change_number == change_number)
            .order_by(approvals.c.at.desc(), approvals.c.id.desc())
        )
        return [_read(row) for row in self._connection.execute(query).mappings()]


def _read(row: sa.RowMapping) -> ApprovalRecord:
    return ApprovalRecord(
        id=row["id"],
        workspace_id=row["workspace_id"],
        change_number=row["change_number"],
        commit=row["commit_sha"],
        digest=row["digest"],
        shown_run_id=row["shown_run_id"],
        by=row["approved_by"],
        role=Role[row["role"].upper()],
        at=row["at"],
        policy_versions=tuple(row["policy_versions"]),
        state=ApprovalState(row["state"]),
        run_id=row["run_id"],
        why=row["why"],
        ended_at=row["ended_at"],
    )
