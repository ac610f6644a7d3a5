"""`plangate runs` and `plangate workspaces`: on a real database, as a person at the terminal uses them."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from bot.domain.errors import Forbidden, IllegalMove, Invalid, NotFound
from bot.domain.runs.lifecycle import RunStatus
from bot.services.ports import ArtifactKind, StateLock
from tests.cli.records.conftest import Terminal


def test_queue_makes_a_run_on_the_branch_and_says_where_it_is_shown(anywhere: Terminal) -> None:
    said = anywhere.type("runs", "queue", "app", "-m", "Look for drift")
    [run] = anywhere.json("runs", "list", "app")
    assert run["id"] in said
    assert f"https://plangate.test/runs/{run['id']}" in said
    assert (run["commit"], run["branch"], run["message"]) == ("head-of-live", "live", "Look for drift")
    assert run["created_by"] == anywhere.login
    assert run["possible"] == ["cancel", "discard"]


def test_show_prints_the_plan_that_was_read_from_its_json(anywhere: Terminal) -> None:
    anywhere.type("runs", "queue", "app")
    [run] = anywhere.json("runs", "list", "app")
    assert anywhere.type("runs", "show", run["id"], "--plan").endswith("\nthis run has no plan\n")
    change = {"actions": ["create"], "before": None, "after": {"note": "a\x1b[2J\u2028b"}}
    resource = {"address": "a.b", "mode": "managed", "type": "a", "name": "b", "change": change}
    plan = json.dumps({"format_version": "1.2", "resource_changes": [resource]}).encode()
    with anywhere.services.store.transaction() as tx:
        tx.artifacts.put(run["id"], ArtifactKind.PLAN_JSON, plan)
    shown = anywhere.type("runs", "show", run["id"], "--plan")
    assert '\n  + resource "a" "b" {\n      + note = "a\\u001b[2J\\u2028b"\n' in shown
    assert "resource" not in anywhere.type("runs", "show", run["id"])


def test_queue_takes_terraforms_flags(anywhere: Terminal) -> None:
    target = 'module.app.aws_instance.web["blue green"]'
    run = anywhere.json("runs", "queue", "network", "--destroy", "--target", target, "--plan-only")
    assert run["modes"] == {"destroy": True, "refresh_only": False, "replace": [], "target": [target]}
    assert run["plan_only"] is True
    shown = anywhere.type("runs", "show", run["id"])
    assert f"-destroy -target={target}" in shown
    assert "-refresh-only is not allowed in workspace network" in anywhere.refused(
        Invalid, "runs", "queue", "network", "--refresh-only"
    )
    assert "is not the address of a resource" in anywhere.refused(
        Invalid, "runs", "queue", "network", "--replace", "$(id)"
    )
    anywhere.refused(NotFound, "runs", "queue", "nowhere")


def test_the_queue_says_who_waits_for_whom(anywhere: Terminal) -> None:
    first = anywhere.json("runs", "queue", "network")["id"]
    second = anywhere.json("runs", "queue", "network")["id"]
    assert anywhere.json("runs", "show", second)["waits"] == f"2nd in the queue, behind {first}"
    listed = anywhere.type("runs", "list", "network")
    assert f"2nd in the queue, behind {first}" in listed
    assert listed.index(second) < listed.index(first)
    assert [run["id"] for run in anywhere.json("runs", "list", "--status", "pending", "--limit", "1")] == [
        second
    ]
    assert anywhere.json("runs", "list", "--status", "applied") == []
    assert "no runs found" in anywhere.type("runs", "list", "app")


def test_the_decisions(anywhere: Terminal) -> None:
    run = anywhere.json("runs", "queue", "network")["id"]
    assert "can't be confirmed; possible now: discard, cancel" in anywhere.refused(
        IllegalMove, "runs", "confirm", run
    )
    anywhere.put(run, status=RunStatus.PLANNED, has_changes=True)
    assert anywhere.json("runs", "show", run)["possible"] == ["confirm", "discard"]
    assert anywhere.json("runs", "confirm", run, "--comment", "looks right")["status"] == "apply_queued"
    timeline = anywhere.json("runs", "show", run)["timeline"]
    assert {"kind": "confirmed", "actor": anywhere.login, "message": "looks right"}.items() <= timeline[
        1
    ].items()
    assert "looks right" in anywhere.type("runs", "show", run)
    assert anywhere.json("runs", "cancel", run)["status"] == "canceled"
    assert "it is finished" in anywhere.refused(IllegalMove, "runs", "cancel", run, "--force")
    again = anywhere.json("runs", "retry", run)
    assert (again["source"], again["status"]) == ("retry", "pending")
    assert anywhere.json("runs", "discard", again["id"])["status"] == "discarded"


def test_cancel_by_force_needs_a_cancel_before_and_its_cool_off(anywhere: Terminal) -> None:
    run = anywhere.json("runs", "queue", "network")["id"]
    anywhere.put(run, status=RunStatus.APPLYING)
    assert "comes after a cancel" in anywhere.refused(IllegalMove, "runs", "cancel", run, "--force")
    assert anywhere.json("runs", "cancel", run)["status"] == "applying"
    assert "give Terraform" in anywhere.refused(IllegalMove, "runs", "cancel", run, "--force")
    long_ago = anywhere.services.clock.now() - timedelta(minutes=1)
    anywhere.put(run, cancel_requested_at=long_ago)
    assert anywhere.json("runs", "cancel", run, "--force")["status"] == "canceled"


def test_workspaces_are_listed_locked_and_unlocked(anywhere: Terminal) -> None:
    app, network = anywhere.json("workspaces", "list")
    assert (app["name"], app["branch"], app["run_triggers"], app["lock"]) == (
        "app",
        "live",
        ["network"],
        None,
    )
    assert network["allowed_modes"] == ["destroy", "target"]
    locked = anywhere.json("workspaces", "lock", "network", "the freeze")
    assert (locked["lock"]["by"], locked["lock"]["reason"]) == (anywhere.login, "the freeze")
    assert f"locked by {anywhere.login}: the freeze" in anywhere.type("workspaces", "list")
    waiting = anywhere.json("runs", "queue", "network")
    assert waiting["waits"] == f"the workspace is locked by {anywhere.login}: the freeze"
    assert anywhere.json("workspaces", "unlock", "network")["lock"] is None
    assert "is not locked" in anywhere.refused(IllegalMove, "workspaces", "unlock", "network")
    assert "1 in the queue" in anywhere.type("workspaces", "list")


def test_anothers_lock_is_unlocked_by_force(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal.type("workspaces", "lock", "network")
    monkeypatch.setenv("LOGNAME", "other")
    assert "an administrator forces it" in terminal.refused(Forbidden, "workspaces", "unlock", "network")
    terminal.type("workspaces", "unlock", "network", "--force")


def test_a_lock_left_on_the_state_is_shown_and_released(anywhere: Terminal) -> None:
    with anywhere.services.store.transaction() as tx:
        place = tx.workspaces.named("network")
        tx.states.lock(StateLock(place.id, "lock-1", "", "{}", anywhere.services.clock.now()))
    assert "state locked by nobody we know" in anywhere.type("workspaces", "list")
    assert anywhere.json("workspaces", "unlock", "network", "--state")["state_lock"] is None


def test_what_a_commit_says_can_not_colour_the_terminal(anywhere: Terminal) -> None:
    anywhere.type("runs", "queue", "network", "-m", "\x1b[31mred\x07")
    assert "\x1b" not in anywhere.type("runs", "list")
