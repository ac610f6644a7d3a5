"""Every status that was set gets a final state, on whichever commit it stands (promise 3)."""

from __future__ import annotations

import pytest

from bot.domain.events import ChangeClosed
from bot.domain.reports.posts import StatusPost
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.workspaces.workspace import Merging
from bot.services.ports import EngineJob, Post
from bot.services.runs.report_subjects import CommitSubject
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


@pytest.fixture
def planning(house: House) -> House:
    """A change whose preview is under way, with a pending status."""
    house.workspace("network")
    house.workspace("app")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive", "report")
    assert house.said("h1", "plangate/network/plan")[0] == "pending"
    return house


def pending(house: House) -> dict[tuple[str, str], str]:
    """Return what is pending on the forge, by commit and context."""
    latest = {(status.sha, status.context): status for _, status in house.forge.statuses}
    return {where: status.description for where, status in latest.items() if status.state.value == "pending"}


def test_a_preview_that_a_newer_commit_cancels_is_canceled_on_its_own_commit(planning: House) -> None:
    planning.update_change(1, "h2", "app/a.tf")
    assert pending(planning) == {}
    assert planning.said("h1", "plangate/network/plan") == ("error", "Plan canceled by plangate")
    assert planning.said("h2")[0] == "success"


def test_an_apply_that_ends_after_a_newer_commit_is_told_on_its_own_commit(planning: House) -> None:
    planning.work()

    def newer(_: EngineJob) -> None:
        planning.work("report")
        planning.update_change(1, "h2", "network/a.tf", work=False)
        planning.work("receive", "report")
        assert planning.said("h1", "plangate/network/apply")[0] == "pending", "it is under way"

    planning.engine.during("apply", newer)
    planning.say(1, "/apply")
    assert "applied" in planning.statuses()
    assert planning.said("h1", "plangate/network/apply") == ("success", "Applied: +1 ~0 -0")
    assert planning.said("h1")[0] == "success"
    assert pending(planning) == {}


def test_a_run_that_is_discarded_while_it_waits_is_told_on_its_own_commit(planning: House) -> None:
    planning.work()
    planning.workspace_locks.lock("network", WRITER, "a test")
    planning.say(1, "/apply")
    assert planning.said("h1", "plangate/network/apply")[0] == "pending"
    planning.update_change(1, "h2", "network/a.tf")
    assert planning.said("h1", "plangate/network/apply") == ("error", "Discarded: nothing was applied")
    assert pending(planning) == {}


@pytest.mark.parametrize("merged", [False, True])
def test_a_change_that_is_closed_before_its_last_update_is_handled(planning: House, merged: bool) -> None:
    planning.work()
    about = planning.forge.edit_change(REPO, 1, head_sha="h2", open=False, merged=merged)
    planning.deliver(ChangeClosed(about, "ann"))
    planning.work()
    words = f"Not planned: the change was {'merged' if merged else 'closed'}"
    assert planning.said("h2") == ("error", words)
    assert pending(planning) == {}


def test_a_closed_change_says_how_many_workspaces_were_not_planned(planning: House) -> None:
    planning.work()
    planning.update_change(1, "h2", "network/a.tf", "app/a.tf", work=False)
    planning.work("receive", "report")
    planning.close_change(1)
    assert pending(planning) == {}


def test_a_change_from_a_fork_that_nobody_planned_waits_for_nobody_once_it_is_closed(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", fork=True)
    assert house.said("h1")[0] == "pending"
    house.update_change(1, "h2", "network/a.tf")
    assert house.said("h1") == ("error", "Superseded by commit h2")
    house.close_change(1)
    assert house.said("h2") == ("error", "Not planned: the change was closed")
    assert pending(house) == {}


def told(house: House, subject: str, sha: str, context: str) -> None:
    """Have a pending status on the forge, from an earlier version or from a setting that changed since."""
    status = StatusReport(sha, context, StatusState.PENDING, "Waiting", "https://plangate.test/runs/run-1")
    with house.store.transaction() as tx:
        post = Post(subject, REPO, f"status:{sha}:{context}", StatusPost(status))
        tx.posts.derived(subject, tx.posts.due_mark(subject), [post])
    house.report_delivery.report(subject)


def test_an_apply_that_asked_and_then_had_nothing_to_do_ends_as_a_success(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/a.tf")
    told(house, str(CommitSubject(REPO, "c1")), "c1", "plangate/network/apply")
    assert house.said("c1", "plangate/network/apply") == (
        "success",
        "Nothing to apply: the plan has no changes",
    )
    assert pending(house) == {}


def test_a_status_of_a_workspace_that_is_gone_ends(planning: House) -> None:
    planning.work()
    with planning.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
    assert record is not None
    told(planning, record.id, "h1", "plangate/old-name/plan")
    state, words = planning.said("h1", "plangate/old-name/plan")
    assert (state, words) == ("error", "This workspace is not reported here any more")
    told(planning, str(CommitSubject(REPO, "c1")), "c1", "plangate/old-name/plan")
    assert pending(planning) == {}


def test_what_is_under_way_is_not_ended(house: House) -> None:
    """A branch's run has no status of its apply before its plan is finished."""
    house.workspace("network", merging=Merging())
    house.push("c1", "network/a.tf", work=False)
    house.work("receive", "report")
    told(house, str(CommitSubject(REPO, "c1")), "c1", "plangate/network/apply")
    assert house.said("c1", "plangate/network/apply")[0] == "pending"
    house.work()
    assert pending(house) == {}
