"""Builds the page of a resource in a state: its instances and their attributes, without secrets."""

from __future__ import annotations

from typing import Any

from flask import request, url_for

from bot.domain.errors import NotFound
from bot.services.states.compare import StateDifference
from bot.web.page import elements
from bot.web.page.layout import Link
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services
from bot.web.states.compare import attribute_row
from bot.web.states.context import InstanceCard, InstancesPage

PER_PAGE = 50

OPEN_AT_ONCE = 5
"""Up to how many instances are shown unfolded."""


def build(name: str, version_id: str) -> InstancesPage:
    """Return the page for the resource that the address names. Raises NotFound, Invalid."""
    person, number = access.person_asking(), elements.page_number()
    address = request.args.get("address", "")
    if not address:
        raise NotFound("the address names no resource")
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
    found = services().state_versions.instances(
        workspace.id, person, version_id, address, offset=(number - 1) * PER_PAGE, limit=PER_PAGE
    )
    place: dict[str, Any] = {"name": name, "version_id": version_id}
    return InstancesPage(
        chrome=elements.chrome(f"{address} · {name}", person, "workspaces"),
        workspace=Link(harmless(name), elements.workspace_url(name)),
        states_url=url_for("state_versions.listing", name=name),
        state=Link(f"Serial {found.version.serial}", url_for("state_versions.show", **place)),
        address=harmless(address),
        count="1 instance" if found.total == 1 else f"{found.total:,} instances",
        instances=tuple(_card(each, found.total) for each in found.instances),
        pager=elements.numbered(
            number, PER_PAGE, found.total, "state_versions.resource", address=address, **place
        ),
    )


def _card(each: StateDifference, total: int) -> InstanceCard:
    return InstanceCard(
        address=harmless(each.address),
        attributes=tuple(map(attribute_row, each.attributes.changed)),
        more=each.attributes.more,
        untold=each.untold,
        open=total <= OPEN_AT_ONCE,
    )
