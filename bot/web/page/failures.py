"""Turns what goes wrong into an answer: JSON for machines, a page for people, and never a traceback."""

from __future__ import annotations

import logging
import secrets

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from bot.domain.errors import (
    Conflict,
    Forbidden,
    ForgeError,
    Invalid,
    NotFound,
    PlangateError,
    Refused,
    StoreBusy,
    StoreUnavailable,
)
from bot.web import bodies
from bot.web.pages import MessagePage

log = logging.getLogger(__name__)

_FOR_MACHINES = ("/hooks/", "/state/", "/api/", "/healthz", "/readyz")

# The first that fits counts; IllegalMove is the Refused that is neither Forbidden nor Invalid.
_STATUS: tuple[tuple[type[PlangateError], int], ...] = (
    (Forbidden, 403),
    (Invalid, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 409),
    (ForgeError, 503),
)
_TITLES = {
    400: "That did not work",
    403: "Not for you",
    404: "There is no such page",
    405: "That is not how this works",
    409: "That is not possible now",
    413: "That is too much",
    500: "Something went wrong",
    503: "No answer just now",
}


# Werkzeug's own words for these speak of URLs and methods.
_WORDS = {
    404: "Nothing is at this address.",
    405: "Nothing can be done here in this way.",
    413: "The request is larger than may be.",
}


def install(app: Flask) -> None:
    """Register the handlers: our own errors, HTTP's, and the last resort."""
    app.register_error_handler(PlangateError, _domain)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _last_resort)


def _domain(error: PlangateError) -> Response:
    if isinstance(error, StoreBusy | StoreUnavailable):
        return _without_database(error)
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return answer(status, str(error))
    return _last_resort(error)


def _without_database(error: PlangateError) -> Response:
    """Answer 503, after which Terraform brings its state again; where the database is stays in the log."""
    log.error("the database at %s: %s", request.path, error)
    said = answer(503, "The database gives no answer. Nothing was changed; try again in a moment.")
    said.headers["Retry-After"] = "2"
    return said


def _http(error: HTTPException) -> Response:
    if error.response is not None:
        return error.response  # type: ignore[return-value]  # a redirect that the router asked for
    said = answer(error.code or 500, _WORDS.get(error.code or 500) or error.description or error.name)
    for name, value in error.get_headers():
        if name.lower() not in ("content-type", "content-length"):
            said.headers[name] = value
    return said


def _last_resort(error: Exception) -> Response:
    """Answer 500 with a reference that finds the traceback in the log; nothing of it goes out (promise 6)."""
    reference = secrets.token_hex(4)
    log.error("unforeseen error %s at %s", reference, request.path, exc_info=error)
    return answer(
        500, "The error is in the server's log; whoever looks for it needs the reference.", reference
    )


def answer(status: int, text: str, reference: str = "") -> Response:
    """Return an error as whoever asked can read it."""
    if request.path.startswith(_FOR_MACHINES) or bodies.wants_json():
        said = jsonify({"error": text} | ({"reference": reference} if reference else {}))
    else:
        title = _TITLES.get(status, "That did not work")
        page = MessagePage(title, _sentence(text), status, reference)
        said = Response(render_template("message.html", page=page), mimetype="text/html")
    said.status_code = status
    return said


def _sentence(text: str) -> str:
    """Begin with a capital, except where an id or a name of ours comes first: they are as they are."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
