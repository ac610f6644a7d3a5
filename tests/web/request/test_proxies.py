"""Whose word counts for a client's address."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest

from bot.web.request.proxies import TrustedProxies

NETWORKS = tuple(ipaddress.ip_network(each) for each in ("10.0.0.0/8", "fd00::/8"))


def address_of(remote: str, forwarded: str | None) -> str:
    seen: dict[str, Any] = {"REMOTE_ADDR": remote}
    if forwarded is not None:
        seen["HTTP_X_FORWARDED_FOR"] = forwarded
    list(TrustedProxies(lambda environ, start: [], NETWORKS)(seen, print))
    return str(seen["REMOTE_ADDR"])


@pytest.mark.parametrize(
    ("remote", "forwarded", "found"),
    [
        ("203.0.113.5", None, "203.0.113.5"),
        ("203.0.113.5", "192.0.2.1", "203.0.113.5"),  # not a proxy of ours: its word counts for nothing
        ("10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("10.0.0.1", "192.0.2.1, 203.0.113.5", "203.0.113.5"),  # the first one is the client's own invention
        ("10.0.0.1", "203.0.113.5, 10.0.0.2", "203.0.113.5"),
        ("::ffff:10.0.0.1", "203.0.113.5", "203.0.113.5"),
        ("fd00::1", "2001:db8::7", "2001:db8::7"),
        ("10.0.0.1", "203.0.113.5, <script>", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("", "203.0.113.5", ""),  # a unix socket has no address to trust
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy_of_ours(
    remote: str, forwarded: str | None, found: str
) -> None:
    assert address_of(remote, forwarded) == found
