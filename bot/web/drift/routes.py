"""Shows drift: what is not as it was applied, since when, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from bot.domain.people.permissions import Action, Person
from bot.domain.plans.modes import Mode
from bot.domain.workspaces.drifted import DriftedResource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import DriftCheck, DriftRecord
from bot.web.drift.context import (
    DriftedWorkspace,
    DriftLine,
    DriftListPage,
    DriftPage,
    PastDrift,
)
from bot.web.page import elements, wording
from bot.web.page.layout import Badge, Fact, Link, Tone
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services

HISTORY = 20
_MOST_NAMED = 3

blueprint = Blueprint("drift", __name__)


@blueprint.get("/drift")
def listing() -> str:
    """Show every workspace that drifted, the longest first."""
    repos = access.repos()
    with services().store.reading() as tx:
        found = {each.id: each for each in tx.workspaces.all() if repos is None or each.repo in repos}
        lasting = [each for each in tx.drifts.all_lasting() if each.workspace_id in found]
    page = DriftListPage(
        chrome=elements.chrome("Drift", access.person_asking(), "drift"),
        rows=tuple(_line(found[each.workspace_id], each) for each in lasting),
        checked=sum(each.drift.on for each in found.values()),
    )
    return render_template("drift_list.html", page=page)


@blueprint.get("/workspaces/<path:name>/drift")
def show(name: str) -> str:
    """Show the drift of a workspace, its checks and its history."""
    person = access.person_asking()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        check = tx.drift_checks.get(workspace.id)
        lasting = tx.drifts.lasting(workspace.id)
        history = tx.drifts.history(workspace.id, HISTORY)
    may, refresh = person.may(Action.PLAN), Mode.REFRESH_ONLY in workspace.allowed_modes
    queue_url = url_for("controls.queue_plan", name=name) if may else ""
    page = DriftPage(
        chrome=elements.chrome(f"Drift · {name}", person, "workspaces", bool(check and check.run_id)),
        name=harmless(name),
        tabs=elements.tabs(name, "drift"),
        badge=_badge(check, lasting),
        facts=_facts(workspace, check, lasting),
        error=harmless(check.error) if check else "",
        drifted=lasting is not None,
        rows=_rows(lasting.resources) if lasting else (),
        rest=lasting.number - len(lasting.resources) if lasting else 0,
        since=tuple(map(harmless, lasting.since)) if lasting else (),
        branch=harmless(workspace.branch) or "the default branch",
        check_url=_check_url(workspace, person),
        queue_url=queue_url,
        refresh_url=queue_url if refresh else "",
        history=tuple(map(_past, history)),
    )
    return render_template("drift.html", page=page)


@blueprint.post("/workspaces/<path:name>/drift")
def ask(name: str) -> Response:
    """Have the workspace checked now."""
    services().drift_checks.ask(name, access.person_asking())
    return redirect(url_for(".show", name=name), 303)


def _check_url(workspace: Workspace, person: Person) -> str:
    may = workspace.active and person.may(Action.PLAN)
    return url_for(".ask", name=workspace.name) if may else ""


def _badge(check: DriftCheck | None, lasting: DriftRecord | None) -> Badge:
    if lasting is not None:
        return Badge("Drifted", Tone.BAD)
    if check is not None and check.error:
        return Badge("Not checked", Tone.ASK)
    if check is None or check.checked_at is None:
        return Badge("Never checked", Tone.OFF)
    return Badge("No drift", Tone.GOOD)


def _facts(workspace: Workspace, check: DriftCheck | None, lasting: DriftRecord | None) -> tuple[Fact, ...]:
    now = services().clock.now()
    found = [Fact("Checked", Link(harmless(workspace.drift.words)))]
    if check is not None and check.checked_at is not None:
        found.append(Fact("Last check", Link(wording.moment(check.checked_at, now).words)))
    if check is not None and check.run_id:
        found.append(Fact("Under way", Link(check.run_id, elements.run_url(check.run_id))))
    elif check is not None and check.wanted:
        found.append(Fact("Next check", Link("as soon as no other run waits")))
    if lasting is not None:
        found.append(Fact("Drifted", Link(wording.moment(lasting.began_at, now).words)))
        found.append(Fact("Found by", Link(lasting.run_id, elements.run_url(lasting.run_id))))
        found.append(Fact("Applied last", Link(lasting.basis, elements.run_url(lasting.basis))))
    return tuple(found)


def _rows(resources: Sequence[DriftedResource]) -> tuple[DriftLine, ...]:
    return tuple(
        DriftLine(
            harmless(each.address),
            harmless(each.words),
            Link(harmless(each.last), elements.run_url(each.last) if each.last.startswith("run-") else ""),
        )
        for each in resources
    )


def _past(drift: DriftRecord) -> PastDrift:
    now = services().clock.now()
    return PastDrift(
        began=wording.moment(drift.began_at, now),
        ended=wording.moment(drift.ended_at, now) if drift.ended_at else None,
        words=_counted(drift),
        ended_by=harmless(drift.ended_by),
        run=Link(drift.run_id, elements.run_url(drift.run_id)),
    )


def _line(workspace: Workspace, drift: DriftRecord) -> DriftedWorkspace:
    now = services().clock.now()
    return DriftedWorkspace(
        workspace=Link(harmless(workspace.name), url_for(".show", name=workspace.name)),
        began=wording.moment(drift.began_at, now),
        seen=wording.moment(drift.seen_at, now),
        words=_counted(drift),
        addresses=tuple(harmless(each.address) for each in drift.resources[:_MOST_NAMED]),
    )


def _counted(drift: DriftRecord) -> str:
    return f"{drift.number} resource{'s' * (drift.number != 1)}"
