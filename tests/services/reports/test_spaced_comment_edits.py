"""Progress is told at most once in two seconds, the last word at once; no worker waits, nothing is lost."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.services.reports.deliver import EDITS_APART, FIRST_WORDS
from tests.fakes.house import REPO, House


def change_id(house: House) -> str:
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
    assert record is not None
    return record.id


class Watched:
    """A house whose forge says when each edit and each status came."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.edits: list[datetime] = []
        self.statuses: list[datetime] = []
        edit, state = house.forge.update_comment, house.forge.set_status

        def edited(*args: object) -> object:
            self.edits.append(house.clock.now())
            return edit(*args)  # type: ignore[arg-type]

        def stated(*args: object) -> None:
            self.statuses.append(house.clock.now())
            state(*args)  # type: ignore[arg-type]

        house.forge.update_comment = edited  # type: ignore[method-assign,assignment]
        house.forge.set_status = stated  # type: ignore[method-assign,assignment]
        house.clock.wait = _never  # type: ignore[method-assign]


def _never(length: timedelta) -> None:
    raise AssertionError("a report waits in a worker")


@pytest.fixture
def watched(house: House) -> Watched:
    """A change in three workspaces whose comment was written this very moment."""
    for name in "abc":
        house.workspace(name)
    house.open_change(1, "h1", "a/x.tf", "b/x.tf", "c/x.tf", work=False)
    house.work("receive", "report")
    return Watched(house)


def test_several_that_finish_one_after_another_share_edits(watched: Watched) -> None:
    house = watched.house
    began = house.clock.now()
    for run in house.runs():
        house.execution.advance(run.id)
        house.clock.forward(seconds=0.4)
        house.report_delivery.report(change_id(house))
    assert watched.edits == [began + timedelta(seconds=1.2)], "the last word is said at once"
    assert house.summary(1).count("No changes") == 3
    assert house.said("h1")[0] == "success"


def test_statuses_do_not_wait_for_the_comment(watched: Watched) -> None:
    house = watched.house
    at = house.clock.now()
    house.execution.advance(house.runs()[0].id)
    house.work("report")
    assert watched.statuses[0] == at
    assert watched.edits == [at + EDITS_APART]


def test_an_edit_long_after_the_last_one_goes_out_at_once(watched: Watched) -> None:
    house = watched.house
    house.clock.forward(seconds=30)
    house.execution.advance(house.runs()[0].id)
    house.report_delivery.report(change_id(house))
    assert watched.edits == [house.clock.now()]
    assert house.dispatch.later == {}


def test_a_report_that_is_asked_for_later_occupies_no_worker(watched: Watched) -> None:
    house = watched.house
    at, subject = house.clock.now(), change_id(house)
    for run in house.runs()[:2]:
        house.execution.advance(run.id)
        house.report_delivery.report(subject)
    assert watched.edits == []
    assert list(house.dispatch.later) == [subject]
    house.work("report")
    assert watched.edits == [at + EDITS_APART]
    assert house.summary(1).count("No changes") == 2


def test_without_redis_the_sweep_writes_the_edit_that_waits(watched: Watched) -> None:
    house = watched.house
    house.execution.advance(house.runs()[0].id)
    house.dispatch.down = True
    house.report_delivery.report(change_id(house))
    house.dispatch.down = False
    assert watched.edits == []
    house.dispatch.lose_everything()
    house.sweep()
    assert "a: No changes" in house.summary(1)


def test_the_last_word_waits_for_the_forges_limit_only(watched: Watched) -> None:
    house = watched.house
    house.clock.forward(seconds=30)
    limit = ForgeUnavailable("slow down", retry_after=60)
    house.forge.fail(limit, on="update_comment")
    house.execution.advance(house.runs()[0].id)
    house.report_delivery.report(change_id(house))
    watched.edits.clear()
    for run in house.runs()[1:]:
        house.execution.advance(run.id)
    house.report_delivery._left_alone.clear()  # another worker does not know of it
    house.report_delivery.report(change_id(house))
    assert watched.edits == []
    house.sweep(seconds=61)
    assert house.summary(1).count("No changes") == 3


