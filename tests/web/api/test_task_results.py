"""The callback of run tasks: only with the token of the very result, in HashiCorp's form."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.ids import new_id
from bot.domain.tasks.tasks import TaskResult, TaskStage
from bot.services.ports import ArtifactKind
from bot.services.run_tasks.tokens import TaskTokens
from tests.web.conftest import World


def waiting(world: World, stage: TaskStage = TaskStage.POST_PLAN) -> tuple[TaskResult, str]:
    """Return a result that is waited for, and its token."""
    run, services = world.run(world.workspace()), world.services
    now = services.clock.now()
    result = TaskResult(new_id("taskrs"), run.id, stage, "cost", now, now + timedelta(minutes=10))
    with services.store.transaction() as tx:
        tx.task_results.add([result])
        tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, b'{"format_version": "1.2"}')
    return result, TaskTokens(services.store, services.clock, services.vault).of(result.id)


def body(**attributes: object) -> dict[str, Any]:
    outcome = {"outcome-id": "C-1", "description": "a large disk", "body": "# long"}
    entries = [{"type": "task-result-outcomes", "attributes": outcome}, {"attributes": 7}, 3]
    related = {"outcomes": {"data": entries}}
    return {"data": {"type": "task-results", "attributes": attributes, "relationships": related}}


def send(world: World, result_id: str, token: str, document: object) -> TestResponse:
    return world.stranger().patch(
        f"/api/v2/task-results/{result_id}/callback",
        json=document,
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/vnd.api+json"},
    )


def stored(world: World, result: TaskResult) -> TaskResult:
    with world.services.store.reading() as tx:
        return tx.task_results.get(result.id)


def test_an_answer_is_taken_with_its_token(world: World) -> None:
    result, token = waiting(world)
    document = body(status="failed", message="too expensive", url="https://cost.test/1")
    answer = send(world, result.id, token, document)
    assert (answer.status_code, answer.get_json()["data"]["attributes"]["status"]) == (200, "failed")
    found = stored(world, result)
    assert (found.status.value, found.message, found.url) == (
        "failed",
        "too expensive",
        "https://cost.test/1",
    )
    assert found.outcomes == ("C-1: a large disk",)
    assert send(world, result.id, token, document).status_code == 404


@pytest.mark.parametrize("token", ["", "x", "é", "plangate_" + "a" * 40])
def test_another_token_changes_nothing(world: World, token: str) -> None:
    result, _ = waiting(world)
    assert send(world, result.id, token, body(status="passed")).status_code == 404
    assert stored(world, result).status.value == "pending"


def test_the_token_of_one_result_is_not_good_for_another(world: World) -> None:
    result, token = waiting(world)
    assert send(world, "taskrs-AAAAAAAAAAAAAAAA", token, body(status="passed")).status_code == 404
    other = TaskResult(
        new_id("taskrs"), result.run_id, TaskStage.PRE_APPLY, "cost", result.created_at, result.expires_at
    )
    with world.services.store.transaction() as tx:
        tx.task_results.add([other])
    assert send(world, other.id, token, body(status="passed")).status_code == 404


def test_after_the_time_limit_no_answer_is_taken(world: World) -> None:
    result, token = waiting(world)
    world.clock.pass_by(timedelta(minutes=11))
    assert send(world, result.id, token, body(status="passed")).status_code == 404


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"data": 7},
        {"data": {"attributes": {}}},
        {"data": {"attributes": {"status": "errored"}}},
        {"data": {"attributes": {"status": ["passed"]}}},
        {"data": {"attributes": {"status": "passed", "message": 7}}},
    ],
)
def test_a_body_of_another_form_is_refused(world: World, document: object) -> None:
    result, token = waiting(world)
    assert send(world, result.id, token, document).status_code in (400, 422)
    assert stored(world, result).status.value == "pending"


def test_the_plan_is_read_with_the_token_only(world: World) -> None:
    result, token = waiting(world)
    address = f"/api/v2/task-results/{result.id}/plan-json"
    got = world.stranger().get(address, headers={"Authorization": f"Bearer {token}"})
    assert (got.status_code, got.get_json()) == (200, {"format_version": "1.2"})
    assert world.stranger().get(address).status_code == 404
    assert world.client.get(address).status_code == 404  # a session counts for nothing here


def test_before_the_plan_there_is_none_to_read(world: World) -> None:
    result, token = waiting(world, TaskStage.PRE_PLAN)
    address = f"/api/v2/task-results/{result.id}/plan-json"
    got = world.stranger().get(address, headers={"Authorization": f"Bearer {token}"})
    assert got.status_code == 204
