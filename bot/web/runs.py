"""The pages of a run, and the buttons on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from flask import Blueprint, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import NotFound
from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Person
from bot.domain.run import Run
from bot.web import access, rows, run_page
from bot.web.needs import Controls, services

COMMENT_LIMIT = 1000
"""How many characters of a comment are kept in the timeline."""

SEEN = "X-Plangate-Seen"

blueprint = Blueprint("runs", __name__)

_VERBS: dict[str, Callable[[Controls, str, Person, str], Run]] = {
    "confirm": lambda controls, run_id, person, comment: controls.confirm(run_id, person, comment),
    "discard": lambda controls, run_id, person, comment: controls.discard(run_id, person, comment),
    "override": lambda controls, run_id, person, comment: controls.override(run_id, person, comment),
    "cancel": lambda controls, run_id, person, comment: controls.cancel(run_id, person, comment),
    "force-cancel": lambda controls, run_id, person, comment: controls.force_cancel(run_id, person, comment),
    "retry": lambda controls, run_id, person, _: controls.retry(run_id, person),
}


@blueprint.get("/runs/<run_id>")
def show(run_id: str) -> str:
    """Show a run."""
    person = access.person_asking()
    with services().store.reading() as tx:
        found = run_page.find(tx, run_id, _seen())
    if found.run.status is RunStatus.POLICY_OVERRIDE:
        found = replace(found, may_override=services().controls.may_override(run_id, person))
    return render_template("run.html", page=run_page.build(found, person))


@blueprint.get("/runs/<run_id>/output/<stage>")
def output(run_id: str, stage: str) -> Response:
    """Give a stage's output as it is kept: masked, in plain text."""
    if stage not in ("plan", "apply"):
        raise NotFound(f"a run has a plan and an apply, but no {stage}")
    with services().store.reading() as tx:
        tx.runs.get(run_id)
        text = tx.artifacts.output(run_id, stage)
    return Response(text, mimetype="text/plain")


def _seen() -> dict[str, int]:
    """Return up to where a page that renews itself has the output already: `plan=1200 apply=0`."""
    seen = {}
    for part in request.headers.get(SEEN, "")[:200].split():
        stage, _, end = part.partition("=")
        if end.isascii() and end.isdigit() and len(end) < 10:
            seen[stage] = int(end)
    return seen


@blueprint.post("/runs/<run_id>/<verb>")
def act(run_id: str, verb: str) -> AnyResponse:
    """Carry out a button, and show the run as it is then."""
    person = access.person_asking()
    wish = _VERBS.get(verb)
    if wish is None:
        raise NotFound(
            f"a run can be confirmed, overridden, discarded, canceled, retried; {verb} is none of these"
        )
    comment = request.form.get("comment", "").strip()[:COMMENT_LIMIT]
    run = wish(services().controls, run_id, person, comment)
    return redirect(rows.run_url(run.id), 303)
