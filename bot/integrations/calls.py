"""HTTP calls to receivers: no redirect is followed, and time and size of the answer are limited.

Addresses come only from the server's configuration, so no text of a change can choose where a call goes.
Errors never repeat an address: those of Slack and Teams are secrets (promise 6).
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx

from bot.domain.errors import ReceiverAway, ReceiverRefused

TIMEOUT = 10.0
"""In seconds: to connect, and between two parts of the answer."""

LONGEST_CALL = 20.0
"""In seconds: for the whole answer."""

MOST_READ = 64 * 1024
"""How many bytes of an answer are read."""

_LATER = frozenset({408, 425, 429})


def post(url: str, body: bytes, headers: Mapping[str, str]) -> str:
    """Send a JSON body and return the status in words. Raises ReceiverAway, ReceiverRefused."""
    sent = {"Content-Type": "application/json", "User-Agent": "plangate", **headers}
    until = time.monotonic() + LONGEST_CALL
    try:
        with (
            httpx.Client(follow_redirects=False, timeout=TIMEOUT) as client,
            client.stream("POST", url, content=body, headers=sent) as answer,
        ):
            _read(answer, until)
            return _judged(answer)
    except httpx.TimeoutException:
        raise ReceiverAway("it did not answer in time") from None
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        raise ReceiverAway(f"it can't be reached ({type(error).__name__})") from None


def _read(answer: httpx.Response, until: float) -> None:
    """Read the answer up to a limit, so that the receiver is not cut off. Nothing in it is used."""
    size = 0
    for part in answer.iter_raw():
        size += len(part)
        if size > MOST_READ:
            return
        if time.monotonic() > until:
            raise ReceiverAway("it did not answer in time")


def _judged(answer: httpx.Response) -> str:
    status = answer.status_code
    said = f"{status} {answer.reason_phrase}".strip()
    if status // 100 == 2:
        return said
    if status // 100 == 3:
        raise ReceiverRefused(f"it answered {said}, a redirect: write the final address into the setting")
    if status >= 500 or status in _LATER:
        raise ReceiverAway(f"it answered {said}", _retry_after(answer))
    raise ReceiverRefused(f"it answered {said}")


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None
