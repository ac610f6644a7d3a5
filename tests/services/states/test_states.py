"""States: whose token is good for what, which uploads become current, and that none is thrown away."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import Conflict, Forbidden, Invalid
from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import PLAN_STAGES, RunStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import StateVersion
from bot.services.states.backend import Access, Grant, StateService
from bot.store import SqlStore
from bot.vault import FernetVault, generate_key
from tests.support.stores import Stores

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WS, OTHER_WS = "ws-one", "ws-two"


class Clock:
    at = NOW

    def now(self) -> datetime:
        return self.at

    def wait(self, length: timedelta) -> None:
        self.at += length


@dataclass
class Room:
    store: SqlStore
    states: StateService
    clock: Clock

    def run(self, run_id: str, **about: Any) -> Grant:
        """Make a run, and return what its token allows."""
        fields: dict[str, Any] = {
            "workspace_id": WS,
            "status": RunStatus.APPLYING,
            "source": RunSource.MANUAL,
            "plan_only": False,
            "commit": "a" * 40,
            "branch": "main",
            "message": "",
            "created_by": "bob",
            "created_at": NOW,
            "status_at": NOW,
        }
        run = Run(id=run_id, **(fields | about))
        with self.store.transaction() as tx:
            tx.runs.add(run, RunEvent(run.id, NOW, run.status.value, "", ""))
        return Grant(run.id, run.workspace_id, _access(run))

    def finish(self, grant: Grant, status: RunStatus = RunStatus.ERRORED) -> None:
        with self.store.transaction() as tx:
            tx.runs.save(tx.runs.get(grant.run_id).move(status, NOW))

    def versions(self) -> list[StateVersion]:
        with self.store.reading() as tx:
            return list(tx.states.versions(WS))

    def refused(self) -> list[str]:
        return [version.refused for version in self.versions() if version.refused]


@pytest.fixture
def room(stores: Stores) -> Iterator[Room]:
    clock = Clock()
    with stores.one() as kept:
        with kept.store.transaction() as tx:
            for name, workspace_id in (("one", WS), ("two", OTHER_WS)):
                tx.workspaces.put(Workspace(id=workspace_id, name=name, repo=RepoRef("hub", "acme/infra")))
        yield Room(kept.store, StateService(kept.store, kept.vault, clock), clock)


def state(serial: int = 1, lineage: str = "lin-1", **more: object) -> bytes:
    return json.dumps({"version": 4, "serial": serial, "lineage": lineage, **more}).encode()


def info(lock_id: str = "lock-1") -> bytes:
    return json.dumps({"ID": lock_id, "Operation": "OperationTypeApply", "Who": "run@worker"}).encode()


def _access(run: Run) -> Access:
    if run.plan_only:
        return Access.READ
    return Access.LOCK if run.status in PLAN_STAGES else Access.WRITE


# Tokens


def test_a_token_is_good_for_its_run_workspace_and_mode_alone(room: Room) -> None:
    token = room.states.token("run-1", WS, Access.WRITE, NOW + timedelta(hours=1))
    assert room.states.admit(WS, "run-1", token) == Grant("run-1", WS, Access.WRITE)
    assert room.states.admit(OTHER_WS, "run-1", token) is None
    assert room.states.admit(WS, "run-2", token) is None
    reading = room.states.token("run-1", WS, Access.READ, NOW + timedelta(hours=1))
    assert room.states.admit(WS, "run-1", reading) == Grant("run-1", WS, Access.READ)
    assert room.states.admit(WS, "run-1", "w" + reading[1:]) is None


def test_a_token_expires_and_its_end_can_not_be_moved(room: Room) -> None:
    token = room.states.token("run-1", WS, Access.WRITE, NOW + timedelta(hours=1))
    mode, until, mac = token.split(".")
    assert room.states.admit(WS, "run-1", f"{mode}.{int(until) + 1}.{mac}") is None
    room.clock.at = NOW + timedelta(minutes=59)
    assert room.states.admit(WS, "run-1", token)
    room.clock.at = NOW + timedelta(hours=1)
    assert room.states.admit(WS, "run-1", token) is None


def test_another_key_makes_another_token(room: Room) -> None:
    elsewhere = StateService(room.store, FernetVault([generate_key()]), room.clock)
    token = elsewhere.token("run-1", WS, Access.WRITE, NOW + timedelta(hours=1))
    assert elsewhere.admit(WS, "run-1", token)
    assert room.states.admit(WS, "run-1", token) is None


_KEYED = StateService(None, FernetVault([generate_key()]), Clock())  # type: ignore[arg-type]  # stores nothing


@given(st.text(), st.text(), st.text())
def test_no_made_up_token_is_let_in(workspace_id: str, run_id: str, token: str) -> None:
    assert _KEYED.admit(workspace_id, run_id, token) is None


@given(st.text(), st.text(), st.sampled_from(Access))
def test_every_token_made_is_let_in_for_its_fields(workspace_id: str, run_id: str, access: Access) -> None:
    token = _KEYED.token(run_id, workspace_id, access, NOW + timedelta(seconds=1))
    assert _KEYED.admit(workspace_id, run_id, token) == Grant(run_id, workspace_id, access)
    assert _KEYED.admit(workspace_id + "x", run_id, token) is None


# Reading and writing


def test_there_is_no_state_until_one_is_pushed(room: Room) -> None:
    grant = room.run("run-1")
    assert room.states.pull(grant) is None
    room.states.push(grant, state())
    assert room.states.pull(grant) == state()
    [version] = room.versions()
    assert (version.serial, version.lineage, version.run_id, version.refused) == (1, "lin-1", "run-1", "")
    assert version.md5 == hashlib.md5(state()).hexdigest()
    assert version.size == len(state())


def test_the_same_upload_again_is_no_change(room: Room) -> None:
    grant = room.run("run-1")
    room.states.push(grant, state())
    room.states.push(grant, state())
    assert len(room.versions()) == 1


@pytest.mark.parametrize(
    ("upload", "says"),
    [
        (state(3, "lin-2"), "lineage"),
        (state(1), "serial is 2 already"),
        (state(2, resources=[]), "different content"),
    ],
)
def test_what_does_not_follow_is_refused_and_kept_aside(room: Room, upload: bytes, says: str) -> None:
    grant = room.run("run-1")
    room.states.push(grant, state(2))
    with pytest.raises(Conflict, match=says):
        room.states.push(grant, upload)
    assert room.states.pull(grant) == state(2)
    [reason] = room.refused()
    assert says in reason
    with room.store.reading() as tx:
        assert tx.states.data(room.versions()[0].id) == upload


@pytest.mark.parametrize(
    "upload",
    [
        b"",
        b"not json",
        b"[]",
        b"null",
        b'{"version": 4, "serial": true, "lineage": "l"}',
        b'{"version": 4, "serial": -1, "lineage": "l"}',
        b'{"version": 4, "serial": 9223372036854775808, "lineage": "l"}',
        b'{"version": 4, "serial": 1}',
        b'{"version": 4, "serial": 1, "lineage": ""}',
        b'{"serial": 1, "lineage": "l"}',
        state().decode().encode("utf-16"),
        b'{"version": 4, "serial": 1, "lineage": "\\ud800"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_state_is_refused_and_kept_aside(room: Room, upload: bytes) -> None:
    grant = room.run("run-1")
    with pytest.raises(Invalid, match="not a Terraform state"):
        room.states.push(grant, upload)
    assert room.states.pull(grant) is None
    assert len(room.refused()) == 1


def test_the_md5_must_fit(room: Room) -> None:
    grant = room.run("run-1")
    fits = base64.b64encode(hashlib.md5(state()).digest()).decode()
    for wrong in (base64.b64encode(hashlib.md5(b"x").digest()).decode(), "!", "é"):
        with pytest.raises(Invalid, match="Content-MD5"):
            room.states.push(grant, state(), content_md5=wrong)
    assert room.states.pull(grant) is None
    room.states.push(grant, state(), content_md5=fits)
    assert room.states.pull(grant) == state()
    assert len(room.refused()) == 3


# Locks


def test_one_lock_at_a_time(room: Room) -> None:
    mine = room.run("run-1")
    assert room.states.lock(mine, info()) is None
    room.finish(mine)  # its worker was lost, and its Terraform goes on
    other = room.run("run-2")
    standing = room.states.lock(other, info("lock-2"))
    assert standing is not None and json.loads(standing.info)["ID"] == "lock-1"
    room.states.unlock(mine, info())
    assert room.states.lock(other, info("lock-2")) is None


def test_locking_again_with_the_same_id_only_missed_the_answer(room: Room) -> None:
    grant = room.run("run-1")
    assert room.states.lock(grant, info()) is None
    assert room.states.lock(grant, info()) is None
    assert room.states.lock(grant, info("lock-2")) is not None


def test_another_run_can_not_take_a_lock_by_its_id(room: Room) -> None:
    mine = room.run("run-1")
    room.states.lock(mine, info())
    room.finish(mine)
    other = room.run("run-2")
    assert room.states.lock(other, info()) is not None
    with pytest.raises(Conflict, match="locked by run-1"):
        room.states.push(other, state(), lock_id="lock-1")
    for body in (info(), b""):
        with pytest.raises(Forbidden, match="locked by run-1"):
            room.states.unlock(other, body)
    with room.store.reading() as tx:
        assert tx.states.locked(WS) is not None


def test_an_upload_must_carry_the_lock_that_stands(room: Room) -> None:
    grant = room.run("run-1")
    with pytest.raises(Conflict, match="not locked any more"):
        room.states.push(grant, state(), lock_id="lock-1")
    room.states.lock(grant, info())
    for wrong in ("", "lock-2"):
        with pytest.raises(Conflict, match="locked with id lock-1"):
            room.states.push(grant, state(), lock_id=wrong)
    room.states.push(grant, state(), lock_id="lock-1")
    assert room.states.pull(grant) == state()
    assert len(room.refused()) == 3


def test_unlocking(room: Room) -> None:
    grant = room.run("run-1")
    room.states.unlock(grant, info())
    room.states.lock(grant, info())
    with pytest.raises(Conflict, match="lock-1"):
        room.states.unlock(grant, info("lock-2"))
    with pytest.raises(Invalid):
        room.states.unlock(grant, b"rubbish")
    room.states.unlock(grant, b"")
    with room.store.reading() as tx:
        assert tx.states.locked(WS) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"ID": ""}', b'{"ID": 1}', b'{"ID": "\\u0000"}'])
def test_a_lock_needs_an_id(room: Room, body: bytes) -> None:
    with pytest.raises(Invalid, match="ID"):
        room.states.lock(room.run("run-1"), body)


# Who may still do what


def test_a_preview_reads_and_does_nothing_else(room: Room) -> None:
    room.states.push(room.run("run-1"), state())
    preview = room.run("run-2", plan_only=True, status=RunStatus.PLANNING)
    assert room.states.pull(preview) == state()
    for grant in (preview, Grant("run-2", WS, Access.WRITE)):
        with pytest.raises(Forbidden, match=r"previews never change|for the apply of"):
            room.states.lock(grant, info())
        with pytest.raises(Forbidden, match=r"previews never change|for the apply of"):
            room.states.unlock(grant, b"")
        with pytest.raises(Forbidden, match=r"previews never change|for the apply of"):
            room.states.push(grant, state(2))
    assert room.states.pull(preview) == state()


def test_a_finished_run_may_do_nothing_and_its_upload_is_kept_aside(room: Room) -> None:
    grant = room.run("run-1")
    room.states.push(grant, state())
    room.finish(grant, RunStatus.APPLIED)
    for attempt in (
        lambda: room.states.pull(grant),
        lambda: room.states.push(grant, state(2)),
        lambda: room.states.lock(grant, info()),
        lambda: room.states.unlock(grant, b""),
    ):
        with pytest.raises(Forbidden, match="finished"):
            attempt()
    assert [version.serial for version in room.versions() if version.refused] == [2]


def test_an_apply_that_lost_its_worker_may_still_push_and_unlock(room: Room) -> None:
    grant = room.run("run-1")
    room.states.lock(grant, info())
    room.finish(grant)
    with pytest.raises(Forbidden, match="lock no more"):
        room.states.lock(grant, info())
    room.states.push(grant, state(), lock_id="lock-1")
    assert room.states.pull(grant) == state()
    room.states.unlock(grant, info())
    with pytest.raises(Forbidden, match="finished"):
        room.states.push(grant, state(2), lock_id="lock-1")
    assert room.refused()


def test_a_zombie_can_not_write_over_its_successor(room: Room) -> None:
    zombie = room.run("run-1")
    room.states.lock(zombie, info())
    room.finish(zombie)
    with room.store.transaction() as tx:
        tx.states.unlock(WS, None)
    heir = room.run("run-2")
    room.states.lock(heir, info("lock-2"))
    with pytest.raises(Forbidden, match="finished"):
        room.states.push(zombie, state(9), lock_id="lock-1")
    room.states.push(heir, state(1), lock_id="lock-2")
    assert room.states.pull(heir) == state(1)


def test_a_grant_of_a_run_that_is_gone_or_elsewhere_is_worth_nothing(room: Room) -> None:
    with pytest.raises(Forbidden, match="gone"):
        room.states.pull(Grant("run-9", WS, Access.WRITE))
    room.run("run-1")
    with pytest.raises(Forbidden, match="another workspace"):
        room.states.pull(Grant("run-1", OTHER_WS, Access.WRITE))
