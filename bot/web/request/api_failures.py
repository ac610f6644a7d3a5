"""Turns errors into the error documents of HashiCorp's API: `{"errors": [{status, title, detail}]}`.

What a token may not see or do is answered like what does not exist: 404. Clients retry answers of 500 and
more for half a minute, so these are only for failures of the server.
Source: https://developer.hashicorp.com/terraform/cloud-docs/api-docs#error-objects
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from flask import Response

from bot.domain.errors import Conflict, Forbidden, ForgeError, Invalid, NotFound, PlangateError, Refused
from bot.services.people.tokens import BadToken

ROOT = "/api/v2"
"""Addresses below it answer in this form."""

MEDIA_TYPE = "application/vnd.api+json"

_TITLES = {
    400: "bad request",
    401: "unauthorized",
    404: "not found",
    405: "not found",
    409: "conflict",
    413: "payload too large",
    422: "invalid attribute",
    429: "too many requests",
    500: "internal server error",
    503: "temporarily unavailable",
}
# The first match counts.
_STATUS: tuple[tuple[type[PlangateError], int], ...] = (
    (BadToken, 401),
    (Forbidden, 404),
    (NotFound, 404),
    (Invalid, 422),
    (Conflict, 409),
    (Refused, 409),
    (ForgeError, 503),
)


class BadParameter(Invalid):
    """A parameter of the query that this address does not take (400)."""


def is_api(path: str) -> bool:
    """Whether an address belongs to the API."""
    return path == ROOT or path.startswith(f"{ROOT}/")


def status_of(error: PlangateError) -> int | None:
    """Return the status for an error, None if it is a failure of the server."""
    if isinstance(error, BadParameter):
        return 400
    return next((status for kind, status in _STATUS if isinstance(error, kind)), None)


def document(status: int, *details: str) -> Response:
    """Return an error document with an error for each detail."""
    # An address that does not take this method is one that is not built: clients know only 404.
    shown = 404 if status == 405 else status
    title = _TITLES.get(status, "bad request")
    errors = [{"status": str(shown), "title": title, "detail": each} for each in details or (title,)]
    said = Response(json.dumps({"errors": errors}), status=shown, mimetype=MEDIA_TYPE)
    if shown == 401:
        said.headers["WWW-Authenticate"] = 'Bearer realm="plangate"'
    return said


def details_of(error: PlangateError) -> Sequence[str]:
    """Return the details to show. What is hidden must not be told apart from what does not exist."""
    if isinstance(error, NotFound) or (isinstance(error, Forbidden) and not isinstance(error, BadToken)):
        return (HIDDEN,)
    return (str(error),)


HIDDEN = "not found, or this token may not see or do it"
