"""The index of resources follows each version of a state, and knows which of them changed what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ArtifactKind, IndexedResource, ResourceQuery, StateVersion
from bot.services.states.backend import Access, Grant, StateService
from bot.services.states.history import StateVersions
from bot.services.states.resource_index import AT_ONCE, ResourceIndex
from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.fakes.clock import FakeClock
from tests.support import databases

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WS = "ws-one"
AWS = "registry.terraform.io/hashicorp/aws"
LOCK = f"""\
provider "{AWS}" {{
  version = "5.31.0"
}}
"""


@dataclass
class Room:
    store: SqlStore
    vault: FernetVault
    index: ResourceIndex
    serial: int = 0

    def run(self, lock: str = "", status: RunStatus = RunStatus.APPLIED) -> str:
        run = Run(
            id=new_id("run"), workspace_id=WS, status=status, source=RunSource.MANUAL, plan_only=False,
            commit="a" * 40, branch="main", message="", created_by="bob", created_at=NOW, status_at=NOW,
        )  # fmt: skip
        with self.store.transaction() as tx:
            tx.runs.add(run, RunEvent(run.id, NOW, run.status.value, "", ""))
            if lock:
                tx.artifacts.put(run.id, ArtifactKind.DEPENDENCY_LOCK, lock.encode())
        return run.id

    def state(self, run_id: str = "", *, refused: str = "", **resources: object) -> str:
        """Store a version in which each resource has one value; return its id."""
        self.serial += 1
        version = StateVersion(
            new_id("sv"), WS, run_id, self.serial, "lin-1", "md5", NOW + timedelta(minutes=self.serial), 9,
            refused=refused,
        )  # fmt: skip
        with self.store.transaction() as tx:
            tx.states.add(version, state(self.serial, **resources))
        return version.id

    def known(self) -> dict[str, IndexedResource]:
        with self.store.reading() as tx:
            return dict(tx.indexed_resources.of_workspace(WS))

    def changed_by(self) -> dict[str, str]:
        return {address: each.run_id or each.version_id for address, each in self.known().items()}


def state(serial: int, **resources: object) -> bytes:
    listed: list[dict[str, Any]] = [
        {
            "mode": "managed", "type": "aws_vpc", "name": name, "provider": f'provider["{AWS}"]',
            "instances": [{"attributes": {"value": value}}],
        }
        for name, value in resources.items()
    ]  # fmt: skip
    about = {"version": 4, "serial": serial, "lineage": "lin-1", "terraform_version": "1.15.5"}
    return json.dumps(about | {"resources": listed}).encode()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    vault = FernetVault([generate_key()])
    store = SqlStore(f"sqlite:///{databases.put(tmp_path / 'states.db')}", vault)
    with store.transaction() as tx:
        tx.workspaces.put(Workspace(id=WS, name="one", repo=RepoRef("hub", "acme/infra")))
    yield Room(store, vault, ResourceIndex(store, vault))
    store.close()


def test_each_resource_keeps_the_run_that_changed_it_last(room: Room) -> None:
    first, second, third = (room.run() for _ in range(3))
    room.state(first, a=1, b=1)
    room.state(second, a=1, b=2, c=1)
    assert room.index.catch_up_all() == 1
    assert room.changed_by() == {"aws_vpc.a": first, "aws_vpc.b": second, "aws_vpc.c": second}
    room.state(third, a=3, c=1)
    room.index.catch_up(WS)
    assert room.changed_by() == {"aws_vpc.a": third, "aws_vpc.c": second}
    assert room.known()["aws_vpc.a"].changed_at == NOW + timedelta(minutes=3)
    assert room.index.catch_up_all() == 0, "nothing is left to do"


def test_states_that_never_became_current_are_not_indexed(room: Room) -> None:
    run = room.run()
    room.state(run, a=1)
    room.state(room.run(), refused="the serial is wrong", a=2, b=1)
    room.index.catch_up_all()
    assert room.changed_by() == {"aws_vpc.a": run}


def test_the_version_of_a_provider_is_that_of_the_run_that_wrote_the_state(room: Room) -> None:
    room.state(room.run(LOCK), a=1)
    room.index.catch_up_all()
    assert room.known()["aws_vpc.a"].provider_version == "5.31.0"
    room.state(room.run(LOCK.replace("5.31.0", "5.32.0")), a=1)
    room.index.catch_up_all()
    assert room.known()["aws_vpc.a"].provider_version == "5.32.0"
    room.state(a=1)
    room.index.catch_up_all()
    assert room.known()["aws_vpc.a"].provider_version == "", "a person pushed it: nobody knows"
    room.state(room.run("provider {"), a=1)
    room.index.catch_up_all()
    assert room.known()["aws_vpc.a"].provider_version == ""


def test_the_version_of_the_built_in_provider_is_that_of_terraform(room: Room) -> None:
    built_in = state(1, a=1).replace(AWS.encode(), b"terraform.io/builtin/terraform")
    with room.store.transaction() as tx:
        tx.states.add(StateVersion(new_id("sv"), WS, "", 1, "lin-1", "md5", NOW, 9), built_in)
    room.index.catch_up_all()
    assert room.known()["aws_vpc.a"].provider_version == "1.15.5"


def test_of_a_state_with_many_versions_the_newest_are_read_and_older_changes_stay_unknown(room: Room) -> None:
    for number in range(AT_ONCE + 5):
        room.state(old="same", new=number)
    room.index.catch_up_all()
    known = room.known()
    assert (known["aws_vpc.old"].version_id, known["aws_vpc.old"].changed_at) == ("", None)
    assert known["aws_vpc.new"].changed_at == NOW + timedelta(minutes=room.serial)
    later = [room.state(old="same", new="x", **{f"n{number}": "1"}) for number in range(2 * AT_ONCE)]
    room.index.catch_up_all()
    assert room.known()["aws_vpc.new"].version_id == later[0], "once indexed, no version is left out"


def test_a_state_that_can_not_be_read_has_no_resources_and_is_counted(room: Room) -> None:
    room.state(a=1)
    room.index.catch_up_all()
    version = StateVersion(new_id("sv"), WS, "", 99, "lin-1", "md5", NOW, 9)
    with room.store.transaction() as tx:
        tx.states.add(version, b'{"version": 4, "encrypted_data": "x", "resources": null}')
    room.index.catch_up_all()
    assert room.known() == {}
    with room.store.reading() as tx:
        assert tx.resource_search.unreadable(None) == 1
        assert tx.resource_search.unreadable([]) == 0
    assert room.index.catch_up_all() == 0


def test_what_terraform_pushes_and_what_people_push_or_roll_back_is_indexed_at_once(room: Room) -> None:
    backend = StateService(room.store, room.vault, FakeClock(NOW))
    run = room.run(status=RunStatus.APPLYING)
    backend.push(Grant(run, WS, Access.WRITE), state(1, a=1))
    assert room.changed_by() == {"aws_vpc.a": run}
    with room.store.transaction() as tx:
        first = tx.states.current(WS)
        assert first is not None
        tx.runs.save(tx.runs.get(run).move(RunStatus.APPLIED, NOW))
    desk, wren = StateVersions(room.store, FakeClock(NOW), room.index), Person("wren", Role.WRITE)
    pushed = desk.push(WS, state(2, a=1, b=1), wren)
    assert pushed is not None
    assert room.changed_by() == {"aws_vpc.a": run, "aws_vpc.b": pushed.id}
    desk.roll_back(WS, first.id, wren)
    assert room.changed_by() == {"aws_vpc.a": run}


def test_the_index_holds_no_value(room: Room) -> None:
    room.state(room.run(), a="hush-hush-7731")
    room.index.catch_up_all()
    with room.store._engine.connect() as connection:
        for table in ("resources", "indexed_states"):
            rows = connection.execute(sa.text(f"SELECT * FROM {table}")).all()
            assert len(rows) == 1
            assert "hush" not in repr(rows)


def test_resources_of_a_workspace_that_was_removed_are_not_found(room: Room) -> None:
    room.state(a=1)
    room.index.catch_up_all()
    with room.store.transaction() as tx:
        assert tx.resource_search.count(ResourceQuery()) == 1
        tx.workspaces.put(Workspace(WS, "one", RepoRef("hub", "acme/infra"), active=False))
    with room.store.reading() as tx:
        assert tx.resource_search.count(ResourceQuery()) == 0
        assert tx.resource_search.page(ResourceQuery()) == []
        assert tx.resource_search.types(ResourceQuery(), 5) == []
