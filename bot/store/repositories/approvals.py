"""Approvals in the database: the Approvals port."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from bot.domain.errors import NotFound
from bot.domain.people.permissions import Role
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.store.connection.in_parts import in_parts
from bot.store.schema.approvals import approvals


class SqlApprovals:
    """Approvals of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, record: ApprovalRecord) -> None:
        """Store an approval."""
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
            "configuration": record.configuration,
            "files": record.files,
            "providers": record.providers,
            "at": record.at,
            "state": record.state.value,
            "why": record.why,
            "ended_at": record.ended_at,
            "forge": record.forge,
            "uid": record.uid,
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
        """Update an approval's state, run, reason and end; the rest never changes."""
        self._connection.execute(
            sa.update(approvals)
            .where(approvals.c.id == record.id)
            .values(state=record.state.value, run_id=record.run_id, why=record.why, ended_at=record.ended_at)
        )

    def of_apply(self, run_id: str) -> ApprovalRecord | None:
        """Return the approval by which a run applies, None if it does so by itself."""
        query = (
            sa.select(approvals)
            .where(approvals.c.run_id == run_id, approvals.c.state == ApprovalState.USED.value)
            .order_by(approvals.c.at.desc(), approvals.c.id.desc())
        )
        row = self._connection.execute(query).mappings().first()
        return None if row is None else _read(row)

    def of_runs(self, run_ids: Iterable[str]) -> Mapping[str, ApprovalRecord]:
        """Return the newest approval of each run that was approved."""
        found: dict[str, ApprovalRecord] = {}
        for part in in_parts(run_ids):
            query = sa.select(approvals).where(approvals.c.run_id.in_(part))
            newest = query.order_by(approvals.c.at.desc(), approvals.c.id.desc())
            for row in self._connection.execute(newest).mappings():
                found.setdefault(row["run_id"], _read(row))
        return found

    def of_workspaces(self, workspace_ids: Iterable[str], change_number: int) -> Sequence[ApprovalRecord]:
        """Return the approvals of a change in several workspaces, newest first."""
        found: list[ApprovalRecord] = []
        for part in in_parts(workspace_ids):
            query = (
                sa.select(approvals)
                .where(approvals.c.workspace_id.in_(part), approvals.c.change_number == change_number)
                .order_by(approvals.c.at.desc(), approvals.c.id.desc())
            )
            found += [_read(row) for row in self._connection.execute(query).mappings()]
        return found

    def of_change(self, workspace_id: str, change_number: int | None) -> Sequence[ApprovalRecord]:
        """Return the approvals in a workspace for a change, or without a change, newest first."""
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
        configuration=row["configuration"],
        files=row["files"],
        providers=row["providers"],
        state=ApprovalState(row["state"]),
        run_id=row["run_id"],
        why=row["why"],
        ended_at=row["ended_at"],
        forge=row["forge"],
        uid=row["uid"],
    )
