"""Delivers what an apply without a worker leaves to Plangate's web: its state, and how it ended (promise 3).

Called in the supervisor, which outlives the worker. So this works also if no other worker is on this machine.
"""

from __future__ import annotations

import base64
import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

from bot.services.ports import StateAccess
from bot.terraform.network.proxy import Upstream

_PAUSE, _LONGEST_PAUSE = 1.0, 10.0
_CALL_SECONDS = 60.0
_SERVER_ERROR = 500


def delivery(state: StateAccess, upstream: Upstream, patience: float) -> Callable[[bytes, bool], None]:
    """Return what delivers for a run. It tries for `patience` seconds, in which nothing stops it."""
    return partial(_deliver, state, upstream, patience)


def _deliver(state: StateAccess, upstream: Upstream, patience: float, data: bytes, succeeded: bool) -> None:
    until = time.monotonic() + patience
    pause = _PAUSE
    request = _request(state, data, succeeded)
    opener = urllib.request.build_opener(_proxies(state.address, upstream))
    while not _sent(opener, request) and time.monotonic() < until:
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _request(state: StateAccess, data: bytes, succeeded: bool) -> urllib.request.Request:
    basic = base64.b64encode(f"{state.username}:{state.password}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-Type": "application/json"}
    url = f"{state.address}?ended={'succeeded' if succeeded else 'failed'}"
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("the state's address is not a web address")
    return urllib.request.Request(url, data, headers, method="PUT")  # noqa: S310 -- checked above


def _sent(opener: urllib.request.OpenerDirector, request: urllib.request.Request) -> bool:
    """Send it. False if it is worth trying again."""
    try:
        with opener.open(request, timeout=_CALL_SECONDS):
            return True
    except urllib.error.HTTPError as error:
        return error.code < _SERVER_ERROR and _in_our_words(error)
    except (OSError, http.client.HTTPException):
        return False


def _in_our_words(error: urllib.error.HTTPError) -> bool:
    """Whether Plangate refused it. What answers in its place while the web is away counts for nothing."""
    try:
        said = json.loads(error.read(1 << 16))
    except (OSError, ValueError, http.client.HTTPException):
        return False
    return isinstance(said, dict) and "error" in said


def _proxies(address: str, upstream: Upstream) -> urllib.request.ProxyHandler:
    parts = urlsplit(address)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = upstream.towards(parts.scheme, parts.hostname or "", port)
    return urllib.request.ProxyHandler({parts.scheme: proxy} if proxy else {})
