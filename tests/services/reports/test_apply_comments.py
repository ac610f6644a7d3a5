"""Each `/apply` has one comment, however many workspaces it applies; it is filled in as they finish."""

from __future__ import annotations

import pytest

from bot.domain.errors import EngineError
from bot.domain.reports.posts import CommentPost
from bot.domain.runs.run import Run
from bot.services.ports import ApplyResult
from bot.services.reports.deliver import EDITS_APART, FIRST_WORDS
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House


@pytest.fixture
def shown(house: House) -> House:
    """A change whose plans in three workspaces are shown."""
    for name in "abc":
        house.workspace(name)
        house.engine.will_find(name, change(f"aws_s3_bucket.{name}", "create", after={"name": name}))
    house.open_change(1, "h1", "a/x.tf", "b/x.tf", "c/x.tf")
    return house


def subject(house: House) -> str:
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
    assert record is not None
    return record.id


def outcomes(house: House) -> list[str]:
    return [text for text in house.comments(1) if not text.startswith("plans of")]


def applies(house: House) -> list[Run]:
    return [run for run in house.runs() if not run.plan_only]


def name_of(house: House, run: Run) -> str:
    with house.store.reading() as tx:
        return tx.workspaces.get(run.workspace_id).name


def test_one_comment_is_filled_in_as_the_workspaces_finish(shown: House) -> None:
    house = shown
    house.say(1, "/apply", work=False)
    house.work("receive")
    first, second, third = sorted(applies(house), key=lambda run: name_of(house, run))
    began = house.clock.now()
    house.execution.advance(first.id)
    house.report_delivery.report(subject(house))
    assert outcomes(house) == [], "others may finish in a moment"
    house.work("report")
    assert house.clock.now() >= began + FIRST_WORDS
    [text] = outcomes(house)
    assert "a applied" in text and "b pending" in text and "c pending" in text
    house.clock.forward(seconds=30)
    house.execution.advance(second.id)
    house.report_delivery.report(subject(house))
    assert "b applied" in outcomes(house)[0]
    at = house.clock.now()
    house.execution.advance(third.id)
    house.report_delivery.report(subject(house))
    assert house.clock.now() == at < at + EDITS_APART
    [text] = outcomes(house)
    assert "c applied" in text, "the last word is said at once"


def test_a_hundred_calls_less(shown: House) -> None:
    shown.say(1, "/apply")
    assert len(outcomes(shown)) == 1
    assert shown.forge.calls.count("create_comment") == 2, "the plans, and the applies"


def test_a_failed_apply_is_in_the_comment_of_its_command(shown: House) -> None:
    shown.engine.fail("apply", ApplyResult(False, "Error: no"), output="$ terraform apply\n\nError: no\n")
    shown.say(1, "/apply")
    [text] = outcomes(shown)
    assert text.count(" applied: ") == 2 and text.count(" errored: Error: no") == 1


def test_a_second_apply_has_a_comment_of_its_own_and_outdates_its_part(shown: House) -> None:
    shown.engine.fail("apply", ApplyResult(False, "Error: no"), output="")
    shown.say(1, "/apply")
    bad = next(run for run in applies(shown) if run.status.value == "errored")
    name = name_of(shown, bad)
    shown.say(1, f"/plan {name}")
    shown.say(1, f"/apply {name}")
    before, later = outcomes(shown)
    assert f"outdated by https://plangate.test/runs/{applies(shown)[-1].id}: {name} errored" in before
    assert later.startswith(f"{name} applied")


def test_a_command_for_each_workspace_has_a_comment_for_each(shown: House) -> None:
    for name in "abc":
        shown.say(1, f"/apply {name}")
    assert [text[:9] for text in outcomes(shown)] == ["a applied", "b applied", "c applied"]


def test_an_apply_whose_plan_fails_leaves_no_comment(shown: House) -> None:
    for _ in range(3):
        shown.engine.fail("plan", EngineError("Error: no"), output="")
    shown.say(1, "/apply", work=False)
    shown.work()
    assert all(run.status.value == "errored" for run in applies(shown))
    assert outcomes(shown) == []


def test_a_comment_from_an_earlier_version_stays_the_comment_of_its_run(shown: House) -> None:
    house = shown
    house.say(1, "/apply a", work=False)
    house.work("receive")
    [run] = applies(house)
    old = house.post_builder.comment(subject(house), REPO, 1, f"outcome:{run.id}", "as it was")
    with house.store.transaction() as tx:
        tx.posts.derived(subject(house), tx.posts.due_mark(subject(house)), [old])
    house.work()
    assert len(outcomes(house)) == 1
    assert outcomes(house)[0].startswith("a applied")
    [comment] = [each for each in house.forge.own_comments(REPO, 1) if "a applied" in each.body]
    assert isinstance(old.content, CommentPost) and old.content.marker in comment.body


def test_what_a_merge_applies_by_itself_is_in_one_comment(house: House) -> None:
    for name in "ab":
        house.workspace(name, auto_apply=True)
        house.engine.will_find(name, change(f"aws_s3_bucket.{name}", "create", after={"name": name}))
    house.open_change(1, "h1", "a/x.tf", "b/x.tf")
    house.close_change(1, merged=True, as_commit="m1")
    house.push("m1", "a/x.tf", "b/x.tf")
    [text] = outcomes(house)
    assert "a applied" in text and "b applied" in text


def test_a_run_that_somebody_confirms_on_its_page_has_a_comment_of_its_own(house: House) -> None:
    for name in "ab":
        house.workspace(name)
        house.engine.will_find(name, change(f"aws_s3_bucket.{name}", "create", after={"name": name}))
    house.open_change(1, "h1", "a/x.tf", "b/x.tf")
    house.close_change(1, merged=True, as_commit="m1")
    house.push("m1", "a/x.tf", "b/x.tf")
    for run in applies(house):
        house.clock.forward(seconds=1)
        house.controls.confirm(run.id, WRITER)
        house.work()
    assert sorted(text[:9] for text in outcomes(house)) == ["a applied", "b applied"]
