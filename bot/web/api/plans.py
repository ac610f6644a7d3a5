"""Plans and applies of runs, and their logs by bytes."""

from __future__ import annotations

from flask import Response, request

from bot.domain.errors import NotFound
from bot.domain.people.permissions import Role
from bot.domain.plans.plan import load_plan_json
from bot.domain.plans.remote_plan import redacted_plan
from bot.domain.runs.masking import TextMasker
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import ArtifactKind
from bot.services.runs.output_pieces import STAGES
from bot.services.runs.stage_log import read_log
from bot.web.api import documents, rights, signed
from bot.web.api.registry import ApiParameter, ApiRoutes, Proof
from bot.web.api.shapes.runs import apply_resource, plan_resource
from bot.web.request.api_failures import BadParameter
from bot.web.request.services import services

routes = ApiRoutes("plans")

LARGEST = 1024 * 1024
"""How many bytes of a log are given at once."""


@routes.get("/plans/<plan_id>", summary="Show a plan", gives="plans")
def plan(plan_id: str) -> Response:
    """Answer with a plan."""
    return _plan(_run_of(plan_id, "plan-"))


@routes.get("/runs/<run_id>/plan", summary="Show the plan of a run", gives="plans")
def plan_of_run(run_id: str) -> Response:
    """Answer with a run's plan."""
    return _plan(run_id)


@routes.get(
    "/plans/<plan_id>/json-output", summary="Read a plan as JSON; needs the role admin", may_be_empty=True
)
def json_output(plan_id: str) -> Response:
    """Answer with Terraform's own JSON of a plan, sensitive values included; 204 while there is none."""
    return _json_output(_run_of(plan_id, "plan-"))


@routes.get(
    "/runs/<run_id>/plan/json-output",
    summary="Read the plan of a run as JSON; needs the role admin",
    may_be_empty=True,
)
def json_output_of_run(run_id: str) -> Response:
    """Answer with Terraform's own JSON of a run's plan."""
    return _json_output(run_id)


@routes.get(
    "/plans/<plan_id>/json-output-redacted",
    summary="Read a plan as JSON, without sensitive values",
    may_be_empty=True,
)
def json_output_redacted(plan_id: str) -> Response:
    """Answer with what the CLI draws a plan from; 204 while there is none."""
    run, _, _ = rights.run(_run_of(plan_id, "plan-"))
    with services().store.reading() as tx:
        raw = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON)
        secrets = secrets_of_run(tx, run.id)
    if not raw:
        return documents.nothing(204)
    return documents.plain(redacted_plan(load_plan_json(raw), TextMasker(secrets).hide))


@routes.get("/applies/<apply_id>", summary="Show an apply", gives="applies")
def apply(apply_id: str) -> Response:
    """Answer with an apply."""
    return _apply(_run_of(apply_id, "apply-"))


@routes.get("/runs/<run_id>/apply", summary="Show the apply of a run", gives="applies")
def apply_of_run(run_id: str) -> Response:
    """Answer with a run's apply."""
    return _apply(run_id)


@routes.get(
    "/signed/<proof>/logs/<run_id>/<stage>",
    summary="Read a log by bytes: it begins with STX and ends with ETX",
    proof=Proof.SIGNED,
    query=(ApiParameter("offset", "in bytes"), ApiParameter("limit", "in bytes")),
)
def log(proof: str, run_id: str, stage: str) -> Response:
    """Answer with the next bytes of a log, none if there is nothing new."""
    if stage not in STAGES:
        raise NotFound("there is no such log")
    signed.check(proof, f"logs/{run_id}/{stage}")
    limit = min(_number("limit", LARGEST), LARGEST)
    data = read_log(services().store, run_id, stage, _number("offset", 0), limit)
    return Response(data, mimetype="text/plain")


def _plan(run_id: str) -> Response:
    run, _, _ = rights.run(run_id)
    with services().store.reading() as tx:
        return documents.one(plan_resource(tx, run))


def _json_output(run_id: str) -> Response:
    run, _, _ = rights.run(run_id, Role.ADMIN)
    with services().store.reading() as tx:
        raw = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON)
    return Response(raw, mimetype="application/json") if raw else documents.nothing(204)


def _apply(run_id: str) -> Response:
    run, _, _ = rights.run(run_id)
    with services().store.reading() as tx:
        return documents.one(apply_resource(tx, run))


def _run_of(stage_id: str, prefix: str) -> str:
    if not stage_id.startswith(prefix):
        raise NotFound(f"there is no {stage_id}")
    return "run-" + stage_id.removeprefix(prefix)


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "") or str(default)
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise BadParameter(f"{name} must be a whole number")
    return int(text)
