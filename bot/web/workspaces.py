"""The pages of the workspaces: the list of all, and one with its queue and its runs."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, render_template, request, url_for

from bot.domain import lifecycle
from bot.domain.lifecycle import RunStatus
from bot.domain.run import Run
from bot.domain.workspace import Lock, Workspace
from bot.services.ports import RunQuery, Transaction
from bot.services.turns import why_it_waits
from bot.web import access, controls, rows
from bot.web.needs import services
from bot.web.output import harmless
from bot.web.pages import Fact, Filter, HomePage, Link, WorkspacePage, WorkspaceRow

PER_PAGE = 30

blueprint = Blueprint("workspaces", __name__)

_Pair = tuple[Workspace, Run | None]
_FILTERS: tuple[tuple[str, str, Callable[[Workspace, Run | None], bool]], ...] = (
    ("", "All", lambda *_: True),
    (
        "attention",
        "Needs attention",
        lambda _, run: run is not None and run.status in lifecycle.AWAITS_PERSON,
    ),
    ("errored", "Errored", lambda _, run: run is not None and run.status is RunStatus.ERRORED),
    ("running", "Running", lambda _, run: run is not None and run.status in lifecycle.WORKING),
    ("hold", "On hold", lambda workspace, _: workspace.lock is not None),
    ("applied", "Applied", lambda _, run: run is not None and run.status is RunStatus.APPLIED),
)


@blueprint.get("/")
def home() -> str:
    """Show every workspace with the run in progress, else the latest one."""
    person = access.person_asking()
    with services().store.reading() as tx:
        every = tx.workspaces.all()
    readable = access.readable(workspace.repo for workspace in every)
    with services().store.reading() as tx:
        pairs = [(one, _current(tx, one)) for one in every if one.repo in readable]
    wanted = request.args.get("show", "")
    chosen = next((fits for key, _, fits in _FILTERS if key == wanted), _FILTERS[0][2])
    filters = tuple(
        Filter(
            label,
            url_for(".home", show=key or None),
            sum(fits(*pair) for pair in pairs),
            fits is chosen,
        )
        for key, label, fits in _FILTERS
    )
    live = any(run is not None and not run.final for _, run in pairs)
    page = HomePage(
        chrome=rows.chrome("Workspaces", person, "workspaces", live),
        filters=filters,
        rows=tuple(_row(pair) for pair in pairs if chosen(*pair)),
        any_workspace=bool(pairs),
    )
    return render_template("home.html", page=page)


@blueprint.get("/workspaces/<path:name>")
def show(name: str) -> str:
    """Show a workspace's queue and its runs, newest first."""
    person = access.person_asking()
    number = rows.page_number()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        queue = tx.runs.queue(workspace.id)
        waits = {run.id: why_it_waits(tx, workspace, run, queue) for run in queue}
        asked = controls.build(tx, workspace, queue, person)
        query = RunQuery(workspace_id=workspace.id, limit=PER_PAGE + 1, offset=(number - 1) * PER_PAGE)
        found = tx.runs.find(query)
    live = bool(queue) or any(not run.final for run in found)
    words = rows.words_of(workspace.repo)
    page = WorkspacePage(
        chrome=rows.chrome(workspace.name, person, "workspaces", live),
        name=workspace.name,
        change=words.change,
        tabs=rows.tabs(workspace.name, "runs"),
        facts=_facts(workspace),
        locked=_locked(workspace.lock),
        controls=asked,
        queue=tuple(rows.run_row(run, words, waits[run.id]) for run in queue),
        rows=tuple(rows.run_row(run, words) for run in found[:PER_PAGE]),
        pager=rows.pager(number, len(found) > PER_PAGE, ".show", name=name),
    )
    return render_template("workspace.html", page=page)


def _current(tx: Transaction, workspace: Workspace) -> Run | None:
    """Return the run in progress, else the latest that may apply, else the latest preview."""
    queue = tx.runs.queue(workspace.id)
    if queue:
        return queue[0]
    for plan_only in (False, True):
        found = tx.runs.find(RunQuery(workspace_id=workspace.id, plan_only=plan_only, limit=1))
        if found:
            return found[0]
    return None


def _row(pair: _Pair) -> WorkspaceRow:
    workspace, run = pair
    return WorkspaceRow(
        name=workspace.name,
        url=rows.workspace_url(workspace.name),
        place="/".join(part for part in (workspace.repo.path, workspace.working_directory) if part),
        locked=_locked(workspace.lock),
        run=rows.run_row(run, rows.words_of(workspace.repo)) if run else None,
    )


def _facts(workspace: Workspace) -> tuple[Fact, ...]:
    triggers = workspace.triggers
    runs_on = triggers.watched(workspace.working_directory) if triggers.file_triggers else "every push"
    if triggers.tag_regex:
        runs_on = f"tags that match {triggers.tag_regex}"
    return (
        Fact("Repository", Link(workspace.repo.path)),
        Fact("Branch", Link(workspace.branch or "the default branch")),
        Fact("Directory", Link(workspace.working_directory or "the root")),
        Fact("Runs on", Link(runs_on)),
        *((Fact("Runs after", Link(", ".join(workspace.run_triggers))),) if workspace.run_triggers else ()),
        Fact("Auto-apply", Link("on" if workspace.auto_apply else "off")),
        Fact("Engine", Link(" ".join((workspace.engine.value, workspace.engine_version)).strip())),
    )


def _locked(lock: Lock | None) -> str:
    if lock is None:
        return ""
    return harmless(f"Locked by {lock.by}" + (f": {lock.reason}" if lock.reason else ""))
