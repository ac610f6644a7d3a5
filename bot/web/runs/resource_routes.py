"""What a plan changes, apart from the run's page: a further part of the list, and one change's attributes.

With scripts the page asks for the bare part and puts it in its place; without, each is a page of its own.
"""

from __future__ import annotations

from flask import Blueprint, render_template, request

from bot.domain.errors import NotFound
from bot.domain.plan_view import Section
from bot.domain.run import Run
from bot.services.plan_views import PlanView, PlanViews
from bot.web import access, resource_tree, rows
from bot.web.needs import services
from bot.web.pages import Link
from bot.web.resource_context import ResourcePage, ResourcesPage

BARE = "X-Plangate-Bare"
"""The header by which our own script asks for a part without the page around it."""

blueprint = Blueprint("resources", __name__)

_TITLES = {
    Section.CHANGES: "Resource changes",
    Section.OUTPUTS: "Outputs that change",
    Section.DRIFT: "Changed outside of Terraform",
}


@blueprint.get("/runs/<run_id>/resources")
def listing(run_id: str) -> str:
    """Show a part of the list, as far as it was asked for."""
    run, view = _found(run_id)
    wish = resource_tree.read_wish(request.args)
    found = resource_tree.part(run_id, view, wish)
    if BARE in request.headers:
        return render_template("resource_list.html", list=found)
    title = _TITLES[wish.section]
    page = ResourcesPage(
        chrome=rows.chrome(f"{title} · {rows.message_of(run)}", access.person_asking(), "workspaces"),
        run=Link(rows.message_of(run), rows.run_url(run_id)),
        title=title,
        list=found,
    )
    return render_template("resources.html", page=page)


@blueprint.get("/runs/<run_id>/resources/<section>/<number>")
def one(run_id: str, section: str, number: str) -> str:
    """Show one change with its attributes."""
    run, view = _found(run_id)
    try:
        where, place = Section(section), int(number[:9])
        details = resource_tree.details(view.lists[where][place], view.attributes(where, place))
    except (ValueError, IndexError):
        raise NotFound(f"{run_id} has no such change") from None
    if BARE in request.headers:
        return render_template("resource_details.html", details=details)
    shown = resource_tree.row(run_id, where, place, view.lists[where][place], details)
    page = ResourcePage(
        chrome=rows.chrome(f"{shown.address} · {rows.message_of(run)}", access.person_asking(), "workspaces"),
        run=Link(rows.message_of(run), rows.run_url(run_id)),
        row=shown,
    )
    return render_template("resource.html", page=page)


def _found(run_id: str) -> tuple[Run, PlanView]:
    with services().store.reading() as tx:
        run = tx.runs.get(run_id)
    view = PlanViews(services().store).of(run_id)
    if view is None:
        raise NotFound(f"{run_id} has no plan")
    return run, view