@pytest.fixture
def opened(house: House) -> Watched:
    """A change in two workspaces of which nothing was said yet."""
    for name in "ab":
        house.workspace(name)
    house.open_change(1, "h1", "a/x.tf", "b/x.tf", work=False)
    house.work("receive")
    return Watched(house)


def test_plans_that_take_a_moment_are_told_of_in_one_comment_and_at_once(opened: Watched) -> None:
    house = opened.house
    at = house.clock.now()
    for run in house.runs():
        house.execution.advance(run.id)
    house.work("report")
    assert house.clock.now() == at
    assert opened.edits == []
    assert house.summary(1).count("No changes") == 2


def test_the_first_words_wait_no_longer_than_a_moment(opened: Watched) -> None:
    house = opened.house
    at, subject = house.clock.now(), change_id(house)
    house.report_delivery.report(subject)
    assert house.comments(1) == []
    assert house.dispatch.later == {subject: at + FIRST_WORDS}
    house.work("report")
    assert house.summary(1).count("Planning") == 2


def test_a_plan_that_comes_before_the_first_words_is_told_at_once(opened: Watched) -> None:
    house = opened.house
    at, subject = house.clock.now(), change_id(house)
    house.report_delivery.report(subject)
    for run in house.runs():
        house.execution.advance(run.id)
    house.report_delivery.report(subject)
    assert house.clock.now() == at
    assert house.summary(1).count("No changes") == 2
    house.work("report")
    assert opened.edits == []


def test_the_commit_has_a_status_at_once_and_each_workspace_soon(opened: Watched) -> None:
    house = opened.house
    house.report_delivery.report(change_id(house))
    assert [status.context for _, status in house.forge.statuses] == ["plangate"]
    assert house.said("h1")[0] == "pending"
    house.work("report")
    assert {house.said("h1", f"plangate/{name}/plan")[0] for name in "ab"} == {"pending"}


def test_a_quick_plan_is_told_by_one_status(opened: Watched) -> None:
    house = opened.house
    subject = change_id(house)
    house.report_delivery.report(subject)
    for run in house.runs():
        house.execution.advance(run.id)
        house.report_delivery.report(subject)
    house.work()
    told = Counter(status.context for _, status in house.forge.statuses)
    assert told == {"plangate": 2, "plangate/a/plan": 1, "plangate/b/plan": 1}


def test_many_statuses_go_out_side_by_side_and_each_is_kept(build: Callable[..., House]) -> None:
    house = build()
    house.forge.calls_at_once = 4
    names = [f"w{number}" for number in range(10)]
    for name in names:
        house.workspace(name)
    house.open_change(1, "h1", *[f"{name}/x.tf" for name in names], work=False)
    house.work("receive", "preview")
    state, threads = house.forge.set_status, set[int]()
    barrier = threading.Barrier(4, timeout=30)

    def stated(*args: Any) -> None:
        first = not threads
        threads.add(threading.get_ident())
        if not first and len(house.forge.statuses) < 9:
            barrier.wait()  # four of them are here at once, or this fails
        state(*args)

    house.forge.set_status = stated  # type: ignore[method-assign,assignment]
    house.work("report")
    assert len(house.forge.statuses) == 11
    assert {house.said("h1", f"plangate/{name}/plan")[0] for name in names} == {"success"}
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


def test_a_limit_ends_what_goes_out_side_by_side(build: Callable[..., House]) -> None:
    house = build()
    house.forge.calls_at_once = 4
    names = [f"w{number}" for number in range(20)]
    for name in names:
        house.workspace(name)
    house.open_change(1, "h1", *[f"{name}/x.tf" for name in names], work=False)
    house.work("receive", "preview")
    house.forge.fail(ForgeUnavailable("slow down", retry_after=60), on="set_status", times=2)
    house.work("report")
    assert house.forge.calls.count("set_status") == 1, "the first one goes alone"
    house.sweep(seconds=61)
    assert house.forge.calls.count("set_status") == 2
    house.sweep(seconds=61)
    assert {house.said("h1", f"plangate/{name}/plan")[0] for name in names} == {"success"}
