"""The pages of states, and real Terraform on a state that was rolled back or brought along."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.errors import Conflict
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import AuditQuery, StateLock, StateVersion
from bot.services.states.backend import Access, Grant
from tests.support.backend import Terraform, applying, live, token
from tests.web.conftest import World

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


def state(serial: int, word: str = "one", **more: Any) -> bytes:
    outputs = {
        "word": {"value": word, "type": "string"},
        "password": {"value": "hunter2", "type": "string", "sensitive": True},
    }
    resource = {
        "mode": "managed",
        "type": "aws_vpc",
        "name": "main",
        "provider": 'provider["registry.terraform.io/hashicorp/aws"]',
        "instances": [{"attributes": {"secret": "hunter3"}}],
    }
    about = {"version": 4, "serial": serial, "lineage": "lin-1", "outputs": outputs, "resources": [resource]}
    return json.dumps({**about, **more}).encode()


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return answer.get_data(as_text=True)


def finish(world: World, run: Run, status: RunStatus = RunStatus.APPLIED) -> None:
    with world.services.store.transaction() as tx:
        tx.runs.save(tx.runs.get(run.id).move(status, world.services.clock.now()))


@pytest.fixture
def kept(world: World) -> list[StateVersion]:
    """Two states of a finished run, and an upload that was refused; oldest first."""
    workspace = world.workspace("network")
    run = applying(world, workspace)
    grant = Grant(run.id, workspace.id, Access.WRITE)
    world.services.states.push(grant, state(1))
    world.services.states.push(grant, state(2, "two"))
    with pytest.raises(Conflict):
        world.services.states.push(grant, state(2, "three"))
    finish(world, run)
    with world.services.store.reading() as tx:
        return list(reversed(tx.states.versions(workspace.id)))


def test_the_list_shows_every_version_refused_ones_with_the_reason(
    world: World, kept: list[StateVersion]
) -> None:
    page = text(world, "/workspaces/network/states")
    assert re.findall(r">(sv-\w+)<", page) == [one.id for one in reversed(kept)]
    assert re.findall(r'class="badge \w+"><svg.*?</svg>(\w+)<', page) == ["Refused", "Current", "Earlier"]
    assert "the state with serial 2 has different content already" in page
    assert f'href="/runs/{kept[0].run_id}"' in page
    assert 'href="/workspaces/network/states"' in text(world, "/workspaces/network")
    world.workspace("empty")
    assert "plangate states push empty FILE" in text(world, "/workspaces/empty/states")
    text(world, "/workspaces/nowhere/states", 404)


def test_the_list_is_paged(world: World, kept: list[StateVersion]) -> None:
    run = applying(world, world.workspace("network"))
    for serial in range(3, 32):
        world.services.states.push(Grant(run.id, kept[0].workspace_id, Access.WRITE), state(serial))
    page = text(world, "/workspaces/network/states")
    assert "Serial 31" in page
    assert kept[1].id not in page
    older = text(world, "/workspaces/network/states?page=2")
    assert re.findall(r">(sv-\w+)<", older) == [kept[1].id, kept[0].id]


def test_a_version_shows_what_it_has_but_nothing_secret(world: World, kept: list[StateVersion]) -> None:
    page = text(world, f"/workspaces/network/states/{kept[1].id}")
    for words in (
        "Serial 2",
        "Current",
        "lin-1",
        kept[1].md5,
        "aws_vpc.main",
        "hashicorp/aws",
        "<pre>two</pre>",
    ):
        assert words in page, words
    assert "password" in page
    assert "hunter" not in page
    assert "Roll back" not in page, "it is the current one"
    aside = text(world, f"/workspaces/network/states/{kept[2].id}")
    assert "Kept aside, never current" in aside
    assert "different content already" in aside
    text(world, "/workspaces/network/states/sv-none", 404)
    world.workspace("other")
    text(world, f"/workspaces/other/states/{kept[1].id}", 404)


def test_the_only_version_is_compared_with_no_other(world: World, kept: list[StateVersion]) -> None:
    several = text(world, f"/workspaces/network/states/{kept[1].id}")
    run = applying(world, world.workspace("single"))
    world.services.states.push(Grant(run.id, run.workspace_id, Access.WRITE), state(1))
    with world.services.store.reading() as tx:
        [only] = tx.states.versions(run.workspace_id)
    assert "Compare with the one before" in several
    assert "Compare with" not in text(world, f"/workspaces/single/states/{only.id}")


def test_each_version_can_be_downloaded_as_it_is(world: World, kept: list[StateVersion]) -> None:
    for one, content in zip(kept, (state(1), state(2, "two"), state(2, "three")), strict=True):
        answer = world.client.get(f"/workspaces/network/states/{one.id}/download")
        assert (answer.status_code, answer.data) == (200, content)
        disposition = answer.headers["Content-Disposition"]
        assert disposition == f"attachment; filename=network-{one.serial}.tfstate"
        assert answer.headers["Cache-Control"] == "no-store"
    stranger = world.stranger().get(f"/workspaces/network/states/{kept[0].id}/download")
    assert (stranger.status_code, b"hunter" in stranger.data) == (303, False)
    text(world, "/workspaces/network/states/sv-none/download", 404)


def roll_back(world: World, version: StateVersion, **form: Any) -> TestResponse:
    return world.client.post(f"/workspaces/network/states/{version.id}/rollback", data=form)


def test_rolling_back_by_the_button(world: World, kept: list[StateVersion]) -> None:
    path = f"/workspaces/network/states/{kept[0].id}"
    page = text(world, path)
    assert f'action="{path}/rollback"' in page
    assert roll_back(world, kept[0]).status_code == 403, "a form of ours carries a token"
    answer = roll_back(world, kept[0], form_token=world.form_token(path))
    assert answer.status_code == 303
    done = text(world, answer.headers["Location"])
    assert "Serial 3" in done
    assert f"rolled back to {kept[0].id} (serial 1) by alice" in done
    assert "<pre>one</pre>" in done
    again = roll_back(world, kept[0], form_token=world.form_token(path))
    assert again.status_code == 303
    with world.services.store.reading() as tx:
        assert [one.serial for one in tx.states.versions(kept[0].workspace_id)] == [4, 3, 2, 2, 1]


def test_a_page_says_why_there_is_no_way_back_now(world: World, kept: list[StateVersion]) -> None:
    path = f"/workspaces/network/states/{kept[0].id}"
    token = world.form_token(path)
    holder = world.run(world.workspace("network"), status=RunStatus.PLANNED, commit="b" * 40)
    page = text(world, path)
    assert f"{holder.id} holds the workspace (planned)" in page
    assert "Roll back" not in page
    answer = roll_back(world, kept[0], form_token=token)
    assert (answer.status_code, holder.id in answer.get_data(as_text=True)) == (409, True)
    finish(world, holder, RunStatus.DISCARDED)
    with world.services.store.transaction() as tx:
        lock = StateLock(kept[0].workspace_id, "lock-1", holder.id, "{}", world.services.clock.now())
        tx.states.lock(lock)
    assert f"lock stands, taken by {holder.id}" in text(world, "/workspaces/network/states")
    assert "the state is locked by" in text(world, path)
    assert roll_back(world, kept[0], form_token=token).status_code == 409


def test_nothing_hostile_gets_through(world: World) -> None:
    workspace = world.workspace("network")
    run = applying(world, workspace)
    hostile = state(
        1,
        lineage="lin-<b>",
        terraform_version="<b>",
        outputs={HOSTILE: {"value": HOSTILE, "type": HOSTILE}},
        resources=[{"type": HOSTILE, "name": HOSTILE, "provider": HOSTILE, "instances": HOSTILE}],
    )
    world.services.states.push(Grant(run.id, workspace.id, Access.WRITE), hostile)
    with pytest.raises(Conflict):
        world.services.states.push(Grant(run.id, workspace.id, Access.WRITE), state(2, lineage="<b>"))
    with world.services.store.reading() as tx:
        versions = tx.states.versions(workspace.id)
    pages = ["/workspaces/network/states", *(f"/workspaces/network/states/{one.id}" for one in versions)]
    for path in pages:
        page = text(world, path)
        assert "<script>alert" not in page
        assert "<b>" not in page
        assert "\u202e" not in page
        assert "\x1b" not in page


# Real Terraform


@pytest.mark.e2e
def test_terraform_plans_and_applies_on_a_state_that_was_rolled_back(world: World, tmp_path: Path) -> None:
    workspace = world.workspace("network")
    run = applying(world, workspace)
    desk = world.services.state_versions
    with live(world.app) as address:
        first = Terraform(tmp_path / "one", address, run, token(world, run))
        first.must("init", "-input=false", "-no-color")
        first.must("apply", "-auto-approve", "-no-color")
        first.must("apply", "-auto-approve", "-no-color", "-var=word=two")
        first.must("plan", "-no-color", "-var=word=three", "-out=stale")
        finish(world, run)

        with world.services.store.reading() as tx:
            oldest = tx.states.versions(workspace.id)[-1]
        path = f"/workspaces/network/states/{oldest.id}"
        answer = roll_back(world, oldest, form_token=world.form_token(path))
        assert answer.status_code == 303

        second = world.run(workspace, status=RunStatus.APPLYING, commit="b" * 40)
        again = Terraform(tmp_path / "two", address, second, token(world, second))
        again.must("init", "-input=false", "-no-color")
        pulled = json.loads(again.must("state", "pull"))
        with world.services.store.reading() as tx:
            current = tx.states.current(workspace.id)
        assert current is not None
        assert (pulled["serial"], pulled["lineage"]) == (current.serial, oldest.lineage)
        assert "No changes" in again.must("plan", "-no-color", "-var=word=one")
        assert '"one" -> "two"' in again.must("plan", "-no-color", "-var=word=two")

        # Promise 1: a plan that was saved before the way back is not applied after it.
        first.environment.update(TF_HTTP_USERNAME=second.id, TF_HTTP_PASSWORD=token(world, second))
        stale = first("apply", "-no-color", "stale")
        assert stale.returncode != 0
        assert "Saved plan is stale" in stale.stderr

        again.must("apply", "-auto-approve", "-no-color", "-var=word=two")
        _, contents = desk.show(workspace.id, Person("ann", Role.OWNER))
        assert [resource.address for resource in contents.resources] == ["terraform_data.it"]
        with world.services.store.reading() as tx:
            serials = [one.serial for one in tx.states.versions(workspace.id)]
            assert not any(one.refused for one in tx.states.versions(workspace.id))
        assert serials == sorted(set(serials), reverse=True)


@pytest.mark.e2e
def test_terraform_goes_on_with_a_state_that_was_brought_along(world: World, tmp_path: Path) -> None:
    elsewhere, here = world.workspace("elsewhere"), world.workspace("here")
    before = applying(world, elsewhere)
    with live(world.app) as address:
        old = Terraform(tmp_path / "one", address, before, token(world, before))
        old.must("init", "-input=false", "-no-color")
        old.must("apply", "-auto-approve", "-no-color")
        moved = old.must("state", "pull").encode()

        done = world.services.state_versions.push(here.id, moved, Person("alice", Role.OWNER))
        run = applying(world, here)
        new = Terraform(tmp_path / "two", address, run, token(world, run))
        new.must("init", "-input=false", "-no-color")
        assert "No changes" in new.must("plan", "-no-color")
        new.must("apply", "-auto-approve", "-no-color", "-var=word=two")
    with world.services.store.reading() as tx:
        current = tx.states.current(here.id)
    assert current is not None and done is not None
    assert (current.lineage, current.run_id) == (done.lineage, run.id)
    assert current.serial > done.serial


def test_whoever_looks_at_a_state_leaves_a_line(world: World, kept: Any) -> None:
    one, two = kept[0], kept[1]
    reader = world.visitor("rea", Role.READ)
    assert reader.get(f"/workspaces/network/states/{one.id}").status_code == 200
    compared = f"/workspaces/network/states/compare?before={one.id}&now={two.id}"
    assert reader.get(compared).status_code == 200
    with world.services.store.reading() as tx:
        found = tx.audit.find(AuditQuery(deed=AuditAction.READ_STATE.value))
    assert [(line.login, line.subject, line.workspace) for line in found] == [
        ("rea", two.id, "network"),
        ("rea", one.id, "network"),
        ("rea", one.id, "network"),
    ]
