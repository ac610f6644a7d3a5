"""Outputs of other workspaces: read when a run starts, fixed then, and planned again after an apply."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.domain.ids import new_id
from bot.domain.runs.masking import secrets_of
from bot.domain.runs.run import Run
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.variables import Category, StoredVariable, Variable
from bot.services.plans.snapshot import variables_of
from bot.services.ports import StateVersion
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
BOTH = ("network/main.tf", "app/main.tf")
ID = Input("vpc_id", "network", "vpc")


@pytest.fixture
def two(house: House) -> House:
    """A network that shares its state with the app, which gets an output of it."""
    house.forge.set_branch(REPO, "main", "base")
    house.workspace("network", share_state_with=("app",))
    house.workspace("app", depends_on=("network",), inputs=(ID,))
    for name in ("network", "app"):
        house.engine.will_find(name, BUCKET)
    return house


def put_state(house: House, name: str, **outputs: object) -> None:
    """Make a state current, with these outputs; a pair is a value and whether it is sensitive."""
    workspace = house.find_workspace(name)
    assert workspace is not None
    with house.store.transaction() as tx:
        before = tx.states.current(workspace.id)
        serial = before.serial + 1 if before else 1
        written = {
            key: {"value": value[0], "sensitive": value[1]} if isinstance(value, tuple) else {"value": value}
            for key, value in outputs.items()
        }
        data = json.dumps({"version": 4, "serial": serial, "lineage": "l", "outputs": written}).encode()
        version = StateVersion(
            new_id("sv"),
            workspace.id,
            "",
            serial,
            "l",
            str(serial),
            house.clock.now(),
            len(data),
            made_by="x",
        )
        tx.states.add(version, data)


def handed(house: House, run: Run) -> dict[str, str]:
    with house.store.reading() as tx:
        return {each.key: each.value for each in variables_of(tx, run.id)}


def runs(house: House, name: str, **query: Any) -> list[Run]:
    return house.runs(house.find_workspace(name), **query)


def only_error(house: House, run: Run) -> str:
    assert run.status.value == "errored"
    return house.timeline(run)[-1].message


def test_an_output_is_a_variable_of_the_run(two: House) -> None:
    put_state(two, "network", vpc="vpc-1", other="o")
    two.open_change(1, "h1", "app/main.tf")
    (preview,) = runs(two, "app")
    assert handed(two, preview) == {"vpc_id": "vpc-1"}
    assert [(v.key, v.value) for v in two.engine.jobs[-1].variables] == [("vpc_id", "vpc-1")]


def test_a_sensitive_output_is_a_sensitive_variable(two: House) -> None:
    put_state(two, "network", vpc=(["secret-word"], True))
    two.open_change(1, "h1", "app/main.tf")
    (preview,) = runs(two, "app")
    with two.store.reading() as tx:
        (found,) = variables_of(tx, preview.id)
    assert found == Variable("vpc_id", '["secret-word"]', Category.TERRAFORM, hcl=True, sensitive=True)
    assert "secret-word" in secrets_of([found])
    assert "secret-word" in two.engine.jobs[-1].secrets


def test_an_output_replaces_other_values_of_its_name(two: House) -> None:
    put_state(two, "network", vpc="vpc-1")
    app = two.find_workspace("app")
    assert app is not None
    with two.store.transaction() as tx:
        for category in Category:
            one = Variable("vpc_id", "of the page", category)
            tx.variables.put(StoredVariable(new_id("var"), one, "wren", two.clock.now()), workspace_id=app.id)
    two.open_change(1, "h1", "app/main.tf")
    (preview,) = runs(two, "app")
    with two.store.reading() as tx:
        found = {(each.category, each.value) for each in variables_of(tx, preview.id)}
    assert found == {(Category.TERRAFORM, "vpc-1"), (Category.ENV, "of the page")}


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        (None, "network has no state yet: apply it first"),
        ({"other": "x"}, "network has no such output yet: apply it first"),
        ({"vpc": "x" * 300_000}, "the value of vpc_id has 300000 bytes"),
        ({"vpc": float("nan")}, "the state of network can't be read: it is not valid JSON, or "),
    ],
)
def test_a_run_fails_and_says_what_is_missing(
    two: House, outputs: dict[str, object] | None, said: str
) -> None:
    if outputs is not None:
        put_state(two, "network", **outputs)
    two.open_change(1, "h1", "app/main.tf")
    (preview,) = runs(two, "app")
    assert f"the variable vpc_id is network.vpc, and {said}" in only_error(two, preview)
    assert two.engine.count("plan") == 0
    assert "the variable vpc_id is network.vpc, and" in two.said("h1", "plangate/app/plan")[1]


def test_an_output_comes_only_from_a_workspace_that_shares(two: House) -> None:
    put_state(two, "network", vpc="vpc-1")
    two.workspace("network", share_state_with=("other",))
    two.open_change(1, "h1", "app/main.tf")
    (preview,) = runs(two, "app")
    assert "network does not share its state with app (`share_state_with`)" in only_error(two, preview)


def test_a_run_that_waits_gets_the_outputs_of_the_apply_it_waited_for(two: House) -> None:
    put_state(two, "network", vpc="vpc-1")
    two.open_change(1, "h1", *BOTH)
    two.engine.during("apply", lambda _: put_state(two, "network", vpc="vpc-2"))
    two.say(1, "/apply")
    (run,) = runs(two, "app", plan_only=False)
    assert handed(two, run) == {"vpc_id": "vpc-2"}
    assert run.approval is not None


def test_a_preview_that_lacked_an_output_is_planned_again_after_the_apply(two: House) -> None:
    two.open_change(1, "h1", *BOTH)
    assert [run.status.value for run in runs(two, "app")] == ["errored"]
    two.engine.during("apply", lambda _: put_state(two, "network", vpc="vpc-1"))
    two.say(1, "/apply")
    failed, preview = runs(two, "app")
    assert (failed.status.value, preview.status.value) == ("errored", "planned_and_finished")
    assert handed(two, preview) == {"vpc_id": "vpc-1"}
    assert "has changed the outputs that it gets" in two.timeline(preview)[0].message
    two.say(1, "/apply")
    (run,) = runs(two, "app", plan_only=False)
    assert run.status.value == "applied"


def test_other_changes_are_planned_again_if_their_outputs_have_changed(two: House) -> None:
    put_state(two, "network", vpc="vpc-1")
    two.open_change(1, "h1", "network/main.tf")
    two.open_change(2, "h2", "app/main.tf")
    two.engine.during("apply", lambda _: put_state(two, "network", vpc="vpc-1", more="x"))
    two.say(1, "/apply")
    assert len(runs(two, "app")) == 1
    two.engine.will_find("network", BUCKET)
    two.open_change(3, "h3", "network/main.tf")
    two.engine.during("apply", lambda _: put_state(two, "network", vpc="vpc-2"))
    two.say(3, "/apply")
    assert [handed(two, run)["vpc_id"] for run in runs(two, "app")] == ["vpc-1", "vpc-2"]


def test_a_forks_code_is_planned_again_only_if_somebody_asked_before(two: House) -> None:
    put_state(two, "network", vpc="vpc-1")
    two.open_change(1, "h1", "network/main.tf")
    two.open_change(2, "h2", "app/main.tf", fork=True)
    two.engine.during("apply", lambda _: put_state(two, "network", vpc="vpc-2"))
    two.say(1, "/apply")
    assert runs(two, "app") == []


def test_the_branch_runs_again_only_if_its_outputs_have_changed(two: House) -> None:
    put_state(two, "network", vpc="vpc-1")
    two.push("c1", "app/main.tf")
    (first,) = runs(two, "app")
    two.controls.confirm(first.id, WRITER)
    two.push("c2", "network/main.tf")
    (run,) = runs(two, "network")
    two.engine.during("apply", lambda _: put_state(two, "network", vpc="vpc-2"))
    two.controls.confirm(run.id, WRITER)
    two.work()
    assert [handed(two, each)["vpc_id"] for each in runs(two, "app")] == ["vpc-1", "vpc-2"]
    assert runs(two, "app")[-1].source.value == "trigger"

    two.engine.will_find("network", BUCKET)
    two.push("c3", "network/main.tf")
    two.controls.confirm(runs(two, "network")[-1].id, WRITER)
    two.work()
    assert len(runs(two, "app")) == 2


def test_the_branch_is_not_planned_where_it_never_was(two: House) -> None:
    two.push("c1", "network/main.tf")
    two.engine.during("apply", lambda _: put_state(two, "network", vpc="vpc-1"))
    two.controls.confirm(runs(two, "network")[-1].id, WRITER)
    two.work()
    assert runs(two, "app") == []


def test_a_plan_with_other_outputs_is_not_reused(two: House) -> None:
    two.engine.state_here = True
    put_state(two, "network", vpc="vpc-1")
    two.open_change(1, "h1", "app/main.tf")
    put_state(two, "network", vpc="vpc-2")
    two.say(1, "/apply app")
    (run,) = runs(two, "app", plan_only=False)
    assert any("planned again: variables have changed" in each.message for each in two.timeline(run))


def test_a_plan_that_may_have_read_another_state_is_not_reused(house: House) -> None:
    house.engine.state_here = True
    house.workspace("network", share_state_with=("app",))
    house.workspace("app")
    house.engine.will_find("app", BUCKET)
    put_state(house, "app")
    put_state(house, "network", vpc="vpc-1")
    house.open_change(1, "h1", "app/main.tf")
    house.open_change(2, "h2", "app/main.tf")
    house.say(1, "/apply")
    (run,) = runs(house, "app", plan_only=False)
    assert any("is reused" in each.message for each in house.timeline(run))
    house.engine.will_find("app", BUCKET)
    house.say(2, "/plan")
    put_state(house, "network", vpc="vpc-1", more="x")
    house.say(2, "/apply")
    run = runs(house, "app", plan_only=False)[-1]
    assert any("a state that it may read has moved" in each.message for each in house.timeline(run))


def test_a_run_is_told_where_shared_states_are_and_reads_them_with_its_own_token(house: House) -> None:
    network = house.workspace("network", share_state_with=("app",))
    house.workspace("dns", share_state_with=("other",))
    house.workspace("app", share_state_with=("*",))
    house.engine.will_find("app", BUCKET)
    house.push("c1", "app/main.tf")
    (run,) = runs(house, "app")
    house.controls.confirm(run.id, WRITER)
    house.work()
    planned, applied = house.engine.jobs[0], house.engine.jobs[-1]
    address = house.addresses.state(network.id)
    assert json.loads(planned.environment["TF_VAR_plangate_states"]) == {"network": address}
    # The saved plan has the variable: Terraform refuses another value at the apply.
    assert "TF_VAR_plangate_states" not in applied.environment
    for job in (planned, applied):
        assert job.state is not None
        assert job.state.shared == (address,)


def test_a_workspace_with_its_own_backend_reads_no_shared_state(house: House) -> None:
    house.workspace("network", share_state_with=("app",))
    house.workspace("app", own_backend=True)
    house.open_change(1, "h1", "app/main.tf")
    job = house.engine.jobs[0]
    assert "TF_VAR_plangate_states" not in job.environment
    assert job.state is not None
    assert job.state.shared == ()
