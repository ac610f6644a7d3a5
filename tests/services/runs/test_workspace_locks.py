"""Locks on workspaces: by whom, when not, and that what waits starts at unlock; Terraform's own lock too."""

from __future__ import annotations

import pytest

from bot.domain.errors import Conflict, Forbidden, IllegalMove, NotFound
from bot.domain.people.permissions import Person, Role
from bot.services.ports import StateLock
from tests.fakes.engine import change
from tests.fakes.house import PLANNER, READER, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = Person("otto", Role.WRITE)
ADMIN = Person("ada", Role.ADMIN)


@pytest.fixture
def network(house: House) -> House:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    return house


def state_lock(house: House, run_id: str = "", lock_id: str = "lock-1") -> None:
    place = house.find_workspace("network")
    assert place is not None
    with house.store.transaction() as tx:
        tx.states.lock(StateLock(place.id, lock_id, run_id, '{"ID": "lock-1"}', house.clock.now()))


def state_is_locked(house: House) -> bool:
    place = house.find_workspace("network")
    assert place is not None
    with house.store.reading() as tx:
        return tx.states.locked(place.id) is not None


def test_runs_made_while_it_is_locked_wait_and_start_at_unlock(network: House) -> None:
    locked = network.workspace_locks.lock("network", WRITER, "  the\nfreeze ")
    assert locked.lock is not None
    assert (locked.lock.by, locked.lock.reason) == (WRITER.login, "the freeze")
    network.push("c1", "network/main.tf")
    network.push("c2", "network/main.tf", before="c1")
    assert network.statuses() == ["pending", "pending"]
    assert network.said("c1") == ("pending", "network: Waiting: the workspace is locked by wren: the freeze")
    first = network.runs()[0]
    assert network.said("c2") == (
        "pending",
        f"network: Waiting: 2nd in the queue, behind {first.id}; the workspace is locked by wren: the freeze",
    )
    assert network.sweep() == 0, "the sweep wakes nobody in a locked workspace"

    unlocked = network.workspace_locks.unlock("network", WRITER)
    network.work()
    assert unlocked.lock is None
    assert network.statuses() == ["planned", "pending"]


def test_previews_ignore_locks(network: House) -> None:
    network.workspace_locks.lock("network", WRITER)
    network.open_change(1, "h1", "network/a.tf")
    assert network.statuses() == ["planned_and_finished"]


@pytest.mark.parametrize("stage", ["plan", "planned", "apply"])
def test_a_workspace_that_a_run_holds_can_not_be_locked(network: House, stage: str) -> None:
    refused: list[str] = []

    def try_to_lock(_: object = None) -> None:
        with pytest.raises(IllegalMove, match="holds network") as refusal:
            network.workspace_locks.lock("network", WRITER)
        refused.append(str(refusal.value))

    if stage != "planned":
        network.engine.during(stage, try_to_lock)
    network.push("c1", "network/main.tf")
    if stage == "planned":
        try_to_lock()
        assert "possible now: confirm, discard" in refused[0]
    if stage == "apply":
        network.controls.confirm(network.only_run().id, WRITER)
        network.work()
    assert len(refused) == 1
    assert network.only_run().id in refused[0]


def test_a_lock_beside_runs_that_only_wait_is_possible(network: House) -> None:
    network.push("c1", "network/main.tf", work=False)
    network.work("receive")
    network.workspace_locks.lock("network", WRITER)
    network.work()
    assert network.statuses() == ["pending"]


def test_a_locked_workspace_is_not_locked_again_and_the_other_is_told_by_whom(network: House) -> None:
    network.workspace_locks.lock("network", WRITER, "mine")
    for person in (OTHER, WRITER):
        with pytest.raises(Conflict, match=r"locked already, by wren \(mine\)"):
            network.workspace_locks.lock("network", person)


def test_who_may(network: House) -> None:
    for person in (READER, PLANNER):
        with pytest.raises(Forbidden, match="lock needs write access"):
            network.workspace_locks.lock("network", person)
    with pytest.raises(IllegalMove, match="is not locked"):
        network.workspace_locks.unlock("network", WRITER)
    network.workspace_locks.lock("network", WRITER)
    with pytest.raises(Forbidden, match="wren unlocks it, or an administrator forces it"):
        network.workspace_locks.unlock("network", OTHER)
    with pytest.raises(Forbidden, match="force-unlock needs admin access"):
        network.workspace_locks.unlock("network", OTHER, force=True)
    with pytest.raises(Forbidden, match="an administrator forces it"):
        network.workspace_locks.unlock("network", ADMIN)
    assert network.workspace_locks.unlock("network", ADMIN, force=True).lock is None
    with pytest.raises(NotFound):
        network.workspace_locks.lock("nowhere", WRITER)


def test_a_sync_of_the_configuration_keeps_the_lock(network: House) -> None:
    network.workspace_locks.lock("network", WRITER, "the freeze")
    network.workspace("network")
    found = network.find_workspace("network")
    assert found is not None
    assert found.lock is not None


# --- Terraform's own lock -----------------------------------------------------------------------------------


def test_an_administrator_takes_a_left_lock_off_the_state_and_what_waits_goes_on(network: House) -> None:
    network.push("c1", "network/main.tf")
    lost = network.only_run()
    network.controls.discard(lost.id, WRITER)
    state_lock(network, lost.id)
    network.push("c2", "network/main.tf", before="c1")
    assert network.statuses() == ["discarded", "pending"]
    assert f"the worker of {lost.id} was lost" in network.said("c2")[1]

    with pytest.raises(Forbidden, match="force-unlock needs admin access"):
        network.workspace_locks.release_state("network", WRITER)
    network.workspace_locks.release_state("network", ADMIN)
    network.work()
    assert not state_is_locked(network)
    assert network.statuses() == ["discarded", "planned"]
    assert network.timeline(lost)[-1].kind == "state unlocked"
    assert network.timeline(lost)[-1].actor == "ada"
    with pytest.raises(IllegalMove, match="is not locked"):
        network.workspace_locks.release_state("network", ADMIN)


def test_the_lock_of_a_run_that_holds_the_workspace_is_not_taken(network: House) -> None:
    network.push("c1", "network/main.tf")
    state_lock(network, network.only_run().id)
    with pytest.raises(IllegalMove, match="holds network"):
        network.workspace_locks.release_state("network", ADMIN)
    assert state_is_locked(network)


def test_a_lock_of_nobody_we_know_is_taken_too(network: House) -> None:
    state_lock(network)
    network.workspace_locks.release_state("network", ADMIN)
    assert not state_is_locked(network)
