"""The pages of drift: what is not as it was applied, what to do, and who may see and do it."""

from __future__ import annotations

import html
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.people.permissions import Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.domain.workspaces.drift import DriftSettings
from bot.domain.workspaces.drifted import DriftedResource
from bot.services.ports import DriftCheck, DriftRecord
from tests.support.seeding import Seeded, seed
from tests.web.conftest import World

NAME = "network-prod"
FOUND = DriftedResource("aws_vpc.<b>main</b>", "changed", "update", ("tags",), "jo")


@pytest.fixture
def seeded(world: World) -> Seeded:
    return seed(world)


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def drifted(world: World, *resources: DriftedResource, number: int = 0, ended: str = "") -> DriftRecord:
    now = world.clock.now()
    with world.services.store.transaction() as tx:
        workspace = tx.workspaces.named(NAME)
        tx.workspaces.put(replace(workspace, drift=DriftSettings(every=timedelta(hours=6))))
    run = world.run(
        workspace, status=RunStatus.PLANNED_AND_FINISHED, plan_only=True, source=RunSource.DRIFT,
    )  # fmt: skip
    record = DriftRecord(
        "drift-1", workspace.id, now, now, run.id, run.id, resources, number or len(resources),
        ("ann wrote the state (by hand)",), now if ended else None, ended,
    )  # fmt: skip
    with world.services.store.transaction() as tx:
        tx.drift_checks.put(DriftCheck(workspace.id, now, checked_at=now))
        tx.drifts.put(record)
    return record


def test_the_page_says_what_drifted_who_wrote_it_and_what_to_do(world: World, seeded: Seeded) -> None:
    drifted(world, FOUND, number=3)
    found = text(world, f"/workspaces/{NAME}/drift")
    assert "aws_vpc.&lt;b&gt;main&lt;/b&gt;" in found
    said = html.unescape(found)
    assert "changed outside of Terraform: tags; an apply would update it. Written last by jo" in said
    assert "And 2 more" in said
    assert "ann wrote the state (by hand)" in said
    assert "every 6h" in said
    assert "Apply the configuration" in said
    assert "Refresh only" in said


def test_the_lists_and_the_workspace_have_a_badge_while_it_lasts(world: World, seeded: Seeded) -> None:
    assert "Drifted" not in text(world, "/")
    drifted(world, FOUND)
    for path in ("/", f"/workspaces/{NAME}", f"/workspaces/{NAME}/drift"):
        assert "Drifted" in text(world, path)
    assert f'href="/workspaces/{NAME}/drift"' in text(world, "/drift")


def test_a_drift_that_ended_is_history_and_not_in_the_list(world: World, seeded: Seeded) -> None:
    drifted(world, FOUND, ended="a later check found none")
    found = text(world, f"/workspaces/{NAME}/drift")
    assert "No drift" in found
    assert "a later check found none" in found
    assert "Apply the configuration" not in found
    assert "No workspace has drifted" in text(world, "/drift")


def test_people_who_may_plan_have_it_checked_and_others_do_not(world: World, seeded: Seeded) -> None:
    path = f"/workspaces/{NAME}/drift"
    form = {"form_token": world.form_token(path)}
    assert world.client.post(path, data=form).status_code == 303
    with world.services.store.reading() as tx:
        check = tx.drift_checks.get(tx.workspaces.named(NAME).id)
    assert check is not None
    assert check.wanted
    assert "as soon as no other run waits" in text(world, path)
    reader = world.visitor("rea", Role.READ)
    form = {"form_token": world.form_token(path, reader)}
    assert reader.post(path, data=form).status_code == 403


def test_strangers_to_a_repository_see_nothing_of_it(world: World, seeded: Seeded) -> None:
    drifted(world, FOUND)
    stranger = world.visitor("stan")
    assert NAME not in stranger.get("/drift").get_data(as_text=True)
    assert stranger.get(f"/workspaces/{NAME}/drift").status_code == 404


def test_a_workspace_that_can_not_be_checked_says_why(world: World, seeded: Seeded) -> None:
    world.workspace("untouched")
    path = "/workspaces/untouched/drift"
    answer = world.client.post(path, data={"form_token": world.form_token(path)})
    assert answer.status_code == 409
    assert "nothing was applied here yet" in answer.get_data(as_text=True)


def test_the_settings_page_says_when_it_is_checked(world: World, seeded: Seeded) -> None:
    drifted(world, FOUND)
    assert "every 6h" in text(world, f"/workspaces/{NAME}/settings")
