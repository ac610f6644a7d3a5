"""The page of a run, the buttons on it, and the comments of people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from flask import Blueprint, Response, jsonify, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import Conflict, IllegalMove, Invalid, NotFound, PlangateError
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run
from bot.services.outbox.audit_log import done
from bot.services.plans.plan_text import kept_text
from bot.services.plans.views import PlanViews
from bot.services.runs.output_pieces import STAGES, read_piece
from bot.web.page import elements, failures
from bot.web.page.output import MOST_LINES
from bot.web.request import access, bodies
from bot.web.request.run_actions import RunActions
from bot.web.request.services import services
from bot.web.runs import build as run_page
from bot.web.runs import decisions, json_answers, resource_tree
from bot.web.runs.build import Extra

COMMENT_LIMIT = 1000
"""How many characters of a comment are kept in the timeline."""

BARE = "X-Plangate-Bare"
"""The header by which a page that follows its run asks for itself: it has the output already."""

blueprint = Blueprint("runs", __name__)

_VERBS: dict[str, Callable[[RunActions, str, Person, str], Run]] = {
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
    """Return a stage's stored output: masked, in plain text. With `after`, piece by piece for a follower."""
    if stage not in STAGES:
        raise NotFound(f"a run has a plan and an apply, but no {stage}")
    person = access.person_asking()
    if "after" in request.args:
        store, clock, after = services().store, services().clock, request.args["after"]
        piece = read_piece(store, clock, person, run_id, stage, after)
        return jsonify(data={"type": "outputs", "attributes": asdict(piece)})
    with services().store.transaction() as tx:
        run, text = tx.runs.get(run_id), tx.artifacts.output(run_id, stage)
        done(tx, services().clock, person, AuditAction.READ_OUTPUT, run, stage)
    return Response(text, mimetype="text/plain")


@blueprint.get("/runs/<run_id>/plan.txt")
def plan_text(run_id: str) -> Response:
    """Give a run's plan as text, as we read it from the saved plan, and what runs only at its apply."""
    with services().store.reading() as tx:
        tx.runs.get(run_id)
        text = kept_text(tx, run_id)
    if text is None:
        raise NotFound("this run has no plan")
    return Response(f"{text.with_actions()}\n", mimetype="text/plain")


@blueprint.get("/runs/<run_id>/upload")
def upload(run_id: str) -> Response:
    """Download the uploaded configuration of a run, for those who may read the state. Raises NotFound."""
    with services().store.reading() as tx:
        run = tx.runs.get(run_id)
        if not run.uploaded or not access.person_asking().may(Action.EDIT_STATE):
            raise NotFound(f"{run_id} has no upload")
        data = tx.configurations.bytes_of(run.configuration_version)
    answer = make_response(data)
    answer.mimetype = "application/gzip"
    answer.headers["Content-Disposition"] = f"attachment; filename={run.configuration_version}.tar.gz"
    return answer


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
    """Carry out an action, then show the run."""
    person = access.person_asking()
    wish = _VERBS.get(verb)
    if wish is None:
        raise NotFound(
            f"a run can be confirmed, overridden, discarded, canceled, retried; {verb} is none of these"
        )
    try:
        if verb == "confirm" and not bodies.wants_json():
            _check_name(run_id)
        run = wish(services().controls, run_id, person, _comment())
    except Invalid as error:
        return _problem(run_id, error, 400)
    except (IllegalMove, Conflict) as error:
        with services().store.reading() as tx:
            run = tx.runs.get(run_id)
            overridden_by = {check.override.by for check in tx.policies.of_run(run_id) if check.override}
        if not decisions.done_already(run, verb, person, overridden_by):
            return _problem(run_id, error, 409)
    return _then(run.id)


def _check_name(run_id: str) -> None:
    with services().store.reading() as tx:
        run = tx.runs.get(run_id)
        workspace = tx.workspaces.get(run.workspace_id)
    decisions.check_name(run, workspace, request.form.get("named", ""))


def _then(run_id: str) -> AnyResponse:
    """Redirect to the run, or answer a program in JSON."""
    if bodies.wants_json():
        return json_answers.run(run_id, 202)
    return redirect(elements.run_url(run_id), 303)


def _problem(run_id: str, error: PlangateError, status: int) -> Response:
    """Show the run with the error, or answer a program only with the error."""
    if bodies.wants_json():
        return failures.answer(status, str(error))
    return _page(run_id, str(error), status)


def _page(run_id: str, problem: str = "", status: int = 200) -> Response:
    """Show the run, with what went wrong if something did."""
    person = access.person_asking()
    with services().store.reading() as tx:
        found = run_page.find(tx, run_id, bare=BARE in request.headers)
        text = kept_text(tx, run_id, MOST_LINES) if found.run.has_changes else None
    extra = Extra(text=text, wish=resource_tree.read_wish(request.args), problem=problem)
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
    return decisions.retry_id(run_id, person, once) if once else ""
