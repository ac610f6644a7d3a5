"""Controlling workspaces and runs from the pages: Queue Plan, locks, force-cancel, and only what is legal."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bot.domain.errors import ForgeUnavailable
from bot.domain.people.permissions import Person, Role
from bot.domain.plans.modes import Mode, Modes
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Lock
from bot.services.ports import RunQuery, StateLock
from bot.web.runs import build as run_page
from bot.web.workspaces import controls
from tests.web.conftest import World

PAGE = "/workspaces/network"
INSTANCE = 'module.app.aws_instance.web["blue green"]'


def text(world: World, path: str, status: int = 200) -> str:
    answer = world.client.get(path)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return unescape(answer.get_data(as_text=True))


def send(world: World, path: str, page: str = PAGE, **form: Any) -> TestResponse:
    return world.client.post(path, data={"form_token": world.form_token(page), **form})


def buttons(page: str) -> list[str]:
    main = page.partition("<main")[2] or page
    return re.findall(r"<button[^>]*>([^<]+)</button>", main)


def asks(page: str) -> list[str]:
    """Return the labels of a run's buttons, each of which asks before it acts."""
    return re.findall(r'<summary class="button [^"]*">([^<]+)</summary>', page)


def linked(run: Run) -> str:
    return f'<a href="/runs/{run.id}">{run.id}</a>'


def runs(world: World) -> list[Run]:
    with world.services.store.reading() as tx:
        return list(tx.runs.find(RunQuery()))


# --- Queue Plan ---------------------------------------------------------------------------------------------


def test_the_form_offers_what_the_workspace_allows(world: World) -> None:
    world.workspace(branch="live", allowed_modes=(Mode.DESTROY, Mode.TARGET))
    assert f"{PAGE}/queue-plan" in text(world, PAGE)
    page = text(world, f"{PAGE}/queue-plan")
    for words in ("current commit of live", 'name="destroy"', 'name="target"', 'name="plan_only"'):
        assert words in page
    assert 'name="replace"' not in page
    assert "Not allowed here: <code>-refresh-only, -replace</code>" in page
    assert "Auto-apply is on" not in page
    world.workspace(auto_apply=True)
    assert "Auto-apply is on" in text(world, f"{PAGE}/queue-plan")
    text(world, "/workspaces/nowhere/queue-plan", 404)


def test_queueing_a_plan_shows_its_run(world: World) -> None:
    world.workspace(allowed_modes=tuple(Mode))
    form = {
        "message": "Look for drift",
        "replace": f"{INSTANCE}\r\n\r\naws_vpc.main\r\n",
        "target": "module.app",
    }
    answer = send(world, f"{PAGE}/queue-plan", f"{PAGE}/queue-plan", **form)
    [run] = runs(world)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run.id}")
    assert run.modes == Modes(replace_addrs=(INSTANCE, "aws_vpc.main"), target_addrs=("module.app",))
    assert (run.message, run.created_by, run.plan_only) == ("Look for drift", "alice", False)
    page = text(world, f"/runs/{run.id}")
    assert "alice queued it by hand" in page
    assert INSTANCE in page


@pytest.mark.parametrize(
    ("form", "modes", "kind"),
    [
        ({}, Modes(), "Plan and apply"),
        ({"destroy": "on"}, Modes(destroy=True), "Destroy run"),
        ({"refresh_only": "on"}, Modes(refresh_only=True), "Refresh-only run"),
        ({"plan_only": "on"}, Modes(), "Preview"),
        ({"plan_only": "on", "destroy": "on"}, Modes(destroy=True), "Preview of a destroy run"),
    ],
)
def test_each_kind_of_run(world: World, form: dict[str, Any], modes: Modes, kind: str) -> None:
    world.workspace(allowed_modes=tuple(Mode))
    send(world, f"{PAGE}/queue-plan", f"{PAGE}/queue-plan", **form)
    [run] = runs(world)
    assert (run.modes, run.plan_only) == (modes, "plan_only" in form)
    assert f'<span class="kind">{kind}</span>' in text(world, f"/runs/{run.id}")


