"""Policy checks: what policies say of runs."""

from __future__ import annotations

from flask import Response

from bot.domain.errors import Invalid, NotFound
from bot.domain.runs.run import Run
from bot.web.api import documents, rights
from bot.web.api.registry import ApiRoutes
from bot.web.api.shapes.policy_checks import (
    policy_check_resource,
    policy_check_text,
    run_of_policy_check,
    was_judged,
)
from bot.web.request.services import services

routes = ApiRoutes("policy-checks")

_ID = "/policy-checks/<check_id>"
_TYPE = "policy-checks"


@routes.get(_ID, summary="Show what policies say of a run", gives=_TYPE)
def show(check_id: str) -> Response:
    """Answer with a policy check."""
    run = _run(check_id)
    with services().store.reading() as tx:
        found = policy_check_resource(run, tx.runs.timeline(run.id), tx.policies.of_run(run.id))
    return documents.one(found)


@routes.get("/runs/<run_id>/policy-checks", summary="List the policy checks of a run", gives=_TYPE, many=True)
def listing(run_id: str) -> Response:
    """Answer with the policy check of a run, if policies judge it."""
    run, _, _ = rights.run(run_id)
    with services().store.reading() as tx:
        timeline = tx.runs.timeline(run.id)
        judged = [run] if was_judged(timeline) else []
        return documents.every(
            policy_check_resource(each, timeline, tx.policies.of_run(each.id)) for each in judged
        )


@routes.get(f"{_ID}/output", summary="Read the results of the policies as text")
def output(check_id: str) -> Response:
    """Answer with the text that the CLI prints."""
    run = _run(check_id)
    with services().store.reading() as tx:
        checks = tx.policies.of_run(run.id)
    return Response(policy_check_text(run, checks, _page(run)), mimetype="text/plain")


@routes.post(f"{_ID}/actions/override", summary="Refused: people override on the page of the run")
def override(check_id: str) -> Response:
    """Refuse, and say where people override."""
    run = _run(check_id)
    raise Invalid(f"tokens never override policies: an owner does that on the page of the run, {_page(run)}")


def _page(run: Run) -> str:
    return f"{services().addresses.public}/runs/{run.id}"


def _run(check_id: str) -> Run:
    run, _, _ = rights.run(run_of_policy_check(check_id))
    with services().store.reading() as tx:
        if not was_judged(tx.runs.timeline(run.id)):
            raise NotFound(f"there is no policy check {check_id}")
    return run
