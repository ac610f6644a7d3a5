"""Reads a request's whole body up to a limit, whether or not the request says how long it is."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge


def read_body(limit: int) -> bytes:
    """Return the body. Raises RequestEntityTooLarge (413) where it has more than `limit` bytes."""
    # One byte more than may be: of a chunked body Werkzeug hands out the first part and says nothing.
    request.max_content_length = limit + 1
    body = request.get_data(cache=False, parse_form_data=False)
    if len(body) > limit:
        raise RequestEntityTooLarge()
    return body
