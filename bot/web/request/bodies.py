"""Reads bodies and queries of requests, and refuses large or unreadable ones.

Also finds out whether a program asks: with a token, or for JSON.
"""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from bot.domain.errors import Invalid

# So many characters of a text that is searched for count.
_LONGEST = 200


def read_body(limit: int) -> bytes:
    """Return the body. Raises RequestEntityTooLarge (413) if it has more than `limit` bytes."""
    # One byte more than allowed: of a longer chunked body Werkzeug silently returns only the first part.
    request.max_content_length = limit + 1
    body = request.get_data(cache=False, parse_form_data=False)
    if len(body) > limit:
        raise RequestEntityTooLarge()
    return body


def check_query() -> None:
    """Check that the query can be read. Raises Invalid; Werkzeug would raise a UnicodeDecodeError."""
    try:
        request.query_string.decode()
    except UnicodeDecodeError:
        raise Invalid("the address's query is not UTF-8") from None


def cleaned(text: str) -> str:
    """Return what a person typed, as it is searched for: one line of printable characters."""
    line = " ".join(text.split())[:_LONGEST]
    return "".join(letter for letter in line if letter.isprintable())


def bearer() -> str | None:
    """Return the token that came along, None if none did."""
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def wants_json() -> bool:
    """Whether a program asks: it has a token, or would rather have JSON than a page."""
    if bearer() is not None:
        return True
    return request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
