"""Changes of policy sets that are tried: each once, those that are due, and what came of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.errors import NotFound
from bot.domain.reports.replays import PlanComparison, Replay, ReplayResult, ReplayState, SetVerdict
from bot.store import SqlStore
from tests.store.samples import AT, MINUTE, change


def kept(
    store: SqlStore, *, set_name: str = "guard", commit: str = "c0ffee", identity: str = "r-1"
) -> Replay:
    with store.transaction() as tx:
        record = tx.changes.put(change())
        return tx.replays.add(Replay(identity, record.id, set_name, commit, ReplayState.WANTED, AT))


def test_a_commit_is_tried_once_for_a_set(store: SqlStore) -> None:
    first = kept(store)
    assert kept(store, identity="r-2") == first
    other = kept(store, identity="r-3", commit="beef")
    another = kept(store, identity="r-4", set_name="alike")
    with store.reading() as tx:
        assert {each.id for each in tx.replays.of_change(first.change_id)} == {"r-1", "r-3", "r-4"}
        assert tx.replays.get("r-3") == other
        assert tx.replays.of_change(first.change_id)[0] == another
        with pytest.raises(NotFound, match="r-9"):
            tx.replays.get("r-9")


def test_what_came_of_it_comes_back_as_it_was(store: SqlStore) -> None:
    found = PlanComparison("run-1", "net", SetVerdict.PASSES, SetVerdict.STOPS, ("a", "b"), ("c",))
    result = ReplayResult(
        plans=3,
        blocked=1,
        differing=1,
        errored=1,
        compared=(found,),
        errors=("a: no\x00thing",),
        in_force="c",
    )
    done = replace(kept(store), state=ReplayState.DONE, attempts=2, not_before=AT, why="", result=result)
    with store.transaction() as tx:
        tx.replays.save(done)
    with store.reading() as tx:
        back = tx.replays.get(done.id)
    assert back == replace(done, result=replace(result, errors=("a: no\ufffdthing",)))


def test_only_what_is_wanted_and_may_be_tried_is_due(store: SqlStore) -> None:
    first = kept(store)
    later = kept(store, identity="r-2", set_name="later")
    done = kept(store, identity="r-3", set_name="done")
    with store.transaction() as tx:
        tx.replays.save(replace(later, not_before=AT + MINUTE))
        tx.replays.save(replace(done, state=ReplayState.DONE))
    with store.reading() as tx:
        assert tx.replays.due(AT, 10) == [first.id]
        assert set(tx.replays.due(AT + MINUTE, 10)) == {first.id, later.id}
        assert len(tx.replays.due(AT + MINUTE, 1)) == 1
