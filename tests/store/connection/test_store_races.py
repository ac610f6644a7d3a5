"""Several at once: threads of one process and processes of one machine never both win."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.errors import Conflict, LeaseLost
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.services.ports import RunQuery
from bot.store import SqlStore
from bot.vault import FernetVault
from tests.fakes.house import House
from tests.store.racing import in_processes, in_threads
from tests.store.samples import AT, MINUTE, add, delivery, event, post, put, run, state_lock, status
from tests.support.postgres import PostgresServer

ROUNDS = 10


def test_one_of_several_takes_a_lease(store: SqlStore) -> None:
    def take(round_: int, owner: str) -> Callable[[], int | None]:
        def racer() -> int | None:
            with store.transaction() as unit:
                return unit.leases.take("run-1", owner, AT + round_ * MINUTE, MINUTE)

        return racer

    last = 0
    for round_ in range(ROUNDS):
        results = in_threads([take(round_, owner) for owner in "abcd"])
        won = [fence for fence in results if fence is not None]
        assert len(won) == 1, results
        assert won[0] > last
        last = won[0]


def test_one_of_several_processes_takes_a_lease(store: SqlStore) -> None:
    def take() -> int | None:
        with store.transaction() as unit:
            return unit.leases.take("run-1", "me", AT, MINUTE)

    assert Counter(in_processes([take] * 4)) == {1: 1, None: 3}


def test_a_take_over_and_a_save_under_the_lease_never_cross(store: SqlStore) -> None:
    """Either the save comes first and the taker sees it, or the taker comes first and the save is refused."""
    place = put(store)
    for round_ in range(ROUNDS):
        one, name, late = add(store, run(place)), f"run:{round_}", AT + MINUTE
        with store.transaction() as unit:
            fence = unit.leases.take(name, "old", AT, MINUTE)
        assert fence is not None

        def save(one: Any = one, name: str = name, fence: int = fence) -> str:
            with store.transaction() as unit:
                unit.leases.check(name, fence)
                unit.runs.save(replace(one, message="saved by the old worker"))
            return "saved"

        def take_over(one: Any = one, name: str = name, late: Any = late) -> str:
            with store.transaction() as unit:
                assert unit.leases.take(name, "new", late, MINUTE) is not None
                return unit.runs.get(one.id).message

        saved, seen = in_threads([save, take_over])
        if saved == "saved":
            assert seen == "saved by the old worker"
        else:
            assert isinstance(saved, LeaseLost), saved
            assert seen == one.message


def test_a_delivery_that_two_workers_have_is_handled_by_one(store: SqlStore) -> None:
    def handle(identity: str) -> Callable[[], bool]:
        def racer() -> bool:
            with store.transaction() as unit:
                if unit.deliveries.get(identity, for_update=True).handled_at is not None:
                    return False
                unit.deliveries.handled(identity, AT, [])
                return True

        return racer

    for round_ in range(ROUNDS):
        with store.transaction() as unit:
            unit.deliveries.add(delivery(f"d-{round_}"))
        assert Counter(in_threads([handle(f"d-{round_}")] * 3)) == {True: 1, False: 2}


def test_a_push_that_comes_while_an_older_one_is_decided_is_not_followed_by_the_older_one(
    postgres: PostgresServer, vault: FernetVault
) -> None:
    """Only PostgreSQL lets two write at once. The older commit must not be applied after the newer one."""
    house = House(SqlStore(postgres.empty("migrated"), vault), vault)
    house.workspace("network")
    first = house.push("c1", "network/a.tf", work=False)
    factory = house.intake._pushes._run_factory
    start = factory.of_push

    def and_another_comes(*about: Any) -> Any:
        factory.of_push = start  # type: ignore[method-assign]
        second = house.push("c2", "network/a.tf", before="c1", work=False)
        assert in_threads([lambda: house.intake.handle(second)]) == [None]
        return start(*about)

    factory.of_push = and_another_comes  # type: ignore[method-assign,assignment]
    house.intake.handle(first)
    assert [run.commit for run in house.runs()] == ["c2"]
    house.store.close()


def test_a_delivery_that_comes_twice_at_once_is_accepted_once(store: SqlStore) -> None:
    def receive(identity: str) -> Callable[[], bool]:
        def racer() -> bool:
            with store.transaction() as unit:
                return unit.deliveries.add(delivery(identity))

        return racer

    for round_ in range(ROUNDS):
        assert Counter(in_threads([receive(f"d-{round_}")] * 4)) == {True: 1, False: 3}
    assert Counter(in_processes([receive("d-x")] * 4)) == {True: 1, False: 3}


def test_processes_that_add_runs_to_one_workspace_give_each_sequence_once(store: SqlStore) -> None:
    place = put(store)

    def add_some() -> list[int]:
        return [add(store, run(place)).sequence for _ in range(6)]

    results = in_processes([add_some] * 8)
    assert all(isinstance(result, list) for result in results), results
    assert sorted(n for result in results for n in result) == list(range(1, 49))
    assert all(result == sorted(result) for result in results)
    with store.reading() as unit:
        assert [one.sequence for one in unit.runs.queue(place.id)] == list(range(1, 49))


def test_one_of_several_saves_of_a_version_wins(store: SqlStore) -> None:
    one = add(store, run(put(store)))
    for _ in range(ROUNDS):

        def save(name: str, one: Any = one) -> str:
            with store.transaction() as unit:
                return unit.runs.save(replace(one, confirmed_by=name), event(one, name)).confirmed_by

        results = in_threads([lambda: save("a"), lambda: save("b"), lambda: save("c")])
        won = [result for result in results if isinstance(result, str)]
        assert len(won) == 1, results
        assert sum(isinstance(result, Conflict) for result in results) == 2
        with store.reading() as unit:
            one = unit.runs.get(one.id)
            assert one.confirmed_by == won[0] == unit.runs.timeline(one.id)[-1].kind


def test_one_of_several_runs_comes_to_hold_the_workspace(store: SqlStore) -> None:
    place = put(store)
    for _ in range(ROUNDS):
        waiting = [add(store, run(place)) for _ in range(3)]

        def start(one: Any) -> Callable[[], Any]:
            def racer() -> Any:
                with store.transaction() as unit:
                    return unit.runs.save(one.move(RunStatus.FETCHING, AT))

            return racer

        results = in_threads([start(one) for one in waiting])
        assert sum(isinstance(result, Conflict) for result in results) == 2, results
        with store.transaction() as unit:
            for one in unit.runs.queue(place.id):
                unit.runs.save(replace(one, status=RunStatus.CANCELED))


def test_a_push_that_is_handled_twice_at_once_makes_one_run(store: SqlStore) -> None:
    place = put(store)
    for round_ in range(ROUNDS):

        def receive(commit: str = f"c{round_}") -> Any:
            return add(store, run(place, source=RunSource.PUSH, commit=commit))

        results = in_threads([receive] * 3)
        assert sum(isinstance(result, Conflict) for result in results) == 2, results
        with store.reading() as unit:
            assert len(unit.runs.find(RunQuery(commit=f"c{round_}"))) == 1


def test_one_of_several_locks_a_state(store: SqlStore) -> None:
    place = put(store)

    def lock(name: str) -> Callable[[], str]:
        def racer() -> str:
            with store.transaction() as unit:
                in_the_way = unit.states.lock(state_lock(place, name))
                return name if in_the_way is None else in_the_way.lock_id

        return racer

    for _ in range(ROUNDS):
        results = in_threads([lock("a"), lock("b"), lock("c")])
        assert len(set(results)) == 1, "everybody names the one that stands"
        with store.transaction() as unit:
            assert unit.states.locked(place.id) is not None
            assert unit.states.unlock(place.id, results[0])


def test_no_mark_is_lost(store: SqlStore) -> None:
    def mark() -> None:
        with store.transaction() as unit:
            unit.posts.mark_due(AT, "run-1")

    assert in_threads([mark] * 8) == [None] * 8
    with store.reading() as unit:
        assert unit.posts.due_mark("run-1") == 8


def test_of_two_derivations_at_once_the_newer_stands(store: SqlStore) -> None:
    for round_ in range(ROUNDS):
        subject = f"run-{round_}"

        def derive(mark: int, subject: str = subject) -> Callable[[], None]:
            def racer() -> None:
                with store.transaction() as unit:
                    unit.posts.derived(subject, mark, [post(subject, status(str(mark)))])

            return racer

        assert in_threads([derive(1), derive(2), derive(3)]) == [None] * 3
        with store.reading() as unit:
            assert [one.content for one in unit.posts.undelivered(subject)] == [status("3")]


@pytest.mark.parametrize("pieces", [20])
def test_output_of_several_writers_is_never_torn(store: SqlStore, pieces: int) -> None:
    """It can't happen under a lease; then a piece is refused whole, not written over another."""
    one = add(store, run(put(store)))

    def write(letter: str) -> Callable[[], int]:
        def racer() -> int:
            kept = 0
            for _ in range(pieces):
                try:
                    with store.transaction() as unit:
                        unit.artifacts.append_output(one.id, "plan", letter * 7)
                    kept += 1
                except Conflict:
                    continue
            return kept

        return racer

    kept = in_threads([write("a"), write("b")])
    with store.reading() as unit:
        text = unit.artifacts.output(one.id, "plan")
    assert text.replace("a" * 7, "A").replace("b" * 7, "B").strip("AB") == ""
    assert [text.count("a"), text.count("b")] == [7 * count for count in kept]
