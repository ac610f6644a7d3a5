"""The proxy through which a run's HTTP and HTTPS leave: a thread for each connection, in its supervisor.

It resolves names itself and connects only to an address that it has checked, so a name that changes its
address afterwards gains nothing. Each plain request is checked by itself and has a connection of its own.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import select
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from bot.domain.workspaces.isolation import network_of, parted
from bot.terraform.network.messages import BadRequest, Head, Incoming
from bot.terraform.network.rules import Refused, Resolver, Rules, resolve

Dialler = Callable[[str, int], socket.socket]

_MOST_CONNECTIONS = 200
_MOST_REFUSED = 50
_HEAD_SECONDS, _DIAL_SECONDS, _IDLE_SECONDS = 60.0, 20.0, 900.0
_PIECE = 256 << 10


def dial(address: str, port: int) -> socket.socket:
    """Connect to an address. Raises OSError."""
    return socket.create_connection((address, port), _DIAL_SECONDS)


@dataclass(frozen=True)
class Upstream:
    """The proxies that this machine itself needs, by scheme, and what goes past them."""

    proxies: Mapping[str, str]
    past: str = ""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Upstream:
        """Read them from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY."""

        def value(name: str) -> str:
            return environment.get(name.lower()) or environment.get(name) or ""

        every = value("ALL_PROXY")
        found = {scheme: value(f"{scheme.upper()}_PROXY") or every for scheme in ("http", "https")}
        return cls({scheme: url for scheme, url in found.items() if url}, value("NO_PROXY"))

    def towards(self, scheme: str, host: str, port: int) -> str:
        """Return the proxy for a destination, empty for none."""
        found = self.proxies.get(scheme, "")
        return "" if not found or _is_past(self.past, host, port) else found


def _is_past(list_: str, host: str, port: int) -> bool:
    """Whether NO_PROXY names a host: itself, a domain above it with or without a dot, a network, or all."""
    for entry in (each.strip().lower() for each in list_.split(",")):
        name, only = parted(entry)
        if not name or (only is not None and only != port):
            continue
        if name == "*" or f".{host.lower()}".endswith(f".{name.lstrip('*').lstrip('.')}"):
            return True
        network = network_of(name)
        with contextlib.suppress(ValueError):
            if network is not None and ipaddress.ip_address(host) in network:
                return True
    return False


class Proxy:
    """Keeps a run's rules. Listening sockets are handed to it; `refused` is what it let nobody reach."""

    def __init__(
        self,
        rules: Rules,
        upstream: Upstream | None = None,
        resolver: Resolver = resolve,
        dialler: Dialler = dial,
    ) -> None:
        self._rules = rules
        self._upstream = upstream or Upstream({})
        self._resolve = resolver
        self._dial = dialler
        self._refused: dict[str, None] = {}
        self._free = threading.BoundedSemaphore(_MOST_CONNECTIONS)

    @property
    def refused(self) -> tuple[str, ...]:
        """Where the run wanted to go and was not let, each with the reason."""
        return tuple(self._refused)

    def serve(self, listener: socket.socket, *, state_only: bool = False) -> None:
        """Serve what connects to a listening socket, for as long as this process lives.

        With `state_only` clients take it for the state backend itself, and send no absolute addresses.
        """
        threading.Thread(target=self._accept, args=(listener, state_only), daemon=True).start()

    def _accept(self, listener: socket.socket, state_only: bool) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._free.acquire()
            threading.Thread(target=self._handle, args=(connection, state_only), daemon=True).start()

    def _handle(self, connection: socket.socket, state_only: bool) -> None:
        try:
            with connection:
                connection.settimeout(_HEAD_SECONDS)
                self._answer(connection, state_only)
        except OSError:
            pass  # one of the two went away
        finally:
            self._free.release()

    def _answer(self, connection: socket.socket, state_only: bool) -> None:
        state = self._rules.state
        if state_only and state and state.scheme == "https":
            # What is said in here can't be read; it is said to the state backend's address alone.
            self._tunnel(connection, self._reach_state(), b"")
            return
        incoming = Incoming(connection)
        try:
            head = incoming.head()
            if head is None:
                return
            if state_only:
                self._pass_to_state(connection, incoming, head)
            elif head.method == "CONNECT":
                self._connect(connection, incoming, head)
            else:
                self._forward(connection, incoming, head)
        except BadRequest as error:
            _say(connection, 400, "Bad Request", str(error))
        except Refused as refused:
            self._note(refused)
            _say(connection, 403, "Forbidden", f"Plangate does not let this run reach {refused}")
        except OSError as error:
            _say(connection, 502, "Bad Gateway", error.strerror or str(error))

    def _connect(self, connection: socket.socket, incoming: Incoming, head: Head) -> None:
        host, port = head.destination()
        state = self._rules.state
        if state and state.scheme == "https" and state.serves(host, port):
            server = self._reach_state()
        elif proxy := self._upstream.towards("https", host, port):
            self._check_by_name(host, port)
            server = _through(self._dial, proxy, host, port)
        else:
            server = self._reach(host, port)
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self._tunnel(connection, server, incoming.rest())

    def _forward(self, connection: socket.socket, incoming: Incoming, head: Head) -> None:
        host, port = head.destination()
        state = self._rules.state
        if state and state.scheme == "http" and state.serves(host, port):
            self._pass_to_state(connection, incoming, head)
            return
        name = urlsplit(head.target).netloc
        if proxy := self._upstream.towards("http", host, port):
            self._check_by_name(host, port)
            server, target = _to_proxy(self._dial, proxy), head.target
            request = head.rendered(target, name, _credentials(proxy))
        else:
            server = self._reach(host, port)
            request = head.rendered(head.path(), name)
        self._exchange(connection, incoming, head, server, request)

    def _pass_to_state(self, connection: socket.socket, incoming: Incoming, head: Head) -> None:
        state = self._rules.state
        if state is None or not state.holds(head.path(), head.method) or head.method == "CONNECT":
            there = f"{state.host}:{state.port}" if state else "the state"
            raise Refused(there, "only states that the run may read are served here")
        name = state.host if state.port in (80, 443) else f"{state.host}:{state.port}"
        request = head.rendered(head.path(), f"[{name}]" if name.count(":") > 1 else name)
        self._exchange(connection, incoming, head, self._reach_state(), request)

    def _exchange(
        self, connection: socket.socket, incoming: Incoming, head: Head, server: socket.socket, request: bytes
    ) -> None:
        """Send one request with its body, and hand back whatever comes until the server closes."""
        with server:
            server.settimeout(_IDLE_SECONDS)
            if b"100-continue" in [value.lower() for value in head.values(b"expect")]:
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            # A server that has heard enough answers before it has heard everything.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                server.sendall(request)
                for piece in incoming.body(head):
                    server.sendall(piece)
            connection.settimeout(_IDLE_SECONDS)
            while piece := server.recv(_PIECE):
                connection.sendall(piece)

    def _tunnel(self, connection: socket.socket, server: socket.socket, first: bytes) -> None:
        with server:
            connection.settimeout(_IDLE_SECONDS)
            server.settimeout(_IDLE_SECONDS)
            if first:
                server.sendall(first)
            other = {connection: server, server: connection}
            reading = [connection, server]
            while reading:
                ready, _, _ = select.select(reading, [], [], _IDLE_SECONDS)
                if not ready:
                    return
                for one in ready:
                    piece = one.recv(_PIECE)
                    if piece:
                        other[one].sendall(piece)
                        continue
                    reading.remove(one)
                    with contextlib.suppress(OSError):
                        other[one].shutdown(socket.SHUT_WR)

    def _reach(self, host: str, port: int) -> socket.socket:
        """Connect to a host that the rules allow. Raises Refused, OSError."""
        return self._first(self._rules.addresses(host, port, self._resolve), port)

    def _reach_state(self) -> socket.socket:
        state = self._rules.state
        if state is None:
            raise Refused("the state", "is not kept in Plangate")
        return self._first(list(self._resolve(state.host)), state.port)

    def _first(self, addresses: list[str], port: int) -> socket.socket:
        error = OSError("no address")
        for address in addresses:
            try:
                return self._dial(address, port)
            except OSError as failed:
                error = failed
        raise error

    def _check_by_name(self, host: str, port: int) -> None:
        """Ask the rules before a proxy of this machine's resolves a name, which we may not be able to."""

        def lenient(name: str) -> list[str]:
            try:
                return list(self._resolve(name))
            except OSError:
                return [_SOMEWHERE] if name == host else []

        self._rules.addresses(host, port, lenient)

    def _note(self, refused: Refused) -> None:
        if len(self._refused) < _MOST_REFUSED:
            self._refused[str(refused)] = None


