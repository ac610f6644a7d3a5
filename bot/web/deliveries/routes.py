"""The page of the webhook calls: what came, what was decided, and why (promise 7)."""

from __future__ import annotations

from collections.abc import Container
from datetime import datetime
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.services.ports import DeliveryQuery, DeliveryRecord, DeliveryStatus
from bot.services.ports.deliveries import FOUND, was_found
from bot.web.page import elements, wording
from bot.web.page.layout import (
    Badge,
    DecisionRow,
    DeliveriesPage,
    DeliveryFilter,
    DeliveryRow,
    Filter,
    Link,
    Tone,
)
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services

PER_PAGE = 50

LONGEST = 100
"""How many characters of what is searched for count."""

_LABELS = {
    DeliveryStatus.ANY: "All",
    DeliveryStatus.RUN: "Run",
    DeliveryStatus.NOTHING: "Nothing to do",
    DeliveryStatus.FAILED: "Failed",
    DeliveryStatus.WAITING: "Waiting",
}

blueprint = Blueprint("deliveries", __name__)


@blueprint.get("/deliveries")
def show() -> str:
    """Show the deliveries that match, newest first."""
    person, query = access.person_asking(), _query()
    number, now = elements.page_number(), services().clock.now()
    failed = services().failed_deliveries.summary()
    with services().store.reading() as tx:
        found = tx.deliveries.recent(PER_PAGE + 1, (number - 1) * PER_PAGE, query)
    asked = {"event": query.event, "repo": query.repo, "outcome": query.outcome.value, "q": query.text}
    kept = {name: value for name, value in asked.items() if value}
    shown = {"noise": "show"} if request.args.get("noise") == "show" else {}
    live = any(delivery.handled_at is None for delivery in found)
    page = DeliveriesPage(
        chrome=elements.chrome("Deliveries", person, "deliveries", live),
        rows=tuple(_row(delivery, now, failed.ids) for delivery in found[:PER_PAGE]),
        pager=elements.pager(number, len(found) > PER_PAGE, ".show", **kept, **shown),
        filters=tuple(
            Filter(label, _address(kept | shown, came), None, came is query.outcome)
            for came, label in _LABELS.items()
        ),
        filter=DeliveryFilter(**asked),
        filtered=bool(kept),
        noise=_noise(kept, hidden=not query.noise, asked=bool(shown)),
        asked_again=failed.words,
        trouble=tuple(harmless(" ".join(why.split())) for why in failed.trouble),
    )
    return render_template("deliveries.html", page=page)


@blueprint.post("/deliveries/<delivery_id>/replay")
def redeliver(delivery_id: str) -> Response:
    """Have a delivery handled again, and show all of them."""
    services().redelivery.redeliver(delivery_id, access.person_asking())
    return redirect(url_for(".show"), 303)


def _query() -> DeliveryQuery:
    said = {name: " ".join(request.args.get(name, "").split())[:LONGEST] for name in ("event", "repo", "q")}
    outcome = request.args.get("outcome", "")
    came = DeliveryStatus(outcome) if outcome in list(DeliveryStatus) else DeliveryStatus.ANY
    # Who searches for words means all of them.
    noise = request.args.get("noise") == "show" or bool(said["q"])
    return DeliveryQuery(said["event"], said["repo"], came, said["q"], noise)


def _noise(kept: dict[str, str], *, hidden: bool, asked: bool) -> Link:
    """Return the link that shows or hides comments that are none of our business."""
    values: dict[str, Any] = {**kept}
    if hidden:
        return Link("Show edits and comments without commands", url_for(".show", **values, noise="show"))
    return Link("Hide edits and comments without commands", url_for(".show", **values)) if asked else Link("")


def _address(kept: dict[str, str], came: DeliveryStatus) -> str:
    values: dict[str, Any] = {**kept, "outcome": came.value or None}
    return url_for(".show", **values)


def _row(delivery: DeliveryRecord, now: datetime, asked_again: Container[tuple[str, str]]) -> DeliveryRow:
    return DeliveryRow(
        id=delivery.id,
        origin=_origin(delivery, asked_again),
        event=harmless(delivery.event.removesuffix(FOUND)),
        repo=harmless(delivery.repo),
        badge=_badge(delivery),
        when=wording.moment(delivery.received_at, now),
        decisions=tuple(_decision(decision) for decision in delivery.decisions),
        error=" ".join(map(harmless, delivery.error.splitlines())),
        # What led to something is done with.
        redeliver_url=url_for(".redeliver", delivery_id=delivery.id) if delivery.error else "",
    )


def _origin(delivery: DeliveryRecord, asked_again: Container[tuple[str, str]]) -> str:
    if was_found(delivery):
        return f"found on {delivery.forge}: its webhook did not come"
    if (delivery.forge, delivery.id) in asked_again:
        return f"from {delivery.forge}, which was asked to send it again"
    return f"from {delivery.forge or 'plangate'}"


def _badge(delivery: DeliveryRecord) -> Badge:
    if delivery.handled_at is None:
        return Badge("Trying again", Tone.ASK) if delivery.error else Badge("Waiting", Tone.WAIT)
    if delivery.error:
        return Badge("Failed", Tone.BAD)
    made_runs = any(decision.run for decision in delivery.decisions)
    return Badge("Run", Tone.GOOD) if made_runs else Badge("Nothing to do", Tone.OFF)


def _decision(decision: DeliveryDecision) -> DecisionRow:
    # The badge already says that it had no effect.
    kind = "" if decision.kind is DecisionKind.NOTHING else decision.kind.value
    what = harmless(": ".join(filter(None, (decision.workspace, kind))))
    url = elements.run_url(decision.run) if decision.run else ""
    return DecisionRow(Link(what, url), harmless(decision.reason))
