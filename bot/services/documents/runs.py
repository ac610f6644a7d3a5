"""Documents of runs and of their timelines."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from bot.domain.people.permissions import Person
from bot.domain.runs.actions import possible
from bot.domain.runs.run import Run, RunEvent
from bot.services.ports import Transaction
from bot.services.runs.queue_position import why_it_waits


def run_document(
    tx: Transaction, run: Run, person: Person, now: datetime, cool_off: timedelta, url: str
) -> dict[str, Any]:
    """Return a run as a document: `url` is its page, `possible` what this person may do with it now."""
    workspace = tx.workspaces.get(run.workspace_id)
    return {
        "id": run.id,
        "workspace": workspace.name,
        "status": run.status.value,
        "source": run.source.value,
        "plan_only": run.plan_only,
        "commit": run.commit,
        "base_commit": run.merge.base if run.merge else None,
        "merge_commit": run.merge.commit if run.merge else None,
        "branch": run.branch,
        "change": run.change_number,
        "message": run.message,
        "created_by": run.created_by,
        "created_at": run.created_at.isoformat(),
        "status_at": run.status_at.isoformat(),
        "auto_apply": run.auto_apply,
        "modes": {
            "destroy": run.modes.destroy,
            "refresh_only": run.modes.refresh_only,
            "replace": list(run.modes.replace_addrs),
            "target": list(run.modes.target_addrs),
        },
        "plan": run.plan_status.value,
        "apply": run.apply_status.value,
        "has_changes": run.has_changes,
        "counts": None
        if run.counts is None
        else {
            "add": run.counts.add,
            "change": run.counts.change,
            "destroy": run.counts.destroy,
            "imports": run.counts.imports,
        },
        "confirmed_by": run.confirmed_by or None,
        "delta": run.delta or None,
        "lacks": run.lacks or None,
        "error": run.error or None,
        "waits": why_it_waits(tx, workspace, run) or None,
        "url": url,
        "possible": sorted(action.value for action in possible(run, person, now, cool_off)),
    }


def event_document(event: RunEvent) -> dict[str, str]:
    """Return a line of a timeline as a document."""
    return {
        "at": event.at.isoformat(),
        "kind": event.kind,
        "actor": event.actor,
        "message": event.message,
    }
