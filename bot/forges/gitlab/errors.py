"""Translates GitLab's errors into ours: whether and when to retry.

Messages name only the subject of a request, because its headers contain tokens (promise 6).
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import requests

from bot.domain.errors import (
    ForgeRefused,
    ForgeUnavailable,
    NotAuthenticated,
    NotFound,
    NotLetIn,
    PlangateError,
)
from bot.forges.fields import optional_text, storable
from bot.forges.timeouts import LONGEST_WAIT, USUAL_WAIT, limited

_MESSAGE_LENGTH = 300
_TOO_DEEP = 4


class Unprocessable(ForgeRefused):
    """400 or 422: GitLab understands the request but can't carry it out; `said` is its message."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class Contended(ForgeUnavailable):
    """409: the object is being changed, or differs from what we expect; `said` is GitLab's message.

    The request had no effect and can be repeated.
    """

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


class Unauthorized(NotAuthenticated):
    """401: the token is invalid, or, for a merge, its account lacks the permission."""


class NotAllowed(ForgeRefused):
    """405 or 406: GitLab does not do this, as things stand."""


def unreachable(error: requests.RequestException, where: str, what: str) -> PlangateError:
    """Return our error for a call that no answer came to."""
    match error:
        case requests.Timeout():
            return ForgeUnavailable(f"{where} did not answer in time when asked for {what}")
        case requests.TooManyRedirects():
            return ForgeRefused(f"{where} redirects in a loop: check its address")
        case requests.ConnectionError() | requests.exceptions.ChunkedEncodingError():
            return ForgeUnavailable(f"{where} cannot be reached: {type(error).__name__}")
        case requests.exceptions.ContentDecodingError():
            return ForgeUnavailable(f"{where} gave an unreadable answer when asked for {what}")
        case _:
            return ForgeRefused(f"{where} could not be asked for {what}: {type(error).__name__}")


def refused(response: requests.Response, where: str, what: str, role: str) -> PlangateError:
    """Return our error for an answer that is none of success; `what` was asked for, and needs a `role`."""
    said = _said(response)
    match response.status_code:
        case 401:
            return Unauthorized(
                f"{where} does not accept our token ({said}): check that it is current and was not revoked"
            )
        case 403:
            return NotLetIn(
                f"{where} refused {what}: {said}; the token needs the scope `api` and the role {role}"
            )
        case 404 | 410:
            return NotFound(f"{where} has no {what}, or our token does not reach it")
        case 405 | 406:
            return NotAllowed(f"{where} refused {what}: {said}")
        case 408:
            return ForgeUnavailable(f"{where} did not receive our request in time")
        case 409:
            return Contended(f"{where} is busy with {what}: {said}", said)
        case 429:
            return limited(where, _wait(response) or USUAL_WAIT)
        case 400 | 422:
            return Unprocessable(f"{where} refused {what}: {said}", said)
        case status if status >= 500:
            return ForgeUnavailable(f"{where} failed ({status})", _wait(response))
    return ForgeRefused(f"{where} refused {what}: {said}")


def _said(response: requests.Response) -> str:
    """Return GitLab's message in one short line, or the status if there is none."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    words: list[str] = []
    if isinstance(body, dict):
        words += _words(body.get("message"))
        words += [optional_text(body, "error") or "", optional_text(body, "error_description") or ""]
    line = " ".join(": ".join(dict.fromkeys(filter(None, words))).split())
    return storable(line[:_MESSAGE_LENGTH]) or f"status {response.status_code}"


def _words(found: object, depth: int = 0) -> Iterator[str]:
    """Yield the texts of a message, which may be one, a list of them, or one list for each field."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, list) and depth < _TOO_DEEP:
        for one in found:
            yield from _words(one, depth + 1)
    elif isinstance(found, dict) and depth < _TOO_DEEP:
        for name, one in found.items():
            yield " ".join([str(name), *_words(one, depth + 1)])


def _wait(response: requests.Response) -> float | None:
    """Return the seconds to wait that GitLab asks for, None if it does not say.

    Source: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
    """
    after, until = response.headers.get("Retry-After", ""), response.headers.get("RateLimit-Reset", "")
    if after.isascii() and after.isdigit():
        return min(float(after), LONGEST_WAIT)
    if response.status_code == 429 and until.isascii() and until.isdigit() and len(until) <= 12:
        return min(max(float(until) - time.time(), 1.0), LONGEST_WAIT)
    return None
