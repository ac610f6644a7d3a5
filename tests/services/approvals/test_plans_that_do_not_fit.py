"""`/apply` without a name never applies a plan that did not fit into the comment (promise 1)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.services.approvals.shown_plans import NOT_WHOLE
from tests.fakes.engine import change
from tests.fakes.house import House
from tests.fakes.texts import PlainTexts

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


@pytest.fixture
def opened(build: Callable[..., House]) -> House:
    """A change whose comment shows the plan of `app` whole, and not that of `net`."""
    house = build(texts=PlainTexts("net"))
    for name in ("app", "net"):
        house.workspace(name)
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", "app/a.tf", "net/a.tf")
    return house


def applied(house: House) -> list[str]:
    with house.store.reading() as tx:
        runs = [run for run in house.runs() if run.status.value == "applied"]
        return [tx.workspaces.get(run.workspace_id).name for run in runs]


def test_apply_without_a_name_applies_what_is_shown_and_says_what_it_left(opened: House) -> None:
    said = opened.say(1, "/apply")
    assert applied(opened) == ["app"]
    preview = next(run for run in opened.runs(opened.find_workspace("net")))
    [refusal] = [text for text in opened.comments(1) if text.startswith("refused for")]
    assert f"net: {NOT_WHOLE}: look at it on https://plangate.test/runs/{preview.id}" in refusal
    assert f"then comment `/apply net {preview.plan_code}`" in refusal
    assert sorted(opened.outcomes(said)) == ["refused", "run"]


@pytest.mark.parametrize("code", [False, True])
def test_its_name_in_the_command_is_enough(opened: House, code: bool) -> None:
    preview = next(run for run in opened.runs(opened.find_workspace("net")))
    opened.say(1, f"/apply net {preview.plan_code}" if code else "/apply net")
    assert applied(opened) == ["net"]


def test_a_name_does_not_apply_a_plan_that_is_newer_than_the_comment(opened: House) -> None:
    opened.clock.forward(minutes=1)
    lost = opened.comment(1, "/apply net")
    opened.clock.forward(minutes=1)
    opened.say(1, "/plan net")
    opened.deliver(lost)
    opened.work()
    assert applied(opened) == []


def test_a_plan_that_fits_later_keeps_the_time_since_which_it_is_named(opened: House) -> None:
    opened.clock.forward(minutes=1)
    named, bare = opened.comment(1, "/apply net"), opened.comment(1, "/apply")
    opened.clock.forward(minutes=1)
    assert isinstance(opened.texts, PlainTexts)
    opened.texts.hidden = ()
    opened.say(1, "/lock app")
    opened.deliver(bare)
    opened.work()
    assert applied(opened) == []
    opened.deliver(named)
    opened.work()
    assert applied(opened) == ["net"]


def test_many_that_do_not_fit_are_told_in_one_line(build: Callable[..., House]) -> None:
    names = [f"ws-{n}" for n in range(8)]
    house = build(texts=PlainTexts(*names))
    for name in names:
        house.workspace(name)
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", *(f"{name}/a.tf" for name in names))
    house.say(1, "/apply")
    assert applied(house) == []
    [refusal] = [text for text in house.comments(1) if text.startswith("refused for")]
    assert f"ws-0, ws-1, ws-2, ws-3, ws-4 and 3 more: {NOT_WHOLE}" in refusal
