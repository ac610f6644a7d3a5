"""The page of the webhook calls: what came, what was decided, and why (promise 7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bot.services.ports import Came, DeliveryQuery, DeliveryRecord
from bot.web import access, rows, wording
from bot.web.needs import services
from bot.web.output import harmless
from bot.web.pages import Badge, DecisionRow, DeliveriesPage, DeliveryFilter, DeliveryRow, Filter, Link, Tone

PER_PAGE = 50

LONGEST = 100
"""How many characters of what is searched for count."""

_LABELS = {
    Came.ANY: "All",
    Came.RUN: "Run",
    Came.NOTHING: "Nothing to do",
    Came.FAILED: "Failed",
    Came.WAITING: "Waiting",
}

blueprint = Blueprint("deliveries", __name__)


@blueprint.get("/deliveries")
def show() -> str:
    """Show the deliveries that match, newest first."""
    person, query = access.person_asking(), _query()
    number, now = rows.page_number(), services().clock.now()
    with services().store.reading() as tx:
        found = tx.deliveries.recent(PER_PAGE + 1, (number - 1) * PER_PAGE, query)
    asked = {"event": query.event, "repo": query.repo, "outcome": query.outcome.value, "q": query.text}
    kept = {name: value for name, value in asked.items() if value}
    live = any(delivery.handled_at is None for delivery in found)
    page = DeliveriesPage(
        chrome=rows.chrome("Deliveries", person, "deliveries", live),
        rows=tuple(_row(delivery, now) for delivery in found[:PER_PAGE]),
        pager=rows.pager(number, len(found) > PER_PAGE, ".show", **kept),
        filters=tuple(
            Filter(label, _address(kept, came), None, came is query.outcome)
            for came, label in _LABELS.items()
        ),
        filter=DeliveryFilter(**asked),
        filtered=bool(kept),
    )
    return render_template("deliveries.html", page=page)


@blueprint.post("/deliveries/<delivery_id>/replay")
def replay(delivery_id: str) -> Response:
    """Have a delivery handled again, and show all of them."""
    services().redelivering.replay(delivery_id, access.person_asking())
    return redirect(url_for(".show"), 303)


def _query() -> DeliveryQuery:
    said = {name: " ".join(request.args.get(name, "").split())[:LONGEST] for name in ("event", "repo", "q")}
    outcome = request.args.get("outcome", "")
    came = Came(outcome) if outcome in list(Came) else Came.ANY
    return DeliveryQuery(event=said["event"], repo=said["repo"], outcome=came, text=said["q"])


def _address(kept: dict[str, str], came: Came) -> str:
    values: dict[str, Any] = {**kept, "outcome": came.value or None}
    return url_for(".show", **values)


def _row(delivery: DeliveryRecord, now: datetime) -> DeliveryRow:
    return DeliveryRow(
        id=delivery.id,
        forge=delivery.forge or "plangate",
        event=harmless(delivery.event),
        repo=harmless(delivery.repo),
        badge=_badge(delivery),
        when=wording.moment(delivery.received_at, now),
        decisions=tuple(_decision(decision) for decision in delivery.decisions),
        error=" ".join(map(harmless, delivery.error.splitlines())),
        # What led to something is done with.
        replay_url=url_for(".replay", delivery_id=delivery.id) if delivery.error else "",
    )


def _badge(delivery: DeliveryRecord) -> Badge:
    if delivery.handled_at is None:
        return Badge("Trying again", Tone.ASK) if delivery.error else Badge("Waiting", Tone.WAIT)
    if delivery.error:
        return Badge("Failed", Tone.BAD)
    made_runs = any(decision.get("run") for decision in delivery.decisions)
    return Badge("Run", Tone.GOOD) if made_runs else Badge("Nothing to do", Tone.OFF)


def _decision(decision: Mapping[str, str]) -> DecisionRow:
    run = decision.get("run", "")
    where = decision.get("workspace", "")
    outcome = decision.get("outcome", "")
    # That nothing came of it, the badge says already.
    what = harmless(": ".join(part for part in (where, outcome) if part and part != "nothing"))
    return DecisionRow(Link(what, rows.run_url(run) if run else ""), harmless(decision.get("reason", "")))
