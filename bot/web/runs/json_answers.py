"""JSON responses for programs: workspaces, runs, and results of actions.

Fields are spelled as in HashiCorp's runs API if it has them. failures.py renders errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flask import Response, jsonify, request, url_for

from bot.domain.errors import Invalid
from bot.domain.events import RepoRef
from bot.domain.people.permissions import Action, Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.documents.runs import event_document
from bot.services.documents.workspaces import workspace_document
from bot.services.ports import Overview, RunQuery, RunSearchQuery, Transaction
from bot.services.runs.queue_position import why_it_waits
from bot.web.page import elements
from bot.web.request import access
from bot.web.request.services import services
from bot.web.runs import decisions

PER_PAGE = 50

_Fields = dict[str, Any]


def workspaces(found: tuple[Overview, ...], number: int, total: int) -> Response:
    """Return a page of the list of workspaces, each with its current run."""
    data = [_workspace(each) for each in found]
    return jsonify({"data": data, "meta": {"pagination": {"current-page": number, "total-count": total}}})


def workspace(name: str) -> Response:
    """Return a workspace as it is now. Raises NotFound."""
    with services().store.reading() as tx:
        overview = tx.overviews.of(tx.workspaces.named(name))
    return jsonify({"data": _workspace(overview)})


def runs(name: str) -> Response:
    """Return a page of a workspace's runs, newest first. Raises NotFound."""
    number = elements.page_number()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        query = RunQuery(
            workspace_id=workspace.id,
            statuses=_statuses() or None,
            limit=PER_PAGE + 1,
            offset=(number - 1) * PER_PAGE,
        )
        found = tx.runs.find(query)
        data = [_run(tx, workspace, run) for run in found[:PER_PAGE]]
    more = number + 1 if len(found) > PER_PAGE else None
    return jsonify({"data": data, "meta": {"pagination": {"current-page": number, "next-page": more}}})


def all_runs(query: RunSearchQuery) -> Response:
    """Return a page of the runs that match, newest first."""
    number = elements.page_number()
    asked = replace(
        query, statuses=_statuses(), names=_reached(), limit=PER_PAGE + 1, offset=(number - 1) * PER_PAGE
    )
    with services().store.reading() as tx:
        found = tx.run_search.page(asked)
    # Outside of a transaction: the forge may be asked.
    roles, person = access.roles({place.repo for _, place in found}), access.person_asking()
    with services().store.reading() as tx:
        data = [_run(tx, place, it, _in(person, roles, place)) for it, place in found[:PER_PAGE]]
    more = number + 1 if len(found) > PER_PAGE else None
    return jsonify({"data": data, "meta": {"pagination": {"current-page": number, "next-page": more}}})


def run(run_id: str, status: int = 200) -> Response:
    """Return a run as it is now, with its timeline. Raises NotFound."""
    with services().store.reading() as tx:
        found = tx.runs.get(run_id)
        events = [
            {"type": "run-events", "attributes": event_document(event)} for event in tx.runs.timeline(run_id)
        ]
        data = _run(tx, tx.workspaces.get(found.workspace_id), found)
        said = jsonify({"data": data, "included": events})
    said.status_code = status
    return said


def attributes(document: _Fields) -> _Fields:
    """Return a document's members as attributes: with hyphens, as HashiCorp's API spells them."""
    return {name.replace("_", "-"): value for name, value in document.items()}


def _statuses() -> frozenset[str]:
    """Return the statuses that are asked for, none for all. Raises Invalid."""
    asked = frozenset(request.args.getlist("status"))
    if asked - frozenset(RunStatus):
        raise Invalid("there is no such status of a run: docs/reference/statuses.md lists them")
    return asked


def _reached() -> tuple[str, ...] | None:
    """Return the workspaces that a program's token is limited to; None if it is not limited."""
    token = access.asker().token
    if token is None or not token.workspaces:
        return None
    with services().store.reading() as tx:
        return tuple(workspace.name for workspace in tx.workspaces.all() if token.reaches(workspace.name))


def _in(person: Person, roles: Mapping[RepoRef, Role], workspace: Workspace) -> Person:
    """Return the person with their role in a workspace's repository."""
    return replace(person, role=max(person.role, roles.get(workspace.repo, Role.NONE)))


def _workspace(each: Overview) -> _Fields:
    workspace, shown = each.workspace, each.run
    at = elements.workspace_url(workspace.name)
    with services().store.reading() as tx:
        about = attributes(workspace_document(tx, workspace))
    return {
        "id": workspace.id,
        "type": "workspaces",
        "attributes": about
        | {
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
                "links": {"related": elements.run_url(shown.id)} if shown else {},
            }
        },
        "links": {
            "self": at,
            "html": services().addresses.public + at,
            "queue-plan": url_for("controls.queue_plan", name=workspace.name),
        },
    }


def _run(tx: Transaction, workspace: Workspace, run: Run, person: Person | None = None) -> _Fields:
    person = person or access.person_asking()
    at = elements.run_url(run.id)
    asks = decisions.asks(run, workspace, person, may_override=False)
    links = {
        "self": at,
        "html": services().addresses.public + at,
        "plan-output": url_for("runs.output", run_id=run.id, stage="plan"),
        "apply-output": url_for("runs.output", run_id=run.id, stage="apply"),
    }
    if person.may(Action.COMMENT):
        links["comment"] = url_for("runs.comment", run_id=run.id)
    return {
        "id": run.id,
        "type": "runs",
        "attributes": _attributes(run)
        | {
            # The actions that the person may take now; `links` has their addresses.
            "actions": {f"is-{_ABLE[verb]}": any(ask.verb == verb for ask in asks) for verb in _ABLE},
            "awaits": _awaits(tx, workspace, run),
            "waits": why_it_waits(tx, workspace, run),
            "workspace-name": workspace.name,
        },
        "relationships": {
            "workspace": {
                "data": {"id": workspace.id, "type": "workspaces"},
                "links": {"related": elements.workspace_url(workspace.name)},
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
        "base-commit": run.merge.base if run.merge else None,
        "merge-commit": run.merge.commit if run.merge else None,
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
        "plan-status": run.plan_status.value,
        "apply-status": run.apply_status.value,
        "delta": run.delta,
        "lacks": run.lacks,
        "error": run.error,
    }


def _awaits(tx: Transaction, workspace: Workspace, run: Run) -> str:
    """Say what the run waits for, empty if it is in progress or finished."""
    if run.awaits_confirmation:
        return "confirmation"
    if run.status is RunStatus.POLICY_OVERRIDE:
        return "policy override"
    return "" if run.final else why_it_waits(tx, workspace, run)
