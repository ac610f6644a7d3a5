"""Leases: one holder at a time, and a fencing number that only grows (promise 3)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import pytest

from bot.domain.errors import LeaseLost
from bot.domain.runs.lifecycle import RunStatus
from bot.store import SqlStore
from tests.store.conftest import Database
from tests.store.samples import AT, MINUTE, add, put, run

TTL = MINUTE


def take(store: SqlStore, owner: str, now: datetime = AT) -> int | None:
    with store.transaction() as unit:
        return unit.leases.take("run-1", owner, now, TTL)


def test_one_holder_until_it_ends(store: SqlStore) -> None:
    first = take(store, "a")
    assert first is not None
    assert take(store, "b", AT + TTL - MINUTE / 60) is None
    assert take(store, "a", AT) is None
    second = take(store, "b", AT + TTL)
    assert second is not None
    assert second > first


def test_the_fencing_number_grows_after_a_release_too(store: SqlStore) -> None:
    fences = []
    for owner in ("a", "b", "a"):
        fence = take(store, owner)
        assert fence is not None
        fences.append(fence)
        with store.transaction() as unit:
            unit.leases.release("run-1", fence, AT)
    assert fences == sorted(set(fences))


def test_a_holder_holds_on(store: SqlStore) -> None:
    fence = take(store, "a")
    assert fence is not None
    with store.transaction() as unit:
        unit.leases.renew("run-1", fence, AT + MINUTE / 2, TTL)
        unit.leases.check("run-1", fence)
    assert take(store, "b", AT + TTL) is None
    assert take(store, "b", AT + MINUTE / 2 + TTL) is not None


def test_a_lease_that_ran_out_and_that_nobody_took_is_still_ours(store: SqlStore) -> None:
    fence = take(store, "a")
    assert fence is not None
    with store.transaction() as unit:
        unit.leases.renew("run-1", fence, AT + 10 * TTL, TTL)
    assert take(store, "b", AT + 10 * TTL) is None


def test_who_lost_it_can_do_nothing(store: SqlStore) -> None:
    lost = take(store, "a")
    held = take(store, "b", AT + TTL)
    assert lost is not None
    assert held is not None
    with store.transaction() as unit:
        with pytest.raises(LeaseLost):
            unit.leases.check("run-1", lost)
        with pytest.raises(LeaseLost):
            unit.leases.renew("run-1", lost, AT + 9 * TTL, TTL)
        unit.leases.release("run-1", lost, AT)
        unit.leases.check("run-1", held)
    assert take(store, "a", AT + TTL) is None


def test_who_let_go_no_longer_has_it(store: SqlStore) -> None:
    fence = take(store, "a")
    assert fence is not None
    with store.transaction() as unit:
        unit.leases.release("run-1", fence, AT)
        with pytest.raises(LeaseLost):
            unit.leases.check("run-1", fence)
        with pytest.raises(LeaseLost):
            unit.leases.renew("run-1", fence, AT, TTL)
        with pytest.raises(LeaseLost):
            unit.leases.check("run-never", 1)


def test_a_check_keeps_others_from_taking_it_until_the_commit(store: SqlStore, database: Database) -> None:
    fence = take(store, "a")
    assert fence is not None
    with store.transaction() as unit:
        unit.leases.check("run-1", fence)
        assert database.locked("leases", "name", "run-1")
    assert not database.locked("leases", "name", "run-1")


def test_those_held(store: SqlStore) -> None:
    names = [f"run-{number}" for number in range(1200)]
    with store.transaction() as unit:
        for number in (1, 700, 1199):
            unit.leases.take(names[number], "a", AT + number * TTL, TTL)
        fence = unit.leases.take("run-2", "a", AT, TTL)
        assert fence is not None
        unit.leases.release("run-2", fence, AT)
    with store.reading() as unit:
        assert unit.leases.held(names, AT) == {"run-1", "run-700", "run-1199"}
        assert unit.leases.held(names, AT + 2 * TTL) == {"run-700", "run-1199"}
        assert unit.leases.held(["run-1"], AT) == {"run-1"}
        assert unit.leases.held([], AT) == frozenset()


def test_leases_of_what_is_long_over_are_forgotten_and_those_of_unfinished_runs_are_not(
    store: SqlStore,
) -> None:
    place = put(store)
    unfinished, ended = add(store, run(place)), add(store, run(place))
    with store.transaction() as unit:
        unit.runs.save(replace(ended, status=RunStatus.CANCELED, status_at=AT))
    names = (f"run:{unfinished.id}", f"run:{ended.id}", "report:chg-1", "report:chg-2", "report:lost")

    def take_all(at: datetime) -> list[int | None]:
        with store.transaction() as unit:
            return [unit.leases.take(name, "a", at, TTL) for name in names]

    assert take_all(AT) == [1] * len(names)
    with store.transaction() as unit:
        for name in names[:-1]:
            unit.leases.release(name, 1, AT + (2 * MINUTE if name == "report:chg-2" else MINUTE))
        assert unit.retention.leases(AT + 2 * MINUTE, limit=10) == 3
        assert unit.retention.leases(AT + 2 * MINUTE, limit=10) == 0
    assert take_all(AT + 2 * MINUTE) == [2, 1, 1, 2, 1]


def test_what_was_let_go_is_free_at_once_also_by_a_clock_that_is_behind(store: SqlStore) -> None:
    fence = take(store, "a")
    assert fence is not None
    with store.transaction() as unit:
        unit.leases.release("run-1", fence, AT + MINUTE / 2)
        assert not unit.leases.held(["run-1"], AT)
    assert take(store, "b", AT) is not None
