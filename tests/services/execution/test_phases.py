"""What a plan holds and what an apply holds: variables of the other phase are in neither."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.errors import Forbidden
from bot.domain.people.permissions import Person, Role
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.variables import Category
from bot.services.ports import EngineJob
from bot.services.states.backend import Access, Grant
from bot.services.variables.editor import SetVariables, VariableEditor, VariableInput, WorkspaceVariables
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

OWNER = Person("olga", Role.OWNER)
NETWORK = WorkspaceVariables("network")
BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
READS, WRITES = "may-only-read-42", "may-change-all-42"
STATE = b'{"version": 4, "serial": 1, "lineage": "lin-1"}'


def env(key: str, value: str, phase: Phase) -> VariableInput:
    return VariableInput(key, Category.ENV, value, sensitive=True, phase=phase)


@pytest.fixture
def desk(house: House) -> VariableEditor:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    desk = VariableEditor(house.store, house.clock)
    desk.put_set("cloud", OWNER, everywhere=True)
    desk.put(SetVariables("cloud"), env("CLOUD_KEY", READS, Phase.PLAN), OWNER)
    desk.put(SetVariables("cloud"), env("CLOUD_KEY", WRITES, Phase.APPLY), OWNER)
    desk.put(NETWORK, VariableInput("region", value="eu"), WRITER)
    return desk


def held(job: EngineJob) -> dict[str, str]:
    return {one.key: one.value for one in job.variables}


def test_a_preview_holds_what_is_for_plans_and_masks_both(house: House, desk: VariableEditor) -> None:
    house.open_change(1, "h1", "network/a.tf")
    assert house.engine.jobs, "the fetch and the plan"
    for job in house.engine.jobs:
        assert held(job) == {"CLOUD_KEY": READS, "region": "eu"}
        assert {READS, WRITES} <= set(job.secrets)


def test_an_apply_holds_what_is_for_applies_and_masks_both(house: House, desk: VariableEditor) -> None:
    house.push("c1", "network/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["applied"]
    *planning, applying = house.engine.jobs
    assert [held(job)["CLOUD_KEY"] for job in planning] == [READS, READS]
    assert held(applying) == {"CLOUD_KEY": WRITES, "region": "eu"}
    assert {READS, WRITES} <= set(applying.secrets)


def test_a_variable_for_applies_only_is_not_in_a_plan_at_all(house: House, desk: VariableEditor) -> None:
    desk.put(NETWORK, env("DEPLOY_KEY", WRITES, Phase.APPLY), WRITER)
    desk.put(NETWORK, env("READ_KEY", READS, Phase.PLAN), WRITER)
    house.push("c1", "network/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    *planning, applying = house.engine.jobs
    assert all("DEPLOY_KEY" not in held(job) and "READ_KEY" in held(job) for job in planning)
    assert "READ_KEY" not in held(applying)
    assert "DEPLOY_KEY" in held(applying)


def test_other_credentials_for_the_apply_have_the_plan_made_again(house: House, desk: VariableEditor) -> None:
    house.engine.state_here = True
    house.open_change(1, "h1", "network/a.tf")
    desk.put(NETWORK, env("CLOUD_KEY", "another-key-42", Phase.APPLY), WRITER)
    house.say(1, "/apply")
    assert house.engine.count("plan") == 2


def grants(house: House, desk: VariableEditor) -> list[Grant]:
    """Have a run planned and applied; return what its tokens allow, the plan's first."""
    found: list[Grant] = []

    def look(job: EngineJob) -> None:
        assert job.state is not None
        workspace_id = job.state.address.rpartition("/")[2]
        grant = house.services.states.admit(workspace_id, job.run_id, job.state.password)
        assert grant is not None
        found.append(grant)
        house.services.states.lock(grant, b'{"ID": "lock-1"}')
        if grant.access is Access.WRITE:
            house.services.states.push(grant, STATE, "lock-1")
        else:
            with pytest.raises(Forbidden, match="only an apply writes"):
                house.services.states.push(grant, STATE, "lock-1")
        house.services.states.unlock(grant, b'{"ID": "lock-1"}')

    house.engine.during("plan", look)
    house.engine.during("apply", look)
    house.push("c1", "network/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["applied"]
    return found


def test_a_plan_locks_its_state_and_only_its_apply_writes_it(house: House, desk: VariableEditor) -> None:
    assert [grant.access for grant in grants(house, desk)] == [Access.LOCK, Access.WRITE]


def test_a_token_is_worth_nothing_outside_its_phase(house: House, desk: VariableEditor) -> None:
    tokens: list[EngineJob] = []
    house.engine.during("plan", tokens.append)
    house.engine.during("apply", tokens.append)
    house.push("c1", "network/main.tf")
    run = house.only_run()
    assert run.status.value == "planned"
    [planned] = tokens
    assert planned.state is not None
    grant = house.services.states.admit(run.workspace_id, run.id, planned.state.password)
    assert grant is not None, "it has not expired"
    for use in (house.services.states.pull, lambda one: house.services.states.lock(one, b'{"ID": "x"}')):
        with pytest.raises(Forbidden, match="for the plan of"):
            use(grant)
    house.controls.confirm(run.id, WRITER)
    house.work()
    applied = tokens[1].state
    assert applied is not None
    late = house.services.states.admit(run.workspace_id, run.id, applied.password)
    assert late is not None
    with pytest.raises(Forbidden, match="finished"):
        house.services.states.push(late, STATE)


def test_an_apply_token_is_worth_nothing_while_its_run_is_planned(house: House, desk: VariableEditor) -> None:
    until = house.clock.now() + timedelta(hours=1)

    def look(job: EngineJob) -> None:
        run = house.run(job.run_id)
        token = house.services.states.token(run.id, run.workspace_id, Access.WRITE, until)
        grant = house.services.states.admit(run.workspace_id, run.id, token)
        assert grant is not None
        with pytest.raises(Forbidden, match="for the apply of"):
            house.services.states.push(grant, STATE)

    house.engine.during("plan", look)
    house.push("c1", "network/main.tf")
    assert house.statuses() == ["planned"]
