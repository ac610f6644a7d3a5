"""The page of the deliveries hides what nobody looks for, and shows it on request."""

from __future__ import annotations

import re

import pytest

from bot.domain.changes.delivery_decisions import NOISE, DecisionKind, DeliveryDecision
from bot.services.ports import Delivery
from tests.web.conftest import World


@pytest.fixture
def came(world: World) -> None:
    """One delivery for each kind of noise, one that waits, and one that had no effect for a reason."""
    now = world.services.clock.now()
    with world.services.store.transaction() as tx:
        for number, reason in enumerate((*NOISE, "nothing in dns/ changed")):
            name = f"d-quiet-{number}" if reason in NOISE else "d-nothing"
            tx.deliveries.add(Delivery(name, "hub", "issue_comment", {}, b"{}", now))
            tx.deliveries.handled(name, now, [DeliveryDecision(DecisionKind.NOTHING, reason)])
        tx.deliveries.add(Delivery("d-waits", "hub", "push", {}, b"{}", now))


def test_our_own_comments_and_edits_are_hidden_by_default(world: World, came: None) -> None:
    page = world.client.get("/deliveries").get_data(as_text=True)
    assert "d-quiet" not in page
    assert "d-nothing" in page
    assert "d-waits" in page
    assert 'href="/deliveries?noise=show"' in page
    assert "d-quiet" not in world.client.get("/deliveries?outcome=nothing").get_data(as_text=True)


def test_they_are_shown_on_request_and_to_who_searches(world: World, came: None) -> None:
    for query in ("?noise=show", "?outcome=nothing&noise=show"):
        page = world.client.get(f"/deliveries{query}").get_data(as_text=True)
        assert page.count("d-quiet-") == len(NOISE)
        assert "Hide edits and comments without commands" in page
        assert re.search(r'href="/deliveries[?][^"]*noise=show[^"]*">Failed', page.replace("&amp;", "&"))
    assert "d-quiet-0" in world.client.get("/deliveries?q=d-quiet-0").get_data(as_text=True)
