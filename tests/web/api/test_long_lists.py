"""Lists of the API: a page of a long list costs as many queries as a short list, and reads no other page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain.runs.lifecycle import RunStatus
from tests.web.api.conftest import ApiClient
from tests.web.conftest import World


def asked(client: ApiClient, path: str) -> tuple[list[str], dict[str, Any]]:
    """Return the statements that an answer took, and the answer."""
    statements: list[str] = []

    def note(*about: Any) -> None:
        # A connection that is new is set up by statements of its own.
        if about[2].startswith("SELECT"):
            statements.append(about[2])

    engine = client.world.services.store._engine  # type: ignore[attr-defined]
    sa.event.listen(engine, "before_cursor_execute", note)
    found = client.found(path)
    sa.event.remove(engine, "before_cursor_execute", note)
    return statements, found


def test_runs_of_a_workspace_are_read_page_by_page(world: World, program: Callable[..., ApiClient]) -> None:
    olga, there = program(), world.workspace()
    made = [world.run(there)]
    path = f"/workspaces/{there.id}/runs"
    asked(olga, path)
    few, _ = asked(olga, f"{path}?page[size]=10")
    for _ in range(24):
        world.clock.pass_by(timedelta(seconds=1))
        made.append(world.run(there))
    many, found = asked(olga, f"{path}?page[size]=10&page[number]=2")
    assert len(many) == len(few)
    newest_first = [run.id for run in reversed(made)]
    assert [each["id"] for each in found["data"]] == newest_first[10:20]
    assert [each["attributes"]["position-in-queue"] for each in found["data"]] == list(range(14, 4, -1))
    assert found["meta"]["pagination"]["total-count"] == 25
    # The page alone is read, and the queue for the places in it.
    pages = [each for each in many if "FROM runs" in each and "ORDER BY runs.created_at" in each]
    assert pages
    assert all("LIMIT" in each for each in pages)
    queue, _ = asked(olga, "/organizations/plangate/runs/queue?page[size]=20")
    alone, _ = asked(olga, "/organizations/plangate/runs/queue?page[size]=1")
    assert len(queue) == len(alone)


def test_a_page_of_workspaces_knows_each_current_run_by_a_few_queries(
    world: World, program: Callable[..., ApiClient]
) -> None:
    olga, path = program(), "/organizations/plangate/workspaces"
    first = world.workspace("a")
    ended = world.run(first, status=RunStatus.APPLIED)
    world.run(first, plan_only=True, status=RunStatus.PLANNED_AND_FINISHED)
    asked(olga, path)
    few, _ = asked(olga, path)
    expected = {"a": ended.id, "z": None}
    for number in range(15):
        there = world.workspace(f"b{number:02}")
        world.run(there, status=RunStatus.APPLIED)
        held = world.run(there, status=RunStatus.PLANNED)
        world.run(there)
        expected[there.name] = held.id
    world.workspace("z")
    many, found = asked(olga, path)
    runs = {
        each["attributes"]["name"]: (each["relationships"]["current-run"]["data"] or {}).get("id")
        for each in found["data"]
    }
    assert runs == expected
    assert len(many) == len(few)
    planned = olga.found(f"{path}?filter[current-run][status]=applied")
    assert [each["attributes"]["name"] for each in planned["data"]] == ["a"]
