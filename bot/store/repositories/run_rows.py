"""Runs and the lines of their timelines as rows, and back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.plans.modes import Modes
from bot.domain.plans.plan import Counts
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Approval, AsPlanned, RestOf, Run, RunEvent, RunSource
from bot.store.repositories.freezes import frozen_row, read_frozen
from bot.store.repositories.merges import applied_row, merge_row, read_applied, read_merge


def run_row(run: Run) -> dict[str, Any]:
    """Return a run as a row."""
    return {
        "id": run.id,
        "workspace_id": run.workspace_id,
        "sequence": run.sequence,
        "version": run.version,
        "status": run.status.value,
        "source": run.source.value,
        "plan_only": run.plan_only,
        "commit_sha": run.commit,
        "branch": run.branch,
        "message": run.message,
        "created_by": run.created_by,
        "created_at": run.created_at,
        "status_at": run.status_at,
        "auto_apply": run.auto_apply,
        "change_number": run.change_number,
        "modes": {
            "destroy": run.modes.destroy,
            "refresh_only": run.modes.refresh_only,
            "replace_addrs": list(run.modes.replace_addrs),
            "target_addrs": list(run.modes.target_addrs),
            **({} if run.modes.refresh else {"refresh": False}),
        },
        "plan_status": run.plan_status.value,
        "apply_status": run.apply_status.value,
        "has_changes": run.has_changes,
        "counts": _counts_row(run.counts),
        "digest": run.digest,
        "engine_version": run.engine_version,
        "approval": _approval_row(run.approval),
        "confirmed_by": run.confirmed_by,
        "delta": run.delta,
        "lacks": run.lacks,
        "error": run.error,
        "cancel_requested_by": run.cancel_requested_by,
        "cancel_requested_at": run.cancel_requested_at,
        "force_cancel": run.force_cancel,
        "merge": merge_row(run.merge),
        "as_applied": applied_row(run.as_applied),
        "as_planned": None if run.as_planned is None else asdict(run.as_planned),
        "after": list(run.after),
        "rest_of": None if run.rest_of is None else asdict(run.rest_of),
        "frozen": frozen_row(run.frozen),
        "freeze_ignored": run.freeze_ignored,
        "configuration_version": run.configuration_version,
        "save_plan": run.save_plan,
        "allow_empty_apply": run.allow_empty_apply,
        "client": run.client,
    }


def read_run(row: sa.RowMapping) -> Run:
    """Return a row as a run."""
    modes = row["modes"]
    return Run(
        id=row["id"],
        workspace_id=row["workspace_id"],
        status=RunStatus(row["status"]),
        source=RunSource(row["source"]),
        plan_only=row["plan_only"],
        commit=row["commit_sha"],
        branch=row["branch"],
        message=row["message"],
        created_by=row["created_by"],
        created_at=row["created_at"],
        status_at=row["status_at"],
        auto_apply=row["auto_apply"],
        change_number=row["change_number"],
        modes=Modes(
            destroy=modes["destroy"],
            refresh_only=modes["refresh_only"],
            replace_addrs=tuple(modes["replace_addrs"]),
            target_addrs=tuple(modes["target_addrs"]),
            refresh=modes.get("refresh", True),
        ),
        sequence=row["sequence"],
        version=row["version"],
        plan_status=StageStatus(row["plan_status"]),
        apply_status=StageStatus(row["apply_status"]),
        has_changes=row["has_changes"],
        counts=Counts(**row["counts"]) if row["counts"] else None,
        digest=row["digest"],
        engine_version=row["engine_version"],
        approval=_read_approval(row["approval"]),
        confirmed_by=row["confirmed_by"],
        delta=row["delta"],
        lacks=row["lacks"],
        error=row["error"],
        cancel_requested_by=row["cancel_requested_by"],
        cancel_requested_at=row["cancel_requested_at"],
        force_cancel=row["force_cancel"],
        merge=read_merge(row["merge"]),
        as_applied=read_applied(row["as_applied"]),
        as_planned=AsPlanned(**row["as_planned"]) if row["as_planned"] else None,
        after=tuple(row["after"]),
        rest_of=RestOf(**row["rest_of"]) if row["rest_of"] else None,
        frozen=read_frozen(row["frozen"]),
        freeze_ignored=row["freeze_ignored"],
        configuration_version=row["configuration_version"],
        save_plan=row["save_plan"],
        allow_empty_apply=row["allow_empty_apply"],
        client=row["client"],
    )


def event_row(event: RunEvent) -> dict[str, Any]:
    """Return a line of the timeline as a row."""
    return {
        "run_id": event.run_id,
        "at": event.at,
        "kind": event.kind,
        "actor": event.actor,
        "message": event.message,
    }


def read_event(row: sa.RowMapping) -> RunEvent:
    """Return a row as a line of the timeline."""
    return RunEvent(row["run_id"], row["at"], row["kind"], row["actor"], row["message"])


def _counts_row(counts: Counts | None) -> dict[str, int] | None:
    return None if counts is None else asdict(counts)


def _approval_row(approval: Approval | None) -> dict[str, str] | None:
    if approval is None:
        return None
    return {
        "by": approval.by,
        "digest": approval.digest,
        "shown_run_id": approval.shown_run_id,
        "at": approval.at.isoformat(),
        "id": approval.id,
    }


def _read_approval(row: dict[str, str] | None) -> Approval | None:
    if row is None:
        return None
    at = datetime.fromisoformat(row["at"])
    return Approval(row["by"], row["digest"], row["shown_run_id"], at, row.get("id", ""))
