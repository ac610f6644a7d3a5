"""Terraform's http backend: the protocol's answers, and real Terraform on a live server."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.services.states.backend import Access
from tests.support.backend import CONFIGURATION, Terraform, applying, live, token
from tests.web.conftest import World

STATE = json.dumps({"version": 4, "serial": 1, "lineage": "l"}).encode()
LOCK = json.dumps({"ID": "lock-1", "Who": "run@worker"}).encode()


def ask(
    world: World,
    run: Run,
    method: str = "GET",
    data: bytes = b"",
    query: str = "",
    password: str | None = None,
    **headers: Any,
) -> TestResponse:
    auth = (run.id, token(world, run) if password is None else password)
    return world.client.open(
        f"/state/{run.workspace_id}{query}", method=method, data=data, auth=auth, headers=headers
    )


def test_the_whole_protocol(world: World) -> None:
    run = applying(world, world.workspace())
    assert ask(world, run).status_code == 404
    assert ask(world, run, "LOCK", LOCK).status_code == 200
    md5 = base64.b64encode(hashlib.md5(STATE).digest()).decode()
    assert ask(world, run, "POST", STATE, "?ID=lock-1", **{"Content-MD5": md5}).status_code == 200
    got = ask(world, run)
    assert (got.status_code, got.data) == (200, STATE)
    assert ask(world, run, "UNLOCK", LOCK).status_code == 200
    refused = ask(world, run, "DELETE")
    assert refused.status_code == 403
    assert "never deletes" in refused.get_json()["error"]
    assert ask(world, run).data == STATE


def test_a_lock_that_stands_answers_423_with_its_info(world: World) -> None:
    workspace = world.workspace()
    first = applying(world, workspace)
    ask(world, first, "LOCK", LOCK)
    answer = ask(world, first, "LOCK", b'{"ID": "lock-2"}')
    assert (answer.status_code, answer.get_json()) == (423, json.loads(LOCK))


@pytest.mark.parametrize("method", ["GET", "POST", "LOCK", "UNLOCK", "DELETE"])
def test_without_a_good_token_nothing_is_said(world: World, method: str) -> None:
    run = applying(world, world.workspace())
    other = applying(world, world.workspace("other"))
    expired = token(world, run, hours=0)
    for password in ("wrong", "", expired, token(world, other), "ü"):
        answer = ask(world, run, method, STATE, password=password)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    for authorization in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic !!"}):
        answer = world.client.open(f"/state/{run.workspace_id}", method=method, headers=authorization)
        assert answer.status_code == 401


def test_a_reading_token_writes_nothing(world: World) -> None:
    preview = world.run(world.workspace(), status=RunStatus.PLANNING, plan_only=True)
    password = token(world, preview, Access.READ)
    assert ask(world, preview, password=password).status_code == 404
    for method in ("POST", "LOCK", "UNLOCK", "DELETE"):
        assert ask(world, preview, method, LOCK, password=password).status_code == 403


def test_refusals_say_why_in_json(world: World) -> None:
    run = applying(world, world.workspace())
    ask(world, run, "POST", STATE)
    other = json.dumps({"version": 4, "serial": 2, "lineage": "another"}).encode()
    answer = ask(world, run, "POST", other)
    assert (answer.status_code, "lineage" in answer.get_json()["error"]) == (409, True)
    assert ask(world, run, "POST", b"rubbish").status_code == 400
    assert ask(world, run, "POST", STATE, **{"Content-MD5": "AAAA"}).status_code == 400
    with world.services.store.reading() as tx:
        assert len([v for v in tx.states.versions(run.workspace_id) if v.refused]) == 3


def test_sizes_are_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.web.state_backend.STATE_LIMIT", 1000)
    run = applying(world, world.workspace())
    assert ask(world, run, "POST", b" " * 1001).status_code == 413
    assert ask(world, run, "LOCK", b" " * 70_000).status_code == 413


# Real Terraform


@pytest.mark.e2e
def test_terraform_keeps_its_state_here(world: World, tmp_path: Path) -> None:
    workspace = world.workspace()
    run = applying(world, workspace)
    with live(world.app) as address:
        terraform = Terraform(tmp_path / "one", address, run, token(world, run))
        terraform.must("init", "-input=false", "-no-color")
        terraform.must("apply", "-auto-approve", "-input=false", "-no-color")
        terraform.must("apply", "-auto-approve", "-input=false", "-no-color", "-var=word=two")
        with world.services.store.reading() as tx:
            versions = tx.states.versions(workspace.id)
            assert b'"two"' in tx.states.data(versions[0].id)
            assert tx.states.locked(workspace.id) is None
        assert not any(version.refused for version in versions)
        assert len({version.lineage for version in versions}) == 1
        serials = [version.serial for version in versions]
        assert serials == sorted(set(serials), reverse=True)

        # A preview reads with a token of its own, and can change nothing.
        preview = world.run(workspace, status=RunStatus.PLANNING, plan_only=True)
        reader = Terraform(tmp_path / "two", address, preview, token(world, preview, Access.READ))
        reader.must("init", "-input=false", "-no-color")
        assert "No changes" in reader.must("plan", "-lock=false", "-no-color", "-var=word=two")
        stopped = reader("apply", "-auto-approve", "-lock=false", "-no-color", "-var=word=three")
        assert stopped.returncode != 0
        assert "403" in stopped.stderr

        # A plan of a run that may apply locks, and can change nothing either.
        planning = world.run(world.workspace("planned"), status=RunStatus.PLANNING)
        planner = Terraform(tmp_path / "plans", address, planning, token(world, planning, Access.LOCK))
        planner.must("init", "-input=false", "-no-color")
        assert "1 to add" in planner.must("plan", "-input=false", "-no-color")
        stopped = planner("apply", "-auto-approve", "-input=false", "-no-color")
        assert stopped.returncode != 0
        assert "403" in stopped.stderr
        with world.services.store.reading() as tx:
            assert tx.states.current(planning.workspace_id) is None
            assert tx.states.locked(planning.workspace_id) is None

        # A wrong token gets nowhere.
        stranger = Terraform(tmp_path / "three", address, run, "wrong")
        refused = stranger("init", "-input=false", "-no-color")
        assert refused.returncode != 0
        assert "requires auth" in refused.stderr


@pytest.mark.e2e
def test_terraform_meets_a_lock_and_another_lineage(world: World, tmp_path: Path) -> None:
    workspace = world.workspace()
    run = applying(world, workspace)
    states = world.services.states
    with live(world.app) as address:
        terraform = Terraform(tmp_path / "one", address, run, token(world, run))
        terraform.must("init", "-input=false", "-no-color")
        terraform.must("apply", "-auto-approve", "-input=false", "-no-color")

        # Somebody else holds the lock: Terraform shows who.
        grant = states.admit(workspace.id, run.id, token(world, run))
        assert grant is not None
        held = {"ID": "6f5c2d9e-0000-4000-8000-000000000001", "Who": "carol@laptop", "Operation": "x"}
        assert states.lock(grant, json.dumps(held).encode()) is None
        stopped = terraform("apply", "-auto-approve", "-input=false", "-no-color", "-var=word=two")
        assert stopped.returncode != 0
        assert "carol@laptop" in stopped.stderr
        terraform.must("force-unlock", "-force", held["ID"])
        terraform.must("apply", "-auto-approve", "-input=false", "-no-color", "-var=word=two")

        # A state of another lineage is refused, even with -force, and kept aside.
        mine = json.loads(terraform.must("state", "pull"))
        foreign = mine | {"lineage": "11111111-2222-3333-4444-555555555555", "serial": 99}
        (terraform.directory / "foreign.tfstate").write_text(json.dumps(foreign))
        refused = terraform("state", "push", "-force", "foreign.tfstate")
        assert refused.returncode != 0
        assert json.loads(terraform.must("state", "pull")) == mine
        with world.services.store.reading() as tx:
            assert "lineage" in tx.states.versions(workspace.id)[0].refused
            assert tx.states.locked(workspace.id) is None


@pytest.mark.e2e
def test_terraform_that_outlives_its_run_still_keeps_what_it_did(world: World, tmp_path: Path) -> None:
    """The worker died and the run errored while Terraform was at work: it pushes, and unlocks."""
    workspace = world.workspace()
    run = applying(world, workspace)
    with live(world.app) as address:
        terraform = Terraform(tmp_path / "one", address, run, token(world, run))
        (terraform.directory / "main.tf").write_text(
            CONFIGURATION.replace(
                "input = var.word",
                'input = var.word\n provisioner "local-exec" {\n'
                '  command = "touch at-work; while [ ! -e go-on ]; do sleep 0.05; done"\n }',
            )
        )
        terraform.must("init", "-input=false", "-no-color")
        ended = []
        thread = threading.Thread(
            target=lambda: ended.append(terraform("apply", "-auto-approve", "-no-color"))
        )
        thread.start()
        while not (terraform.directory / "at-work").exists():
            assert thread.is_alive(), ended
        with world.services.store.transaction() as tx:
            now = world.services.clock.now()
            gone = tx.runs.get(run.id).move(RunStatus.ERRORED, now, error="its worker died")
            tx.runs.save(gone, RunEvent(run.id, now, "errored", "", ""))
        (terraform.directory / "go-on").touch()
        thread.join()
        assert ended[0].returncode == 0, ended[0].stderr
        with world.services.store.reading() as tx:
            versions = tx.states.versions(workspace.id)
            assert b"terraform_data" in tx.states.data(versions[0].id)
            assert not any(version.refused for version in versions)
            assert tx.states.locked(workspace.id) is None
