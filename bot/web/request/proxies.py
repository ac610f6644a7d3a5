"""Finds a client's address behind reverse proxies, but believes `X-Forwarded-For` only from trusted ones."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_HEADER = "HTTP_X_FORWARDED_FOR"


class TrustedProxies:
    """WSGI middleware: sets `REMOTE_ADDR` to the client's address, as trusted proxies report it.

    Each proxy appends the address that called it. So the list is read from its end, as long as the one who
    said so is trusted; the first address that is not a trusted proxy is the client. What stands before it was
    written by the client and may be anything.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], networks: Sequence[Network]) -> None:
        self._app = app
        self._networks = networks

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request with the client's address in its place."""
        address = str(environ.get("REMOTE_ADDR", ""))
        told = [part.strip() for part in str(environ.get(_HEADER, "")).split(",") if part.strip()]
        while told and self._trusts(address) and _is_an_address(told[-1]):
            address = told.pop()
        environ["REMOTE_ADDR"] = address
        return self._app(environ, start)

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)


def _is_an_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
