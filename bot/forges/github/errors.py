"""Translates GitHub's errors into ours: whether and when to retry.

Messages name only the subject of a request, because its headers contain tokens (promise 6).
"""

from __future__ import annotations

import httpx
from githubkit.exception import (
    GitHubException,
    RateLimitExceeded,
    RequestError,
    RequestFailed,
    RequestTimeout,
)

from bot.domain.errors import (
    ForgeRefused,
    ForgeUnavailable,
    NotAuthenticated,
    NotFound,
    NotLetIn,
    PlangateError,
)
from bot.forges.fields import look, optional_text, shown
from bot.forges.timeouts import LONGEST_WAIT, limited

_MESSAGE_LENGTH = 300


class BadCredentials(NotAuthenticated):
    """401: the token is not, or no longer, good. Nothing has happened, so even a write may be repeated."""


class NotPermitted(NotLetIn):
    """403: a permission is missing. An App's older token may be without one that was granted since."""


class Conflicting(ForgeRefused):
    """409: the request conflicts with the current state."""


class NotAllowed(ForgeRefused):
    """405: GitHub does not do this, as things stand."""


class Unprocessable(ForgeRefused):
    """422: GitHub understands the request but can't carry it out."""


def translated(error: GitHubException, where: str, what: str) -> PlangateError:
    """Return our error for githubkit's; `where` names the forge and `what` the request."""
    match error:
        case RateLimitExceeded():
            return limited(where, error.retry_after.total_seconds())
        case RequestFailed():
            return _refused(error.response.raw_response, where, what)
        case RequestTimeout():
            return ForgeUnavailable(f"{where} did not answer in time when asked for {what}")
        case RequestError(exc=httpx.TransportError() as cause):
            return ForgeUnavailable(f"{where} cannot be reached: {type(cause).__name__}")
        case RequestError(exc=httpx.DecodingError()):
            return ForgeUnavailable(f"{where} gave an unreadable answer when asked for {what}")
        case RequestError(exc=httpx.TooManyRedirects()):
            return ForgeRefused(f"{where} redirects in a loop: check the address of its API")
        case _:
            return ForgeRefused(f"{where} could not be asked for {what}: {type(error).__name__}")


def _refused(response: httpx.Response, where: str, what: str) -> PlangateError:
    said = _said(response)
    match response.status_code:
        case 401:
            return BadCredentials(
                f"{where} does not accept our credentials ({said}): check that the token or the App's key "
                "is current, that the App's id matches it, and that this machine's clock is right"
            )
        case 404 | 410:
            return NotFound(f"{where} has no {what}, or our credentials do not reach it")
        case 429:
            return limited(where)
        case 403 if "rate limit" in said.lower() or "abuse detection" in said.lower():
            return limited(where)
        case 403 if accepted := response.headers.get("x-accepted-github-permissions", ""):
            return NotPermitted(f"{where} refused {what}: {said}; it needs the permission {shown(accepted)}")
        case 403:
            return NotPermitted(f"{where} refused {what}: {said}")
        case 405:
            return NotAllowed(f"{where} refused {what}: {said}")
        case 409:
            return Conflicting(f"{where} refused {what}: {said}")
        case 422:
            return Unprocessable(f"{where} refused {what}: {said}")
        case 408:
            return ForgeUnavailable(f"{where} did not receive our request in time")
        case status if status >= 500:
            return ForgeUnavailable(f"{where} failed ({status})", _retry_after(response))
    return ForgeRefused(f"{where} refused {what}: {said}")


def _said(response: httpx.Response) -> str:
    """Return GitHub's message in one short line, or the status if there is none."""
    try:
        body = response.json()
    except ValueError:
        body = None
    words = [optional_text(body, "message") or ""]
    errors = look(body, "errors")
    for one in errors if isinstance(errors, list) else ():
        words.append(one if isinstance(one, str) else optional_text(one, "message") or "")
    said = ": ".join(dict.fromkeys(filter(None, words)))
    line = " ".join(said.split())[:_MESSAGE_LENGTH]
    return line or f"status {response.status_code}"


def _retry_after(response: httpx.Response) -> float | None:
    given = response.headers.get("retry-after", "")
    return min(float(given), LONGEST_WAIT) if given.isascii() and given.isdigit() else None
