"""`/apply name CODE` means one plan and no other."""

from __future__ import annotations

import pytest

from tests.fakes.engine import change
from tests.fakes.house import House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
OTHER = change("aws_s3_bucket.more", "create", after={"name": "more"})


@pytest.fixture
def previewed(house: House) -> House:
    house.workspace("net", require=("plan_code",))
    house.workspace("app")
    house.engine.will_find("net", BUCKET)
    house.engine.will_find("app", OTHER)
    house.open_change(1, "h1", "net/a.tf", "app/a.tf")
    return house


def code(house: House, name: str) -> str:
    return [run for run in house.runs(house.find_workspace(name)) if run.plan_only][-1].plan_code


def applied(house: House) -> list[str]:
    with house.store.reading() as tx:
        return [tx.workspaces.get(run.workspace_id).name for run in house.runs() if run.status == "applied"]


def test_the_comment_suggests_the_command_with_the_code(previewed: House) -> None:
    assert f"next: /apply net {code(previewed, 'net')}" in previewed.summary(1)
    previewed.say(1, "/why net")
    assert f"`/apply net {code(previewed, 'net')}`" in previewed.comments(1)[-1]


def test_a_code_applies_that_plan_and_no_other_workspace(previewed: House) -> None:
    previewed.say(1, f"/apply net {code(previewed, 'net')}")
    assert applied(previewed) == ["net"]


def test_a_plan_code_that_is_required_must_be_given(previewed: House) -> None:
    previewed.say(1, "/apply net")
    assert "no plan_code name the plan by its code" in previewed.comments(1)[-1]
    assert applied(previewed) == []


def test_the_code_of_another_plan_applies_nothing(previewed: House) -> None:
    old = code(previewed, "net")
    previewed.engine.will_find("net", BUCKET, OTHER)
    previewed.say(1, "/plan net")
    previewed.say(1, f"/apply net {old}")
    assert (
        f"the plan that can be applied now is {code(previewed, 'net')}, not {old}"
        in previewed.comments(1)[-1]
    )
    assert applied(previewed) == []


def test_who_names_the_plan_need_not_have_looked_for_seconds(previewed: House) -> None:
    previewed.say(1, "/plan net")
    previewed.deliver(previewed.comment(1, f"/apply net {code(previewed, 'net')}"))
    previewed.work()
    assert applied(previewed) == ["net"]


def test_several_plans_may_be_named_in_one_command(previewed: House) -> None:
    previewed.say(1, f"/apply net {code(previewed, 'net')} app {code(previewed, 'app')}")
    assert sorted(applied(previewed)) == ["app", "net"]


def test_a_code_stands_behind_the_name_of_one_workspace(previewed: House) -> None:
    previewed.say(1, f"/apply {code(previewed, 'net')}")
    assert "write the name of one workspace before the plan code" in previewed.comments(1)[-1]
    previewed.say(1, f"/apply * {code(previewed, 'net')}")
    assert "write the name of one workspace before the plan code" in previewed.comments(1)[-1]
    assert applied(previewed) == []


def test_where_there_is_one_workspace_the_code_is_enough(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.say(1, f"/apply {code(house, 'net')}")
    assert applied(house) == ["net"]


def test_a_workspace_whose_name_looks_like_a_code_is_meant_by_its_name(house: House) -> None:
    house.workspace("abcdef1")
    house.engine.will_find("abcdef1", BUCKET)
    house.open_change(1, "h1", "abcdef1/a.tf")
    house.say(1, "/apply abcdef1")
    assert applied(house) == ["abcdef1"]
