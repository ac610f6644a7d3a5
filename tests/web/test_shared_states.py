"""States that workspaces share: who reads which, when, and that nobody does more."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.events import Change
from bot.domain.ids import new_id
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ChangeRecord
from bot.services.states.backend import Access
from tests.support.backend import applying, token
from tests.web.conftest import World

STATE = json.dumps({"version": 4, "serial": 1, "lineage": "l"}).encode()
METHODS = ("POST", "PUT", "LOCK", "UNLOCK", "DELETE")


@pytest.fixture
def source(world: World) -> Workspace:
    """A workspace with a state that the app may read."""
    workspace = world.workspace("network", share_state_with=("app*",))
    writer = applying(world, workspace)
    auth = (writer.id, token(world, writer))
    assert world.client.post(f"/state/{workspace.id}", data=STATE, auth=auth).status_code == 200
    return workspace


def reader(world: World, name: str = "app", **about: Any) -> Run:
    return world.run(world.workspace(name), **{"status": RunStatus.PLANNING, "plan_only": True, **about})


def ask(
    world: World,
    run: Run,
    workspace_id: str,
    method: str = "GET",
    access: Access = Access.READ,
    hours: int = 1,
) -> TestResponse:
    auth = (run.id, token(world, run, access, hours=hours))
    return world.client.open(f"/state/{workspace_id}", method=method, data=b"{}", auth=auth)


def test_a_run_reads_a_state_that_is_shared_with_its_workspace(world: World, source: Workspace) -> None:
    answer = ask(world, reader(world), source.id)
    assert (answer.status_code, answer.data) == (200, STATE)
    world.workspace("empty", share_state_with=("*",))
    empty = next(w for w in _all(world) if w.name == "empty")
    assert ask(world, reader(world, "app-2"), empty.id).status_code == 404


@pytest.mark.parametrize("access", list(Access))
@pytest.mark.parametrize("method", METHODS)
def test_nobody_writes_or_locks_a_shared_state(
    world: World, source: Workspace, method: str, access: Access
) -> None:
    run = reader(world, plan_only=False, status=RunStatus.APPLYING)
    assert ask(world, run, source.id, method, access).status_code == 401
    assert ask(world, run, source.id, "GET", Access.WRITE).data == STATE


def test_a_state_that_is_not_shared_is_refused_in_the_words_of_one_that_does_not_exist(
    world: World, source: Workspace
) -> None:
    run = reader(world, "other")
    refused, unknown = ask(world, run, source.id), ask(world, run, "ws-nobody")
    assert refused.status_code == unknown.status_code == 403
    assert refused.data == unknown.data
    assert "no workspace shares this state with other" in refused.get_json()["error"]


def test_it_is_refused_once_it_is_shared_no_more(world: World, source: Workspace) -> None:
    run = reader(world)
    for change in ({"share_state_with": ()}, {"active": False}, {"own_backend": True}):
        with world.services.store.transaction() as tx:
            tx.workspaces.put(replace(source, **change))
        assert ask(world, run, source.id).status_code == 403
        with world.services.store.transaction() as tx:
            tx.workspaces.put(source)
        assert ask(world, run, source.id).status_code == 200


def test_a_workspace_that_only_a_change_has_brought_reads_nothing(world: World, source: Workspace) -> None:
    app = world.workspace("app", discovered=True, proposed=True)
    run = world.run(app, status=RunStatus.PLANNING, plan_only=True)
    refused = ask(world, run, source.id)
    assert refused.status_code == 403
    assert "was found only in a change" in refused.get_json()["error"]


@pytest.mark.parametrize(
    ("status", "access", "code"),
    [
        (RunStatus.PENDING, Access.READ, 403),
        (RunStatus.FETCHING, Access.READ, 200),
        (RunStatus.PLANNING, Access.LOCK, 200),
        (RunStatus.PLANNING, Access.WRITE, 403),
        (RunStatus.POLICY_CHECKING, Access.READ, 403),
        (RunStatus.PLANNED, Access.LOCK, 403),
        (RunStatus.APPLYING, Access.READ, 403),
        (RunStatus.APPLYING, Access.WRITE, 200),
        (RunStatus.APPLIED, Access.WRITE, 403),
        (RunStatus.ERRORED, Access.LOCK, 403),
    ],
)
def test_it_is_read_only_while_the_run_is_at_work(
    world: World, source: Workspace, status: RunStatus, access: Access, code: int
) -> None:
    run = reader(world, status=status, plan_only=False)
    assert ask(world, run, source.id, access=access).status_code == code


def test_no_other_token_is_let_in(world: World, source: Workspace) -> None:
    run, other = reader(world), reader(world, "app-2")
    assert ask(world, run, source.id, hours=0).status_code == 401
    for auth in ((run.id, token(world, other)), (run.id, "x"), ("run-nobody", "r.1.x"), ("", "")):
        assert world.client.get(f"/state/{source.id}", auth=auth).status_code == 401


@pytest.mark.parametrize(
    ("fork", "asked_by", "code"),
    [(False, "plangate", 200), (True, "plangate", 403), (True, "wren", 200)],
)
def test_a_forks_code_reads_it_only_if_a_person_had_that_commit_planned(
    world: World, source: Workspace, fork: bool, asked_by: str, code: int
) -> None:
    workspace = world.workspace("app")
    about = Change(
        workspace.repo, 7, "Change", "eve", "a" * 40, "topic", "main", from_fork=fork, url="https://f.test/7"
    )
    with world.services.store.transaction() as tx:
        tx.changes.put(ChangeRecord(new_id("chg"), about, (workspace.id,), world.services.clock.now()))
    world.run(
        workspace,
        status=RunStatus.CANCELED,
        plan_only=True,
        change_number=7,
        commit="b" * 40,
        created_by="wren",
    )
    world.run(
        workspace,
        status=RunStatus.CANCELED,
        plan_only=True,
        change_number=7,
        commit="a" * 40,
        created_by=asked_by,
    )
    run = reader(world, change_number=7, commit="a" * 40, created_by="plangate")
    answer = ask(world, run, source.id)
    assert answer.status_code == code
    if code == 403:
        assert "this change comes from a fork" in answer.get_json()["error"]


def _all(world: World) -> list[Workspace]:
    with world.services.store.reading() as tx:
        return list(tx.workspaces.all())