# A public address that stands for one that only the machine's own proxy can find out.
_SOMEWHERE = "1.1.1.1"


def _to_proxy(dialler: Dialler, proxy: str) -> socket.socket:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return dialler(parts.hostname or "", parts.port or 80)


def _credentials(proxy: str) -> tuple[tuple[bytes, bytes], ...]:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    if not parts.username:
        return ()
    words = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return ((b"Proxy-Authorization", b"Basic " + base64.b64encode(words.encode())),)


def _through(dialler: Dialler, proxy: str, host: str, port: int) -> socket.socket:
    """Have the machine's own proxy connect to a host. Raises OSError."""
    server = _to_proxy(dialler, proxy)
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    fields = [(b"Host", name.encode()), *_credentials(proxy)]
    lines = [f"CONNECT {name} HTTP/1.1".encode(), *(b": ".join(each) for each in fields)]
    server.settimeout(_HEAD_SECONDS)
    server.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
    said = b""
    # Byte by byte: what follows the head belongs to the client.
    while not said.endswith(b"\r\n\r\n"):
        piece = server.recv(1)
        if not piece or len(said) > 16_000:
            raise OSError("the machine's own proxy does not answer")
        said += piece
    status = said.split(b" ", 2)[1:2]
    if status != [b"200"]:
        server.close()
        raise OSError(
            f"the machine's own proxy answered {status[0].decode(errors='replace') if status else ''}"
        )
    return server


def _say(connection: socket.socket, status: int, reason: str, words: str) -> None:
    body = f"{words}\n".encode(errors="replace")
    head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: text/plain; charset=utf-8\r\n"
    with contextlib.suppress(OSError):
        connection.sendall(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        # Read a little of what is still coming, or the answer would be lost in a reset.
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(1.0)
        for _ in range(64):
            if not connection.recv(_PIECE):
                break