@pytest.mark.parametrize(
    ("form", "status", "words"),
    [
        ({"destroy": "on"}, 400, "-destroy is not allowed in workspace network"),
        ({"target": "$(id)"}, 400, "is not the address of a resource or a module"),
        ({"replace": "a.b", "refresh_only": "on"}, 400, "exclude each other"),
    ],
)
def test_what_may_not_be_makes_no_run_and_says_why(
    world: World, form: dict[str, str], status: int, words: str
) -> None:
    world.workspace()
    answer = send(world, f"{PAGE}/queue-plan", f"{PAGE}/queue-plan", **form)
    assert answer.status_code == status
    assert words in unescape(answer.get_data(as_text=True))
    assert runs(world) == []


def test_a_forge_that_is_away_is_said_so(world: World) -> None:
    world.workspace()
    world.forge.fail(ForgeUnavailable("hub failed (502)"), "branch_head")
    answer = send(world, f"{PAGE}/queue-plan", f"{PAGE}/queue-plan")
    assert answer.status_code == 503
    assert "Hub failed" in answer.get_data(as_text=True)


@pytest.mark.parametrize("path", ["queue-plan", "lock", "unlock", "release-state"])
def test_a_form_from_elsewhere_is_refused(world: World, path: str) -> None:
    world.workspace()
    answer = world.client.post(f"{PAGE}/{path}", data={"form_token": "0" * 64})
    assert answer.status_code == 403
    assert runs(world) == []


# --- locks --------------------------------------------------------------------------------------------------


def test_locking_and_unlocking(world: World) -> None:
    workspace = world.workspace()
    assert "Lock" in buttons(text(world, PAGE))
    answer = send(world, f"{PAGE}/lock", reason="the freeze")
    assert (answer.status_code, answer.headers["Location"]) == (303, PAGE)
    page = text(world, PAGE)
    assert "Locked by alice: the freeze" in page
    assert "Unlock" in buttons(page)
    assert "Lock" not in buttons(page)
    run = world.run(workspace)
    waiting = text(world, f"/runs/{run.id}")
    assert "The workspace is locked by alice: the freeze" in waiting
    assert send(world, f"{PAGE}/lock", reason="again").status_code == 409
    assert send(world, f"{PAGE}/unlock").status_code == 303
    assert world.dispatch.woken[-1] != ""
    assert run.id in world.dispatch.woken
    assert "Locked by" not in text(world, PAGE)
    late = send(world, f"{PAGE}/unlock")
    assert late.status_code == 409
    assert "network is not locked" in late.get_data(as_text=True).lower()


def test_anothers_lock_is_forced(world: World) -> None:
    workspace = world.workspace()
    with world.services.store.transaction() as tx:
        tx.workspaces.set_lock(workspace.id, Lock("bob", "", world.services.clock.now()))
    assert "Force unlock" in buttons(text(world, PAGE))
    plain = send(world, f"{PAGE}/unlock")
    assert plain.status_code == 403
    assert send(world, f"{PAGE}/unlock?force=yes").status_code == 303
    assert "Locked by" not in text(world, PAGE)


def test_a_held_workspace_offers_no_lock_and_says_when(world: World) -> None:
    workspace = world.workspace()
    run = world.run(workspace, status=RunStatus.PLANNED)
    page = text(world, PAGE)
    assert "Lock" not in buttons(page)
    assert f"It can be locked once {linked(run)} is finished." in page
    assert send(world, f"{PAGE}/lock").status_code == 409


def lock_state(world: World, run_id: str = "") -> None:
    with world.services.store.transaction() as tx:
        place = tx.workspaces.named("network")
        tx.states.lock(StateLock(place.id, "lock-1", run_id, "{}", world.services.clock.now()))


