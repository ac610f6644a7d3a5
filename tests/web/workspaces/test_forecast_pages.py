"""What open changes do to each other, on the page of a workspace and on that of a change."""

from __future__ import annotations

import html
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.plans.forecast import Deed, Forecast
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.domain.workspaces.workspace import Merging, PlanOf, Workspace
from bot.services.ports import ForecastRecord
from tests.support.seeding import CHANGE, HEADS, Seeded, seed
from tests.web.conftest import World

NAME = "network-prod"
OTHER = 42


@pytest.fixture
def seeded(world: World) -> Seeded:
    return seed(world)


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return html.unescape(answer.get_data(as_text=True))


def place(world: World, **merging: Any) -> Workspace:
    with world.services.store.transaction() as tx:
        found = tx.workspaces.named(NAME)
        return tx.workspaces.put(replace(found, merging=Merging(**{"plan_of": PlanOf.MERGE, **merging})))


def meet(world: World, seeded: Seeded, result: Forecast | None, title: str = "Another zone") -> None:
    """Have a second change open in the workspace, and a forecast of both."""
    workspace = place(world)
    preview = seeded.runs[f"preview-{NAME}"]
    theirs = world.run(
        workspace, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True, commit=HEADS[7],
        source=RunSource.CHANGE, change_number=OTHER,
    )  # fmt: skip
    both = world.run(
        workspace, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True, commit=HEADS[7],
        source=RunSource.FORECAST, message=f"changes {CHANGE} and {OTHER} together",
    )  # fmt: skip
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-second-zone")
        change = replace(record.change, number=OTHER, head_sha=HEADS[7], title=title)
        tx.changes.put(replace(record, id="chg-other", change=change))
        current = tx.states.current(workspace.id)
        state = f"{current.lineage} {current.serial} {current.md5}" if current else "none"
        tx.forecasts.put(
            ForecastRecord(workspace.id, CHANGE, OTHER, preview.id, theirs.id, "b", state, both.id, result)
        )


@pytest.mark.parametrize(
    ("result", "badge", "words"),
    [
        (Forecast(), "Independent", "Independent of #42"),
        (Forecast(order=("aws_subnet.b",)), "Order matters", "The order with #42 matters: aws_subnet.b"),
        (Forecast((Deed("replaces", "db.main"),)), "More together", "Together with #42: replaces db.main"),
        (Forecast(conflicts=("main.tf",)), "Conflict", "Conflicts with #42 in main.tf"),
        (Forecast(error="no"), "Fails", "Together with #42 the plan fails: no"),
        (Forecast(canceled_by="ana"), "Canceled", "The forecast with #42 was canceled by ana"),
        (None, "Planning", "Both are planned together now."),
    ],
)
def test_the_page_lists_the_pairs_of_a_workspace(
    world: World, seeded: Seeded, result: Forecast | None, badge: str, words: str
) -> None:
    meet(world, seeded, result)
    page = text(world, f"/workspaces/{NAME}/forecasts")
    shown = "Outdated" if result is not None and result.conflicts else badge
    assert f">{shown}</span>" in page
    assert words in page
    assert "#41 Give the network a second zone" in page
    assert "Open the plan of both" in page


def test_the_page_of_a_change_says_it_too(world: World, seeded: Seeded) -> None:
    meet(world, seeded, Forecast(order=("aws_subnet.b",)))
    said = "the order with #42 matters: aws_subnet.b"
    assert f"With other open pull requests: {said}" in text(world, "/changes/chg-second-zone")
    with world.services.store.transaction() as tx:
        record = tx.changes.get("chg-other")
        tx.changes.put(replace(record, change=replace(record.change, open=False)))
    assert said not in text(world, "/changes/chg-second-zone")
    assert ">Outdated</span>" in text(world, f"/workspaces/{NAME}/forecasts")


def test_hostile_names_are_text(world: World, seeded: Seeded) -> None:
    meet(world, seeded, Forecast(order=("<b>x</b>",)), title="<script>alert(1)</script>")
    for path in (f"/workspaces/{NAME}/forecasts", "/changes/chg-second-zone"):
        page = world.client.get(path).get_data(as_text=True)
        assert "<b>x" not in page
        assert "<script>alert" not in page


@pytest.mark.parametrize(
    ("merging", "why"),
    [
        ({}, "No forecasts yet"),
        ({"forecast": False}, "forecast: false"),
        ({"plan_of": PlanOf.HEAD}, "plan_of: head"),
    ],
)
def test_the_page_says_why_there_are_none(
    world: World, seeded: Seeded, merging: dict[str, Any], why: str
) -> None:
    place(world, **merging)
    assert why in text(world, f"/workspaces/{NAME}/forecasts")


def test_the_page_needs_the_rights_of_the_workspace(world: World, seeded: Seeded) -> None:
    meet(world, seeded, Forecast())
    path = f"/workspaces/{NAME}/forecasts"
    assert (
        world.visitor("nobody").get(path).status_code
        == world.visitor("nobody").get(f"/workspaces/{NAME}").status_code
        == 404
    )
    assert text(world, "/workspaces/nothing-here/forecasts", 404)


def test_the_run_of_a_forecast_says_what_it_is(world: World, seeded: Seeded) -> None:
    meet(world, seeded, Forecast())
    page = text(world, f"/workspaces/{NAME}")
    assert f"changes {CHANGE} and {OTHER} together" in page
