"""Results of run tasks: the service that was asked calls back with the token that it was given.

Source: https://developer.hashicorp.com/terraform/enterprise/api-docs/run-tasks/run-tasks-integration
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask import Response, request

from bot.domain.errors import Invalid
from bot.domain.tasks.tasks import MOST_OUTCOMES, TaskAnswer, TaskResult, TaskStatus
from bot.web.api import documents, reading
from bot.web.api.documents import ApiResource
from bot.web.api.registry import ApiField, ApiRoutes, Proof
from bot.web.request.services import services

routes = ApiRoutes("task-results")

_TYPE = "task-results"
_STATUSES = (TaskStatus.RUNNING, TaskStatus.PASSED, TaskStatus.FAILED)
_FIELDS = (
    ApiField("status", choices=tuple(each.value for each in _STATUSES)),
    ApiField("message"),
    ApiField("url"),
)


@routes.patch(
    "/task-results/<result_id>/callback",
    summary="Answer a run task, with the token of the request",
    gives=_TYPE,
    takes=_TYPE,
    fields=_FIELDS,
    relationships=("outcomes",),
    proof=Proof.SIGNED,
)
def callback(result_id: str) -> Response:
    """Store the answer. The token is good for this result only."""
    services().task_callbacks.check(result_id, _token())
    sent = reading.sent()
    status = sent.text("status")
    if status not in [each.value for each in _STATUSES]:
        raise Invalid("`status` must be running, passed or failed")
    answer = TaskAnswer(
        TaskStatus(status), sent.text("message"), sent.text("url"), tuple(_outcomes(sent.relationships))
    )
    found = services().task_callbacks.answer(result_id, _token(), answer)
    return documents.one(_shown(found))


@routes.get(
    "/task-results/<result_id>/plan-json",
    summary="Read the plan that a run task is asked about, with the token of the request",
    proof=Proof.SIGNED,
    may_be_empty=True,
)
def plan_json(result_id: str) -> Response:
    """Answer with Terraform's own JSON of the plan; 204 before there is one."""
    found = services().task_callbacks.plan_json(result_id, _token())
    return Response(found, mimetype="application/json") if found else documents.nothing(204)


def _token() -> str:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.casefold() == "bearer" else ""


def _outcomes(relationships: Mapping[str, Any]) -> Iterator[str]:
    """Yield single findings: what has no text is not one."""
    related = _part(relationships, "outcomes")
    entries = related.get("data")
    for entry in entries[:MOST_OUTCOMES] if isinstance(entries, list) else []:
        about = _part(entry, "attributes")
        texts = [about.get(name) for name in ("outcome-id", "description")]
        if words := [text for text in texts if isinstance(text, str) and text]:
            yield ": ".join(words)


def _part(value: object, name: str) -> Mapping[str, Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def _shown(result: TaskResult) -> ApiResource:
    about = {"status": result.status.value, "message": result.message, "url": result.url}
    return ApiResource(_TYPE, result.id, {**about, "stage": result.stage.value, "task-name": result.task})
