"""The page of resources: all that the current states have, found by type, module, provider and version."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from flask import Blueprint, render_template, request, url_for

from bot.services.ports import MOST_COUNTED, FoundResource, IndexedResource, ResourceQuery
from bot.web.page import elements, wording
from bot.web.page.layout import Filter, Link
from bot.web.page.output import harmless
from bot.web.request import access, bodies
from bot.web.request.services import services
from bot.web.resources.context import ResourceFields, ResourceLine, ResourceSearchPage

PER_PAGE = 50
TYPES = 12
"""How many of the commonest types the page counts."""

_DEFAULT_REGISTRIES = ("registry.terraform.io/", "registry.opentofu.org/", "terraform.io/")
_NAMES = ("type", "name", "module", "provider", "version", "workspace")

blueprint = Blueprint("current_resources", __name__)


@blueprint.get("/resources")
def show() -> str:
    """Show the resources that match. The number of queries does not depend on how many there are."""
    asked = ResourceFields(**{name: bodies.cleaned(request.args.get(name, "")) for name in ("q", *_NAMES)})
    number, repos = elements.page_number(), access.repos()
    query = ResourceQuery(
        address=asked.q,
        **{name: getattr(asked, name) for name in _NAMES},
        repos=repos,
        limit=PER_PAGE,
        offset=(number - 1) * PER_PAGE,
    )
    with services().store.reading() as tx:
        found, total = tx.resource_search.page(query), tx.resource_search.count(query)
        types = tx.resource_search.types(query, TYPES)
        unreadable = tx.resource_search.unreadable(repos)
    kept = {name: value for name, value in asdict(asked).items() if value}
    page = ResourceSearchPage(
        chrome=elements.chrome("Resources", access.person_asking(), "resources"),
        fields=asked,
        types=_types(types, asked, kept),
        total=_counted(total),
        rows=tuple(map(_line, found)),
        pager=elements.numbered(number, PER_PAGE, total, ".show", **kept),
        filtered=bool(kept),
        more=any(getattr(asked, name) for name in _NAMES),
        clear_url=url_for(".show"),
        unreadable=_unreadable(unreadable),
    )
    return render_template("resources_everywhere.html", page=page)


def _types(
    types: Sequence[tuple[str, int]], asked: ResourceFields, kept: dict[str, str]
) -> tuple[Filter, ...]:
    """Return the commonest types as filters; the chosen one leads back to all."""
    return tuple(
        Filter(
            harmless(kind),
            _address({**kept, "type": "" if kind == asked.type else kind}),
            count,
            kind == asked.type,
        )
        for kind, count in types
    )


def _address(kept: dict[str, str]) -> str:
    given: dict[str, Any] = {name: value for name, value in kept.items() if value}
    return url_for(".show", **given)


def _line(found: FoundResource) -> ResourceLine:
    one = found.resource
    state = url_for(
        "state_versions.show",
        name=found.workspace,
        version_id=found.current_id,
        q=f"{one.type}.{one.name}",
    )
    return ResourceLine(
        address=Link(harmless(one.address), state),
        workspace=Link(harmless(found.workspace), elements.workspace_url(found.workspace)),
        provider=harmless(_provider(one.provider)),
        version=harmless(one.provider_version),
        instances=one.instances,
        changed=_changed(found.workspace, one),
        when=wording.moment(one.changed_at, services().clock.now()) if one.changed_at else None,
    )


def _changed(workspace: str, one: IndexedResource) -> Link:
    if one.run_id:
        return Link(one.run_id, elements.run_url(one.run_id))
    if one.version_id:
        url = url_for("state_versions.show", name=workspace, version_id=one.version_id)
        return Link("by a person", url)
    return Link("before the index")


def _provider(address: str) -> str:
    for registry in _DEFAULT_REGISTRIES:
        address = address.removeprefix(registry)
    return address


def _counted(total: int) -> str:
    if total > MOST_COUNTED:
        return f"More than {MOST_COUNTED:,} resources"
    return "1 resource" if total == 1 else f"{total:,} resources"


def _unreadable(count: int) -> str:
    if not count:
        return ""
    several = "the states of " + (f"{count:,} workspaces" if count > 1 else "1 workspace")
    return f"The resources in {several} can't be read: OpenTofu has encrypted them, or they are invalid."
