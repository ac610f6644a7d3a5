"""The pages of the workspaces: the list of all, and one with its queue and its runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import NotFound
from bot.domain.runs import lifecycle
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import RunQuery, RunSearchQuery, RunState, Transaction
from bot.services.runs.queue_position import why_it_waits
from bot.web.page import elements, wording
from bot.web.page.layout import Fact, Link
from bot.web.request import access, bodies
from bot.web.request.services import services
from bot.web.runs import json_answers
from bot.web.search import asked as asking
from bot.web.search import routes as search
from bot.web.search.context import Fields
from bot.web.workspaces import build as overview
from bot.web.workspaces import controls
from bot.web.workspaces import forecasts as workspace_forecasts
from bot.web.workspaces import settings as workspace_settings
from bot.web.workspaces.context import WorkspacePage

PER_PAGE = 30

QUEUE_SHOWN = 5
"""How many of those that wait are shown unfolded."""

blueprint = Blueprint("workspaces", __name__)


@blueprint.get("/")
def home() -> Response:
    """Show the workspaces that the person may see, each with the run in progress, else the latest one."""
    if bodies.wants_json():
        part = overview.listed()
        return json_answers.workspaces(part.found, part.number, part.total)
    return make_response(render_template("home.html", page=overview.home()))


@blueprint.get("/workspaces/<path:name>")
def show(name: str) -> Response:
    """Show a workspace's queue and its runs, newest first."""
    if bodies.wants_json():
        return json_answers.runs(name)
    person = access.person_asking()
    number = elements.page_number()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        queue = tx.runs.queue(workspace.id)
        waits = {run.id: why_it_waits(tx, workspace, run, queue) for run in queue}
        asked = controls.build(tx, workspace, queue, person)
        latest = _latest(tx, workspace)
        seen, drifted = tx.overviews.of(workspace), bool(tx.drifts.lasting(workspace.id))
    found, total, asked_for = _runs(workspace, number)
    words = elements.words_of(workspace.repo)
    waiting = tuple(elements.run_row(run, words, waits[run.id], of=workspace) for run in queue[1:])
    live = bool(queue) or any(not run.final for run, _ in found)
    page = WorkspacePage(
        chrome=elements.chrome(workspace.name, person, "workspaces", live),
        name=workspace.name,
        change=words.change,
        tabs=elements.tabs(workspace.name, "runs"),
        facts=_facts(workspace),
        standing=overview.standing(seen, drifted=drifted),
        badge=wording.badge_of(seen.run) if seen.run else None,
        current=elements.run_row(queue[0], words, waits[queue[0].id], of=workspace) if queue else None,
        current_url=url_for(".current", name=name),
        latest=elements.run_row(latest, words, of=workspace) if latest else None,
        latest_url=url_for(".latest", name=name),
        locked=overview.locked(workspace.lock),
        controls=asked,
        queue=waiting[:QUEUE_SHOWN],
        queue_rest=waiting[QUEUE_SHOWN:],
        rows=tuple(elements.run_row(run, words, of=workspace) for run, _ in found),
        pager=elements.numbered(number, PER_PAGE, total, ".show", name=name, **_kept(asked_for)),
        filters=search.filters(asked_for.state, "workspaces.show", {"name": name, **_kept(asked_for)}),
        q=asked_for.q,
        state=asked_for.state,
        total=search.counted(total),
    )
    return make_response(render_template("workspace.html", page=page))


def _runs(workspace: Workspace, number: int) -> tuple[Sequence[tuple[Run, Workspace]], int, Fields]:
    """Return the part of the workspace's runs that is asked for, and how many match."""
    asked = asking.fields(request.args)
    query = RunSearchQuery(state=RunState(asked.state), workspace=workspace.name)
    found, total = search.find(query, asked.q, number, PER_PAGE)
    return found, total, asked


def _kept(asked: Fields) -> dict[str, Any]:
    state = asked.state if asked.state != RunState.ALL.value else ""
    return {name: value for name, value in (("state", state), ("q", asked.q)) if value}


@blueprint.get("/workspaces/<path:name>/current")
def current(name: str) -> AnyResponse:
    """Lead to the run that is in progress, or whose turn is next. Raises NotFound."""
    with services().store.reading() as tx:
        queue = tx.runs.queue(tx.workspaces.named(name).id)
    return _lead_to(queue[0] if queue else None, f"no run is in progress in {name}")


@blueprint.get("/workspaces/<path:name>/latest")
def latest(name: str) -> AnyResponse:
    """Lead to the newest run that is finished and could have been applied. Raises NotFound."""
    with services().store.reading() as tx:
        found = _latest(tx, tx.workspaces.named(name))
    return _lead_to(found, f"no run of {name} is finished yet")


@blueprint.get("/workspaces/<path:name>/settings")
def settings(name: str) -> str:
    """Show a workspace's settings and the origin of each."""
    return render_template("workspace_settings.html", page=workspace_settings.build(name))


@blueprint.get("/workspaces/<path:name>/forecasts")
def forecasts(name: str) -> str:
    """Show what the workspace's open changes do to each other."""
    return render_template("workspace_forecasts.html", page=workspace_forecasts.build(name))


def _lead_to(run: Run | None, otherwise: str) -> AnyResponse:
    if run is None:
        raise NotFound(otherwise)
    return json_answers.run(run.id) if bodies.wants_json() else redirect(elements.run_url(run.id), 303)


def _latest(tx: Transaction, workspace: Workspace) -> Run | None:
    """Return the newest run that is finished and could have been applied."""
    final = frozenset(status.value for status in lifecycle.FINAL)
    query = RunQuery(workspace_id=workspace.id, plan_only=False, statuses=final, limit=1)
    return next(iter(tx.runs.find(query)), None)


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
        *((Fact("Applied after", Link(", ".join(workspace.depends_on))),) if workspace.depends_on else ()),
        *(
            (Fact("Gets", Link(", ".join(each.source for each in workspace.inputs))),)
            if workspace.inputs
            else ()
        ),
        Fact("Auto-apply", Link("on" if workspace.auto_apply else "off")),
        Fact("Engine", Link(" ".join((workspace.engine.value, workspace.engine_version)).strip())),
    )
