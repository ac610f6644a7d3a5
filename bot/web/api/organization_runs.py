"""Runs of the whole organization: all, those that wait or are at work, and how many these are."""

from __future__ import annotations

from collections.abc import Mapping

from flask import Response

from bot.domain.people.permissions import Person
from bot.domain.runs.lifecycle import AT_WORK, UNDER_WAY, RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import RunQuery
from bot.web.api import documents, organizations, reading, rights
from bot.web.api.documents import ApiResource
from bot.web.api.registry import ApiParameter, ApiRoutes
from bot.web.api.shapes.runs import run_resources
from bot.web.request.services import services

routes = ApiRoutes("organization-runs")

Seen = tuple[Run, Workspace, Person]

_RUNS = "/organizations/<organization_name>/runs"


@routes.get(
    _RUNS,
    summary="List runs, newest first: pages have no totals",
    gives="runs",
    many=True,
    query=(
        ApiParameter("filter[status]", "statuses, with commas"),
        ApiParameter("filter[workspace_names]", "names, with commas"),
    ),
)
def listing(organization_name: str) -> Response:
    """Answer with the runs of the workspaces that who asks may see."""
    organizations.check_name(organization_name)
    names, statuses = reading.words("filter[workspace_names]"), reading.words("filter[status]")
    visible = {key: seen for key, seen in _visible().items() if not names or seen[0].name in names}
    number, size = reading.page()
    query = RunQuery(
        workspace_ids=frozenset(visible),
        statuses=statuses or None,
        limit=size + 1,
        offset=(number - 1) * size,
    )
    with services().store.reading() as tx:
        found = tx.runs.find(query) if visible else ()
        data = run_resources(tx, [(run, *visible[run.workspace_id]) for run in found[:size]])
    return documents.endless(data, number, size, more=len(found) > size)


@routes.get(f"{_RUNS}/queue", summary="List the runs that wait or are at work", gives="runs", many=True)
def queue(organization_name: str) -> Response:
    """Answer with the unfinished runs of the workspaces that who asks may see, oldest first."""
    organizations.check_name(organization_name)
    found = sorted(_unfinished(), key=lambda seen: seen[0].created_at)
    part, page = reading.part(found)
    with services().store.reading() as tx:
        data = run_resources(tx, part)
    return documents.many(data, page)


@routes.get(
    "/organizations/<organization_name>/capacity",
    summary="Say how many runs wait and are at work",
    gives="organization-capacity",
)
def capacity(organization_name: str) -> Response:
    """Answer with the numbers, of the workspaces that who asks may see."""
    organizations.check_name(organization_name)
    found = [run for run, _, _ in _unfinished()]
    about = {
        "pending": sum(run.status is RunStatus.PENDING for run in found),
        "running": sum(run.status in AT_WORK for run in found),
    }
    return documents.one(ApiResource("organization-capacity", organization_name, about))


def _visible() -> Mapping[str, tuple[Workspace, Person]]:
    return {there.id: (there, person) for there, person in rights.visible()}


def _unfinished() -> list[Seen]:
    visible = _visible()
    wanted = RunQuery(statuses=frozenset(each.value for each in UNDER_WAY), active=True, limit=1000)
    with services().store.reading() as tx:
        found = tx.runs.find(wanted)
    return [(run, *visible[run.workspace_id]) for run in found if run.workspace_id in visible]
