"""Forecasts of two changes, kept."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings

from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.plans.forecast import Forecast
from bot.services.ports import ForecastRecord
from bot.store import SqlStore
from tests.store.samples import REPO, change, every, put, workspace

OTHER = RepoRef("github", "acme/other")


def record(workspace_id: str, first: int = 1, second: int = 2, **fields: object) -> ForecastRecord:
    made = ForecastRecord(workspace_id, first, second, f"run-{first}", f"run-{second}", "b", "s", "run-both")
    return replace(made, **fields)  # type: ignore[arg-type]  # the fields of the record


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(every(ForecastRecord))
def test_every_field_comes_back(store: SqlStore, one: ForecastRecord) -> None:
    here = put(store, workspace(new_id("name")))
    one = replace(one, workspace_id=here.id)
    with store.transaction() as unit:
        unit.forecasts.put(one)
        assert unit.forecasts.of_workspace(here.id) == [one]
        unit.forecasts.remove(one)
        assert unit.forecasts.of_workspace(here.id) == []


def test_a_workspace_has_one_for_two_changes(store: SqlStore) -> None:
    here = put(store, workspace())
    newer = record(here.id, run_id="run-newer", result=Forecast(order=("a.x",)))
    with store.transaction() as unit:
        unit.forecasts.put(record(here.id))
        unit.forecasts.put(newer)
        assert unit.forecasts.of_workspace(here.id) == [newer]
        assert unit.forecasts.of_run("run-newer") == newer
        assert unit.forecasts.of_run("run-both") is None
        assert unit.forecasts.of_run("") is None


def test_forecasts_are_found_by_either_plan(store: SqlStore) -> None:
    here = put(store, workspace())
    several = [record(here.id, 1, 2), record(here.id, 1, 3), record(here.id, 2, 3)]
    with store.transaction() as unit:
        for each in reversed(several):
            unit.forecasts.put(each)
        assert unit.forecasts.of_plans(["run-1"]) == several[:2]
        assert unit.forecasts.of_plans(["run-1", "run-2", "run-3"]) == several
        assert unit.forecasts.of_plans([]) == []


def test_repositories_count_with_two_open_changes_or_a_forecast(store: SqlStore) -> None:
    here = put(store, workspace())
    closed = change(3)
    with store.transaction() as unit:
        unit.changes.put(change(1))
        unit.changes.put(replace(closed, change=replace(closed.change, open=False)))
        assert unit.forecasts.repos() == frozenset()
        unit.changes.put(change(2))
        assert unit.forecasts.repos() == {REPO}
        unit.forecasts.put(record(here.id))
        assert unit.forecasts.repos() == {REPO}
        assert unit.forecasts.of_repo(REPO) == [record(here.id)]
        assert unit.forecasts.of_repo(OTHER) == []
        two = change(2)
        unit.changes.put(replace(two, change=replace(two.change, open=False)))
        assert unit.forecasts.repos() == {REPO}
        unit.forecasts.remove(record(here.id))
        assert unit.forecasts.repos() == frozenset()
