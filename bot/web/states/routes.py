"""The pages of a workspace's states: the list, a version and its content, its download, rolling back."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, jsonify, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.people.permissions import Action
from bot.domain.states.file import StateContents, StateResource
from bot.domain.workspaces.workspace import Workspace
from bot.services.documents.states import contents_document, state_document
from bot.services.ports import StateVersion, Transaction
from bot.services.states.history import why_not_now
from bot.web.page import elements, wording
from bot.web.page.layout import Badge, Fact, Link, Tone
from bot.web.page.output import harmless
from bot.web.request import access, bodies
from bot.web.request.services import services
from bot.web.runs import json_answers
from bot.web.states import compare as state_diffs
from bot.web.states import instances
from bot.web.states.context import OutputRow, RollBack, StatePage, StateResourceRow, StateRow, StatesPage

PER_PAGE = 30

MOST_SHOWN = 500
"""How many outputs a version's page lists, and how many resources a part of the list has."""

LONGEST_VALUE = 2000
"""How many characters of an output's value are shown; the download has all of it."""

blueprint = Blueprint("state_versions", __name__)

_PROVIDER = re.compile(r'provider\["(?:registry\.[a-z.]+/|terraform\.io/)?([^"]+)"\]')


@blueprint.get("/workspaces/<path:name>/states")
def listing(name: str) -> str | Response:
    """Show the versions, newest first, refused ones too."""
    if bodies.wants_json():
        return _listing_in_json(name)
    person = access.person_asking()
    number, now = elements.page_number(), services().clock.now()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        found = tx.states.versions(workspace.id, PER_PAGE + 1, (number - 1) * PER_PAGE)
        current = tx.states.current(workspace.id)
        locked = _locked(tx, workspace)
    page = StatesPage(
        chrome=elements.chrome(f"States · {name}", person, "workspaces"),
        workspace=Link(harmless(name), elements.workspace_url(name)),
        tabs=elements.tabs(name, "states"),
        locked=locked,
        rows=tuple(_row(name, one, current, now) for one in found[:PER_PAGE]),
        pager=elements.pager(number, len(found) > PER_PAGE, ".listing", name=name),
    )
    return render_template("states.html", page=page)


@blueprint.get("/workspaces/<path:name>/states/<version_id>")
def show(name: str, version_id: str) -> str | Response:
    """Show a version without its secrets."""
    person = access.person_asking()
    if bodies.wants_json():
        found, inside = services().state_versions.show(_id_of(name), person, version_id)
        return jsonify(data=_json(name, found, contents_document(inside)))
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        current = tx.states.current(workspace.id)
        several = len(tx.states.versions(workspace.id, 2)) > 1
        why_not = why_not_now(tx, workspace, person)
    version, contents = services().state_versions.show(workspace.id, person, version_id)
    may = person.may(Action.EDIT_STATE)
    is_current = current is not None and current.id == version.id
    search, number = request.args.get("q", "").strip()[:200], elements.page_number()
    first = (number - 1) * MOST_SHOWN
    listed = [one for one in contents.resources if search.lower() in one.address.lower()]
    way_back = url_for(".roll_back", name=name, version_id=version.id)
    page = StatePage(
        chrome=elements.chrome(f"State {version.serial} · {name}", person, "workspaces"),
        workspace=Link(harmless(name), elements.workspace_url(name)),
        tabs=elements.tabs(name, "states"),
        states_url=url_for(".listing", name=name),
        id=version.id,
        serial=version.serial,
        badge=_badge(version, current),
        made=_made(version),
        when=wording.moment(version.created_at, services().clock.now()),
        refused=harmless(version.refused),
        facts=_facts(version, contents),
        download_url=url_for(".download", name=name, version_id=version.id) if may else "",
        roll_back=RollBack(way_back, harmless(why_not)) if may and not is_current else None,
        compare_url=url_for(".compare", name=name, now=version.id) if several else "",
        outputs=_outputs(contents),
        resources=tuple(_resource(name, version, each) for each in listed[first : first + MOST_SHOWN]),
        resource_count=len(contents.resources),
        search=search,
        pager=elements.pager(
            number,
            first + MOST_SHOWN < len(listed),
            ".show",
            where=elements.part(number, MOST_SHOWN, len(listed)),
            name=name,
            version_id=version.id,
            q=search or None,
        ),
    )
    return render_template("state.html", page=page)


@blueprint.get("/workspaces/<path:name>/states/compare")
def compare(name: str) -> str:
    """Show what one version has that another has not."""
    return render_template("state_compare.html", page=state_diffs.build(name))


@blueprint.get("/workspaces/<path:name>/states/<version_id>/resource")
def resource(name: str, version_id: str) -> str:
    """Show the instances of a resource with their attributes, without secrets."""
    return render_template("state_resource.html", page=instances.build(name, version_id))