def test_terraforms_lock_is_shown_and_released_only_when_no_run_holds_the_workspace(world: World) -> None:
    workspace = world.workspace()
    run = world.run(workspace, status=RunStatus.APPLYING)
    lock_state(world, run.id)
    page = text(world, PAGE)
    assert f"Terraform's lock is on the state, for {linked(run)}, which is in progress." in page
    assert "Release the state's lock" not in buttons(page)
    assert send(world, f"{PAGE}/release-state").status_code == 409
    with world.services.store.transaction() as tx:
        tx.runs.save(replace(tx.runs.get(run.id), status=RunStatus.ERRORED))
    page = text(world, PAGE)
    assert f"from {linked(run)}, whose worker was lost. It is released if no request comes" in page
    assert "for 15 minutes" in page
    assert send(world, f"{PAGE}/release-state").status_code == 303
    assert "Terraform's lock" not in text(world, PAGE)
    assert "State unlocked" in text(world, f"/runs/{run.id}")


def test_a_lock_from_outside_of_any_run(world: World) -> None:
    world.workspace()
    lock_state(world)
    page = text(world, PAGE)
    assert "The state is locked by a Terraform outside" in page
    assert "Release the state's lock" in buttons(page)


def test_only_what_this_person_may(world: World) -> None:
    workspace = world.workspace()
    lock_state(world)
    with world.app.test_request_context(), world.services.store.reading() as tx:
        for role, queue, lock, labels in (
            (Role.READ, False, False, []),
            (Role.PLAN, True, False, []),
            (Role.WRITE, True, True, []),
            (Role.ADMIN, True, True, ["Release the state's lock"]),
        ):
            found = controls.build(tx, workspace, [], Person("dora", role))
            assert (bool(found.queue_url), bool(found.lock_url)) == (queue, lock)
            assert [button.label for button in found.buttons] == labels


# --- runs ---------------------------------------------------------------------------------------------------


def test_force_cancel_is_offered_after_the_cool_off(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.APPLYING)
    path = f"/runs/{run.id}"
    send(world, f"{path}/cancel", path)
    page = text(world, path)
    assert asks(page) == []
    assert "In 30 s an administrator may force it." in page
    world.clock.pass_by(timedelta(seconds=30))
    page = text(world, path)
    assert asks(page) == ["Force Cancel"]
    assert "An administrator may force it now." in page
    assert send(world, f"{path}/force-cancel", path, comment="It hangs").status_code == 303
    assert world.reload(run).status is RunStatus.CANCELED
    page = text(world, path)
    assert "Force-cancel requested" in page
    assert "It hangs" in page


def test_a_force_cancel_that_its_worker_carries_out_says_so(world: World) -> None:
    about = {
        "cancel_requested_by": "bob",
        "cancel_requested_at": world.services.clock.now(),
        "force_cancel": True,
    }
    run = world.run(world.workspace(), status=RunStatus.APPLYING, **about)
    page = text(world, f"/runs/{run.id}")
    assert "It is being killed." in page
    assert asks(page) == []


def test_who_may_not_force_sees_no_such_button(world: World) -> None:
    long_ago = world.services.clock.now() - timedelta(minutes=5)
    run = world.run(
        world.workspace(), status=RunStatus.APPLYING, cancel_requested_by="bob", cancel_requested_at=long_ago
    )
    with world.app.test_request_context(), world.services.store.reading() as tx:
        for role, labels in ((Role.WRITE, []), (Role.ADMIN, ["Force Cancel"])):
            page = run_page.build(run_page.find(tx, run.id), Person("dora", role))
            assert [ask.label for ask in page.asks] == labels


def test_a_destroy_plan_says_what_it_would_do(world: World) -> None:
    run = world.run(world.workspace(), status=RunStatus.PLANNED, modes=Modes(destroy=True))
    assert "destroys everything that the workspace manages" in text(world, f"/runs/{run.id}")


def test_run_triggers_are_shown(world: World) -> None:
    world.workspace(run_triggers=("dns", "vpc"))
    assert "dns, vpc" in text(world, PAGE)
