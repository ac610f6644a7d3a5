"""Pages of a plan's changes: a further part of the list, and the attributes of one change.

Scripts request only the fragment and insert it into the run's page; without scripts each is a whole page.
"""

from __future__ import annotations

from flask import Blueprint, render_template, request

from bot.domain.errors import NotFound
from bot.domain.plans.view import PlanSection
from bot.domain.runs.run import Run
from bot.services.plans.views import PlanView, PlanViews
from bot.web.page import elements
from bot.web.page.layout import Link
from bot.web.request import access
from bot.web.request.services import services
from bot.web.runs import resource_tree
from bot.web.runs.resource_context import ResourcePage, ResourcesPage

BARE = "X-Plangate-Bare"
"""The header by which our own script asks for a part without the page around it."""

blueprint = Blueprint("resources", __name__)

_TITLES = {
    PlanSection.CHANGES: "Resource changes",
    PlanSection.OUTPUTS: "Outputs that change",
    PlanSection.DRIFT: "Changed outside of Terraform",
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
        chrome=elements.chrome(f"{title} · {elements.message_of(run)}", access.person_asking(), "workspaces"),
        run=Link(elements.message_of(run), elements.run_url(run_id)),
        title=title,
        list=found,
    )
    return render_template("resources.html", page=page)


@blueprint.get("/runs/<run_id>/resources/<section>/<number>")
def one(run_id: str, section: str, number: str) -> str:
    """Show one change with its attributes."""
    run, view = _found(run_id)
    try:
        where, place = PlanSection(section), int(number[:9])
        details = resource_tree.details(view.lists[where][place], view.attributes(where, place))
    except (ValueError, IndexError):
        raise NotFound(f"{run_id} has no such change") from None
    if BARE in request.headers:
        return render_template("resource_details.html", details=details)
    shown = resource_tree.row(run_id, where, place, view.lists[where][place], details)
    page = ResourcePage(
        chrome=elements.chrome(
            f"{shown.address} · {elements.message_of(run)}", access.person_asking(), "workspaces"
        ),
        run=Link(elements.message_of(run), elements.run_url(run_id)),
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
