"""The page of notifications: for owners, with each attempt, and a button that only asks for a test."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.errors import ReceiverAway
from bot.domain.notifications.destinations import Destination, DestinationKind
from bot.domain.people.permissions import Role
from bot.services.notifications.deliver import NotificationDelivery
from bot.web import create_app
from tests.fakes.messengers import FakeMessengers
from tests.web.conftest import World

OPS = Destination("ops", DestinationKind.SLACK, workspaces=("net-*",), tags=("production",))


@pytest.fixture
def messengers(world: World) -> FakeMessengers:
    """Let the world have a destination."""
    found = FakeMessengers()
    services = world.services
    delivery = NotificationDelivery(
        services.store,
        services.clock,
        services.dispatch,
        found,
        services.addresses,
        services.config.limits,
        (OPS,),
    )
    world.services = replace(services, notifications=delivery)
    world.app = create_app(world.services)
    return found


def test_an_owner_sees_destinations_and_asks_for_a_test_that_no_request_sends(
    world: World, messengers: FakeMessengers
) -> None:
    olga = world.visitor("olga")
    text = olga.get("/notifications").text
    assert "ops" in text and "net-*, tag production" in text and "No messages yet" in text
    token = world.form_token("/notifications", olga)
    answer = olga.post("/notifications/ops/test", data={"form_token": token})
    assert (answer.status_code, answer.location) == (303, "/notifications?destination=ops&test=asked")
    assert messengers.sent == [] and world.dispatch.woken[-1] == "ops"
    assert "A test was asked for" in olga.get(answer.location).text
    assert "test notification" in olga.get("/activity").text


def test_the_log_shows_each_attempt_and_escapes_what_it_shows(
    world: World, messengers: FakeMessengers
) -> None:
    olga = world.visitor("olga")
    olga.post("/notifications/ops/test", data={"form_token": world.form_token("/notifications", olga)})
    messengers.answers.append(ReceiverAway("it answered <b>503</b>"))
    world.services.notifications.deliver("ops")
    text = olga.get("/notifications").text
    assert "Trying again" in text and "it answered &lt;b&gt;503&lt;/b&gt;" in text and "Next attempt" in text
    world.clock.pass_by(timedelta(hours=1))
    world.services.notifications.deliver("ops")
    text = olga.get("/notifications?destination=ops").text
    assert "Sent" in text and "200 OK" in text and "Attempt 2" in text and "Next attempt" not in text
    assert "No messages yet" in olga.get("/notifications?destination=other").text


def test_others_see_and_send_nothing(world: World, messengers: FakeMessengers) -> None:
    ada = world.visitor("ada", Role.ADMIN)
    assert ada.get("/notifications").status_code == 403
    token = world.form_token("/tokens", ada)
    assert ada.post("/notifications/ops/test", data={"form_token": token}).status_code == 403
    assert 'href="/notifications"' not in ada.get("/activity").text
    assert world.app.test_client().get("/notifications").status_code in (302, 303, 401)


def test_without_destinations_the_page_says_what_to_do(world: World) -> None:
    text = world.visitor("olga").get("/notifications").text
    assert "Write one under <code>notifications:</code>" in text


def test_a_destination_that_is_not_there_is_404(world: World, messengers: FakeMessengers) -> None:
    olga = world.visitor("olga")
    token = world.form_token("/notifications", olga)
    assert olga.post("/notifications/nowhere/test", data={"form_token": token}).status_code == 404
