"""How far a workspace's runs are shut in: what they may reach, and where their providers may come from.

Only plangate.yml says so, which is the server's own file: nothing in a repository can loosen it (promise 5).
"""

from __future__ import annotations

import contextlib
import fnmatch
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

HOST = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_])?\.?")
_PORT = re.compile(r"(?P<name>.+?):(?P<port>\d{1,5})")
_SOURCE = re.compile(r"[A-Za-z0-9*?._:-]+(?:/[A-Za-z0-9*?._-]+){1,2}")

# The registries that are meant where a source names none.
_USUAL = ("registry.terraform.io", "registry.opentofu.org")


class Network(StrEnum):
    """What a run may reach: what the proxy lets through, whatever its worker can, or its state alone."""

    FILTERED = "filtered"
    HOST = "host"
    NONE = "none"


@dataclass(frozen=True)
class Isolation:
    """A workspace's isolation.

    `egress` lists where its runs may go (terraform/network/rules); none: everything public.
    `providers` are patterns of sources (`hashicorp/*`, `registry.example.com/*`); none: any source.
    `own_providers` lets a commit bring its own.
    """

    network: Network = Network.FILTERED
    egress: tuple[str, ...] = ()
    providers: tuple[str, ...] = ()
    own_providers: bool = False

    def allows(self, address: str) -> bool:
        """Whether a provider may be used, by its whole address (`registry.terraform.io/hashicorp/aws`)."""
        if not self.providers:
            return True
        host, _, rest = address.partition("/")
        return any(_matches(pattern, host, rest) for pattern in self.providers)


def _matches(pattern: str, host: str, rest: str) -> bool:
    first, _, below = pattern.partition("/")
    if "." in first or ":" in first or first == "localhost":
        return host == first and fnmatch.fnmatchcase(rest, below)
    return host in _USUAL and fnmatch.fnmatchcase(rest, pattern)


def wrong_egress(entry: str) -> str:
    """Say what is wrong with an entry of `egress`, empty if nothing is."""
    name, port = parted(entry)
    if port is not None and not 0 < port < 65536:
        return f"{port} is not a port"
    plain = name.replace("*", "x").replace("?", "x")
    if network_of(name) is not None or HOST.fullmatch(plain):
        return ""
    return "write a name (api.example.com), a pattern (*.example.com), an address or a network (10.0.0.0/8)"


def wrong_source(pattern: str) -> str:
    """Say what is wrong with an entry of `providers`, empty if nothing is."""
    return "" if _SOURCE.fullmatch(pattern) else "write it as hashicorp/* or registry.example.com/*"


def parted(entry: str) -> tuple[str, int | None]:
    """Part an entry of `egress` into its name and its port, None if it has none."""
    found = _PORT.fullmatch(entry)
    if not found or (":" in found["name"] and not found["name"].endswith("]")):
        return entry, None
    return found["name"], int(found["port"])


def network_of(name: str) -> IPNetwork | None:
    """Return the addresses that an entry of `egress` names, None if it names a host."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_network(name.strip("[]"), strict=False)
    return None
