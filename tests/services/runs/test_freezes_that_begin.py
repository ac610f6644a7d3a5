"""A freeze that begins after an apply was confirmed, and before it starts, holds it, however it came."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.freeze import FreezeWindow
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from bot.services.variables.sync import sync
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House
from tests.services.approvals.test_rest_of_applies import FIRST, SECOND, THIRD, fail_half_way

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
# The tests begin on Tuesday at 12:00 UTC. The freeze begins an hour later.
FREEZE = FreezeWindow("0 13 * * TUE", timedelta(hours=4), why="The fair is on")
STATUS = "Waits until Tue 24 Nov 17:00 UTC: The fair is on"


def place(house: House, name: str = "network", **fields: Any) -> None:
    house.workspace(name, **{"freeze": (FREEZE,), **fields})
    house.engine.will_find(name, BUCKET)


def last(house: House, name: str = "network") -> Run:
    return house.runs(house.find_workspace(name), plan_only=False)[-1]


def begin(house: House) -> None:
    house.clock.at = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)


def when_asked(house: House, then: Callable[[House], None]) -> None:
    """Have something happen once, while the forge is asked what an apply that is to start requires."""
    ask = house.forge.repo_id

    def slow(repo: RepoRef) -> str:
        if any(run.status is RunStatus.APPLY_QUEUED for run in house.runs(plan_only=False)):
            house.forge.repo_id = ask  # type: ignore[method-assign]
            then(house)
        return ask(repo)

    house.forge.repo_id = slow  # type: ignore[method-assign]


def removed(house: House) -> None:
    sync(house.store, house.clock.now(), [], [])


def approved(house: House) -> None:
    place(house)
    house.open_change(1, "h1", "network/main.tf")
    when_asked(house, begin)
    house.say(1, "/apply")


def confirmed(house: House) -> None:
    place(house)
    house.push("h1", "network/main.tf")
    when_asked(house, begin)
    house.controls.confirm(last(house).id, WRITER)
    house.work()


def merged(house: House) -> None:
    place(house, merging=Merging(apply_when=ApplyWhen.AFTER_MERGE))
    house.open_change(1, "head", "network/main.tf")
    house.say(1, "/apply")
    when_asked(house, begin)
    house.close_change(1, merged=True, as_commit="h1")
    house.push("h1", "network/main.tf")


def half_done(house: House) -> None:
    """The retry of an apply that failed half-way."""
    house.engine.state_here = True
    house.workspace("network", freeze=(FREEZE,))
    house.engine.will_find("network", FIRST, SECOND, THIRD)
    house.open_change(1, "h1", "network/main.tf")
    fail_half_way(house, "first")
    house.say(1, "/apply")
    house.engine.will_find("network", SECOND, THIRD)
    house.engine.applied.clear()
    when_asked(house, begin)
    house.say(1, "/retry")
    assert last(house).confirmed_by


def automatic(house: House) -> None:
    place(house, auto_apply=True)
    house.engine.during("plan", lambda _: begin(house))
    house.push("h1", "network/main.tf")


def triggered(house: House) -> None:
    house.forge.set_branch(house.workspace("app", auto_apply=True).repo, "main", "h1", default=True)
    house.engine.will_find("app", BUCKET)
    place(house, run_triggers=("app",), auto_apply_run_triggers=True)
    house.engine.during("apply", lambda _: begin(house))
    house.push("h1", "app/main.tf")
    house.engine.applied.clear()


WAYS = [approved, confirmed, merged, half_done, automatic, triggered]


@pytest.mark.parametrize("way", WAYS)
def test_it_waits_for_the_end_and_starts_by_itself(house: House, way: Callable[[House], None]) -> None:
    way(house)
    run = last(house)
    assert (run.status, run.waits_for_freeze) == (RunStatus.APPLY_QUEUED, True)
    assert house.engine.applied == []
    assert house.said("h1", "plangate/network/apply") == ("pending", STATUS)
    house.sweep(hours=5)
    assert last(house).status is RunStatus.APPLIED


def test_a_worker_that_dies_before_the_freeze_leaves_the_start_to_its_end(house: House) -> None:
    place(house)
    house.open_change(1, "h1", "network/main.tf")
    house.say(1, "/apply", work=False)
    house.work("receive")
    house.killed_while("fetch", lambda: house.execution.advance(last(house).id))
    begin(house)
    house.sweep(minutes=10)
    assert last(house).waits_for_freeze
    assert house.engine.applied == []


def test_a_workspace_that_is_removed_while_the_forge_is_asked_applies_nothing(house: House) -> None:
    place(house)
    house.open_change(1, "h1", "network/main.tf")
    when_asked(house, removed)
    house.say(1, "/apply")
    assert last(house).status is RunStatus.CANCELED
    assert house.engine.applied == []
