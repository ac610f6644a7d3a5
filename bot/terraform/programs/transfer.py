"""Downloads over https, within limits of size and time, asking the watcher meanwhile.

Plain http is for this machine alone, where tests have their server. What comes is not trusted here: see
`downloads`.
"""

from __future__ import annotations

import contextlib
import hashlib
import ssl
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import httpx

from bot.domain.errors import EngineError, Interrupted, TimedOut
from bot.services.ports import Watch, WatchSignal

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# Short enough for a run's lease to be renewed between two pieces.
_TIMEOUT = httpx.Timeout(10, connect=5)


@cache
def _trusted() -> ssl.SSLContext:
    """Read the certificates once, not for each file: it takes longer than most downloads."""
    return httpx.create_ssl_context()


_TICK_SECONDS = 1.0


class NotThere(EngineError):
    """The server has no such file."""


class Transfer:
    """Gets files. `limit` is the time for one, in seconds."""

    def __init__(self, limit: float = 900) -> None:
        self._limit = limit

    def read(self, url: str, most: int, watch: Watch) -> bytes:
        """Return a file of at most `most` bytes. Raises EngineError, NotThere, Interrupted, TimedOut."""
        with self._pieces(url, most, watch) as pieces:
            return b"".join(pieces)

    def save(self, url: str, place: Path, most: int, watch: Watch) -> str:
        """Write a file of at most `most` bytes to a place and return its SHA-256. Raises as `read` does."""
        digest = hashlib.sha256()
        with self._pieces(url, most, watch) as pieces, place.open("xb") as file:
            for piece in pieces:
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()

    @contextlib.contextmanager
    def _pieces(self, url: str, most: int, watch: Watch) -> Iterator[Iterator[bytes]]:
        name = url.rpartition("/")[2]
        try:
            with (
                httpx.Client(
                    timeout=_TIMEOUT,
                    verify=_trusted(),
                    follow_redirects=True,
                    # For each hop, so that no redirect leads out of https.
                    event_hooks={"request": [_only_safely]},
                    headers={"Accept-Encoding": "identity", "User-Agent": "plangate"},
                ) as client,
                client.stream("GET", url) as response,
            ):
                where = response.url.host
                if response.status_code in (404, 410):
                    raise NotThere(f"{where} has no {name}")
                if not response.is_success:
                    raise EngineError(f"{where} answered {response.status_code} when asked for {name}")
                yield self._bounded(response, name, most, watch)
        except httpx.HTTPError as error:
            raise EngineError(f"{name} could not be downloaded: {_words(error)}") from error

    def _bounded(self, response: httpx.Response, name: str, most: int, watch: Watch) -> Iterator[bytes]:
        size, deadline, next_tick = 0, time.monotonic() + self._limit, 0.0
        for piece in response.iter_bytes():
            size += len(piece)
            if size > most:
                raise EngineError(f"{name} is larger than {most // 1_000_000} MB and was not taken")
            now = time.monotonic()
            if now >= deadline:
                raise TimedOut(f"{name} took longer than {self._limit:.0f} seconds to download")
            if now >= next_tick:
                next_tick = now + _TICK_SECONDS
                if watch.tick() is not WatchSignal.GO_ON:
                    raise Interrupted("stopped while downloading")
            yield piece


def _only_safely(request: httpx.Request) -> None:
    safe = request.url.scheme == "https" or (request.url.scheme == "http" and request.url.host in _LOOPBACK)
    if not safe:
        raise EngineError(f"{request.url.host} is only asked over https")


def _words(error: httpx.HTTPError) -> str:
    match error:
        case httpx.TimeoutException():
            return "the server did not answer in time"
        case httpx.RemoteProtocolError():
            return "the connection broke off"
        case httpx.TransportError():
            return "the server cannot be reached"
        case _:
            return type(error).__name__
