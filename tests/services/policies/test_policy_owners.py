"""Teams of the forge as owners of policy sets: asked before anything is overridden, and never guessed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.errors import Forbidden, ForgeUnavailable
from bot.domain.people.permissions import Person, Role
from bot.domain.policies.owners import Owner
from bot.domain.policies.sets import PolicySet, SetOrigin
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

OPS = Owner("github", "acme/ops", is_team=True)
OLGA = Owner("github", "olga")
ANYBODY = Person("Tess", Role.WRITE)


@pytest.fixture
def waiting(build: Callable[..., House]) -> House:
    """A house with a change whose run waits for an override by the team, or by Olga."""
    guard = PolicySet("guard", SetOrigin("rules"), everywhere=True, owners=(OPS, OLGA))
    house = build(policy_sets=(guard,))
    house.policies.folders["rules"] = "p soft-mandatory failed no tags"
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    house.forge.set_team("acme/ops", "tess")
    house.open_change(1, "h1", "net/main.tf")
    house.say(1, "/apply")
    assert house.statuses()[-1] == "policy_override"
    return house


def waits(house: House) -> str:
    return house.runs()[-1].id


def test_a_member_of_an_owning_team_overrides_on_the_page(waiting: House) -> None:
    assert waiting.controls.may_override(waits(waiting), ANYBODY)
    assert waiting.controls.override(waits(waiting), ANYBODY, "known").status.value == "apply_queued"


def test_a_member_of_an_owning_team_overrides_by_comment_though_a_stranger_to_the_repository(
    waiting: House,
) -> None:
    waiting.say(1, "/override we know", "tess")
    assert waiting.statuses()[-1] == "applied"
    assert waiting.reactions(1)[-1] == "+1"


def test_whoever_is_in_no_team_is_told_who_the_owners_are(waiting: House) -> None:
    waiting.say(1, "/override I want it")
    words = "wren is not an owner of the policy set guard; its owners: the team acme/ops, olga"
    assert waiting.comments(1)[-1].endswith(words)
    assert not waiting.controls.may_override(waits(waiting), Person("wren", Role.OWNER))


def test_a_team_is_remembered_for_a_minute(waiting: House) -> None:
    for _ in range(5):
        assert waiting.controls.may_override(waits(waiting), ANYBODY)
    assert waiting.forge.calls.count("team_members") == 1
    waiting.forge.set_team("acme/ops", "olga")
    waiting.clock.forward(seconds=61)
    with pytest.raises(Forbidden, match="Tess is not an owner"):
        waiting.controls.override(waits(waiting), ANYBODY, "known")


def test_a_forge_that_does_not_say_who_is_in_a_team_makes_nobody_an_owner(waiting: House) -> None:
    waiting.forge.fail(ForgeUnavailable("github is away"), on="team_members")
    why = "who is in the team acme/ops is not known: github is away"
    with pytest.raises(Forbidden, match=why):
        waiting.controls.override(waits(waiting), ANYBODY, "known")
    with pytest.raises(Forbidden, match=why):
        waiting.controls.override(waits(waiting), ANYBODY, "known")
    assert waiting.forge.calls.count("team_members") == 1
    waiting.clock.forward(seconds=11)
    assert waiting.controls.override(waits(waiting), ANYBODY, "known").status.value == "apply_queued"


def test_a_team_that_is_not_there_is_said_in_the_comment(waiting: House) -> None:
    waiting.forge.set_role(REPO, "tess", Role.READ)
    waiting.forge.drop_team("acme/ops")
    waiting.say(1, "/override we know", "tess")
    assert "who is in the team acme/ops is not known: github has no team acme/ops" in waiting.comments(1)[-1]


def test_people_who_are_named_need_no_team_to_be_asked(waiting: House) -> None:
    waiting.forge.fail(ForgeUnavailable("github is away"), on="team_members", times=9)
    assert waiting.controls.may_override(waits(waiting), Person("OLGA", Role.READ))
    assert "team_members" not in waiting.forge.calls


def test_a_name_on_another_forge_is_another_person(build: Callable[..., House]) -> None:
    elsewhere = (Owner("lab", "olga"), Owner("lab", "acme", is_team=True))
    guard = PolicySet("guard", SetOrigin("rules"), everywhere=True, owners=elsewhere)
    house = build(policy_sets=(guard,))
    house.policies.folders["rules"] = "p soft-mandatory failed no tags"
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    house.push("c1", "net/main.tf")
    with pytest.raises(Forbidden, match="its owners: nobody on this forge"):
        house.controls.override(house.only_run().id, Person("olga", Role.OWNER), "mine")
