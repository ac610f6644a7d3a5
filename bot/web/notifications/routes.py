"""The page of notifications, for owners: destinations, each attempt to deliver a message, and tests.

No request sends anything: a test waits in the outbox for a worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, redirect, render_template, request, url_for
from werkzeug import Response

from bot.domain.errors import Forbidden
from bot.domain.notifications.destinations import WORDS, Destination
from bot.domain.notifications.messages import Message, NotificationState
from bot.domain.people.permissions import Person, Role
from bot.services.ports import DeliveryAttempt, Notification
from bot.web.notifications.context import AttemptRow, DestinationRow, NotificationRow, NotificationsPage
from bot.web.page import elements, wording
from bot.web.page.layout import Badge, Link, Tone
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services

PER_PAGE = 50

blueprint = Blueprint("notifications", __name__)

_BADGES = {
    NotificationState.WAITING: Badge("Waiting", Tone.WAIT),
    NotificationState.SENT: Badge("Sent", Tone.GOOD),
    NotificationState.FAILED: Badge("Failed", Tone.BAD),
}


@blueprint.get("/notifications")
def show() -> str:
    """Show the destinations and the log, newest first."""
    person = _owner()
    number, now = elements.page_number(), services().clock.now()
    chosen = " ".join(request.args.get("destination", "").split())[:100]
    with services().store.reading() as tx:
        found = tx.notification_log.find(chosen, PER_PAGE + 1, (number - 1) * PER_PAGE)
        attempts = tx.notification_log.attempts([each.id for each in found])
    page = NotificationsPage(
        chrome=elements.chrome("Notifications", person, "notifications"),
        destinations=tuple(_destination(each) for each in services().notifications.destinations),
        rows=tuple(_row(each, attempts.get(each.id, ()), now) for each in found[:PER_PAGE]),
        pager=elements.pager(number, len(found) > PER_PAGE, ".show", destination=chosen or None),
        destination=chosen,
        asked=request.args.get("test") == "asked",
    )
    return render_template("notifications.html", page=page)


@blueprint.post("/notifications/<name>/test")
def test(name: str) -> Response:
    """Put a test for a destination into the outbox, and show the log."""
    services().notifications.test(name, access.person_asking())
    return redirect(url_for(".show", destination=name, test="asked"), 303)


def _owner() -> Person:
    person = access.person_asking()
    if person.role < Role.OWNER:
        raise Forbidden("notifications are for the owners of this Plangate: they name every workspace")
    return person


def _destination(destination: Destination) -> DestinationRow:
    chosen = (*destination.workspaces, *(f"tag {tag}" for tag in destination.tags))
    about = (
        f"{', '.join(WORDS[each] for each in destination.triggers)}: {', '.join(chosen) or 'all workspaces'}"
    )
    without = f", without {', '.join(destination.exclude)}" if destination.exclude else ""
    url = url_for(".test", name=destination.name)
    return DestinationRow(destination.name, destination.kind.value, harmless(about + without), url)


def _row(notification: Notification, attempts: Sequence[DeliveryAttempt], now: datetime) -> NotificationRow:
    message, next_at = notification.message, notification.next_at
    again = notification.state is NotificationState.WAITING and notification.attempts > 0
    return NotificationRow(
        id=notification.id,
        badge=Badge("Trying again", Tone.ASK) if again else _BADGES[notification.state],
        destination=harmless(notification.destination),
        title=Link(harmless(message.title), elements.web_address(message.url)),
        lines=_lines(message),
        when=wording.moment(notification.created_at, now),
        next_at=wording.moment(next_at, now) if next_at is not None and again else None,
        attempts=tuple(
            AttemptRow(wording.moment(each.at, now), each.ok, harmless(each.answer)) for each in attempts
        ),
    )


def _lines(message: Message) -> tuple[str, ...]:
    texts = [f"{line.workspace} {line.words}".strip() for line in message.lines]
    return tuple(harmless(text) for text in (*texts, message.rest) if text)
