"""Runs: create, read, list, act on them; the queue of the organization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Response, request

from bot.domain.errors import IllegalMove, Invalid
from bot.domain.people.permissions import Person
from bot.domain.plans.modes import make_modes
from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import Workspace
from bot.services.configurations.api_runs import RunWishes
from bot.services.ports import RunQuery
from bot.web.api import documents, reading, rights
from bot.web.api.documents import ApiResource, PageOf
from bot.web.api.registry import ApiField, ApiParameter, ApiRoutes, FieldKind
from bot.web.api.shapes.runs import apply_resource, event_resource, plan_resource, run_resource, run_resources
from bot.web.api.shapes.workspaces import workspace_resource
from bot.web.api.workspaces import current_run
from bot.web.request.services import services

routes = ApiRoutes("runs")

Seen = tuple[Run, Workspace, Person]

_INCLUDES = (
    "plan",
    "apply",
    "workspace",
    "task_stages",
    "configuration_version",
    "created_by",
    "cost_estimate",
)
_FIELDS = (
    ApiField("message"),
    ApiField("is-destroy", FieldKind.BOOLEAN),
    ApiField("refresh", FieldKind.BOOLEAN),
    ApiField("refresh-only", FieldKind.BOOLEAN),
    ApiField("plan-only", FieldKind.BOOLEAN),
    ApiField("auto-apply", FieldKind.BOOLEAN, "left out: as the workspace says"),
    ApiField("target-addrs", FieldKind.ARRAY),
    ApiField("replace-addrs", FieldKind.ARRAY),
    ApiField("save-plan", FieldKind.BOOLEAN, "ends `planned_and_saved`, and holds nothing"),
    ApiField("allow-empty-apply", FieldKind.BOOLEAN, "a plan without changes can be applied"),
    ApiField("variables", FieldKind.ARRAY, "of this run alone: `key`, and `value` as an expression"),
    ApiField("terraform-version", about="not built yet: refused"),
)
_NOT_BUILT = ("terraform-version",)


@routes.post(
    "/runs",
    summary="Create a run",
    status=201,
    gives="runs",
    takes="runs",
    fields=_FIELDS,
    relationships=("workspace", "configuration-version"),
)
def create() -> Response:
    """Create a run of a workspace."""
    sent = reading.sent()
    if not sent.related("workspace"):
        raise Invalid("a run needs the relationship workspace")
    there, person = rights.workspace(sent.related("workspace"))
    for name in _NOT_BUILT:
        # Without it the run would do something else than was asked for.
        if sent.attributes.get(name):
            raise Invalid(f"{name} is not supported by this server yet")
    wishes = RunWishes(
        configuration_version=sent.related("configuration-version"),
        message=sent.text("message"),
        plan_only=sent.truth("plan-only"),
        auto_apply=sent.truth("auto-apply") if sent.has("auto-apply") else None,
        modes=make_modes(
            destroy=sent.truth("is-destroy"),
            refresh_only=sent.truth("refresh-only"),
            replace=sent.strings("replace-addrs"),
            target=sent.strings("target-addrs"),
            refresh=sent.truth("refresh", True),
        ),
        save_plan=sent.truth("save-plan"),
        allow_empty_apply=sent.truth("allow-empty-apply"),
        client=client(),
        variables=_variables(sent.attributes.get("variables", ())),
    )
    return answer((services().api_runs.create(there, person, wishes), there, person), 201)


@routes.get("/runs/<run_id>", summary="Show a run", gives="runs", includes=_INCLUDES)
def show(run_id: str) -> Response:
    """Answer with a run."""
    return answer(rights.run(run_id))


@routes.get(
    "/workspaces/<workspace_id>/runs",
    summary="List the runs of a workspace, newest first",
    gives="runs",
    many=True,
    includes=_INCLUDES,
    query=(ApiParameter("filter[status]", "statuses with commas"),),
)
def listing(workspace_id: str) -> Response:
    """Answer with the runs of a workspace."""
    there, person = rights.workspace(workspace_id)
    number, size = reading.page()
    statuses = reading.words("filter[status]")
    with services().store.reading() as tx:
        query = RunQuery(
            workspace_id=there.id, statuses=statuses or None, limit=size, offset=(number - 1) * size
        )
        part = [(run, there, person) for run in tx.runs.find(query)]
        data, total = run_resources(tx, part), tx.runs.count(query)
    return documents.many(data, PageOf(number, size, total), _included(part))


@routes.get("/runs/<run_id>/run-events", summary="Show a run's timeline", gives="run-events", many=True)
def events(run_id: str) -> Response:
    """Answer with the lines of a run's timeline."""
    run, _, _ = rights.run(run_id)
    with services().store.reading() as tx:
        timeline = tx.runs.timeline(run.id)
    return documents.every(event_resource(event, number) for number, event in enumerate(timeline))


