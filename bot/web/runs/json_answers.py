"""What programs are told, in JSON: workspaces, runs, and what came of a wish.

Fields are spelled as in HashiCorp's runs API where it has them. Errors are told by failures.py.
"""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, url_for

from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Action
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.ports import Overview, RunQuery, Transaction
from bot.services.turns import why_it_waits
from bot.web import access, rows, run_asks
from bot.web.needs import services

PER_PAGE = 50

_Fields = dict[str, Any]


def workspaces(found: tuple[Overview, ...], number: int, total: int) -> Response:
    """Tell of a part of the list of workspaces, each with the run that it is shown with."""
    data = [_workspace(each) for each in found]
    return jsonify({"data": data, "meta": {"pagination": {"current-page": number, "total-count": total}}})


def runs(name: str) -> Response:
    """Tell of a part of a workspace's runs, newest first. Raises NotFound."""
    number = rows.page_number()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        query = RunQuery(workspace_id=workspace.id, limit=PER_PAGE + 1, offset=(number - 1) * PER_PAGE)
        found = tx.runs.find(query)
        data = [_run(tx, workspace, run) for run in found[:PER_PAGE]]
    more = number + 1 if len(found) > PER_PAGE else None
    return jsonify({"data": data, "meta": {"pagination": {"current-page": number, "next-page": more}}})


def run(run_id: str, status: int = 200) -> Response:
    """Tell of a run as it is now. Raises NotFound."""
    with services().store.reading() as tx:
        found = tx.runs.get(run_id)
        said = jsonify({"data": _run(tx, tx.workspaces.get(found.workspace_id), found)})
    said.status_code = status
    return said


def _workspace(each: Overview) -> _Fields:
    workspace, shown = each.workspace, each.run
    at = rows.workspace_url(workspace.name)
    return {
        "id": workspace.id,
        "type": "workspaces",
        "attributes": {
            "name": workspace.name,
            "vcs-repo": {
                "forge": workspace.repo.forge,
                "identifier": workspace.repo.path,
                "branch": workspace.branch,
            },
            "working-directory": workspace.working_directory,
            "auto-apply": workspace.auto_apply,
            "locked": workspace.lock is not None,
        },
        "relationships": {
            "current-run": {
                "data": shown
                and {"id": shown.id, "type": "runs", "attributes": {"status": shown.status.value}},
                "links": {"related": rows.run_url(shown.id)} if shown else {},
            }
        },
        "links": {
            "self": at,
            "html": services().addresses.public + at,
            "queue-plan": url_for("controls.queue_plan", name=workspace.name),
        },
    }


def _run(tx: Transaction, workspace: Workspace, run: Run) -> _Fields:
    at = rows.run_url(run.id)
    asks = run_asks.asks(run, access.person_asking(), may_override=False)
    links = {
        "self": at,
        "html": services().addresses.public + at,
        "plan-output": url_for("runs.output", run_id=run.id, stage="plan"),
        "apply-output": url_for("runs.output", run_id=run.id, stage="apply"),
    }
    if access.person_asking().may(Action.COMMENT):
        links["comment"] = url_for("runs.comment", run_id=run.id)
    return {
        "id": run.id,
        "type": "runs",
        "attributes": _attributes(run)
        | {
            # What whoever asks may do with it now; `links` says where.
            "actions": {f"is-{_ABLE[verb]}": any(ask.verb == verb for ask in asks) for verb in _ABLE},
            "awaits": _awaits(tx, workspace, run),
        },
        "relationships": {
            "workspace": {
                "data": {"id": workspace.id, "type": "workspaces"},
                "links": {"related": rows.workspace_url(workspace.name)},
            }
        },
        "links": links | {ask.verb: ask.url for ask in asks},
    }


_ABLE = {
    "confirm": "confirmable",
    "discard": "discardable",
    "cancel": "cancelable",
    "force-cancel": "force-cancelable",
    "retry": "retryable",
}


def _attributes(run: Run) -> _Fields:
    counts, modes = run.counts, run.modes
    return {
        "status": run.status.value,
        "source": run.source.value,
        "message": run.message,
        "commit": run.commit,
        "branch": run.branch,
        "change": run.change_number,
        "created-by": run.created_by,
        "created-at": run.created_at.isoformat(),
        "status-at": run.status_at.isoformat(),
        "confirmed-by": run.confirmed_by,
        "plan-only": run.plan_only,
        "auto-apply": run.auto_apply,
        "is-destroy": modes.destroy,
        "refresh-only": modes.refresh_only,
        "replace-addrs": list(modes.replace_addrs),
        "target-addrs": list(modes.target_addrs),
        "has-changes": run.has_changes,
        "resource-additions": None if counts is None else counts.add,
        "resource-changes": None if counts is None else counts.change,
        "resource-destructions": None if counts is None else counts.destroy,
        "resource-imports": None if counts is None else counts.imports,
        "terraform-version": run.engine_version,
        "error": run.error,
    }


def _awaits(tx: Transaction, workspace: Workspace, run: Run) -> str:
    """Say what the run waits for, empty where it is at work or finished."""
    if run.awaits_confirmation:
        return "confirmation"
    if run.status is RunStatus.POLICY_OVERRIDE:
        return "policy override"
    return "" if run.final else why_it_waits(tx, workspace, run)
