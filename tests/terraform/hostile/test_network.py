"""What a change's code can reach: nothing of this machine but its own state, and what the rules let through.

Listeners on loopback stand for whatever must not be reached.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from bot.domain.workspaces.isolation import Isolation, Network
from tests.terraform.conftest import Onlooker, Rig
from tests.terraform.hostile.conftest import Attack

HOST = Isolation(network=Network.HOST)


@pytest.fixture
def listener() -> Iterator[tuple[int, list[bytes]]]:
    """A server on this machine without a password, as a Redis may be."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        met: list[bytes] = []

        def serve() -> None:
            try:
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.settimeout(5)
                        met.append(connection.recv(100))
                        connection.sendall(b"+PONG\r\n")
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1], met


DIRECT = """
try:
    with socket.create_connection(("127.0.0.1", {port}), 5) as found:
        found.sendall(b"PING")
        say("ANSWERED", found.recv(100))
except OSError as error:
    say(errno.errorcode[error.errno])
"""
THROUGH = """
with socket.create_connection(("127.0.0.1", 3128), 5) as proxy:
    proxy.sendall(b"CONNECT {place} HTTP/1.1\\r\\n\\r\\n")
    say(proxy.recv(1000).decode())
"""


def test_a_service_of_this_machine_cannot_be_reached(
    inside: Attack, onlooker: Callable[..., Onlooker], listener: tuple[int, list[bytes]]
) -> None:
    port, met = listener
    watch = onlooker()
    inside.run(DIRECT.format(port=port), watch=watch)
    for place in (
        f"127.0.0.1:{port}",
        f"localhost:{port}",
        f"[::1]:{port}",
        f"0.0.0.0:{port}",
        f"2130706433:{port}",
    ):
        done = inside.run(THROUGH.format(place=place), watch=watch)
        assert done.refused
    assert "ANSWERED" not in watch.text
    assert "ECONNREFUSED" in watch.text
    assert watch.text.count("403 Forbidden") == 5
    assert met == []
    # Where it wanted to go stands in the run's own output.
    assert done.refused[0].startswith("2130706433:")


@pytest.mark.parametrize("network", [Network.HOST, Network.FILTERED])
def test_with_the_network_of_the_host_or_without_a_sandbox_it_can(
    request: pytest.FixtureRequest,
    said: Callable[..., str],
    listener: tuple[int, list[bytes]],
    network: Network,
) -> None:
    # `network: host` is that choice; without a sandbox there is no other.
    attack = request.getfixturevalue("inside" if network is Network.HOST else "without")
    port, _ = listener
    assert "ANSWERED" in said(attack, DIRECT.format(port=port), isolation=Isolation(network=network))


def test_this_machine_s_other_addresses_are_its_own_too(
    inside: Attack, onlooker: Callable[..., Onlooker]
) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        try:
            found.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("left out: this machine has no address but loopback")
        address = found.getsockname()[0]
    done = inside.run(THROUGH.format(place=f"{address}:80"), watch=onlooker())
    assert "is this machine" in done.refused[0]
    done = inside.run(
        THROUGH.format(place=f"{address}:80"), watch=onlooker(), isolation=Isolation(egress=("0.0.0.0/0",))
    )
    assert "is this machine" in done.refused[0]


def test_there_is_no_way_out_but_the_proxy(inside: Attack, said: Callable[..., str]) -> None:
    text = said(
        inside,
        """
        say("interfaces:", *[name for _, name in socket.if_nameindex()])
        for family, place in ((socket.AF_INET, ("192.0.2.1", 9)), (socket.AF_INET6, ("2001:db8::1", 9))):
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
                try:
                    socket.socket(family, kind).connect(place)
                    say("LEFT")
                except OSError as error:
                    say(errno.errorcode[error.errno])
        """,
    )
    assert "LEFT" not in text
    assert text.count("ENETUNREACH") == 4
    assert "interfaces: lo" in text.splitlines()


STATE = """
import urllib.request, urllib.error
def ask(path, method="GET", body=None):
    request = urllib.request.Request("{base}" + path, data=body, method=method)
    import base64, hashlib
    request.add_header("Authorization", "Basic " + base64.b64encode(b"run:token").decode())
    if body:
        request.add_header("Content-MD5", base64.b64encode(hashlib.md5(body).digest()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            say(method, path, answer.status, answer.read())
    except urllib.error.HTTPError as error:
        say(method, path, error.code, error.read()[:80])
ask("/state/ws-1", "POST", b'{{"version": 4}}')
ask("/state/ws-1")
ask("/state/ws-2")
ask("/workspaces")
"""


@pytest.mark.parametrize("network", [Network.FILTERED, Network.NONE])
def test_the_state_is_served_and_nothing_else_of_plangate(
    inside: Attack, said: Callable[..., str], rig: Rig, network: Network
) -> None:
    base = f"http://127.0.0.1:{rig.server.server_port}"
    # urllib needs more of Python than the other programs.
    code = "import site\n" + STATE.format(base=base)
    text = said(inside, code, state=rig.server.access(), isolation=Isolation(network=network))
    assert "POST /state/ws-1 200" in text
    assert "GET /state/ws-1 200 b'{\"version\": 4}'" in text
    assert "GET /state/ws-2 403" in text
    assert "GET /workspaces 403" in text
    assert rig.server.requests == ["POST", "GET"]


def test_a_workspace_without_a_network_reaches_nothing_public(
    inside: Attack, onlooker: Callable[..., Onlooker]
) -> None:
    done = inside.run(
        THROUGH.format(place="93.184.216.34:443"), watch=onlooker(), isolation=Isolation(network=Network.NONE)
    )
    assert done.refused == ("93.184.216.34:443: this workspace has no network",)


def test_the_worker_s_own_proxy_and_its_password_stay_outside(
    inside: Attack, said: Callable[..., str]
) -> None:
    passed = {"https_proxy": "http://me:the-password@proxy.corp:3128"}
    text = said(inside, "say(dict(os.environ))", passed=passed)
    assert "the-password" not in text
