"""Who sees and may press what on a workspace's pages: every role and action; also by direct request."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.workspace import Lock
from bot.services.ports import Delivery, StateLock
from bot.services.variables.editor import SetVariables, VariableInput, WorkspaceVariables
from tests.support.seeding import state_json
from tests.web.conftest import World

ROLES = (Role.READ, Role.PLAN, Role.WRITE, Role.ADMIN, Role.OWNER)
OWNER = Person("olga", Role.OWNER)
SET = {"key": "region", "value": "eu", "category": "terraform"}
# Where it is pressed, what is sent, what of the page tells that it may be, and the least role. Owners by the
# settings alone do what reaches other repositories: there, whoever owns this one is somebody who may read.
ACTIONS = {
    "queue a plan": ("{at}", "{at}/queue-plan", {}, 'href="{at}/queue-plan"', Role.PLAN),
    "lock": ("{at}", "{at}/lock", {}, 'id="ask-lock"', Role.WRITE),
    "unlock one's own": ("{at}-mine", "{at}-mine/unlock", {}, ">Unlock</button>", Role.WRITE),
    "unlock another's": ("{at}-theirs", "{at}-theirs/unlock?force=yes", {}, ">Force unlock<", Role.ADMIN),
    "let go of the state's lock": ("{at}-theirs", "{at}-theirs/release-state", {}, "Release", Role.ADMIN),
    "set a variable": ("{at}/variables", "{at}/variables", SET, 'name="value"', Role.WRITE),
    "unset a variable": ("{at}/variables", "{at}/variables/unset", SET, "/variables/unset", Role.WRITE),
    "roll a state back": ("{at}/states/{sv}", "{at}/states/{sv}/rollback", {}, "/rollback", Role.WRITE),
    "set a set's variable": ("/variable-sets/all", "/variable-sets/all", SET, 'name="value"', None),
    "remove a set": ("/variable-sets/all", "/variable-sets/all/remove", {}, "Remove this set", None),
    "make a set": ("/variable-sets", "/variable-sets", {"name": "new"}, 'name="name"', None),
    "replay a delivery": ("/deliveries", "/deliveries/d-bad/replay", {}, "/d-bad/replay", None),
}  # fmt: skip


@pytest.fixture
def furnished(world: World) -> Callable[[str], tuple[str, str]]:
    """A workspace with everything that can be pressed on, one locked by the person, one by somebody else."""

    def furnish(login: str) -> tuple[str, str]:
        name, now = f"net-{login}", world.services.clock.now()
        made = {each: world.workspace(each) for each in (name, f"{name}-mine", f"{name}-theirs")}
        states = world.services.state_versions
        versions = [
            states.push(made[name].id, state_json(serial, {}), OWNER, force=True) for serial in (1, 2)
        ]
        world.services.variables.put(WorkspaceVariables(name), VariableInput("region", value="us"), OWNER)
        with world.services.store.transaction() as tx:
            tx.workspaces.set_lock(made[f"{name}-mine"].id, Lock(login, "", now))
            tx.workspaces.set_lock(made[f"{name}-theirs"].id, Lock("carol", "", now))
            tx.states.lock(StateLock(made[f"{name}-theirs"].id, "lock-1", "", "{}", now))
        assert versions[0] is not None
        return f"/workspaces/{name}", versions[0].id

    owner = world.services.variables
    owner.put_set("all", OWNER, everywhere=True)
    owner.put(SetVariables("all"), VariableInput("zone", value="a"), OWNER)
    with world.services.store.transaction() as tx:
        at = world.services.clock.now()
        tx.deliveries.add(Delivery("d-bad", "hub", "push", {}, b"{}", at))
        tx.deliveries.handled("d-bad", at, [], "gave up")
    return furnish


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_offered_can_be_pressed_and_nothing_else(
    world: World, furnished: Callable[[str], tuple[str, str]], action: str
) -> None:
    page, target, sent, sign, needs = ACTIONS[action]
    for role in ROLES:
        login = role.name.lower()
        at, version = furnished(login)
        client = world.visitor(login, role)
        shown = client.get(page.format(at=at, sv=version)).get_data(as_text=True)
        may = needs is not None and role >= needs
        assert (sign.format(at=at) in shown) is may, role
        token = world.form_token("/", client)
        answer = client.post(target.format(at=at, sv=version), data={"form_token": token, **sent})
        assert (answer.status_code == 303) is may, (role, answer.status_code)
        assert may or answer.status_code == 403, role
    olga, version = world.visitor("olga"), furnished("olga")[1]
    at = "/workspaces/net-olga"
    assert sign.format(at=at) in olga.get(page.format(at=at, sv=version)).get_data(as_text=True)
    token = world.form_token("/", olga)
    assert olga.post(target.format(at=at, sv=version), data={"form_token": token, **sent}).status_code == 303


@pytest.mark.parametrize("role", ROLES)
def test_a_state_is_taken_out_by_who_may_change_it(
    world: World, furnished: Callable[[str], tuple[str, str]], role: Role
) -> None:
    at, version = furnished("somebody")
    client, may = world.visitor("somebody", role), role >= Role.WRITE
    assert ("/download" in client.get(f"{at}/states/{version}").get_data(as_text=True)) is may
    assert client.get(f"{at}/states/{version}/download").status_code == (200 if may else 403)
