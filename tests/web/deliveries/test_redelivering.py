"""A delivery that failed is handled again when an owner asks; what led to something is done with."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.events import RepoRef
from bot.services.ports import AuditQuery, Delivery
from bot.services.ports.deliveries import FOUND_PUSH
from bot.services.ports.failed_deliveries import FailedDelivery, HookWatch
from tests.web.conftest import World


@pytest.fixture
def failed(world: World) -> None:
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        for name in ("d-bad", "d-good"):
            tx.deliveries.add(Delivery(name, "hub", "push", {}, b"{}", now))
        tx.deliveries.handled(
            "d-bad", now, [DeliveryDecision(DecisionKind.FAILED, "no")], "the forge refused"
        )
        tx.deliveries.handled("d-good", now, [DeliveryDecision(DecisionKind.NOTHING, "a ping")])


def press(world: World, client: FlaskClient, delivery: str) -> int:
    token = world.form_token("/", client)
    return client.post(f"/deliveries/{delivery}/replay", data={"form_token": token}).status_code


def test_an_owner_has_what_failed_handled_again(world: World, failed: None) -> None:
    olga = world.visitor("olga")
    text = olga.get("/deliveries").text
    assert "/deliveries/d-bad/replay" in text and "/deliveries/d-good/replay" not in text
    assert press(world, olga, "d-bad") == 303
    assert world.dispatch.woken == ["d-bad"]
    with world.services.store.reading() as tx:
        assert tx.deliveries.get("d-bad").handled_at is None
        [line] = tx.audit.find(AuditQuery(deed="replay delivery"))
    assert (line.login, line.subject) == ("olga", "d-bad")


def test_nothing_else_is_handled_twice_and_nobody_else_asks(world: World, failed: None) -> None:
    assert press(world, world.visitor("olga"), "d-good") == 409
    assert press(world, world.visitor("olga"), "d-none") == 404
    assert press(world, world.visitor("rea"), "d-bad") == 403
    assert world.dispatch.woken == []


def test_deliveries_are_searched_on_the_page(world: World, failed: None) -> None:
    olga = world.visitor("olga")

    def shown(query: str) -> tuple[list[str], str]:
        page = olga.get(f"/deliveries?{query}").text
        return re.findall(r'<code class="id">([^<]+)</code>', page), page

    assert shown("")[0] == ["d-good", "d-bad"]
    assert shown("outcome=failed")[0] == ["d-bad"]
    found, page = shown("outcome=nothing&q=a+ping&event=push")
    assert found == ["d-good"]
    assert 'name="q" value="a ping"' in page and '?event=push&amp;q=a+ping"' in page
    none, page = shown("repo=elsewhere&outcome=sense")
    assert none == [] and "No delivery matches." in page


def test_what_no_webhook_told_of_says_so(world: World, failed: None) -> None:
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        tx.deliveries.add(Delivery("found-1", "hub", FOUND_PUSH, {}, b"{}", now, repo="acme/infra"))
    page = world.visitor("olga").get("/deliveries?event=push").text
    rows = re.findall(r"<p><strong>(.*?)</strong> ([^·<]*?) ·", page)
    assert sorted(rows) == [
        ("push", "found on hub: its webhook did not come"),
        ("push", "from hub"),
        ("push", "from hub"),
    ]


def test_what_was_asked_for_again_is_counted_and_marked(world: World, failed: None) -> None:
    now, hook = world.services.clock.now(), RepoRef("hub", "")
    olga = world.visitor("olga")
    assert "asked for again" not in olga.get("/deliveries").text
    with world.services.store.transaction() as tx:
        tx.hook_watches.put(HookWatch(hook, now, now, error="hub failed (502) <b>"))
    for name in ("d-good-later", "d-lost"):
        with world.services.store.transaction() as tx:
            asked = FailedDelivery(hook, name, "7", "push", now, None, times=1, asked_at=now)
            assert tx.failed_deliveries.add(asked)
    with world.services.store.transaction() as tx:
        tx.deliveries.add(Delivery("d-good-later", "hub", "push", {}, b"{}", now))
        # Another forge's delivery may have the same id.
        tx.deliveries.add(Delivery("d-lost", "lab", "push", {}, b"{}", now))
    page = olga.get("/deliveries").text
    assert "2 failed deliveries of the last 4 days were asked for again: 1 arrived, 1 lost" in page
    assert page.count("from hub, which was asked to send it again") == 1
    assert "hub failed (502) &lt;b&gt;" in page