@blueprint.get("/workspaces/<path:name>/states/<version_id>/download")
def download(name: str, version_id: str) -> Response:
    """Download a version with its secrets, for people who may change it."""
    person = access.person_asking()
    version, data = services().state_versions.download(_id_of(name), person, version_id)
    answer = Response(data, mimetype="application/octet-stream")
    filename = f"{name.replace('/', '-')}-{version.serial}.tfstate"
    answer.headers["X-Plangate-State-Version"] = version.id
    answer.headers["X-Plangate-State-Serial"] = str(version.serial)
    answer.headers.set("Content-Disposition", "attachment", filename=filename)
    return answer


@blueprint.post("/workspaces/<path:name>/states/<version_id>/rollback")
def roll_back(name: str, version_id: str) -> AnyResponse:
    """Roll back: store the version again as a new one, and show it."""
    person = access.person_asking()
    done = services().state_versions.roll_back(_id_of(name), version_id, person)
    return redirect(url_for(".show", name=name, version_id=done.id), 303)


def _listing_in_json(name: str) -> Response:
    number = elements.page_number()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        found = tx.states.versions(workspace.id, PER_PAGE + 1, (number - 1) * PER_PAGE)
    data = [_json(name, one) for one in found[:PER_PAGE]]
    more = number + 1 if len(found) > PER_PAGE else None
    return jsonify(data=data, meta={"pagination": {"current-page": number, "next-page": more}})


def _json(name: str, one: StateVersion, contents: dict[str, Any] | None = None) -> dict[str, Any]:
    with services().store.reading() as tx:
        current = tx.states.current(one.workspace_id)
    return {
        "id": one.id,
        "type": "state-versions",
        "attributes": json_answers.attributes(state_document(one, current) | (contents or {})),
        "links": {
            "self": url_for(".show", name=name, version_id=one.id),
            "download": url_for(".download", name=name, version_id=one.id),
        },
    }


def _id_of(name: str) -> str:
    with services().store.reading() as tx:
        return tx.workspaces.named(name).id


def _locked(tx: Transaction, workspace: Workspace) -> str:
    """Say who holds Terraform's lock on the state, empty if nobody does."""
    standing = tx.states.locked(workspace.id)
    return f"Terraform's lock stands, taken by {standing.run_id or 'somebody'}" if standing else ""


def _row(name: str, one: StateVersion, current: StateVersion | None, now: datetime) -> StateRow:
    return StateRow(
        url=url_for(".show", name=name, version_id=one.id),
        serial=one.serial,
        badge=_badge(one, current),
        made=_made(one),
        when=wording.moment(one.created_at, now),
        size=wording.size(one.size),
        refused=harmless(one.refused),
        id=one.id,
        compare_url=url_for(".compare", name=name, now=one.id),
    )


def _badge(one: StateVersion, current: StateVersion | None) -> Badge:
    if one.waits:
        return Badge("Waits", Tone.WAIT)
    if one.refused:
        return Badge("Refused", Tone.BAD)
    if current is not None and one.id == current.id:
        return Badge("Current", Tone.GOOD)
    return Badge("Earlier", Tone.OFF)


def _made(one: StateVersion) -> Link:
    if one.run_id:
        return Link(one.run_id, elements.run_url(one.run_id))
    return Link(harmless(one.note or one.made_by or "made by an unknown person"))


def _facts(one: StateVersion, contents: StateContents) -> tuple[Fact, ...]:
    facts = [
        Fact("Version", Link(one.id)),
        Fact("Lineage", Link(harmless(one.lineage) or "none")),
        Fact("MD5", Link(one.md5)),
        Fact("Size", Link(wording.size(one.size))),
    ]
    if contents.terraform_version:
        facts.append(Fact("Terraform", Link(harmless(contents.terraform_version))))
    return tuple(facts)


def _outputs(contents: StateContents) -> tuple[OutputRow, ...]:
    return tuple(
        OutputRow(harmless(one.name), harmless(one.type), None if one.value is None else _value(one.value))
        for one in contents.outputs[:MOST_SHOWN]
    )


def _value(value: str) -> str:
    shown = value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE] + "…"
    return "\n".join(map(harmless, shown.split("\n")))


def _resource(name: str, version: StateVersion, one: StateResource) -> StateResourceRow:
    return StateResourceRow(
        address=harmless(one.address),
        count=one.instances,
        provider=harmless(_provider(one.provider)),
        url=url_for(".resource", name=name, version_id=version.id, address=one.address)
        if one.instances
        else "",
    )


def _provider(raw: str) -> str:
    found = _PROVIDER.search(raw)
    return found[1] if found else raw
