"""A set that is not in force says what it would have stopped, and changes nothing."""

from __future__ import annotations

from bot.domain.errors import EngineError
from bot.services.policies.stored_plans import replay
from tests.fakes.engine import change
from tests.fakes.house import House


def test_the_newest_plans_are_judged_and_nothing_changes(house: House) -> None:
    house.workspace("net")
    house.workspace("app")
    for name in ("net", "app"):
        house.engine.will_find(name, change("aws_vpc.main"))
    house.push("c1", "net/main.tf")
    house.open_change(1, "h1", "app/main.tf")
    house.engine.fail("plan", EngineError("no"))
    house.open_change(2, "h2", "net/main.tf")
    before = house.statuses()
    files = {"says": b"p soft-mandatory failed too much\nq advisory passed"}

    found = list(replay(house.store, house.policies, files, 5))

    assert [(one.workspace.name, one.would_end.value, one.words) for one in found] == [
        ("app", "policy_soft_failed", "1 passed, 1 soft failed"),
        ("net", "policy_override", "1 passed, 1 soft failed"),
    ]
    assert len(list(replay(house.store, house.policies, files, 1))) == 1
    assert house.statuses() == before
