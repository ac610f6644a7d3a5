"""The HTTP server of `plangate web`: gunicorn manages the processes, Waitress reads and writes the sockets.

A thread gets a request only after the whole of it has arrived, and hands its answer over without waiting for
the client. A client that sends or reads slowly holds a socket and no thread, so it delays nobody (promise 3:
a webhook is answered in time). Webhooks, Terraform's states, open streams and pages have threads of their
own: none of them can take the others' away.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger as GunicornLogger
from gunicorn.workers.base import Worker
from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import create_server
from waitress.task import ThreadedTaskDispatcher

from bot.services.states.backend import STATE_LIMIT
from bot.web.hooks import HOOK_LIMIT

_FORMS = 2 * 1024 * 1024
_SPARE_DESCRIPTORS = 256
_MOST_CONNECTIONS = 8192
# In seconds: timeout of an idle connection, and time for open requests when the server stops.
_SILENCE = 60
_LAST_REQUESTS = 20


@dataclass(frozen=True)
class Listening:
    """Where to listen, with how many processes, and how many threads in each for pages, and for streams."""

    bind: str
    processes: int
    threads: int
    streams: int
    log_level: str


def serve(app: Any, listening: Listening, started: Callable[[Callable[[], bool]], None]) -> None:
    """Serve `app` until the process is told to stop.

    `started` is called in each process with a function that returns whether the process is about to stop.
    """
    options: dict[str, Any] = {
        "bind": listening.bind,
        "workers": listening.processes,
        "threads": listening.threads,
        "worker_class": WaitressWorker,
        "worker_connections": listening.streams,
        "graceful_timeout": _LAST_REQUESTS + 10,
        "preload_app": True,
        "loglevel": listening.log_level,
        "logger_class": _Logger,
        "control_socket_disable": True,
        "post_worker_init": lambda worker: started(lambda: not worker.alive),
    }
    _Gunicorn(app, options).run()


class _Logger(GunicornLogger):  # type: ignore[misc]
    """Gunicorn's log in our format, without handlers of its own."""

    def setup(self, cfg: Any) -> None:
        """Set the level; the lines go to the root of the log."""
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    """Gunicorn with our application, without its own command line."""

    def __init__(self, app: Any, options: Mapping[str, Any]) -> None:
        self._app = app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._options.items():
            self.cfg.set(key, value)

    def load(self) -> Any:
        return self._app


class WaitressWorker(Worker):  # type: ignore[misc]
    """A gunicorn process whose sockets are Waitress's."""

    def run(self) -> None:
        """Serve until gunicorn says to stop, then finish the requests in hand."""
        pools = Pools({kind: threads(self.cfg) for kind, threads in _THREADS.items()})
        sockets: dict[int, Any] = {}
        create_server(
            self.wsgi,
            map=sockets,
            _dispatcher=pools,
            sockets=[each.sock for each in self.sockets],
            threads=1,
            connection_limit=_connections(),
            channel_timeout=_SILENCE,
            cleanup_interval=5,
            asyncore_use_poll=True,
            # Room for a further request on a connection: so a client that goes away is noticed at once.
            channel_request_lookahead=1,
            # An answer never waits for its reader: past 1 MiB it goes into a file.
            outbuf_high_watermark=1 << 40,
            expose_tracebacks=False,
            ident=None,
        )
        listening = [each for each in sockets.values() if hasattr(each, "active_channels")]
        for each in listening:
            each.channel_class = _Channel
        while self.alive:
            self.notify()
            wasyncore.loop(timeout=0.5, map=sockets, use_poll=True, count=1)
        self._finish(sockets, listening, pools)

    def _finish(self, sockets: dict[int, Any], listening: list[Any], pools: Pools) -> None:
        for each in listening:
            each.accepting = False
        for _ in range(_LAST_REQUESTS * 10):
            self.notify()
            wasyncore.loop(timeout=0.1, map=sockets, use_poll=True, count=1)
            channels = [channel for each in listening for channel in each.active_channels.values()]
            if not any(channel.requests or channel.total_outbufs_len for channel in channels):
                break
        pools.shutdown()


class Pools:
    """Pools of threads, one per kind of request, as Waitress's task dispatcher.

    Waitress asks it for `add_task` and `shutdown`.
    """

    def __init__(self, threads: Mapping[str, int]) -> None:
        self._pools = {kind: ThreadedTaskDispatcher() for kind in threads}
        for kind, pool in self._pools.items():
            # A full queue is the load's business; a line for each request would only add to it.
            pool.queue_logger.disabled = True
            pool.set_thread_count(threads[kind])

    def add_task(self, task: HTTPChannel) -> None:
        """Have a connection's next request carried out by a thread of its kind."""
        self._pools[kind_of(task.requests[0].path)].add_task(task)

    def set_thread_count(self, _count: int) -> None:
        """Do nothing: each pool has its own number of threads."""

    def shutdown(self, cancel_pending: bool = True, timeout: float = 1) -> bool:
        """Stop the threads; return whether tasks were cancelled."""
        stopped = [pool.shutdown(cancel_pending, timeout) for pool in self._pools.values()]
        return any(stopped)


def kind_of(path: str) -> str:
    """Return the pool of threads for a request, by its path."""
    if path.startswith(("/hooks/", "/healthz", "/readyz", "/metrics")):
        return "hooks"
    if path.startswith("/state/"):
        return "states"
    return "streams" if path.startswith("/runs/") and path.endswith("/events") else "pages"


_THREADS: Mapping[str, Callable[[Any], int]] = {
    "hooks": lambda cfg: max(cfg.threads // 2, 2),
    "states": lambda cfg: max(cfg.threads // 2, 2),
    "streams": lambda cfg: cfg.worker_connections,
    "pages": lambda cfg: cfg.threads,
}

_BODIES = {"hooks": HOOK_LIMIT, "states": STATE_LIMIT}
"""How many bytes a request's body may have, by its kind. Beyond it, not one byte more is read."""


class _Parser(HTTPRequestParser):  # type: ignore[misc]
    """Reads a request; the limit of its body depends on its kind."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        self.adj = _LIMITS[kind_of(self.path)]


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Parser


_LIMITS = {
    # One byte more than the application takes: it is the application that answers a little too much in words.
    kind: Adjustments(max_request_body_size=_BODIES.get(kind, _FORMS) + 2)
    for kind in _THREADS
}


def _connections() -> int:
    """Return how many connections a process may hold, and allow it that many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _MOST_CONNECTIONS + _SPARE_DESCRIPTORS
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(most - _SPARE_DESCRIPTORS, 64)
