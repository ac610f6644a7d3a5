"""The HTTP server on real sockets: what slow, large and broken requests can keep from others."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.stage import free_port

ROOT = Path(__file__).parents[3]
HALF_OPEN = 500
APP = """
import sys, time
from bot.cli.server.http_server import Listening, serve

ends = []

def app(environ, start):
    path, size = environ["PATH_INFO"], len(environ["wsgi.input"].read())
    if path == "/slow":
        print("in hand", flush=True)
        time.sleep(1)
    if path.endswith("/events"):
        start("200 OK", [("Content-Type", "text/event-stream")])
        return (b"data: %d\\n\\n" % n for n in iter(lambda: time.sleep(0.2) or not ends[0](), False))
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"x" * 30_000_000 if path == "/big" else b"%d" % size]

serve(app, Listening(sys.argv[1], 1, 2, 2, "warning"), ends.append)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    with serving() as found:
        yield found


@contextlib.contextmanager
def serving() -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    port = free_port()
    command = [sys.executable, "-c", APP, f"127.0.0.1:{port}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    try:
        for _ in range(300):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.1)
        yield port, process
    finally:
        process.terminate()
        process.wait(30)


def ask(port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Ask once; whoever waits longer than 30 seconds waits for ever."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def opened(port: int, said: bytes) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), 10)
    made.sendall(said)
    return made


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"POST /hooks/github HTTP/1.1\r\nHost: x\r\n",
        b"POST /hooks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nhalf",
        b"POST /state/ws-1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk"],
)
def test_500_half_sent_requests_keep_no_webhook_state_or_page_from_its_answer(
    server: tuple[int, subprocess.Popen[bytes]], said: bytes
) -> None:
    port, _ = server
    with contextlib.ExitStack() as held:
        for _ in range(HALF_OPEN):
            held.enter_context(opened(port, said))
        for path in ("/hooks/github", "/state/ws-1", "/healthz", "/"):
            assert ask(port, "POST", path, b"abc") == (200, b"3")


def test_clients_that_do_not_read_keep_no_thread(server: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, _ = server
    with contextlib.ExitStack() as held:
        for _ in range(12):
            held.enter_context(opened(port, b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"))
        assert ask(port, "GET", "/") == (200, b"0")


def test_open_streams_take_no_threads_from_pages_states_and_webhooks(
    server: tuple[int, subprocess.Popen[bytes]],
) -> None:
    port, _ = server
    with contextlib.ExitStack() as held:
        for _ in range(20):
            held.enter_context(opened(port, b"GET /runs/run-1/events HTTP/1.1\r\nHost: x\r\n\r\n"))
        for path in ("/hooks/github", "/state/ws-1", "/"):
            assert ask(port, "POST", path, b"abc") == (200, b"3")


@pytest.mark.parametrize(
    ("path", "length", "status"),
    [
        ("/hooks/github", 25 * 1024 * 1024 + 10, 413),
        ("/state/ws-1", 25 * 1024 * 1024 + 10, 0),
        ("/state/ws-1", 1024**4, 413),
        ("/workspaces/a", 3 * 1024 * 1024, 413),
    ],
)
def test_a_body_beyond_its_limit_is_refused_before_it_is_read(
    server: tuple[int, subprocess.Popen[bytes]], path: str, length: int, status: int
) -> None:
    port, _ = server
    with opened(port, f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()) as one:
        one.settimeout(2 if not status else 30)
        try:
            said = one.recv(100)
        except TimeoutError:
            said = b""  # it waits for the body
    assert said.startswith(f"HTTP/1.1 {status}".encode()) if status else not said


def test_a_malformed_chunk_is_a_bad_request(server: tuple[int, subprocess.Popen[bytes]]) -> None:
    port, _ = server
    head = b"POST /state/ws-1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    with opened(port, head + b"zz\r\nabc\r\n0\r\n\r\n") as one:
        assert one.recv(100).startswith(b"HTTP/1.1 400")


def test_a_request_in_hand_is_answered_before_the_server_stops() -> None:
    with serving() as (port, process), opened(port, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n") as one:
        assert process.stdout is not None
        assert process.stdout.readline() == b"in hand\n"
        process.send_signal(signal.SIGTERM)
        assert one.recv(100).startswith(b"HTTP/1.1 200")
        assert process.wait(30) == 0
