"""Turns errors into responses: JSON for programs, a page for people, never a traceback."""

from __future__ import annotations

import logging
import secrets

from flask import Flask, Response, g, jsonify, render_template, request
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
from bot.domain.people.permissions import Person, Role
from bot.services.states.backend import RETRY_SECONDS
from bot.web.page.layout import Chrome, MessagePage
from bot.web.request import access, api_failures, bodies

log = logging.getLogger(__name__)

_OURS = 500
"""Statuses from here on are failures of the server."""

_FOR_MACHINES = ("/hooks/", "/state/", "/api/", "/healthz", "/readyz")

# The first match counts. IllegalMove is the only Refused left after Forbidden and Invalid.
_STATUS: tuple[tuple[type[PlangateError], int], ...] = (
    (Forbidden, 403),
    (Invalid, 400),
    (NotFound, 404),
    (Conflict, 409),
    (Refused, 409),
    (ForgeError, 503),
)
_TITLES = {
    400: "Bad request",
    403: "Not for you",
    404: "Page not found",
    405: "Method not allowed",
    409: "Not possible now",
    413: "Request too large",
    500: "Something went wrong",
    503: "Temporarily unavailable",
}


# Werkzeug's own words for these speak of URLs and methods.
_WORDS = {
    404: "There is nothing at this address.",
    405: "This address does not accept this method.",
    413: "The request is too large.",
}


def install(app: Flask) -> None:
    """Register the handlers: our own errors, HTTP's, and the last resort."""
    app.register_error_handler(PlangateError, _domain)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _last_resort)


def _domain(error: PlangateError) -> Response:
    if isinstance(error, StoreBusy | StoreUnavailable):
        return _without_database(error)
    if api_failures.is_api(request.path) and (known := api_failures.status_of(error)):
        return api_failures.document(known, *api_failures.details_of(error))
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return answer(status, str(error))
    return _last_resort(error)


def _without_database(error: PlangateError) -> Response:
    """Answer 503, after which Terraform sends its state again. The database's address is only in the log."""
    log.error("the database at %s: %s", request.path, error)
    said = answer(503, "The database does not answer. Nothing was changed. Try again in a moment.")
    # Terraform obeys it: with a short time, it soon gives up and its state is not stored.
    states = request.path.startswith("/state/")
    said.headers["Retry-After"] = str(RETRY_SECONDS if states else 2)
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
    log.error("unexpected error %s at %s", reference, request.path, exc_info=error)
    return answer(500, "The server's log has the error. To find it, search for the reference.", reference)


def answer(status: int, text: str, reference: str = "") -> Response:
    """Return an error as JSON or as a page, depending on the client."""
    if api_failures.is_api(request.path):
        return api_failures.document(status, f"{text} ({reference})" if reference else text)
    if request.path.startswith(_FOR_MACHINES) or bodies.wants_json():
        said = jsonify({"error": text} | ({"reference": reference} if reference else {}))
    else:
        title = _TITLES.get(status, "Bad request")
        page = MessagePage(title, _sentence(text), status, reference, _menu(title, status))
        said = Response(render_template("message.html", page=page), mimetype="text/html")
    said.status_code = status
    return said


def _menu(title: str, status: int) -> Chrome | None:
    """Return the menu for a person who is signed in. None for others, and if that can't be found out.

    After a failure of the server, nothing is asked again: what failed may be the very thing to ask.
    """
    if status >= _OURS and "asker" not in g:
        return None
    try:
        found = g.asker if "asker" in g else access.find()
        person = Person(found.account.login, Role.NONE)
        return Chrome(title, person.login, "", form_token=access.form_token(person))
    except PlangateError:
        return None


def _sentence(text: str) -> str:
    """Start with a capital letter, unless the text starts with an id or a name."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].isalpha() else text
