"""While runs are under way a comment is edited at most once in two seconds, and at once when all is done."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.services.reporting import EDITS_APART
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

        with house.store.reading() as tx:
            record = tx.changes.numbered(REPO, 1)
        assert record is not None
        self.subject = record.id
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


def test_several_that_finish_one_after_another_share_an_edit_and_one_worker_waits(watched: Watched) -> None:
    house = watched.house
    began = house.clock.now()
    waited = house.clock.wait

    def meanwhile(length: timedelta) -> None:
        house.phases.advance(house.runs()[1].id)
        house.reporting.report(watched.subject)
        waited(length)

    house.clock.wait = meanwhile  # type: ignore[method-assign]
    house.phases.advance(house.runs()[0].id)
    house.reporting.report(watched.subject)
    assert len(watched.waits) == 1
    assert watched.edits == [began + EDITS_APART]
    assert house.summary(1).count("No changes") == 2


def test_when_all_is_done_the_comment_says_so_at_once(watched: Watched) -> None:
    house = watched.house
    for run in house.runs():
        house.phases.advance(run.id)
    house.work("report")
    assert watched.waits == []
    assert watched.edits == [house.clock.now()]
    assert house.summary(1).count("No changes") == 3
    assert house.said("h1")[0] == "success"


def test_a_worker_that_waits_keeps_nobody_from_saying_that_all_is_done(watched: Watched) -> None:
    house = watched.house
    began, waited = house.clock.now(), house.clock.wait

    def meanwhile(length: timedelta) -> None:
        for run in house.runs()[1:]:
            house.phases.advance(run.id)
        house.reporting.report(watched.subject)
        waited(length)

    house.clock.wait = meanwhile  # type: ignore[method-assign]
    house.phases.advance(house.runs()[0].id)
    house.reporting.report(watched.subject)
    assert len(watched.waits) == 1
    assert watched.edits == [began]
    assert house.summary(1).count("No changes") == 3


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
