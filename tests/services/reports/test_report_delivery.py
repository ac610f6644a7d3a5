"""What stands on the forge: the latest state, once, however often the forge fails (promise 4)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable
from bot.domain.events import RepoRef
from bot.domain.reports.posts import UnknownPost
from bot.domain.reports.report import StatusReport
from bot.services.ports import Post
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
AWAY = ForgeUnavailable("github failed (502)")


@pytest.fixture
def opened(house: House) -> House:
    """A change whose preview is made, and of which nothing is reported yet."""
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive", "preview")
    assert house.forge.calls.count("set_status") == 0
    return house


def change_id(house: House) -> str:
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
    assert record is not None
    return record.id


def undelivered(house: House) -> list[Post]:
    with house.store.reading() as tx:
        return list(tx.posts.undelivered(change_id(house)))


def due(house: House) -> bool:
    with house.store.reading() as tx:
        return change_id(house) in tx.posts.due(house.clock.now(), 10)


def test_what_became_outdated_before_it_was_sent_is_never_sent(opened: House) -> None:
    opened.work()
    said = [status.description for _, status in opened.forge.statuses]
    assert said == ["Plan: 1 to add, 0 to change, 0 to destroy", "1 workspace planned: +1 ~0 -0"]
    assert opened.forge.calls.count("create_comment") == 1


def test_reporting_twice_writes_nothing_twice(opened: House) -> None:
    opened.work()
    calls = list(opened.forge.calls)
    opened.report_delivery.report(change_id(opened))
    assert opened.forge.calls == calls


def test_the_comment_is_edited_in_place(opened: House) -> None:
    opened.work()
    (first,) = opened.forge.own_comments(REPO, 1)
    opened.update_change(1, "h2", "network/a.tf")
    (second,) = opened.forge.own_comments(REPO, 1)
    assert first.id == second.id
    assert "plans of h2" in second.body


def test_a_forge_that_is_away_is_left_alone_for_longer_each_time(opened: House) -> None:
    opened.forge.fail(AWAY, times=100)
    waits = []
    for _ in range(12):
        opened.report_delivery.report(change_id(opened))
        first = undelivered(opened)[0]
        assert first.not_before is not None
        waits.append((first.not_before - opened.clock.now()).total_seconds())
        opened.clock.at = first.not_before
    assert waits[:5] == [2, 4, 8, 16, 32]
    assert waits == sorted(waits)
    assert waits[-1] == 600


def test_while_the_forge_is_left_alone_it_is_not_called(opened: House) -> None:
    opened.forge.fail(AWAY)
    opened.work()
    assert opened.forge.calls.count("set_status") == 1, "one failure is enough to know"
    opened.work()
    opened.report_delivery.report(change_id(opened))
    assert opened.forge.calls.count("set_status") == 1
    assert not due(opened)
    opened.sweep()
    assert opened.said("h1")[0] == "success"
    assert undelivered(opened) == []


def test_the_time_that_a_forge_asks_for_is_obeyed(opened: House) -> None:
    opened.forge.fail(ForgeUnavailable("slow down", retry_after=300))
    opened.work()
    opened.sweep(seconds=299)
    assert opened.forge.calls.count("set_status") == 1
    opened.sweep(seconds=2)
    assert opened.said("h1")[0] == "success"


def test_the_time_that_a_forge_asks_for_holds_for_a_newer_state_too(opened: House) -> None:
    opened.forge.fail(ForgeUnavailable("slow down", retry_after=300))
    opened.work()
    opened.engine.will_find("network")
    opened.say(1, "/plan")
    opened.sweep(seconds=200)
    said_of_the_plan = [s for _, s in opened.forge.statuses if s.context == "plangate/network/plan"]
    assert said_of_the_plan == []
    opened.sweep(seconds=120)
    assert opened.said("h1") == ("success", "1 workspace planned: no changes")
    assert "network: No changes" in opened.summary(1)


def test_the_latest_state_wins_over_what_waited(opened: House) -> None:
    opened.forge.fail(AWAY, times=2)
    opened.work()
    opened.engine.will_find("network")
    opened.say(1, "/plan")
    opened.sweep(minutes=1)
    opened.sweep(minutes=1)
    said = [s.description for _, s in opened.forge.statuses if s.context == "plangate"]
    assert said == ["1 workspace planned: no changes"]


def test_a_comment_whose_answer_was_lost_is_found_again_and_not_doubled(opened: House) -> None:
    opened.forge.fail(AWAY, on="create_comment", after=True)
    opened.work()
    assert len(opened.comments(1)) == 1
    opened.sweep()
    assert len(opened.comments(1)) == 1
    assert undelivered(opened) == []


def test_a_comment_whose_answer_was_lost_is_not_doubled_by_a_newer_state_either(opened: House) -> None:
    opened.forge.fail(AWAY, on="create_comment", after=True)
    opened.work()
    opened.update_change(1, "h2", "network/a.tf")
    opened.sweep()
    assert "plans of h2" in opened.summary(1)
    assert len(opened.comments(1)) == 1


def test_a_worker_killed_while_it_comments_does_not_double_the_comment(opened: House) -> None:
    create_comment = opened.forge.create_comment

    def killed(*about: Any) -> None:
        opened.forge.create_comment = create_comment  # type: ignore[method-assign]
        create_comment(*about)
        raise KeyboardInterrupt

    opened.forge.create_comment = killed  # type: ignore[method-assign,assignment]
    with pytest.raises(KeyboardInterrupt):
        opened.work()
    opened.sweep(minutes=5)
    assert len(opened.comments(1)) == 1
    assert undelivered(opened) == []


def test_a_comment_that_somebody_deleted_is_written_anew(opened: House) -> None:
    opened.work()
    (old,) = opened.forge.own_comments(REPO, 1)
    opened.forge.remove_comment(old.id)
    opened.update_change(1, "h2", "network/a.tf")
    (new,) = opened.forge.own_comments(REPO, 1)
    assert new.id != old.id
    assert "plans of h2" in new.body


def test_a_deleted_comment_written_anew_is_not_doubled_where_the_answer_was_lost(opened: House) -> None:
    opened.work()
    (old,) = opened.forge.own_comments(REPO, 1)
    opened.forge.remove_comment(old.id)
    opened.forge.fail(AWAY, on="create_comment", after=True)
    opened.update_change(1, "h2", "network/a.tf")
    opened.sweep()
    assert len(opened.comments(1)) == 1
    assert undelivered(opened) == []


def test_a_status_that_is_quicker_than_the_forge_itself_is_set_all_the_same(opened: House) -> None:
    """GitHub refuses a status of a commit that was pushed just now: it does not know it everywhere yet."""
    opened.forge.fail(ForgeRefused("No commit found for SHA: h1"), on="set_status", times=2)
    opened.work()
    opened.sweep()
    assert opened.said("h1")[0] == "success"
    assert opened.said("h1", "plangate/network/plan")[0] == "success"
    assert undelivered(opened) == []


def test_what_the_forge_refuses_for_good_is_given_up_until_it_changes(opened: House) -> None:
    set_status = opened.forge.set_status

    def picky(repo: RepoRef, status: StatusReport) -> None:
        if (status.context, status.sha) == ("plangate/network/plan", "h1"):
            raise ForgeRefused("the context is too long")
        set_status(repo, status)

    opened.forge.set_status = picky  # type: ignore[method-assign]
    opened.work()
    for _ in range(8):
        opened.sweep(minutes=10)
    assert opened.forge.latest_status(REPO, "h1", "plangate/network/plan") is None
    assert opened.said("h1")[0] == "success", "the others were not delivered"
    calls = len(opened.forge.calls)
    assert opened.sweep(hours=2) == 0
    assert len(opened.forge.calls) == calls
    opened.update_change(1, "h2", "network/a.tf")
    assert opened.said("h2", "plangate/network/plan")[0] == "success"


def test_a_mistake_of_ours_at_one_post_does_not_keep_the_others_from_being_sent(opened: House) -> None:
    set_status = opened.forge.set_status

    def broken(repo: RepoRef, status: StatusReport) -> None:
        if status.context == "plangate/network/plan":
            raise ZeroDivisionError
        set_status(repo, status)

    opened.forge.set_status = broken  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        opened.work()
    opened.clock.forward(seconds=1)
    opened.report_delivery.report(change_id(opened))
    assert not due(opened), "it would be tried again without end and without a pause"
    assert opened.said("h1")[0] == "success"
    assert len(opened.comments(1)) == 1


def test_a_mark_made_while_we_report_is_not_missed(opened: House) -> None:
    set_status = opened.forge.set_status

    def meanwhile(repo: RepoRef, status: StatusReport) -> None:
        opened.forge.set_status = set_status  # type: ignore[method-assign]
        opened.say(1, "/plan", work=False)
        opened.work("receive", "preview")
        opened.report_delivery.report(change_id(opened))  # finds the lease held, and goes away
        set_status(repo, status)

    opened.forge.set_status = meanwhile  # type: ignore[method-assign]
    opened.report_delivery.report(change_id(opened))
    assert undelivered(opened) == []
    assert not due(opened)
    newest = opened.runs()[-1]
    assert opened.status("h1", "plangate/network/plan").target_url.endswith(newest.id)


def test_a_worker_that_lost_the_report_to_another_stops(opened: House) -> None:
    subject = change_id(opened)
    set_status = opened.forge.set_status
    taken = []

    def slow(repo: RepoRef, status: StatusReport) -> None:
        opened.forge.set_status = set_status  # type: ignore[method-assign]
        opened.clock.forward(minutes=5)
        with opened.store.transaction() as tx:
            now = opened.clock.now()
            taken.append(tx.leases.take(f"report:{subject}", "another", now, timedelta(minutes=2)))
        set_status(repo, status)

    opened.forge.set_status = slow  # type: ignore[method-assign]
    opened.report_delivery.report(subject)
    assert taken == [2]
    assert opened.forge.calls.count("set_status") == 1
    assert opened.comments(1) == []


def test_every_status_fits_what_a_forge_takes_and_leads_to_its_run(opened: House) -> None:
    opened.work()
    run = opened.only_run()
    assert opened.status("h1").target_url == f"https://plangate.test/runs/{run.id}"
    assert opened.status("h1", "plangate/network/plan").target_url == f"https://plangate.test/runs/{run.id}"


def test_a_commit_of_a_branch_gets_statuses_and_no_comment(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert {status.context for _, status in house.forge.statuses} == {
        "plangate", "plangate/network/plan", "plangate/network/apply"
    }  # fmt: skip
    assert house.forge.comments == []


def test_no_status_stays_pending_once_every_run_is_final(opened: House) -> None:
    opened.work()
    opened.say(1, "/apply")
    opened.push("c1", "network/main.tf")
    assert all(run.final for run in opened.runs())
    latest = {(s.sha, s.context): s.state.value for _, s in opened.forge.statuses}
    assert "pending" not in latest.values()


def test_two_comments_have_two_markers_and_nobody_else_can_make_them(opened: House) -> None:
    marker = opened.post_builder.marker(REPO, 1, "summary")
    assert marker != opened.post_builder.marker(REPO, 2, "summary")
    assert marker != opened.post_builder.marker(REPO, 1, "outcome:run-1")
    opened.forge.say(REPO, 1, "mallory", f"all is well\n{marker}")
    opened.work()
    assert len(opened.comments(1)) == 1
    assert opened.forge.comments[0].body.startswith("all is well")


def test_a_forge_that_limits_us_is_left_alone_by_every_report(house: House) -> None:
    house.workspace("net")
    house.workspace("app")
    house.open_change(1, "h1", "net/main.tf", work=False)
    house.open_change(2, "h2", "app/main.tf", work=False)
    house.work("receive", "preview")
    house.forge.fail(ForgeUnavailable("slow down", retry_after=60), on="set_status")
    written = len(house.forge.statuses)
    house.work()
    assert house.forge.calls.count("set_status") - written == 1, "the second change was not even tried"
    assert "create_comment" not in house.forge.calls
    house.sweep(seconds=30)
    assert len(house.forge.statuses) == written
    house.sweep(seconds=40)
    assert house.said("h1")[0] == house.said("h2")[0] == "success"
    assert len(house.comments(1)) == len(house.comments(2)) == 1


def test_a_post_that_another_version_stored_keeps_nothing_else_from_being_sent(opened: House) -> None:
    subject = change_id(opened)
    with opened.store.transaction() as tx:
        later = Post(subject, REPO, "badge:1", UnknownPost({"kind": "badge"}))
        tx.posts.derived(subject, tx.posts.due_mark(subject), [later])
    opened.work()
    assert opened.said("h1")[0] == "success"
    assert opened.forge.calls.count("create_comment") == 1
    [one] = undelivered(opened)
    assert (one.key, one.attempts) == ("badge:1", 1)
    assert "cannot read the stored post of kind 'badge'" in one.error
    for _ in range(12):
        opened.sweep(minutes=11)
    assert undelivered(opened) == [], "it is given up"
    assert not due(opened)
