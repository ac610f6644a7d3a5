"""Gives each request an id, which its lines of the log and its answer carry."""

from __future__ import annotations

import re
from contextlib import ExitStack

from flask import Flask, Response, g, request

from bot.domain.ids import new_id
from bot.services.tracing.context import about

HEADER = "X-Request-Id"

# What a proxy in front gives. Anything else would be text of a stranger's in the log.
_GIVEN = re.compile(r"[A-Za-z0-9_-]{8,64}")


def install(app: Flask) -> None:
    """Number the requests."""
    app.before_request(_begin)
    app.after_request(_tell)
    app.teardown_request(_end)


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if _GIVEN.fullmatch(given) else new_id("req")
    g.request_scope = ExitStack()
    g.request_scope.enter_context(about(request=g.request_id))


def _tell(response: Response) -> Response:
    if found := g.get("request_id"):
        response.headers[HEADER] = found
    return response


def _end(_error: BaseException | None) -> None:
    if scope := g.pop("request_scope", None):
        scope.close()
