"""Comments on runs: lines of their timelines."""

from __future__ import annotations

from flask import Response

from bot.domain.errors import Invalid, NotFound
from bot.domain.runs.run import RunEvent
from bot.services.runs.controls import COMMENT
from bot.web.api import documents, reading, rights
from bot.web.api.documents import ApiLink, ApiResource, moment
from bot.web.api.gate import short_hash
from bot.web.api.registry import ApiField, ApiRoutes
from bot.web.request.services import services

routes = ApiRoutes("comments")

_PREFIX = "wsc-"


@routes.get("/runs/<run_id>/comments", summary="List the comments on a run", gives="comments", many=True)
def listing(run_id: str) -> Response:
    """Answer with a run's comments, oldest first."""
    part, page = reading.part(_of(rights.run(run_id)[0].id))
    return documents.many(part, page)


@routes.post(
    "/runs/<run_id>/comments",
    summary="Comment on a run",
    status=201,
    gives="comments",
    takes="comments",
    fields=(ApiField("body"),),
)
def create(run_id: str) -> Response:
    """Add a comment."""
    run, _, person = rights.run(run_id)
    body = reading.sent().text("body")
    if not body.strip():
        raise Invalid("Body can't be blank")
    services().controls.comment(run.id, person, body)
    return documents.one(_of(run.id)[-1], 201)


@routes.get("/comments/<comment_id>", summary="Show a comment", gives="comments")
def show(comment_id: str) -> Response:
    """Answer with a comment."""
    body, _, number = comment_id.removeprefix(_PREFIX).rpartition("-")
    if comment_id.startswith(_PREFIX) and body and number.isascii() and number.isdigit():
        run, _, _ = rights.run(f"run-{body}")
        for each in _of(run.id):
            if each.id == comment_id:
                return documents.one(each)
    raise NotFound(f"there is no comment {comment_id}")


def _of(run_id: str) -> list[ApiResource]:
    with services().store.reading() as tx:
        timeline = tx.runs.timeline(run_id)
    return [_shown(event, number) for number, event in enumerate(timeline) if event.kind == COMMENT]


def _shown(event: RunEvent, number: int) -> ApiResource:
    comment_id = f"{_PREFIX}{event.run_id.removeprefix('run-')}-{number}"
    body = event.run_id.removeprefix("run-")
    return ApiResource(
        "comments",
        comment_id,
        {"body": event.message, "created-at": moment(event.at)},
        {
            "run": ApiLink("runs", event.run_id),
            "run-event": ApiLink("run-events", f"re-{body}-{number}"),
            "user": ApiLink("users", f"user-{short_hash(event.actor)}"),
        },
        {"self": f"/api/v2/comments/{comment_id}"},
    )
