"""What `plangate doctor` says of webhooks that did not come, and of comparing repositories with the forge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from bot.cli.checkup import servers
from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotLetIn
from bot.domain.events import Ignored
from bot.services.deliveries.catch_up import CatchUpSettings
from bot.services.ports import Delivery
from bot.services.ports.deliveries import FOUND_PUSH
from bot.services.ports.failed_deliveries import FailedAttempt
from tests.fakes.house import NEVER, REPO, House
from tests.support.stores import Stores

EVERY = timedelta(minutes=5)
Build = Callable[[CatchUpSettings], House]


@pytest.fixture
def build(stores: Stores) -> Iterator[Build]:
    with stores.one() as kept:
        yield lambda settings: House(kept.store, kept.vault, catching_up=settings)


def test_webhooks_that_arrive_are_in_order(build: Build) -> None:
    house = build(CatchUpSettings(EVERY))
    assert servers.webhooks(house.services).found == "none arrived yet"
    house.deliver(Ignored("a star"))
    house.clock.forward(minutes=2)
    finding = servers.webhooks(house.services)
    assert (finding.state, finding.found) == ("ok", "the last one arrived 2 minutes ago")


def test_webhooks_that_did_not_come_are_counted_for_a_day(build: Build) -> None:
    house = build(CatchUpSettings(EVERY))
    house.deliver(Ignored("a star"))
    found = Delivery("found-1", "github", FOUND_PUSH, {}, b"{}", house.clock.now())
    house.intake.accept(found)
    finding = servers.webhooks(house.services)
    assert finding.state == "warning"
    assert "1 of the last day never came" in finding.found
    assert "/hooks/<forge>" in finding.advice
    house.clock.forward(days=2)
    assert servers.webhooks(house.services).state == "ok"


def test_what_was_only_found_is_no_webhook(build: Build) -> None:
    house = build(CatchUpSettings(EVERY))
    house.intake.accept(Delivery("found-1", "github", FOUND_PUSH, {}, b"{}", house.clock.now()))
    assert servers.webhooks(house.services).found == "none arrived yet"


def test_repositories_are_compared_or_it_is_said_why_not(build: Build) -> None:
    house = build(CatchUpSettings(EVERY))
    house.workspace("network")
    house.forge.set_branch(REPO, "main", "c0")
    house.sweep()
    finding = servers.catching_up(house.services)
    assert (finding.state, finding.found) == ("ok", "1 repository is compared with the forge")
    house.forge.fail(NotLetIn("the App is not installed on acme/infra"), on="news")
    house.sweep(minutes=6)
    finding = servers.catching_up(house.services)
    assert (finding.state, finding.found) == (
        "warning",
        "github:acme/infra: the App is not installed on acme/infra",
    )
    house.sweep(minutes=6)
    assert servers.catching_up(house.services).state == "ok"
    house.clock.forward(hours=1)
    assert servers.catching_up(house.services).found.startswith("1 of 1 repositories wait")


def test_where_it_is_off_it_is_remarked(build: Build) -> None:
    assert "it is off" in servers.catching_up(build(NEVER).services).found


def test_failed_deliveries_are_counted_or_it_is_said_why_they_are_not_seen(build: Build) -> None:
    house = build(CatchUpSettings(EVERY))
    house.forge.lists_deliveries = True
    house.workspace("network")
    house.forge.set_branch(REPO, "main", "c0")
    house.sweep()
    finding = servers.failed_deliveries(house.services)
    assert (finding.state, finding.found) == ("ok", "none was asked for again within 4 days")

    for name in ("d-1", "d-2"):
        house.forge.failed.append(FailedAttempt(name, name, "push", house.clock.now()))
    house.sweep(minutes=6)
    house.deliver(Ignored("a star"), "d-1")
    words = "2 failed deliveries of the last 4 days were asked for again: 1 arrived, 1 not yet"
    assert servers.failed_deliveries(house.services).found == words

    house.forge.fail(ForgeUnavailable("github failed (502)"), on="failed_deliveries")
    house.sweep(minutes=6)
    finding = servers.failed_deliveries(house.services)
    assert (finding.state, finding.found) == ("warning", "github: github failed (502)")

    house.forge.fail(ForgeRefused("github refused webhooks of acme/infra"), on="failed_deliveries")
    house.sweep(minutes=6)
    finding = servers.failed_deliveries(house.services)
    assert (finding.state, finding.found) == (
        "ok",
        f"{words}; not looked for: github refused webhooks of acme/infra",
    )

    for _ in range(40):
        house.sweep(hours=2)
    finding = servers.failed_deliveries(house.services)
    assert (finding.state, finding.found.rpartition(": ")[2]) == ("warning", "1 arrived, 1 lost")
