"""Roles asked of the forge: kept for a minute, an owner's without asking, none where there is no answer."""

from __future__ import annotations

import pytest

from bot.domain.errors import ForgeUnavailable
from bot.domain.events import RepoRef
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Role
from bot.services.people.roles import KEPT_FOR, Roles
from tests.fakes.clock import FakeClock
from tests.fakes.forge import FakeForge

INFRA, OTHER = RepoRef("hub", "acme/infra"), RepoRef("hub", "acme/other")
ANA = Account("hub", "Ana")


@pytest.fixture
def forge() -> FakeForge:
    made = FakeForge("hub")
    made.set_role(INFRA, "ana", Role.WRITE)
    return made


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def roles(forge: FakeForge, clock: FakeClock) -> Roles:
    return Roles({"hub": forge}, clock, [Account("hub", "olga")])


def asked(forge: FakeForge) -> int:
    return forge.calls.count("role")


def test_a_role_is_asked_for_once_a_minute(roles: Roles, forge: FakeForge, clock: FakeClock) -> None:
    assert [roles.role(ANA, INFRA) for _ in range(3)] == [Role.WRITE] * 3
    assert roles.role(Account("hub", "ANA"), INFRA) is Role.WRITE
    assert asked(forge) == 1
    forge.set_role(INFRA, "ana", Role.NONE)
    clock.forward(seconds=KEPT_FOR.total_seconds())
    assert roles.role(ANA, INFRA) is Role.NONE
    assert asked(forge) == 2


def test_having_no_role_is_an_answer_too(roles: Roles, forge: FakeForge) -> None:
    assert [roles.role(Account("hub", "sam"), INFRA) for _ in range(2)] == [Role.NONE] * 2
    assert asked(forge) == 1


def test_a_command_asks_anew_and_pages_learn_of_it(roles: Roles, forge: FakeForge) -> None:
    roles.role(ANA, INFRA)
    forge.set_role(INFRA, "ana", Role.READ)
    assert roles.ask(ANA, INFRA) is Role.READ
    assert roles.role(ANA, INFRA) is Role.READ


def test_owners_and_the_local_administrator_are_never_asked_for(roles: Roles, forge: FakeForge) -> None:
    for account in (Account("hub", "OLGA"), Account("", "alice")):
        assert roles.owns(account)
        assert roles.role(account, INFRA) is Role.OWNER
        assert roles.roles(account, [INFRA, OTHER]) == {INFRA: Role.OWNER, OTHER: Role.OWNER}
    assert asked(forge) == 0


def test_an_owner_of_one_forge_is_nobody_on_another(forge: FakeForge, clock: FakeClock) -> None:
    roles = Roles({"hub": forge, "lab": FakeForge("lab")}, clock, [Account("hub", "olga")])
    stranger = Account("lab", "olga")
    assert not roles.owns(stranger)
    assert roles.role(stranger, INFRA) is Role.NONE
    assert asked(forge) == 0


def test_a_forge_that_is_no_longer_configured_gives_nobody_a_role(roles: Roles) -> None:
    gone = RepoRef("gone", "acme/infra")
    assert roles.role(Account("gone", "ana"), gone) is Role.NONE


def test_without_an_answer_there_is_no_role_and_the_reason_is_told(roles: Roles, forge: FakeForge) -> None:
    forge.fail(ForgeUnavailable("hub does not answer"), times=2)
    with pytest.raises(ForgeUnavailable, match="hub does not answer"):
        roles.role(ANA, INFRA)
    assert roles.roles(ANA, [INFRA]) == {}
    assert roles.roles(ANA, [INFRA]) == {INFRA: Role.WRITE}


def test_many_are_asked_for_at_once_each_one_once(roles: Roles, forge: FakeForge) -> None:
    many = [RepoRef("hub", f"acme/{number}") for number in range(30)]
    forge.set_role(many[7], "ana", Role.ADMIN)
    found = roles.roles(ANA, [*many, *many])
    assert found == {repo: Role.ADMIN if repo == many[7] else Role.NONE for repo in many}
    assert asked(forge) == 30
    assert roles.roles(ANA, many) == found
    assert asked(forge) == 30
