"""How long a workspace's plans and applies usually take."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.domain.runs.lifecycle import RunStatus
from bot.services.runs.durations import usual_length
from tests.fakes.engine import change
from tests.fakes.house import House


def test_the_usual_time_comes_from_earlier_runs_of_the_workspace(house: House) -> None:
    workspace = house.workspace("net", auto_apply=True)
    house.workspace("app", auto_apply=True)

    def passes(seconds: int) -> Callable[[object], datetime]:
        return lambda _: house.clock.forward(seconds=seconds)

    for number, seconds in enumerate((20, 40, 3000)):
        house.engine.will_find("net", change("a.b", "create"))
        house.engine.during("plan", passes(7))
        house.engine.during("apply", passes(seconds))
        house.push(f"c{number}", "net/main.tf")
    assert house.statuses(workspace) == ["applied"] * 3
    house.push("c9", "net/main.tf", "app/main.tf", work=False)
    house.work("receive")
    waiting = house.runs(workspace)[-1]
    [other] = [run for run in house.runs() if run.workspace_id != workspace.id]
    with house.store.reading() as tx:
        assert usual_length(tx, waiting, RunStatus.APPLYING) == timedelta(seconds=40)
        assert usual_length(tx, waiting, RunStatus.PLANNING) == timedelta(seconds=7)
        assert usual_length(tx, other, RunStatus.APPLYING) is None