@routes.post("/runs/<run_id>/actions/apply", summary="Confirm a run", status=202)
def apply(run_id: str) -> Response:
    """Let a run apply its plan."""
    _, _, person = rights.run(run_id)
    services().controls.confirm(run_id, person, reading.said("comment"))
    return documents.nothing(202)


@routes.post("/runs/<run_id>/actions/discard", summary="Discard a run", status=202)
def discard(run_id: str) -> Response:
    """Discard a run that waits."""
    _, _, person = rights.run(run_id)
    services().controls.discard(run_id, person, reading.said("comment"))
    return documents.nothing(202)


@routes.post("/runs/<run_id>/actions/cancel", summary="Cancel a run", status=202)
def cancel(run_id: str) -> Response:
    """Stop a run."""
    _, _, person = rights.run(run_id)
    services().controls.cancel(run_id, person, reading.said("comment"))
    return documents.nothing(202)


@routes.post("/runs/<run_id>/actions/force-cancel", summary="Kill a run", status=202)
def force_cancel(run_id: str) -> Response:
    """Kill a run that a cancel did not end."""
    run, _, person = rights.run(run_id)
    if run.cancel_requested_at is None:
        raise IllegalMove(f"{run_id} was not canceled: cancel it first")
    services().controls.force_cancel(run_id, person, reading.said("comment"))
    return documents.nothing(202)


@routes.post(
    "/runs/<run_id>/actions/force-execute", summary="Discard the runs before a pending run", status=202
)
def force_execute(run_id: str) -> Response:
    """Let a pending run go first."""
    _, _, person = rights.run(run_id)
    services().force_execute.execute(run_id, person, reading.said("comment"))
    return documents.nothing(202)


def answer(seen: Seen, status: int = 200) -> Response:
    """Answer with a run, and what it includes."""
    with services().store.reading() as tx:
        data = run_resource(tx, *seen)
    return documents.one(data, status, _included([seen]))


def client() -> str:
    """Return the program that asks, as it names itself: `Terraform/1.11.4`, `curl/8.9.1`."""
    version = request.headers.get("Terraform-Version", "")
    named = f"Terraform/{version}" if version else request.headers.get("User-Agent", "").partition(" ")[0]
    return named if named.isascii() and named.isprintable() else ""


def _variables(found: Sequence[object]) -> tuple[Variable, ...]:
    """Return the variables of a run. Raises Invalid."""
    read = {}
    for each in found:
        key, value = (each.get("key"), each.get("value")) if isinstance(each, dict) else (None, None)
        if not isinstance(key, str) or not isinstance(value, str):
            raise Invalid("each of variables has a key and a value, which are strings")
        if key in read:
            raise Invalid(f"variables has {key[:100]!a} twice")
        read[key] = Variable(key, value, hcl=True)
    return tuple(read.values())


def _included(found: list[Seen]) -> list[ApiResource]:
    organization = services().config.organization.name

    def workspaces(seen: Seen) -> list[ApiResource]:
        with services().store.reading() as tx:
            return [workspace_resource(seen[1], seen[2], organization, current_run(tx, seen[1]))]

    def plans(seen: Seen) -> list[ApiResource]:
        with services().store.reading() as tx:
            return [plan_resource(tx, seen[0])]

    def applies(seen: Seen) -> list[ApiResource]:
        with services().store.reading() as tx:
            return [apply_resource(tx, seen[0])]

    known: Mapping[str, reading.Include[Seen]] = {
        "workspace": workspaces,
        "plan": plans,
        "apply": applies,
        # There are none yet: an empty answer is what clients expect then.
        **{name: lambda _: [] for name in _INCLUDES if name not in ("workspace", "plan", "apply")},
    }
    return reading.included(found, known)
