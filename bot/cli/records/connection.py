"""Requests to a server elsewhere, with a token; answers are JSON of a limited size.

The token goes only to the server that was named: redirects are not followed, and plain http is refused unless
the server is on this machine.
"""

from __future__ import annotations

import ipaddress
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from bot.cli.records.output import printable, word
from bot.cli.records.records import Away
from bot.cli.records.shapes import BadAnswer
from bot.domain.errors import Conflict, Forbidden, Invalid, NotFound, PlangateError

LARGEST = 64 * 1024 * 1024
"""How many bytes an answer may have."""

LARGEST_STATE = 256 * 1024 * 1024
"""How many bytes a state may have."""

_PATIENCE = httpx.Timeout(30.0, connect=10.0)
_LONGEST_WORDS = 2000
_AWAY = frozenset({429, 502, 503, 504})
_ERRORS: Mapping[int, type[PlangateError]] = {400: Invalid, 403: Forbidden, 404: NotFound, 409: Conflict}

Fields = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True)
class Answer:
    """An answer's headers and its body."""

    headers: Mapping[str, str]
    body: bytes = field(repr=False)


def checked_address(server: str, *, allow_http: bool) -> str:
    """Return the server's address without a slash at its end. Raises Invalid."""
    try:
        parts = urlsplit(server.strip())
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Invalid(
            f"--server: {word(server)} is not an address: write https://plangate.example.com"
        ) from None
    if parts.username is not None or parts.password is not None:
        raise Invalid(
            "--server: the address has a name or a password in it, and others can read a command line: write "
            "only https://plangate.example.com, and put a token into PLANGATE_TOKEN"
        )
    if parts.scheme not in ("https", "http") or not host or parts.query or parts.fragment:
        raise Invalid(f"--server: {word(server)} is not an address: write https://plangate.example.com")
    if parts.scheme == "http" and not allow_http and not _is_here(host):
        raise Invalid(
            f"--server: {word(server)} is plain http, and everybody on the way could read the token and use "
            "it: write https://. If you trust the whole way, add --allow-http"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


@cache
def _trusted() -> ssl.SSLContext:
    """Read the certificates once: it takes longer than most calls."""
    return httpx.create_ssl_context()


class ServerConnection:
    """Asks one server. Raises PlangateError with the server's reason, and Away if it does not answer now."""

    def __init__(self, server: str, token: str) -> None:
        self.server = server
        # This machine's own address needs no proxy, and a proxy would read the token.
        trusts = not _is_here(urlsplit(server).hostname or "")
        self._client = httpx.Client(
            headers={
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "plangate",
            },
            timeout=_PATIENCE,
            follow_redirects=False,
            trust_env=trusts,
            verify=_trusted(),
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def get(self, path: str, query: Fields | None = None) -> Any:
        """Return an answer in JSON."""
        return self._json(self.fetch("GET", path, query))

    def post(self, path: str, form: Fields | None = None, query: Fields | None = None) -> Any:
        """Send a form, and return the answer in JSON."""
        return self._json(self.fetch("POST", path, query, form or {}))

    def fetch(
        self,
        method: str,
        path: str,
        query: Fields | None = None,
        form: Fields | None = None,
        *,
        largest: int = LARGEST,
    ) -> Answer:
        """Return an answer of at most `largest` bytes as it is."""
        try:
            with self._client.stream(
                method,
                f"{self.server}{path}",
                params=dict(query or {}),
                data=dict(form) if form is not None else None,
            ) as answer:
                body = bytearray()
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > largest:
                        raise BadAnswer(f"the answer of {self.server} is larger than {largest // 2**20} MiB")
                if answer.is_success:
                    return Answer(answer.headers, bytes(body))
                raise self._refusal(answer.status_code, answer.headers.get("Location", ""), bytes(body))
        except httpx.TimeoutException as error:
            raise Away(f"{self.server} did not answer in time: try again") from error
        except httpx.InvalidURL as error:
            raise Invalid(f"{self.server} has no such address: {word(error)}") from error
        except httpx.HTTPError as error:
            raise self._unreached(error) from error

    def _json(self, answer: Answer) -> Any:
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise BadAnswer(
                f"{self.server} did not answer in JSON: is it Plangate's address, or a proxy's before it?"
            ) from None

    def _refusal(self, status: int, location: str, body: bytes) -> PlangateError:
        if 300 <= status < 400:
            return Invalid(
                f"{self.server} redirects to {word(location)[:200]}: if you trust that address, write it "
                "after --server. The token was not sent there"
            )
        words = _words(body)
        if status == 401:
            return Forbidden(f"{self.server} does not accept the token: {words or 'it gave no reason'}")
        if status in _AWAY:
            return Away(f"{self.server} can't answer now ({status}): {words or 'try again in a moment'}")
        if not words:
            return BadAnswer(f"{self.server} answered {status}, but not as Plangate does: check the address")
        return _ERRORS.get(status, PlangateError)(words)

    def _unreached(self, error: httpx.HTTPError) -> PlangateError:
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLError):
                why = getattr(cause, "verify_message", "") or cause.reason or "TLS failed"
                return PlangateError(
                    f"the connection to {self.server} is not safe: {word(why)}. If its certificate is from "
                    "an authority of your own, name that in SSL_CERT_FILE"
                )
            cause = cause.__cause__ or cause.__context__
        return Away(f"can't reach {self.server}: {word(error) or type(error).__name__}")


def _words(body: bytes) -> str:
    """Return the reason that an answer gives, empty if it gives none as Plangate does."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(found, dict) or not isinstance(found.get("error"), str):
        return ""
    reference = found.get("reference")
    more = f" (reference {word(reference)[:40]})" if isinstance(reference, str) else ""
    return printable(found["error"][:_LONGEST_WORDS]) + more


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
