"""The gate of the API: who asks, by their token, and how often. Forms and cookies count for nothing here."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from dataclasses import replace
from datetime import datetime
from typing import cast

from flask import Response, current_app, g, request

from bot.domain.people.permissions import Person, Role
from bot.web.api.registry import ApiEndpoint, Proof
from bot.web.request import access, api_failures, guard
from bot.web.request.services import services

RATE = 30
"""How many requests a token may make in a second, at one web process."""

BODY_LIMIT = 1024 * 1024
"""How many bytes a body may have where its endpoint does not say otherwise."""

_REMEMBERED = 10_000


class RateLimiter:
    """Counts the requests of each token in each second. One for each web process."""

    def __init__(self, rate: int = RATE) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, key: str, now: datetime) -> tuple[bool, int]:
        """Count a request. Return whether it is allowed, and how many more are in this second."""
        second = math.floor(now.timestamp())
        with self._lock:
            begun, count = self._counts.pop(key, (second, 0))
            count = count + 1 if begun == second else 1
            self._counts[key] = (second, count)
            if len(self._counts) > _REMEMBERED:
                self._counts.popitem(last=False)
        return count <= self._rate, max(0, self._rate - count)


def check(endpoints: dict[str, ApiEndpoint], limiter: RateLimiter) -> Response | None:
    """Let a request by, or answer it: 401 without a valid token, 429 if there are too many."""
    endpoint = endpoints[request.endpoint or ""]
    request.max_content_length = endpoint.limit or BODY_LIMIT
    if endpoint.proof is not Proof.TOKEN:
        return None
    found = access.find_program()
    assert found.token is not None
    now = services().clock.now()
    allowed, left = limiter.take(found.token.id, now)
    g.rate_left = left
    if not allowed:
        said = api_failures.document(429, f"{RATE} requests per second are allowed for each token")
        wait = 1 - (now.timestamp() % 1)
        said.headers["Retry-After"] = "1"
        said.headers["X-RateLimit-Reset"] = f"{wait:.3f}"
        return said
    g.asker = found
    nobody = Person(found.account.login, Role.NONE, guard.origin_of(found))
    g.person = replace(nobody, role=min(services().roles.in_organization(found.account), found.most))
    return None


def finish(response: Response) -> Response:
    """Add the headers that clients read on every answer."""
    response.headers.setdefault("X-RateLimit-Limit", str(RATE))
    if "rate_left" in g:
        response.headers.setdefault("X-RateLimit-Remaining", str(g.rate_left))
    return response


def current() -> ApiEndpoint:
    """Return the declaration of the endpoint that answers this request."""
    found = cast("dict[str, ApiEndpoint]", current_app.extensions["plangate_api"])
    return found[request.endpoint or ""]


def short_hash(text: str, length: int = 16) -> str:
    """Return letters and digits that stand for a text in an id."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:length]
