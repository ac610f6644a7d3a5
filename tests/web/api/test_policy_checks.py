"""What policies say of runs, as the CLI reads it; and that no token overrides."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bot.domain.people.permissions import Role
from bot.domain.policies.policy import EnforcementLevel as Level
from bot.domain.policies.policy import PolicyCheck, PolicyOutcome
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import SetVersion
from tests.web.api.conftest import ApiClient
from tests.web.api.test_workspaces_and_runs import data, make, start, upload, words
from tests.web.conftest import World

Programs = Callable[..., ApiClient]
TO_CHECKING = (
    RunStatus.FETCHING,
    RunStatus.FETCHING_COMPLETED,
    RunStatus.PLAN_QUEUED,
    RunStatus.PLANNING,
    RunStatus.PLANNED,
    RunStatus.POLICY_CHECKING,
)


@pytest.fixture
def olga(program: Programs) -> ApiClient:
    return program()


def check(level: Level, outcome: PolicyOutcome = PolicyOutcome.FAILED, **about: Any) -> PolicyCheck:
    return PolicyCheck("guard", "v1", "tags", level, outcome, ("app has \x1b[2J no owner",), **about)


def judged(
    world: World, client: ApiClient, status: RunStatus | None, *checks: PolicyCheck, **wishes: Any
) -> str:
    """Return a run that policies have judged, as a worker would have left it."""
    made = make(client)
    run_id = str(data(start(client, made["id"], upload(client, made["id"]), **wishes))["id"])

    def step(tx: Any, run: Run) -> Any:
        moves = []
        for each in (*TO_CHECKING, *((status,) if status else ())):
            moves.append(world.services.transitions.moved(run, each, has_changes=True))
            run = moves[-1][0]
        tx.policies.keep_version(SetVersion("v1", "guard", "a folder", "", {}, world.clock.now()))
        tx.policies.put(run.id, checks)
        return moves

    world.services.transitions.change(run_id, step)
    return run_id


def policy_check(client: ApiClient, run_id: str) -> dict[str, Any]:
    (found,) = data(client.get(f"/runs/{run_id}"))["relationships"]["policy-checks"]["data"]
    shown = data(client.get(f"/policy-checks/{found['id']}"))
    assert client.found(f"/runs/{run_id}/policy-checks")["data"] == [shown]
    return shown


PASSED = check(Level.HARD, PolicyOutcome.PASSED)


@pytest.mark.parametrize(
    ("status", "checks", "plan_only", "said"),
    [
        (None, (), False, "queued"),
        (RunStatus.POLICY_CHECKED, (PASSED,), False, "passed"),
        (RunStatus.POLICY_CHECKED, (check(Level.ADVISORY),), False, "passed"),
        (RunStatus.POLICY_OVERRIDE, (check(Level.SOFT), PASSED), False, "soft_failed"),
        (RunStatus.POLICY_SOFT_FAILED, (check(Level.SOFT),), True, "soft_failed"),
        (RunStatus.ERRORED, (check(Level.HARD), PASSED), False, "hard_failed"),
        (RunStatus.ERRORED, (), False, "errored"),
        (RunStatus.CANCELED, (), False, "canceled"),
    ],
)
def test_statuses_are_those_that_the_cli_reads(
    world: World,
    olga: ApiClient,
    status: RunStatus | None,
    checks: Sequence[PolicyCheck],
    plan_only: bool,
    said: str,
) -> None:
    run_id = judged(world, olga, status, *checks, plan_only=plan_only)
    shown = policy_check(olga, run_id)["attributes"]
    assert (shown["status"], shown["scope"]) == (said, "organization")
    assert shown["permissions"]["can-override"] is False
    assert shown["result"]["total-failed"] == sum(not each.passed for each in checks)


def test_the_output_names_failures_first_and_obeys_no_terminal(world: World, olga: ApiClient) -> None:
    run_id = judged(world, olga, RunStatus.POLICY_OVERRIDE, PASSED, check(Level.SOFT))
    shown = policy_check(olga, run_id)
    text = olga.get(shown["links"]["output"].removeprefix("/api/v2")).get_data(as_text=True)
    assert text.index("FAIL guard/tags (soft-mandatory)") < text.index("PASS guard/tags (hard-mandatory)")
    assert "no owner" in text
    assert "\x1b" not in text
    assert f"http://plangate.example.com/runs/{run_id}" in text


def test_no_token_overrides(world: World, olga: ApiClient) -> None:
    run_id = judged(world, olga, RunStatus.POLICY_OVERRIDE, check(Level.SOFT))
    shown = policy_check(olga, run_id)
    assert shown["attributes"]["actions"]["is-overridable"] is True
    refused = olga.ask("POST", f"/policy-checks/{shown['id']}/actions/override")
    assert (refused.status_code, "on the page of the run" in words(refused)) == (422, True)
    run = data(olga.get(f"/runs/{run_id}"))["attributes"]
    assert (run["status"], run["permissions"]["can-override-policy-check"]) == ("policy_override", False)


def test_runs_without_policies_and_hidden_ones_have_no_policy_check(
    world: World, program: Programs, olga: ApiClient
) -> None:
    run_id = judged(world, olga, RunStatus.POLICY_CHECKED, PASSED)
    check_id = policy_check(olga, run_id)["id"]
    stranger = program("wren", "admin", Role.ADMIN)
    for path in (f"/policy-checks/{check_id}", f"/policy-checks/{check_id}/output"):
        assert stranger.get(path).status_code == 404
    made = make(olga, "other")
    plain = data(start(olga, made["id"], upload(olga, made["id"])))
    assert plain["relationships"]["policy-checks"]["data"] == []
    assert olga.found(f"/runs/{plain['id']}/policy-checks")["data"] == []
    body = plain["id"].removeprefix("run-")
    assert olga.get(f"/policy-checks/polchk-{body}").status_code == 404
    assert olga.get("/policy-checks/nothing").status_code == 404
    assert json.loads(olga.get("/policy-checks/polchk-none").data)["errors"]
