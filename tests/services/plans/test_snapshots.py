"""A run is fixed to the variables' values of the moment in which it was made."""

from __future__ import annotations

import pytest

from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import Category, Variable
from bot.services.plans.shown_plan import shown_plan
from bot.services.plans.snapshot import variables_of
from bot.services.ports import ArtifactKind
from bot.services.variables.editor import SetVariables, VariableEditor, VariableInput, WorkspaceVariables
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

OWNER = Person("olga", Role.OWNER)
NETWORK = WorkspaceVariables("network")
SECRET = "xyzzy-plugh-42"
BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


@pytest.fixture
def desk(house: House) -> VariableEditor:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    desk = VariableEditor(house.store, house.clock)
    desk.put(NETWORK, VariableInput("region", value="first"), WRITER)
    return desk


def fixed(house: House, run: Run) -> dict[str, str]:
    with house.store.reading() as tx:
        return {one.key: one.value for one in variables_of(tx, run.id)}


def handed(house: House) -> list[dict[str, str]]:
    """What Terraform was handed, each time that it was begun."""
    return [{one.key: one.value for one in job.variables} for job in house.engine.jobs]


def test_a_later_edit_changes_later_runs_only(house: House, desk: VariableEditor) -> None:
    house.push("c1", "network/main.tf")
    desk.put(NETWORK, VariableInput("region", value="second"), WRITER)
    desk.put(NETWORK, VariableInput("more", value="x"), WRITER)
    first = house.only_run()
    house.controls.confirm(first.id, WRITER)
    house.work()
    assert house.statuses() == ["applied"]
    assert handed(house) == [{"region": "first"}] * 3, "the fetch, the plan and the apply"
    house.engine.will_find("network", BUCKET)
    house.push("c2", "network/main.tf", before="c1")
    assert handed(house)[3:] == [{"region": "second", "more": "x"}] * 2
    assert fixed(house, first) == {"region": "first"}


def test_a_run_that_waits_in_the_queue_is_fixed_too(house: House, desk: VariableEditor) -> None:
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    desk.unset(NETWORK, Category.TERRAFORM, "region", WRITER)
    first, second = house.runs()
    house.controls.discard(first.id, WRITER)
    house.work()
    assert house.run(second.id).status.value == "planned"
    assert handed(house)[-1] == {"region": "first"}


def test_previews_and_runs_by_comment_are_fixed_when_they_are_made(
    house: House, desk: VariableEditor
) -> None:
    house.open_change(7, "c1", "network/main.tf")
    desk.put(NETWORK, VariableInput("region", value="second"), WRITER)
    house.say(7, "/apply")
    assert [fixed(house, run)["region"] for run in house.runs()] == ["first", "second"]


def test_a_retry_gets_the_values_of_its_own_moment(house: House, desk: VariableEditor) -> None:
    house.push("c1", "network/main.tf")
    first = house.only_run()
    house.controls.discard(first.id, WRITER)
    desk.put(NETWORK, VariableInput("region", value="second"), WRITER)
    again = house.controls.retry(first.id, WRITER)
    house.work()
    assert fixed(house, first) == {"region": "first"}
    assert fixed(house, again) == {"region": "second"}
    assert handed(house)[-1] == {"region": "second"}


def test_a_plan_made_again_after_a_crash_sees_the_same_values(house: House, desk: VariableEditor) -> None:
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.killed_while("plan", house.work)
    desk.put(NETWORK, VariableInput("region", value="second"), WRITER)
    house.sweep(minutes=5)
    assert house.statuses() == ["planned"]
    assert handed(house) == [{"region": "first"}] * 2, "the fetch and the plan after the crash"


def test_everything_about_a_variable_is_fixed(house: House, desk: VariableEditor) -> None:
    desk.put_set("company", OWNER, everywhere=True)
    desk.put(SetVariables("company"), VariableInput("TOKEN", Category.ENV, SECRET, sensitive=True), OWNER)
    desk.put(SetVariables("company"), VariableInput("region", value="of the set"), OWNER)
    desk.put(NETWORK, VariableInput("zones", value='["a"]', hcl=True), WRITER)
    house.push("c1", "network/main.tf")
    with house.store.reading() as tx:
        assert variables_of(tx, house.only_run().id) == (
            Variable("TOKEN", SECRET, Category.ENV, sensitive=True),
            Variable("region", "first"),
            Variable("zones", '["a"]', hcl=True),
        )


def test_a_run_without_variables_is_fixed_to_none(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf")
    with house.store.reading() as tx:
        assert tx.artifacts.get(house.only_run().id, ArtifactKind.VARIABLES) == b"[]"


def test_an_address_with_a_sensitive_value_in_it_is_hidden(house: House, desk: VariableEditor) -> None:
    desk.put(NETWORK, VariableInput("name", value=SECRET, sensitive=True), WRITER)
    address = f'aws_iam_user.one["{SECRET}"]'
    house.engine.will_find("network", change(address))
    house.open_change(7, "c1", "network/main.tf")
    with house.store.reading() as tx:
        plan = shown_plan(tx, house.only_run().id)
    assert plan is not None
    assert [each.address for each in plan.resources] == ['aws_iam_user.one["***"]']
    house.engine.will_find("network", change(address), change(f'aws_iam_user.two["{SECRET}"]'))
    house.say(7, "/apply")
    run = house.runs()[-1]
    assert run.delta == '+ aws_iam_user.two["***"]'
    assert not any(SECRET in event.message for event in house.timeline(run))
