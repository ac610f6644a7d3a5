"""Which addresses a run may reach. The proxy asks for each connection, and connects only to what it was told.

Refused are this machine's own addresses, loopback, link-local (where clouds serve credentials), private and
shared ones, in whatever form they are written; and everything outside of a list, if one is given. Only an
address or a network that stands in the list itself opens a private one: a name could be made to point there.
"""

from __future__ import annotations

import contextlib
import fnmatch
import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.domain.workspaces.isolation import HOST, IPNetwork, network_of, parted

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolver = Callable[[str], Sequence[str]]

# Forms of IPv6 that lead to an IPv4 address, or through somebody's relay to one.
_TRANSLATED = tuple(
    map(ipaddress.ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2001::/32", "2002::/16", "::/96"))
)
_PORTS = {"http": 80, "https": 443}


class Refused(Exception):
    """Where a run may not go, and why."""

    def __init__(self, destination: str, reason: str) -> None:
        super().__init__(f"{destination}: {reason}")


@dataclass(frozen=True)
class StatePlace:
    """The state backend: the one place of Plangate's own that a run reaches, with its token.

    `shared` are the paths of other states, which it only reads.
    """

    scheme: str
    host: str
    port: int
    path: str
    shared: tuple[str, ...] = ()

    @classmethod
    def of(cls, address: str, shared: Sequence[str] = ()) -> StatePlace:
        """Read it from the addresses of the run's own state, and of those that it may read."""
        parts = urlsplit(address)
        return cls(
            parts.scheme,
            parts.hostname or "",
            parts.port or _PORTS.get(parts.scheme, 0),
            parts.path or "/",
            tuple(urlsplit(each).path for each in shared),
        )

    @property
    def on_loopback(self) -> bool:
        """Whether programs would look for it on their own machine, whatever proxy they are told of."""
        if self.host == "localhost":
            return True
        with contextlib.suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return False

    def serves(self, host: str, port: int) -> bool:
        """Whether it is at a host and port."""
        return (_plain(host), port) == (_plain(self.host), self.port)

    def holds(self, path: str, method: str = "GET") -> bool:
        """Whether a request's path is the state's own (exactly that, or with a question), or one to read."""
        own = path == self.path or path.startswith(f"{self.path}?")
        return own or (method == "GET" and path in self.shared)


@dataclass(frozen=True)
class Rules:
    """What one run may reach. `open` is False for a run that reaches its state alone.

    `egress` are names, patterns of names (`*.example.com`), addresses and networks, with or without a port;
    none: everything public. `own` are hosts of Plangate's own parts, whose addresses are refused.
    """

    open: bool = True
    egress: tuple[str, ...] = ()
    state: StatePlace | None = None
    own: tuple[str, ...] = ()

    def addresses(self, host: str, port: int, resolve: Resolver) -> list[str]:
        """Return the addresses at which a run may reach a host. Raises Refused."""
        there = f"{host}:{port}"
        if not self.open:
            raise Refused(there, "this workspace has no network")
        if not _valid(host):
            raise Refused(there, "is not a valid host")
        named = not self.egress or any(_names(pattern, host, port) for pattern in self.egress)
        networks = [found for entry in self.egress if (found := _network(entry, port))]
        if not named and not networks:
            raise Refused(there, "is not in `egress`")
        try:
            addresses = [ipaddress.ip_address(each) for each in resolve(host)]
        except OSError as error:
            raise Refused(there, f"can't be resolved: {error.strerror or error}") from error
        own = self._own_addresses(resolve)
        reasons = []
        fine = []
        for address in addresses:
            reason = _never(address) or ("is Plangate's own address" if str(address) in own else "")
            if not reason and not any(address in network for network in networks):
                reason = _not_public(address) or ("" if named else "is not in `egress`")
            reasons.append(f"{address} {reason}" if reason and str(address) != host else reason)
            if not reason:
                fine.append(str(address))
        if not fine:
            raise Refused(there, next(filter(None, reasons), "has no address"))
        return fine

    def _own_addresses(self, resolve: Resolver) -> set[str]:
        found: set[str] = set()
        for host in self.own:
            with contextlib.suppress(OSError):
                found.update(resolve(host))
        return found


def resolve(host: str) -> Sequence[str]:
    """Return the addresses of a host by this machine's resolver. Raises OSError."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def _never(address: Address) -> str:
    """Say why nobody may be let through to an address, whatever a list says."""
    if inner := _inner(address):
        return _never(inner) or _not_public(inner)
    if address.is_loopback or address.is_unspecified:
        return "is this machine"
    if address.is_link_local:
        return "is link-local, where clouds serve credentials"
    if address.is_multicast:
        return "is multicast"
    if any(address in network for network in _TRANSLATED if network.version == address.version):
        return "is translated to another address"
    return "is this machine" if _is_here(address) else ""


def _not_public(address: Address) -> str:
    if address.is_global and not address.is_multicast:
        return ""
    return "is private" if address.is_private else "is not public"


def _inner(address: Address) -> Address | None:
    if isinstance(address, ipaddress.IPv6Address):
        return address.ipv4_mapped or address.sixtofour
    return None


def _is_here(address: Address) -> bool:
    """Whether an address is one of this machine's: only then is it its own nearest one. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as trial:
        trial.connect((str(address), 9))
        return bool(ipaddress.ip_address(trial.getsockname()[0]) == address)
    return False


def _valid(host: str) -> bool:
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return "%" not in host
    return bool(HOST.fullmatch(host))


def _names(pattern: str, host: str, port: int) -> bool:
    name, only = parted(pattern)
    if only is not None and only != port:
        return False
    return fnmatch.fnmatchcase(_plain(host), _plain(name))


def _network(entry: str, port: int) -> IPNetwork | None:
    name, only = parted(entry)
    return network_of(name) if only is None or only == port else None


def _plain(host: str) -> str:
    return host.rstrip(".").lower()
