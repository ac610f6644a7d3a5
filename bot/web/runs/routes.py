"""The page of a run, the buttons on it, and the comments of people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, Response, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import Conflict, IllegalMove, Invalid, NotFound, PlangateError
from bot.domain.lifecycle import RunStatus, StageStatus
from bot.domain.permissions import Person
from bot.domain.run import Run
from bot.services.plan_views import PlanViews
from bot.web import access, bodies, failures, json_answers, resource_tree, rows, run_asks, run_page
from bot.web.needs import Controls, services
from bot.web.run_page import Extra
from bot.web.seen import STAGES

COMMENT_LIMIT = 1000
"""How many characters of a comment are kept in the timeline."""

BARE = "X-Plangate-Bare"
"""The header by which a page that follows its run asks for itself: it has the output already."""

blueprint = Blueprint("runs", __name__)

_VERBS: dict[str, Callable[[Controls, str, Person, str], Run]] = {
    "confirm": lambda controls, run_id, person, comment: controls.confirm(run_id, person, comment),
    "discard": lambda controls, run_id, person, comment: controls.discard(run_id, person, comment),
    "override": lambda controls, run_id, person, comment: controls.override(run_id, person, comment),
    "cancel": lambda controls, run_id, person, comment: controls.cancel(run_id, person, comment),
    "force-cancel": lambda controls, run_id, person, comment: controls.force_cancel(run_id, person, comment),
    "retry": lambda controls, run_id, person, comment: controls.retry(
        run_id, person, comment, _retry_id(run_id, person)
    ),
}


@blueprint.get("/runs/<run_id>")
def show(run_id: str) -> Response:
    """Show a run."""
    if bodies.wants_json():
        return json_answers.run(run_id)
    return _page(run_id)


@blueprint.get("/runs/<run_id>/output/<stage>")
def output(run_id: str, stage: str) -> Response:
    """Give a stage's output as it is kept: masked, in plain text."""
    if stage not in STAGES:
        raise NotFound(f"a run has a plan and an apply, but no {stage}")
    with services().store.reading() as tx:
        tx.runs.get(run_id)
        text = tx.artifacts.output(run_id, stage)
    return Response(text, mimetype="text/plain")


@blueprint.post("/runs/<run_id>/comment")
def comment(run_id: str) -> AnyResponse:
    """Put a comment into the run's timeline."""
    try:
        services().controls.comment(run_id, access.person_asking(), _comment())
    except Invalid as error:
        return _problem(run_id, error, 400)
    return _then(run_id)


@blueprint.post("/runs/<run_id>/<verb>")
def act(run_id: str, verb: str) -> AnyResponse:
    """Carry out a button, and show the run as it is then."""
    person = access.person_asking()
    wish = _VERBS.get(verb)
    if wish is None:
        raise NotFound(
            f"a run can be confirmed, overridden, discarded, canceled, retried; {verb} is none of these"
        )
    try:
        run = wish(services().controls, run_id, person, _comment())
    except Invalid as error:
        return _problem(run_id, error, 400)
    except (IllegalMove, Conflict) as error:
        with services().store.reading() as tx:
            run = tx.runs.get(run_id)
            overridden_by = {check.override.by for check in tx.policies.of_run(run_id) if check.override}
        if not run_asks.done_already(run, verb, person, overridden_by):
            return _problem(run_id, error, 409)
    return _then(run.id)


def _then(run_id: str) -> AnyResponse:
    """Lead to the run as it is then, or tell a program."""
    if bodies.wants_json():
        return json_answers.run(run_id, 202)
    return redirect(rows.run_url(run_id), 303)


def _problem(run_id: str, error: PlangateError, status: int) -> Response:
    """Show the run with what went wrong, or tell a program only that."""
    if bodies.wants_json():
        return failures.answer(status, str(error))
    return _page(run_id, str(error), status)


def _page(run_id: str, problem: str = "", status: int = 200) -> Response:
    """Show the run, with what went wrong if something did."""
    person = access.person_asking()
    with services().store.reading() as tx:
        found = run_page.find(tx, run_id, bare=BARE in request.headers)
    extra = Extra(wish=resource_tree.read_wish(request.args), problem=problem)
    if found.run.plan_status is not StageStatus.PENDING:
        extra = replace(extra, view=PlanViews(services().store).of(run_id))
    if found.run.status is RunStatus.POLICY_OVERRIDE:
        extra = replace(extra, may_override=services().controls.may_override(run_id, person))
    page = run_page.build(found, person, extra)
    return make_response(render_template("run.html", page=page), status)


def _comment() -> str:
    return request.form.get("comment", "").strip()[:COMMENT_LIMIT]


def _retry_id(run_id: str, person: Person) -> str:
    once = request.form.get("once", "")[:64]
    return run_asks.retry_id(run_id, person, once) if once else ""
