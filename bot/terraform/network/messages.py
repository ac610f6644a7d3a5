"""Reads the head of an HTTP request strictly, and says how much of a body follows: for the proxy.

What two servers could read in two ways is refused: the proxy checks one request, and no second one may hide
in the first.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LARGEST_HEAD = 64 << 10
_PIECE = 64 << 10
_LINE = re.compile(rb"([A-Z]{1,20}) ([\x21-\x7e]{1,16000}) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[\x20-\x7e\t]*)?\r\n")
_HOP = {b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"te", b"upgrade", b"host"}


class BadRequest(Exception):
    """The request is malformed."""


@dataclass(frozen=True)
class Head:
    """A request's first line and fields. `target` is as it was sent."""

    method: str
    target: str
    fields: tuple[tuple[bytes, bytes], ...] = field(repr=False, default=())

    def values(self, name: bytes) -> list[bytes]:
        """Return a field's values; its name in lower case."""
        return [value for key, value in self.fields if key.lower() == name]

    def destination(self) -> tuple[str, int]:
        """Return host and port of a CONNECT, or of an absolute http address. Raises BadRequest."""
        try:
            parts = urlsplit(f"//{self.target}" if self.method == "CONNECT" else self.target)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise BadRequest(str(error)) from error
        if self.method == "CONNECT":
            if not host or port is None or parts.path or parts.query or "@" in parts.netloc:
                raise BadRequest("CONNECT needs host:port")
            return host, port
        if parts.scheme != "http" or not host or "@" in parts.netloc:
            raise BadRequest("a proxy is asked for http://host/path")
        return host, port or 80

    def path(self) -> str:
        """Return the path with its question, as it goes to the server."""
        if self.target.startswith("/"):
            return self.target.partition("#")[0]
        parts = urlsplit(self.target)
        return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def rendered(self, target: str, host: str, more: tuple[tuple[bytes, bytes], ...] = ()) -> bytes:
        """Return the head for the next server, which is told to close the connection afterwards."""
        kept = [each for each in self.fields if each[0].lower() not in _HOP]
        fields = [(b"Host", host.encode()), *kept, *more, (b"Connection", b"close")]
        lines = [f"{self.method} {target} HTTP/1.1".encode(), *(b": ".join(each) for each in fields)]
        return b"\r\n".join(lines) + b"\r\n\r\n"


class Incoming:
    """What comes from a client: a head, and then a body of the length that the head says."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._held = b""

    def head(self) -> Head | None:
        """Return the request's head, None if the client went away. Raises BadRequest, OSError."""
        while b"\r\n\r\n" not in self._held:
            if len(self._held) > LARGEST_HEAD:
                raise BadRequest("the head is too long")
            if not self._more():
                if self._held:
                    raise BadRequest("the head is cut off")
                return None
        head, _, self._held = self._held.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        found = _LINE.fullmatch(first)
        fields = [_FIELD.fullmatch(line) for line in lines]
        if not found or not all(fields):
            raise BadRequest("the head is malformed")
        return Head(
            found[1].decode(), found[2].decode(), tuple((each[1], each[2]) for each in fields if each)
        )

    def body(self, head: Head) -> Iterator[bytes]:
        """Return the body piece by piece, as it was sent. Raises BadRequest, OSError."""
        lengths, codings = head.values(b"content-length"), head.values(b"transfer-encoding")
        if (lengths and codings) or len(lengths) > 1 or len(codings) > 1:
            raise BadRequest("the length of the body is not clear")
        if codings:
            if codings[0].lower() != b"chunked":
                raise BadRequest("the body's coding is not known")
            yield from self._chunks()
        elif lengths:
            if not lengths[0].isdigit() or len(lengths[0]) > 15:
                raise BadRequest("the length of the body is not a number")
            yield from self._exactly(int(lengths[0]))

    def rest(self) -> bytes:
        """Return what was read beyond the head."""
        held, self._held = self._held, b""
        return held

    def _chunks(self) -> Iterator[bytes]:
        size = -1
        while size:
            while b"\r\n" not in self._held:
                if len(self._held) > 1000 or not self._more():
                    raise BadRequest("a chunk is malformed")
            line, _, self._held = self._held.partition(b"\r\n")
            found = _CHUNK.fullmatch(line + b"\r\n")
            if not found:
                raise BadRequest("a chunk is malformed")
            size = int(found[1], 16)
            yield found[1] + b"\r\n"
            if size:
                yield from self._exactly(size)
            while len(self._held) < 2:
                if not self._more():
                    raise BadRequest("a chunk is cut off")
            if self._held[:2] != b"\r\n":
                # Fields after the body are read by few, and in more than one way.
                raise BadRequest("a chunk is malformed")
            self._held = self._held[2:]
            yield b"\r\n"

    def _exactly(self, size: int) -> Iterator[bytes]:
        while size:
            if not self._held and not self._more():
                raise BadRequest("the body is cut off")
            piece, self._held = self._held[:size], self._held[size:]
            size -= len(piece)
            yield piece

    def _more(self) -> bool:
        piece = self._connection.recv(_PIECE)
        self._held += piece
        return bool(piece)
