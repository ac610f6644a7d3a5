"""The page of all runs: by state, workspace, repository, person, branch, commit, change, time and text."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Blueprint, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import MOST_COUNTED, OverviewQuery, RunSearchQuery, RunState
from bot.web.page import elements
from bot.web.page.layout import Filter, Link
from bot.web.page.output import harmless
from bot.web.request import access, bodies
from bot.web.request.services import services
from bot.web.runs import json_answers
from bot.web.search import asked as asking
from bot.web.search.context import Fields, RunsPage

PER_PAGE = 50
_WORKSPACES = 8

blueprint = Blueprint("search", __name__)

LABELS = {
    RunState.ALL: "All",
    RunState.ATTENTION: "Needs attention",
    RunState.RUNNING: "Running",
    RunState.WAITING: "Waiting",
    RunState.PLANNED: "Planned",
    RunState.APPLIED: "Applied",
    RunState.ERRORED: "Errored",
    RunState.STOPPED: "Stopped",
}


@blueprint.get("/runs")
def show() -> Response:
    """Show the runs that match, newest first. The id of a run leads to the run."""
    asked = asking.fields(request.args)
    if bodies.wants_json():
        return json_answers.all_runs(replace(asking.query(asked), repos=access.repos()))
    if asking.RUN_ID.fullmatch(asked.q):
        return redirect(elements.run_url(asked.q), 303)
    number = elements.page_number()
    repos = access.repos()
    base = replace(asking.query(asked), repos=repos)
    found, total = find(base, asked.q, number)
    kept = _kept(asked)
    live = any(not run.final for run, _ in found)
    page = RunsPage(
        chrome=elements.chrome(
            f"{asked.q} · Runs" if asked.q else "Runs", access.person_asking(), "runs", live
        ),
        filters=filters(asked.state, "search.show", kept),
        fields=asked,
        total=counted(total),
        rows=tuple(
            elements.run_row(run, elements.words_of(place.repo), of=place, named=True) for run, place in found
        ),
        pager=elements.numbered(number, PER_PAGE, total, "search.show", **kept),
        workspaces=_workspaces(asked.q, repos),
        filtered=bool(kept),
        more=any(getattr(asked, name) for name in asking.NAMES),
        clear_url=url_for("search.show"),
    )
    return make_response(render_template("runs.html", page=page))


def find(
    base: RunSearchQuery, text: str, number: int, per_page: int = PER_PAGE
) -> tuple[list[tuple[Run, Workspace]], int]:
    """Return a page of the runs that match, and how many match.

    A text is read in the first way that finds something.
    """
    found: list[tuple[Run, Workspace]] = []
    total = 0
    with services().store.reading() as tx:
        for reading in asking.readings(base, text):
            asked = replace(reading, limit=per_page, offset=(number - 1) * per_page)
            found = list(tx.run_search.page(asked))
            # The first page of a short list is all of it: a long search is made once.
            whole = number == 1 and len(found) < per_page
            total = len(found) if whole else tx.run_search.count(reading)
            if total:
                break
    return found, total


def filters(chosen: str, endpoint: str, kept: dict[str, Any]) -> tuple[Filter, ...]:
    """Return the filters by state."""
    return tuple(
        Filter(
            label,
            url_for(endpoint, **{**kept, "state": None if state is RunState.ALL else state.value}),
            None,
            state.value == chosen,
        )
        for state, label in LABELS.items()
    )


def counted(total: int) -> str:
    """Say how many runs there are."""
    if total > MOST_COUNTED:
        return f"More than {MOST_COUNTED:,} runs"
    return "1 run" if total == 1 else f"{total:,} runs"


def _workspaces(text: str, repos: tuple[Any, ...] | None) -> tuple[Link, ...]:
    if not text:
        return ()
    with services().store.reading() as tx:
        found = tx.overviews.page(OverviewQuery(search=text, repos=repos, limit=_WORKSPACES))
    names = [each.workspace.name for each in found]
    return tuple(Link(harmless(name), elements.workspace_url(name)) for name in names)


def _kept(asked: Fields) -> dict[str, Any]:
    """Return what every link on the page keeps."""
    state = {"state": asked.state} if asked.state != RunState.ALL.value else {}
    return {name: value for name in (*asking.NAMES, "q") if (value := getattr(asked, name))} | state
