"""A delivery that failed is handled again when an owner asks; what led to something is done with."""

from __future__ import annotations

import re

import pytest

from bot.services.ports import AuditQuery, Delivery


@pytest.fixture
def failed(world):
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        for name in ("d-bad", "d-good"):
            tx.deliveries.add(Delivery(name, "hub", "push", {}, b"{}", now))
        tx.deliveries.handled("d-bad", now, [{"outcome": "failed", "reason": "no"}], "the forge refused")
        tx.deliveries.handled("d-good", now, [{"outcome": "nothing", "reason": "a ping"}])


def press(world, client, delivery):
    token = world.form_token("/", client)
    return client.post(f"/deliveries/{delivery}/replay", data={"form_token": token}).status_code


def test_an_owner_has_what_failed_handled_again(world, failed):
    olga = world.visitor("olga")
    text = olga.get("/deliveries").text
    assert "/deliveries/d-bad/replay" in text and "/deliveries/d-good/replay" not in text
    assert press(world, olga, "d-bad") == 303
    assert world.services.dispatch.woken == ["d-bad"]
    with world.services.store.reading() as tx:
        assert tx.deliveries.get("d-bad").handled_at is None
        [line] = tx.audit.find(AuditQuery(deed="replay delivery"))
    assert (line.login, line.subject) == ("olga", "d-bad")


def test_nothing_else_is_handled_twice_and_nobody_else_asks(world, failed):
    assert press(world, world.visitor("olga"), "d-good") == 409
    assert press(world, world.visitor("olga"), "d-none") == 404
    assert press(world, world.visitor("rea"), "d-bad") == 403
    assert world.services.dispatch.woken == []


def test_deliveries_are_searched_on_the_page(world, failed):
    olga = world.visitor("olga")

    def shown(query):
        page = olga.get(f"/deliveries?{query}").text
        return re.findall(r'<code class="id">([^<]+)</code>', page), page

    assert shown("")[0] == ["d-good", "d-bad"]
    assert shown("outcome=failed")[0] == ["d-bad"]
    found, page = shown("outcome=nothing&q=a+ping&event=push")
    assert found == ["d-good"]
    assert 'name="q" value="a ping"' in page and '?event=push&amp;q=a+ping"' in page
    none, page = shown("repo=elsewhere&outcome=sense")
    assert none == [] and "No delivery matches." in page
