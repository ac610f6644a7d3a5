"""A comment is edited at most once in two seconds: what came meanwhile goes together, and nothing is lost."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.services.reporting import EDITS_APART, FIRST_WORDS
from tests.fakes.house import REPO, House


class Watched:
    """A house whose forge says when each edit and each status came."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.edits: list[datetime] = []
        self.statuses: list[datetime] = []
        self.waits: list[timedelta] = []
        edit, state, wait = house.forge.update_comment, house.forge.set_status, house.clock.wait

        def edited(*args: object) -> None:
            self.edits.append(house.clock.now())
            edit(*args)  # type: ignore[arg-type]

        def stated(*args: object) -> None:
            self.statuses.append(house.clock.now())
            state(*args)  # type: ignore[arg-type]

        def waited(length: timedelta) -> None:
            self.waits.append(length)
            wait(length)

        house.forge.update_comment = edited  # type: ignore[method-assign,assignment]
        house.forge.set_status = stated  # type: ignore[method-assign,assignment]
        house.clock.wait = waited  # type: ignore[method-assign]


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
    while job := house.dispatch.take():
        if job.queue == "report":
            house.reporting.report(job.subject)
        else:
            house.phases.advance(job.subject)
    assert watched.edits
    gaps = [later - sooner for sooner, later in zip(watched.edits, watched.edits[1:], strict=False)]
    assert all(gap >= EDITS_APART for gap in gaps)
    assert watched.edits[0] >= began + EDITS_APART
    assert house.summary(1).count("No changes") == 3
    assert house.said("h1")[0] == "success"


def test_statuses_do_not_wait_for_the_comment(watched: Watched) -> None:
    house = watched.house
    at = house.clock.now()
    house.phases.advance(house.runs()[0].id)
    house.work("report")
    assert watched.statuses[0] == at
    assert watched.edits == [at + EDITS_APART]
    assert watched.waits == [EDITS_APART]


def test_an_edit_long_after_the_last_one_goes_out_at_once(watched: Watched) -> None:
    house = watched.house
    house.clock.forward(seconds=30)
    house.phases.advance(house.runs()[0].id)
    house.work("report")
    assert watched.waits == []
    assert watched.edits == [house.clock.now()]


def test_one_worker_waits_and_the_others_go_on(watched: Watched) -> None:
    house = watched.house
    waited = house.clock.wait
    record = house.forge.change(REPO, 1)
    with house.store.reading() as tx:
        found = tx.changes.numbered(REPO, record.number)
    assert found is not None

    def meanwhile(length: timedelta) -> None:
        house.phases.advance(house.runs()[1].id)
        house.reporting.report(found.id)
        waited(length)

    house.clock.wait = meanwhile  # type: ignore[method-assign]
    house.phases.advance(house.runs()[0].id)
    house.reporting.report(found.id)
    assert len(watched.waits) == 1
    assert len(watched.edits) == 1
    assert house.summary(1).count("No changes") == 2


def test_a_worker_that_is_killed_while_it_waits_loses_no_edit(watched: Watched) -> None:
    house = watched.house

    def killed(length: timedelta) -> None:
        raise KeyboardInterrupt

    waited, house.clock.wait = house.clock.wait, killed  # type: ignore[method-assign]
    house.phases.advance(house.runs()[0].id)
    with pytest.raises(KeyboardInterrupt):
        house.work("report")
    assert watched.edits == []
    house.clock.wait = waited  # type: ignore[method-assign]
    house.dispatch.lose_everything()
    house.sweep()
    assert "a: No changes" in house.summary(1)


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
    for run in house.runs():
        house.phases.advance(run.id)
    house.work("report")
    assert opened.waits == []
    assert opened.edits == []
    assert house.summary(1).count("No changes") == 2


def test_the_first_words_wait_no_longer_than_a_moment(opened: Watched) -> None:
    house = opened.house
    house.work("report")
    assert opened.waits == [FIRST_WORDS]
    assert house.summary(1).count("Planning") == 2


def test_whoever_waits_with_the_first_words_keeps_nobody_from_saying_all(opened: Watched) -> None:
    house = opened.house
    waited = house.clock.wait

    def meanwhile(length: timedelta) -> None:
        for run in house.runs():
            house.phases.advance(run.id)
        house.reporting.report(house.dispatch.take().subject)  # type: ignore[union-attr]
        assert house.summary(1).count("No changes") == 2
        waited(length)

    house.clock.wait = meanwhile  # type: ignore[method-assign]
    house.work("report")
    assert opened.waits == [FIRST_WORDS]
    assert opened.edits == []
