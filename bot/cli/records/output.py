"""Output of runs and workspaces at the command line: text for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import click

from bot.domain.people.permissions import Person
from bot.domain.runs import lifecycle
from bot.domain.runs.actions import possible
from bot.domain.runs.run import Run, RunEvent
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import StateLock, Transaction
from bot.services.runs.queue_position import why_it_waits

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def echo_json(document: object) -> None:
    """Print a document."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def printable(text: str) -> str:
    """Return text without what would move the terminal's cursor or colour it (promise 5)."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\u{ord(c):04x}" for c in text)


def run_line(tx: Transaction, run: Run) -> str:
    """Return a run as one line, with why it waits."""
    workspace = tx.workspaces.get(run.workspace_id)
    kind = "preview" if run.plan_only else "run"
    counts = str(run.counts) if run.counts else ""
    waits = why_it_waits(tx, workspace, run)
    words = printable(run.message.partition("\n")[0][:60])
    parts = [
        f"{run.id}  {run.status.value:<20} {workspace.name}  {run.commit[:7]}  {kind} by {run.created_by}",
        " ".join(run.modes.flags),
        counts,
        words,
    ]
    line = "  ".join(part for part in parts if part)
    return f"{line}\n    {waits}" if waits else line


def run_document(
    tx: Transaction, run: Run, person: Person, now: datetime, cool_off: timedelta
) -> dict[str, Any]:
    """Return a run as a document; `possible` is what this person may do with it now."""
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
        "possible": sorted(action.value for action in possible(run, person, now, cool_off)),
    }


def run_lines(tx: Transaction, run: Run, person: Person, now: datetime, cool_off: timedelta) -> Iterator[str]:
    """Show a run: its status, the possible actions, and its timeline."""
    yield run_line(tx, run)
    yield f"    {lifecycle.LABELS[run.status]}, {run.status_at:%Y-%m-%d %H:%M:%S} UTC"
    for name, text in (("since it was approved", run.delta), ("lacks", run.lacks), ("error", run.error)):
        if text:
            yield f"    {name}: {printable(text)}"
    verbs = sorted(action.value for action in possible(run, person, now, cool_off))
    yield f"    possible now: {', '.join(verbs) or 'nothing'}"
    for event in tx.runs.timeline(run.id):
        yield _event_line(event)


def event_document(event: RunEvent) -> dict[str, str]:
    """Return a line of a timeline as a document."""
    return {
        "at": event.at.isoformat(),
        "kind": event.kind,
        "actor": event.actor,
        "message": event.message,
    }


def workspace_line(workspace: Workspace, state_lock: StateLock | None, queue: int) -> str:
    """Return a workspace as one line, with its locks and how many runs are in its queue."""
    branch = workspace.branch or "default branch"
    place = "/".join(part for part in (workspace.repo.path, workspace.working_directory) if part)
    parts = [f"{workspace.name}  {place} ({branch})", f"{queue} in the queue" if queue else ""]
    if workspace.lock is not None:
        because = f": {printable(workspace.lock.reason)}" if workspace.lock.reason else ""
        parts.append(f"locked by {workspace.lock.by}{because}")
    if state_lock is not None:
        parts.append(f"state locked by {state_lock.run_id or 'nobody we know'}")
    return "  ".join(part for part in parts if part)


def workspace_document(workspace: Workspace, state_lock: StateLock | None, queue: int) -> dict[str, Any]:
    """Return a workspace as a document."""
    lock = workspace.lock
    return {
        "id": workspace.id,
        "name": workspace.name,
        "repository": str(workspace.repo),
        "branch": workspace.branch or None,
        "working_directory": workspace.working_directory,
        "auto_apply": workspace.auto_apply,
        "allowed_modes": [mode.value for mode in workspace.allowed_modes],
        "run_triggers": list(workspace.run_triggers),
        "depends_on": list(workspace.depends_on),
        "share_state_with": list(workspace.share_state_with),
        "inputs": {each.variable: each.source for each in workspace.inputs},
        "queue": queue,
        "lock": lock and {"by": lock.by, "reason": lock.reason, "at": lock.at.isoformat()},
        "state_lock": state_lock
        and {"run": state_lock.run_id or None, "id": state_lock.lock_id, "at": state_lock.at.isoformat()},
    }


def _event_line(event: RunEvent) -> str:
    by = f" by {event.actor}" if event.actor else ""
    words = f": {printable(event.message)}" if event.message else ""
    return f"    {event.at:%H:%M:%S}  {event.kind}{by}{words}"
