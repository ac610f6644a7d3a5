"""The proxy, by itself: a listener on loopback stands for the world outside; no address is really called."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from bot.terraform.network.proxy import Proxy, Upstream
from bot.terraform.network.rules import Rules, StatePlace

WORLD = {
    "api.example.com": ["93.184.216.34"],
    "evil.example.com": ["169.254.169.254"],
    "plangate.internal": ["10.9.9.9"],
}


Ask = Callable[..., tuple[bytes, Proxy]]


class World:
    """One listener for every address; keeps what it was asked, and where the proxy wanted to go."""

    def __init__(
        self, answer: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
    ) -> None:
        self.answer = answer
        self.heard: list[bytes] = []
        self.dialled: list[tuple[str, int]] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self._serving = threading.Thread(target=self._serve, daemon=True)
        self._serving.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.server.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(10)
            heard = connection.recv(65536)
            end = b"0\r\n\r\n" if b"chunked" in heard else b"body"
            while heard.startswith(b"POST") and not heard.endswith(end):
                piece = connection.recv(65536)
                if not piece:
                    break
                heard += piece
            self.heard.append(heard)
            connection.sendall(self.answer)

    def close(self) -> None:
        """Stop listening. A thread left in `accept` would take connections of the next user of its number."""
        with contextlib.suppress(OSError):
            self.server.shutdown(socket.SHUT_RDWR)
        self._serving.join(10)
        self.server.close()

    def dial(self, address: str, port: int) -> socket.socket:
        self.dialled.append((address, port))
        return socket.create_connection(self.server.getsockname(), 10)


@pytest.fixture
def world() -> Iterator[World]:
    found = World()
    yield found
    found.close()


@pytest.fixture
def ask(world: World) -> Ask:
    """Send bytes to a proxy and return everything that comes back, with the proxy."""

    def send(
        request: bytes,
        rules: Rules | None = None,
        upstream: Upstream | None = None,
        state_only: bool = False,
        names: Mapping[str, list[str]] = WORLD,
    ) -> tuple[bytes, Proxy]:
        def resolve(name: str) -> Sequence[str]:
            if name not in names and not name[0].isdigit():
                raise OSError("no such name")
            return names.get(name, [name])

        proxy = Proxy(rules or Rules(), upstream, resolve, world.dial)
        listener = socket.create_server(("127.0.0.1", 0))
        proxy.serve(listener, state_only=state_only)
        with socket.create_connection(listener.getsockname(), 10) as client:
            client.settimeout(10)
            client.sendall(request)
            said = b""
            with contextlib.suppress(OSError):
                while piece := client.recv(65536):
                    said += piece
                    if said.endswith(b"established\r\n\r\n"):
                        client.sendall(b"hello")
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        return said, proxy

    return send


def test_a_tunnel_leads_to_the_address_that_was_checked(ask: Ask, world: World) -> None:
    said, proxy = ask(b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 200 Connection established")
    assert said.endswith(b"ok")
    assert world.dialled == [("93.184.216.34", 443)]
    assert world.heard == [b"hello"]
    assert proxy.refused == ()


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(ask: Ask, world: World) -> None:
    answers = iter([["93.184.216.34"], ["127.0.0.1"], ["127.0.0.1"]])

    class Rebinding(dict[str, list[str]]):
        def __contains__(self, name: object) -> bool:
            return True

        def get(self, name: str, default: object = None) -> list[str]:
            return next(answers)

    ask(b"CONNECT rebind.example.com:443 HTTP/1.1\r\n\r\n", names=Rebinding())
    assert world.dialled == [("93.184.216.34", 443)]


@pytest.mark.parametrize(
    "request_",
    [
        b"CONNECT evil.example.com:80 HTTP/1.1\r\n\r\n",
        b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n",
        b"CONNECT [::ffff:169.254.169.254]:80 HTTP/1.1\r\n\r\n",
        b"GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nHost: api.example.com\r\n\r\n",
        b"GET http://127.0.0.1:6379/ HTTP/1.1\r\n\r\n",
        b"GET http://10.0.0.1/ HTTP/1.1\r\n\r\n",
    ],
)
def test_a_forbidden_address_is_never_dialled_and_is_told(ask: Ask, world: World, request_: bytes) -> None:
    said, proxy = ask(request_)
    assert said.startswith(b"HTTP/1.1 403 Forbidden")
    assert world.dialled == []
    assert len(proxy.refused) == 1


def test_a_plain_request_is_sent_anew_without_what_is_the_proxy_s(ask: Ask, world: World) -> None:
    ask(
        b"GET http://api.example.com/v1?q=1 HTTP/1.1\r\nHost: other.example.com\r\nAccept: */*\r\n"
        b"Proxy-Connection: keep-alive\r\nConnection: keep-alive\r\n\r\n"
    )
    (heard,) = world.heard
    assert heard.startswith(b"GET /v1?q=1 HTTP/1.1\r\nHost: api.example.com\r\n")
    assert b"other.example.com" not in heard
    assert b"Proxy-Connection" not in heard
    assert heard.endswith(b"Connection: close\r\n\r\n")


@pytest.mark.parametrize(
    ("fields", "body"),
    [(b"Content-Length: 4\r\n", b"body"), (b"Transfer-Encoding: chunked\r\n", b"4\r\nbody\r\n0\r\n\r\n")],
)
def test_one_request_passes_and_a_second_behind_it_does_not(
    ask: Ask, world: World, fields: bytes, body: bytes
) -> None:
    second = b"GET http://api.example.com/second HTTP/1.1\r\n\r\n"
    said, _ = ask(b"POST http://api.example.com/ HTTP/1.1\r\n" + fields + b"\r\n" + body + second)
    assert said.endswith(b"ok")
    (heard,) = world.heard
    assert heard.endswith(body)


@pytest.mark.parametrize(
    "request_",
    [
        b"POST http://api.example.com/ HTTP/1.1\r\n"
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nbody",
        b"POST http://api.example.com/ HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        b"POST http://api.example.com/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\nbody",
        b"GET http://api.example.com/ HTTP/1.1\r\nA: b\r\n folded\r\n\r\n",
        b"GET http://api.example.com/ HTTP/1.1\r\nA : b\r\n\r\n",
        b"GET http://api.example.com/ HTTP/1.1\nHost: x\r\n\r\n",
        b"GET http://api.example.com/a b HTTP/1.1\r\n\r\n",
        b"GET http://user@api.example.com/ HTTP/1.1\r\n\r\n",
        b"GET /relative HTTP/1.1\r\n\r\n",
        b"GET ftp://api.example.com/ HTTP/1.1\r\n\r\n",
        b"CONNECT api.example.com HTTP/1.1\r\n\r\n",
        b"CONNECT api.example.com:x HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\r\n\r\n",
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(ask: Ask, world: World, request_: bytes) -> None:
    said, _ = ask(request_)
    assert said.startswith(b"HTTP/1.1 400 Bad Request")
    assert all(not heard.endswith(b"body") for heard in world.heard)


STATE = Rules(state=StatePlace.of("http://plangate.internal:8000/state/ws-1"), own=("plangate.internal",))


def test_the_state_backend_is_reached_at_its_one_path_whatever_its_address(ask: Ask, world: World) -> None:
    said, _ = ask(b"GET http://plangate.internal:8000/state/ws-1?ID=1 HTTP/1.1\r\n\r\n", STATE)
    assert said.endswith(b"ok")
    assert world.dialled == [("10.9.9.9", 8000)]
    for path in ("/state/ws-2", "/", "/state/ws-1/../ws-2", "/workspaces"):
        said, proxy = ask(f"GET http://plangate.internal:8000{path} HTTP/1.1\r\n\r\n".encode(), STATE)
        assert said.startswith(b"HTTP/1.1 403"), path
        assert proxy.refused
    said, _ = ask(b"CONNECT plangate.internal:8000 HTTP/1.1\r\n\r\n", STATE)
    assert said.startswith(b"HTTP/1.1 403")
    assert len(world.dialled) == 1


def test_served_as_the_state_backend_itself_it_knows_no_other_place(ask: Ask, world: World) -> None:
    said, _ = ask(b"GET /state/ws-1 HTTP/1.1\r\nHost: 127.0.0.1:8000\r\n\r\n", STATE, state_only=True)
    assert said.endswith(b"ok")
    for target in ("/state/ws-2", "/admin", "http://api.example.com/"):
        said, _ = ask(f"GET {target} HTTP/1.1\r\n\r\n".encode(), STATE, state_only=True)
        assert said.startswith(b"HTTP/1.1 403")
    assert world.dialled == [("10.9.9.9", 8000)]


@pytest.mark.parametrize("itself", [True, False])
def test_shared_states_are_read_and_nothing_more(ask: Ask, world: World, itself: bool) -> None:
    shared = ("http://plangate.internal:8000/state/ws-2",)
    place = StatePlace.of("http://plangate.internal:8000/state/ws-1", shared)
    rules = Rules(open=False, state=place, own=("plangate.internal",))
    start = "" if itself else "http://plangate.internal:8000"

    def request(method: str, path: str) -> bytes:
        text = f"{method} {start}{path} HTTP/1.1\r\nHost: plangate.internal\r\n\r\n"
        return ask(text.encode(), rules, state_only=itself)[0]

    assert request("GET", "/state/ws-2").endswith(b"ok")
    assert request("LOCK", "/state/ws-1").endswith(b"ok")
    for method, path in (
        *((each, "/state/ws-2") for each in ("POST", "PUT", "DELETE", "LOCK", "UNLOCK", "get")),
        ("GET", "/state/ws-3"),
        ("GET", "/state/ws-2?ID=1"),
        ("GET", "/state/ws-2/../ws-3"),
    ):
        assert request(method, path).startswith(b"HTTP/1.1 40"), (method, path)
    assert len(world.dialled) == 2


def test_a_state_by_https_is_tunnelled_to_and_nothing_else_there(ask: Ask, world: World) -> None:
    rules = Rules(open=False, state=StatePlace.of("https://plangate.internal/state/ws-1"))
    said, _ = ask(b"CONNECT plangate.internal:443 HTTP/1.1\r\n\r\n", rules)
    assert said.startswith(b"HTTP/1.1 200")
    for place in ("plangate.internal:22", "api.example.com:443"):
        said, _ = ask(f"CONNECT {place} HTTP/1.1\r\n\r\n".encode(), rules)
        assert said.startswith(b"HTTP/1.1 403")
    assert world.dialled == [("10.9.9.9", 443)]


def test_the_machine_s_own_proxy_is_used_with_its_password_which_runs_never_see(
    ask: Ask, world: World
) -> None:
    upstream = Upstream.of(
        {"https_proxy": "http://me:secret@proxy.corp:3128", "NO_PROXY": "past.example.com"}
    )
    world.answer = b"HTTP/1.1 200 OK\r\n\r\n"
    said, _ = ask(b"CONNECT api.example.com:443 HTTP/1.1\r\n\r\n", upstream=upstream)
    assert world.dialled == [("proxy.corp", 3128)]
    assert world.heard == [
        b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n"
        b"Proxy-Authorization: Basic bWU6c2VjcmV0\r\n\r\n"
    ]
    assert b"secret" not in said
    assert upstream.towards("https", "past.example.com", 443) == ""


def test_behind_the_machine_s_own_proxy_the_rules_stay_the_same(ask: Ask, world: World) -> None:
    upstream = Upstream.of({"HTTPS_PROXY": "http://proxy.corp:3128", "HTTP_PROXY": "http://proxy.corp:3128"})
    for request_ in (
        b"CONNECT evil.example.com:443 HTTP/1.1\r\n\r\n",
        b"GET http://127.0.0.1/ HTTP/1.1\r\n\r\n",
    ):
        said, _ = ask(request_, upstream=upstream)
        assert said.startswith(b"HTTP/1.1 403")
    listed = Rules(egress=("other.example.com",))
    said, _ = ask(b"CONNECT only-the-proxy-knows.example.com:443 HTTP/1.1\r\n\r\n", listed, upstream)
    assert said.startswith(b"HTTP/1.1 403")
    assert world.dialled == []
