"""Which addresses a run may reach, in whatever form they are written."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bot.domain.workspaces.isolation import Isolation, wrong_egress, wrong_source
from bot.terraform.network.rules import Refused, Rules, StatePlace

PUBLIC = {"api.example.com": ["93.184.216.34"], "both.example.com": ["10.0.0.1", "93.184.216.34"]}


def found(
    host: str, rules: Rules | None = None, port: int = 443, names: Mapping[str, list[str]] = PUBLIC
) -> list[str]:
    return (rules or Rules()).addresses(host, port, lambda name: names.get(name, [name]))


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "is this machine"),
        ("127.8.9.10", "is this machine"),
        ("0.0.0.0", "is this machine"),
        ("::1", "is this machine"),
        ("::", "is this machine"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("10.1.2.3", "private"),
        ("172.16.0.1", "private"),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "not public"),
        ("fd00::1", "private"),
        ("192.0.2.1", "private"),
        ("224.0.0.1", "multicast"),
        ("ff02::1", "multicast"),
        ("255.255.255.255", "private"),
        ("::ffff:127.0.0.1", "is this machine"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:10.0.0.1", "private"),
        ("64:ff9b::7f00:1", "translated"),
        ("64:ff9b:1::a00:1", "translated"),
        ("2002:7f00:1::", "is this machine"),
        ("2002:a00:1::", "private"),
        ("2001:0:7f00:1::", "translated"),
        ("::7f00:1", "translated"),
    ],
)
def test_an_address_that_is_not_public_is_refused(address: str, reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        found(address)
    # A name that leads there is as good as the address.
    with pytest.raises(Refused, match=reason):
        found("rebinding.example.com", names={"rebinding.example.com": [address]})


@pytest.mark.parametrize("form", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost"])
def test_other_forms_of_an_address_are_resolved_and_then_refused(form: str) -> None:
    with pytest.raises(Refused, match="is this machine"):
        found(form, names={form: ["127.0.0.1"]})


@pytest.mark.parametrize("host", ["a b", "exa\nmple.com", "fe80::1%eth0", "", "user@host", "../x"])
def test_what_is_no_host_is_refused(host: str) -> None:
    with pytest.raises(Refused, match="not a valid host"):
        found(host)


def test_only_the_public_addresses_of_a_name_are_connected_to() -> None:
    assert found("api.example.com") == ["93.184.216.34"]
    assert found("both.example.com") == ["93.184.216.34"]


def test_plangate_s_own_parts_are_refused_at_public_addresses_too() -> None:
    rules = Rules(own=("plangate.example.com",))
    names = {"plangate.example.com": ["93.184.216.34"], "other.example.com": ["93.184.216.34"]}
    for name in names:
        with pytest.raises(Refused, match="Plangate's own"):
            found(name, rules, names=names)


def test_a_list_of_destinations_is_kept() -> None:
    rules = Rules(egress=("api.example.com", "*.amazonaws.com:443"))
    names = {**PUBLIC, "s3.amazonaws.com": ["52.216.0.1"], "amazonaws.com.evil.org": ["52.216.0.1"]}
    assert found("API.example.com.", rules, names={"API.example.com.": ["93.184.216.34"]})
    assert found("s3.amazonaws.com", rules, names=names) == ["52.216.0.1"]
    for host, port in (("both.example.com", 443), ("s3.amazonaws.com", 80), ("amazonaws.com.evil.org", 443)):
        with pytest.raises(Refused, match="not in `egress`"):
            found(host, rules, port, names)


def test_a_private_network_is_opened_by_its_addresses_and_by_no_name() -> None:
    names = {"vault.corp": ["10.20.0.5"], "db.corp": ["10.30.0.5"]}
    by_name = Rules(egress=("*.corp",))
    with pytest.raises(Refused, match="private"):
        found("vault.corp", by_name, names=names)
    by_network = Rules(egress=("*.corp", "10.20.0.0/16"))
    assert found("vault.corp", by_network, names=names) == ["10.20.0.5"]
    with pytest.raises(Refused, match="private"):
        found("db.corp", by_network, names=names)


@pytest.mark.parametrize("network", ["127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/0", "::/0"])
def test_no_list_opens_this_machine_or_the_metadata_service(network: str) -> None:
    for address in ("127.0.0.1", "169.254.169.254", "::1", "fe80::1"):
        with pytest.raises(Refused):
            found(address, Rules(egress=(network,)))


def test_without_a_network_nothing_is_reached() -> None:
    with pytest.raises(Refused, match="no network"):
        found("api.example.com", Rules(open=False))


def test_the_state_s_place_is_one_path() -> None:
    place = StatePlace.of("http://127.0.0.1:8000/state/ws-1")
    assert place.on_loopback
    assert place.holds("/state/ws-1")
    assert place.holds("/state/ws-1?ID=abc")
    for path in (
        "/state/ws-12",
        "/state/ws-1/../ws-2",
        "/state",
        "/",
        "/state/ws-1/x",
        "//state/ws-1",
        "/state/ws-1#",
    ):
        assert not place.holds(path)
    assert StatePlace.of("https://plangate.example.com/state/ws-1").port == 443


@pytest.mark.parametrize(
    "entry", ["api.example.com", "*.example.com:443", "*", "10.0.0.0/8", "10.1.2.3:8200", "[fd00::1]:443"]
)
def test_an_entry_of_egress_that_is_fine(entry: str) -> None:
    assert wrong_egress(entry) == ""


@pytest.mark.parametrize(
    "entry", ["https://example.com", "a b", "", "example.com:0", "example.com:99999", "10.0.0.0/99"]
)
def test_an_entry_of_egress_that_is_not(entry: str) -> None:
    assert wrong_egress(entry)


def test_sources_of_providers() -> None:
    isolation = Isolation(providers=("hashicorp/*", "registry.example.com/*", "acme/net"))
    for address in (
        "registry.terraform.io/hashicorp/aws",
        "registry.opentofu.org/hashicorp/aws",
        "registry.example.com/any/thing",
        "registry.terraform.io/acme/net",
    ):
        assert isolation.allows(address)
    for address in (
        "registry.terraform.io/evil/aws",
        "evil.org/hashicorp/aws",
        "registry.terraform.io/acme/net2",
    ):
        assert not isolation.allows(address)
    assert Isolation().allows("evil.org/any/thing")
    assert wrong_source("hashicorp/*") == ""
    assert wrong_source("*") != ""


def test_states_that_are_shared_are_only_read() -> None:
    addresses = ("http://127.0.0.1:8000/state/ws-2", "http://127.0.0.1:8000/state/ws-3")
    place = StatePlace.of("http://127.0.0.1:8000/state/ws-1", addresses)
    for path in ("/state/ws-2", "/state/ws-3"):
        assert place.holds(path)
        for method in ("POST", "PUT", "DELETE", "LOCK", "UNLOCK", "HEAD"):
            assert not place.holds(path, method)
    assert place.holds("/state/ws-1?ID=abc", "POST")
    for path in ("/state/ws-4", "/state/ws-2?ID=abc", "/state/ws-2/../ws-4", "/state/ws-2/"):
        assert not place.holds(path)
