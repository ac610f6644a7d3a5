"""The page that creates a workspace without a repository, for administrators of the organization."""

from __future__ import annotations

from dataclasses import replace

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import Conflict, Invalid, NotFound
from bot.domain.workspaces.project import DEFAULT_NAME
from bot.services.workspaces.api_workspaces import WorkspaceWishes
from bot.web.page import elements
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services
from bot.web.workspaces.context import NewWorkspacePage

blueprint = Blueprint("new_workspace", __name__)


@blueprint.get("/new-workspace")
def show() -> Response:
    """Show the form. Raises NotFound for people who may not create workspaces."""
    return _page()


@blueprint.post("/new-workspace")
def create() -> AnyResponse:
    """Create the workspace, and show it. Raises NotFound."""
    _check()
    account, person = access.asker().account, access.person_asking()
    person = replace(person, role=services().roles.in_organization(account))
    form = request.form
    chosen = form.get("project", DEFAULT_NAME)
    try:
        if chosen not in _projects():
            raise Invalid(f"there is no project {chosen}")
        wishes = WorkspaceWishes(
            name=form.get("name", "").strip(),
            description=form.get("description", ""),
            project="" if chosen == DEFAULT_NAME else chosen,
            auto_apply="auto_apply" in form,
        )
        made = services().api_workspaces.create(person, wishes)
    except (Invalid, Conflict) as error:
        return make_response(_page(str(error)), 400)
    return redirect(url_for("workspaces.show", name=made.name), 303)


def _check() -> None:
    if not access.may_create_workspaces():
        raise NotFound("there is no such page")


def _projects() -> tuple[str, ...]:
    with services().store.reading() as tx:
        return tuple(each.name for each in services().projects.all(tx))


def _page(problem: str = "") -> Response:
    _check()
    form = request.form
    page = NewWorkspacePage(
        chrome=elements.chrome("New workspace", access.person_asking(), "workspaces"),
        problem=harmless(problem),
        name=harmless(form.get("name", "")[:100]),
        description=harmless(form.get("description", "")[:2000]),
        project=form.get("project", DEFAULT_NAME),
        projects=_projects(),
        auto_apply="auto_apply" in form,
    )
    return make_response(render_template("new_workspace.html", page=page))
