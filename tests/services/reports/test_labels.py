"""Labels on a change say where it stands. They are set once, and the forge is asked nothing if they stay."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from bot.domain.changes.reviews import Verdict
from bot.domain.errors import EngineError, ForgeRefused
from bot.domain.events import ReviewersChanged
from bot.domain.people.permissions import Role
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
GONE = change("aws_s3_bucket.old", "delete", before={"name": "old"})
READY, APPLIED = "plangate: ready", "plangate: applied"
DESTROYS, FAILED = "plangate: destroys", "plangate: failed"


def labels(house: House) -> list[str]:
    return sorted(house.forge.labels.get((REPO, 1), []))


def calls(house: House) -> int:
    return house.forge.calls.count("set_labels")


def report_again(house: House) -> None:
    with house.store.transaction() as tx:
        record = tx.changes.numbered(REPO, 1)
        assert record is not None
        tx.posts.mark_due(house.clock.now(), record.id)
    house.sweep()


@pytest.fixture
def opened(house: House) -> House:
    house.workspace("net", labels=True)
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    return house


def test_a_change_is_labelled_as_it_goes(opened: House) -> None:
    assert labels(opened) == [READY]
    opened.say(1, "/apply net")
    assert labels(opened) == [APPLIED]


def test_no_labels_unless_a_workspace_asks_for_them(house: House) -> None:
    house.workspace("net")
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    assert (labels(house), calls(house)) == ([], 0)


def test_only_workspaces_with_labels_count(house: House) -> None:
    house.workspace("net", labels=True)
    house.workspace("app")
    house.engine.will_find("net", BUCKET)
    house.engine.will_find("app", GONE)
    house.open_change(1, "h1", "net/a.tf", "app/a.tf")
    assert labels(house) == [READY]


def test_a_plan_that_destroys_is_labelled(house: House) -> None:
    house.workspace("net", labels=True)
    house.engine.will_find("net", BUCKET, GONE)
    house.open_change(1, "h1", "net/a.tf")
    assert labels(house) == [DESTROYS, READY]


def test_what_people_have_to_approve_is_not_ready(house: House) -> None:
    house.workspace("net", labels=True, require=("approved",))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    assert (labels(house), calls(house)) == ([], 0)


def test_what_people_have_approved_is_ready(house: House) -> None:
    house.workspace("net", labels=True, require=("approved",))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.deliver(ReviewersChanged(REPO, 1, None, judged=True))
    house.work()
    assert labels(house) == [], "xena is a stranger"
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.say(1, "/why")
    house.sweep()
    assert labels(house) == [READY]
    house.forge.review(REPO, 1, "xena", Verdict.DISMISSED)
    house.deliver(ReviewersChanged(REPO, 1, None, judged=True))
    house.work()
    assert labels(house) == []


def test_an_approval_of_an_older_commit_makes_nothing_ready(house: House) -> None:
    house.workspace("net", labels=True, require=("approved",))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    house.forge.set_role(REPO, "xena", Role.WRITE)
    house.forge.review(REPO, 1, "xena", Verdict.APPROVED)
    house.deliver(ReviewersChanged(REPO, 1, (), judged=True))
    house.work()
    assert labels(house) == [READY]
    house.update_change(1, "h2", "net/a.tf")
    assert labels(house) == []


def test_the_forge_is_asked_nothing_while_the_labels_stay(opened: House) -> None:
    assert calls(opened) == 1
    report_again(opened)
    assert calls(opened) == 1


def test_other_labels_and_what_people_do_are_left_alone_until_the_set_changes(opened: House) -> None:
    opened.forge.labels[REPO, 1] = ["urgent"]
    report_again(opened)
    assert labels(opened) == ["urgent"], "a person removed ours"
    opened.say(1, "/apply net")
    assert labels(opened) == [APPLIED, "urgent"]


def test_a_missing_permission_is_said_once_and_breaks_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.workspace("net", labels=True)
    house.engine.will_find("net", BUCKET)
    house.forge.fail(ForgeRefused("no permission for labels"), "set_labels", times=99)
    with caplog.at_level(logging.WARNING):
        house.open_change(1, "h1", "net/a.tf")
        report_again(house)
        assert calls(house) == 1
        house.say(1, "/apply net")
    said = [each.message for each in caplog.records if "no permission for labels" in each.message]
    assert said == [f"{REPO}: labels can't be set: no permission for labels"]
    assert calls(house) == 2, "new labels are tried"
    assert labels(house) == []
    assert "net applied" in house.comments(1)[-1]


def test_labels_that_are_switched_off_are_removed(opened: House) -> None:
    with opened.store.transaction() as tx:
        [workspace] = tx.workspaces.of_repo(REPO)
        tx.workspaces.put(replace(workspace, labels=False))
    report_again(opened)
    assert (labels(opened), calls(opened)) == ([], 2)


def test_a_plan_that_failed_is_labelled(house: House) -> None:
    house.workspace("net", labels=True)
    house.engine.fail("plan", EngineError("Error: no region"))
    house.open_change(1, "h1", "net/a.tf")
    assert labels(house) == [FAILED]


def test_a_change_that_is_closed_is_ready_no_more(opened: House) -> None:
    opened.close_change(1)
    assert labels(opened) == []
