"""Failed deliveries: the forge is asked to send again what it lists as failed, and no more than that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.domain.errors import (
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    NotAuthenticated,
    NotLetIn,
    NotOffered,
)
from bot.domain.events import BranchPushed, GroupQueued, Ignored, RepoRef, TagPushed
from bot.domain.workspaces.workspace import Triggers
from bot.services.deliveries.catch_up import CatchUpSettings
from bot.services.deliveries.failed_deliveries import FailedDeliveryChecks
from bot.services.ports.failed_deliveries import FailedAttempt, HookWatch
from bot.services.upkeep.retention import RetentionJob, RetentionPeriods
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create")
EVERY = timedelta(minutes=5)


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """A house with a workspace `network`, whose webhook's list was read."""
    house = build(catching_up=CatchUpSettings(EVERY))
    house.forge.lists_deliveries = True
    house.workspace("network")
    house.forge.set_branch(REPO, "main", "c0")
    house.engine.will_find("network", BUCKET)
    house.sweep()
    house.forge.calls.clear()
    return house


def fail(house: House, *names: str, event: str = "push", tells_time: bool = True) -> None:
    """Have the forge fail to deliver webhooks: nobody tells us."""
    for name in names:
        attempt, at = str(len(house.forge.failed) + 1), house.clock.now() if tells_time else None
        house.forge.failed.append(FailedAttempt(attempt, name, event, at))


def watch(house: House) -> HookWatch:
    (found,) = house.services.catch_up.hooks()
    return found


def summary(house: House) -> tuple[int, int, int]:
    found = house.services.failed_deliveries.summary()
    return found.asked, found.arrived, found.lost


def test_what_failed_is_asked_for_in_its_order_and_only_once_if_it_comes(house: House) -> None:
    fail(house, "d-1", "d-2")
    house.sweep(minutes=6)
    assert house.forge.sent_again == ["1", "2"]
    assert summary(house) == (2, 0, 0)
    for name in ("d-1", "d-2"):
        house.deliver(BranchPushed(REPO, "main", "c0", "c0", WRITER.login, "one", "main"), name)
    assert summary(house) == (2, 2, 0)
    house.sweep(hours=2)
    house.sweep(days=1)
    assert house.forge.sent_again == ["1", "2"]


def test_what_has_arrived_by_then_is_not_asked_for(house: House) -> None:
    fail(house, "d-1")
    house.deliver(BranchPushed(REPO, "main", "c0", "c0", WRITER.login, "one", "main"), "d-1")
    house.sweep(minutes=6)
    assert house.forge.sent_again == []
    assert summary(house) == (0, 0, 0)


def test_what_does_not_come_is_asked_for_less_and_less_for_three_days_and_then_no_more(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    fail(house, "d-1")
    house.sweep(minutes=6)
    begun, asked = house.clock.now(), [timedelta()]
    for _ in range(300):
        before = len(house.forge.sent_again)
        house.sweep(minutes=15)
        asked += [house.clock.now() - begun] * (len(house.forge.sent_again) - before)
    assert house.forge.sent_again == ["1"] * 7
    tries = (0, 1, 31, 391, 1111, 2551, 3991)
    # A sweep comes every quarter of an hour, and a list is read every five minutes.
    assert all(
        timedelta(minutes=due) <= at <= timedelta(minutes=due + 31)
        for due, at in zip(tries, asked, strict=True)
    )
    assert summary(house) == (1, 0, 1)
    assert "delivery d-1 was asked for for the last time" in caplog.text


def test_restarts_use_up_no_tries(house: House) -> None:
    fail(house, "d-1")
    for _ in range(30):
        house.services.failed_deliveries.hurry()
        house.sweep(minutes=4)
    assert len(house.forge.sent_again) > 10
    assert summary(house) == (1, 0, 0)
    house.sweep(minutes=2)
    house.forge.sent_again.clear()
    # What was due without the restarts is asked for at its time.
    hours = []
    for hour in range(2, 70):
        house.sweep(hours=1)
        hours += [hour] * bool(house.forge.sent_again)
        house.forge.sent_again.clear()
    assert len(hours) == 4
    assert summary(house) == (1, 0, 1)


def test_a_restart_asks_for_what_is_due_later(house: House) -> None:
    fail(house, "d-1")
    house.sweep(minutes=6)
    house.sweep(minutes=2)
    house.sweep(minutes=40)
    assert len(house.forge.sent_again) == 3
    house.clock.forward(hours=1)
    house.services.failed_deliveries.hurry()
    house.sweep(seconds=1)
    assert len(house.forge.sent_again) == 4


def test_a_few_a_minute_are_asked_for(house: House) -> None:
    fail(house, *(f"d-{number}" for number in range(10)))
    counts = []
    house.clock.forward(minutes=6)
    for _ in range(8):
        before = len(house.forge.sent_again)
        house.sweep(seconds=30)
        counts.append(len(house.forge.sent_again) - before)
    assert max(counts) == 4
    assert sorted(set(house.forge.sent_again[:10])) == sorted(str(number) for number in range(1, 11))


def test_once_the_web_is_back_what_waits_is_asked_for_at_once_and_once(house: House) -> None:
    fail(house, "d-1")
    house.sweep(minutes=6)
    house.sweep(minutes=2)
    assert len(house.forge.sent_again) == 2
    fail(house, "d-2")
    house.clock.forward(minutes=2)
    for _ in range(4):
        # Each of its processes says so.
        house.services.failed_deliveries.hurry()
        house.sweep(seconds=1)
    assert house.forge.sent_again[2:] == ["1", "2"]


@pytest.mark.parametrize("tells_time", [True, False])
def test_what_failed_more_than_three_days_ago_is_not_asked_for(house: House, tells_time: bool) -> None:
    """On GitLab too, which tells no time: then it failed after the last look at the list."""
    fail(house, "d-1", tells_time=tells_time)
    house.forge.fail(ForgeUnavailable("github failed (502)"), on="failed_deliveries")
    house.sweep(minutes=6)
    house.sweep(days=3, hours=1)
    assert house.forge.calls.count("failed_deliveries") == 2
    assert house.forge.sent_again == []
    fail(house, "d-2", tells_time=tells_time)
    house.sweep(minutes=6)
    assert house.forge.sent_again == ["2"]


def test_what_the_forge_did_not_send_within_three_days_is_given_up(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    fail(house, "d-1")
    house.forge.fail(ForgeUnavailable("github failed (502)"), on="send_again", times=10_000)
    house.sweep(minutes=6)
    house.sweep(days=3)
    house.forge.heal()
    house.sweep(minutes=6)
    assert house.forge.sent_again == []
    assert "1 failed delivery did not arrive, and is asked for no more" in caplog.text


def test_a_long_list_is_known_only_once_all_of_it_was_read(house: House) -> None:
    before = watch(house).listed_at
    assert before is not None
    fail(house, "d-1", "d-2", "d-3", tells_time=False)
    house.forge.most_listed = 1
    house.sweep(minutes=6)
    begun = house.clock.now()
    assert (watch(house).listed_at, watch(house).begun_at) == (before, begun)
    house.sweep(minutes=2)
    assert (watch(house).listed_at, watch(house).begun_at) == (before, begun)
    house.sweep(minutes=2)
    # What failed while it was read is after its beginning, not after its end.
    assert (watch(house).listed_at, watch(house).begun_at) == (begun, None)
    with house.store.reading() as tx:
        failed = tx.failed_deliveries.since(before)
    assert {each.id: each.failed_at for each in failed} == dict.fromkeys(("d-1", "d-2", "d-3"), before)


@pytest.mark.parametrize("days", [1, 2])
def test_what_arrived_and_was_forgotten_is_not_asked_for(house: House, days: int) -> None:
    """With deliveries kept for a day, those that arrived are gone while the forge still lists them."""
    kept = timedelta(days=days)
    checks = FailedDeliveryChecks(
        house.store, house.clock, {"github": house.forge}, lambda _: "https://plangate.test", EVERY, kept
    )
    retention = RetentionJob(house.store, house.clock, house.limits, RetentionPeriods(deliveries=kept))
    fail(house, "d-1")
    house.clock.forward(minutes=6)
    checks.check("github:")
    assert house.forge.sent_again == ["1"]
    # It comes, and so does one that we were never asked about, because it failed first and then came.
    fail(house, "d-2")
    for name in ("d-1", "d-2"):
        house.deliver(Ignored("a star"), name)
    house.work()
    house.clock.forward(days=days, minutes=1)
    retention.run()
    with house.store.reading() as tx:
        assert not tx.deliveries.recent(10)
    for _ in range(15):
        checks.hurry()
        house.clock.forward(hours=2)
        checks.check("github:")
    assert house.forge.sent_again == ["1"]
    assert checks.summary().arrived == 1


def test_what_failed_before_the_first_look_is_left_alone(build: Callable[..., House]) -> None:
    house = build(catching_up=CatchUpSettings(EVERY))
    house.forge.lists_deliveries = True
    house.workspace("network")
    house.forge.set_branch(REPO, "main", "c0")
    fail(house, "d-1")
    house.sweep()
    house.sweep(minutes=6)
    assert house.forge.sent_again == []


def test_the_lists_count_against_the_limit_of_requests(build: Callable[..., House]) -> None:
    house = build(catching_up=CatchUpSettings(EVERY, calls=4))
    house.forge.lists_deliveries = True
    house.workspace("network")
    house.forge.set_branch(REPO, "main", "c0")
    calls = []
    for _ in range(3):
        house.forge.calls.clear()
        house.sweep(seconds=61)
        calls += [[name for name in house.forge.calls if name in ("news", "failed_deliveries")]]
    assert sorted(name for each in calls for name in each) == ["failed_deliveries", "news"]
    assert max(map(len, calls)) == 1


def test_where_it_is_turned_off_nothing_is_asked(build: Callable[..., House]) -> None:
    house = build(catching_up=CatchUpSettings(EVERY, calls=0))
    house.forge.lists_deliveries = True
    house.workspace("network")
    house.sweep(minutes=20)
    assert house.forge.calls == []


def test_a_list_that_is_refused_is_not_used_and_seldom_asked_for_and_that_is_logged_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    refused = NotLetIn("gitlab refused webhooks of acme/infra: the token needs the role Maintainer")
    house.forge.fail(refused, on="failed_deliveries", times=10_000)
    for _ in range(26):
        house.sweep(hours=1)
    assert (watch(house).refused, watch(house).error) == (True, str(refused))
    assert caplog.text.count("are not looked for: gitlab refused webhooks") == 1
    assert house.forge.calls.count("failed_deliveries") <= 6
    house.forge.heal()
    house.sweep(hours=7)
    assert (watch(house).refused, watch(house).error) == (False, "")


def test_a_token_that_is_refused_now_is_trouble_that_passes(house: House) -> None:
    fail(house, "d-1")
    ended = NotAuthenticated("github does not accept our credentials")
    house.forge.fail(ended, on="failed_deliveries")
    house.sweep(minutes=6)
    assert (watch(house).refused, watch(house).error) == (False, str(ended))
    house.forge.fail(ended, on="send_again")
    house.sweep(minutes=6)
    assert (watch(house).refused, watch(house).error) == (False, str(ended))
    assert summary(house) == (0, 0, 0)
    house.sweep(minutes=6)
    assert house.forge.sent_again == ["1"]


@pytest.mark.parametrize(
    "refused",
    [NotOffered("gitlab is GitLab 17.3, and sends webhooks again only from 17.4 on"), NotLetIn("no right")],
)
def test_a_forge_that_sends_nothing_again_is_told_once_and_seldom_asked(
    house: House, refused: ForgeError, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fail(house, *(f"d-{number}" for number in range(6)))
    house.forge.fail(refused, on="send_again", times=10_000)
    for _ in range(26):
        house.sweep(hours=1)
    assert house.forge.calls.count("send_again") <= 6
    assert caplog.text.count(f"are not asked for: {refused}") == 1
    assert (watch(house).refused, watch(house).error, summary(house)) == (True, str(refused), (0, 0, 0))
    # An update, or a right that somebody grants: nothing is lost.
    house.forge.heal()
    house.sweep(hours=7)
    house.sweep(minutes=2)
    house.sweep(minutes=2)
    assert set(house.forge.sent_again) == {"1", "2", "3", "4", "5", "6"}


def test_a_forge_that_is_away_is_asked_again_and_nothing_is_lost(house: House) -> None:
    fail(house, "d-1")
    house.forge.fail(ForgeUnavailable("github failed (502)"), on="failed_deliveries")
    house.sweep(minutes=6)
    assert (watch(house).refused, watch(house).error) == (False, "github failed (502)")
    house.forge.fail(ForgeUnavailable("github limits us"), on="send_again")
    house.sweep(minutes=6)
    assert watch(house).error == "github limits us"
    assert (house.forge.sent_again, summary(house)) == ([], (0, 0, 0))
    house.sweep(minutes=6)
    assert (house.forge.sent_again, watch(house).error) == (["1"], "")


def test_two_workers_at_once_ask_once(house: House) -> None:
    fail(house, "d-1", "d-2")
    ask = house.forge.send_again

    def slow(hook: RepoRef, attempt_id: str) -> None:
        house.forge.send_again = ask  # type: ignore[method-assign]
        house.services.failed_deliveries.check("github:")
        ask(hook, attempt_id)

    house.forge.send_again = slow  # type: ignore[method-assign]
    house.clock.forward(minutes=6)
    house.services.failed_deliveries.check("github:")
    assert sorted(house.forge.sent_again) == ["1", "2"]


def test_a_delivery_that_the_forge_does_not_send_again_holds_up_no_other(house: House) -> None:
    fail(house, "d-1", "d-2")
    house.forge.fail(ForgeRefused("github refused: too old"), on="send_again")
    house.sweep(minutes=6)
    assert house.forge.sent_again == ["2"]
    assert summary(house) == (2, 0, 0)


def test_a_job_for_a_list_that_nobody_follows_asks_nothing(house: House) -> None:
    house.services.failed_deliveries.check("github:acme/other")
    house.services.failed_deliveries.check("elsewhere:")
    assert house.forge.calls == []


def test_a_merge_queue_that_nobody_told_us_of_is_planned_once_it_is_sent_again(house: House) -> None:
    fail(house, "d-1", event="merge_group")
    house.sweep(minutes=6)
    assert house.forge.sent_again == ["1"]
    house.forge.set_files_between(REPO, "c0", "q1", ["network/a.tf"])
    house.deliver(GroupQueued(REPO, 1, "q1", "gh-readonly-queue/main/pr-1-q", "c0", "main", "main"), "d-1")
    house.work()
    assert [run.commit for run in house.runs()] == ["q1"]


def test_what_comparing_has_found_and_is_sent_again_makes_nothing_twice(house: House) -> None:
    house.forge.set_branch(REPO, "main", "c1")
    house.forge.set_files_between(REPO, "c0", "c1", ["network/main.tf"])
    fail(house, "d-1")
    house.sweep(minutes=6)
    runs = house.runs()
    assert [run.commit for run in runs] == ["c1"]
    house.deliver(BranchPushed(REPO, "main", "c0", "c1", WRITER.login, "one", "main"), "d-1")
    house.work()
    assert house.runs() == runs
    assert summary(house) == (1, 1, 0)


def test_a_push_that_was_undone_before_it_was_sent_again_runs_nothing(house: House) -> None:
    """Somebody pushed c1, which failed to arrive, and then put the branch back."""
    house.forge.set_files_between(REPO, "c0", "c1", ["network/main.tf"])
    house.forge.set_files_between(REPO, "c0", "c0", [])
    fail(house, "d-1")
    house.sweep(minutes=6)
    late = house.deliver(BranchPushed(REPO, "main", "c0", "c1", WRITER.login, "one", "main"), "d-1")
    house.work()
    assert house.runs() == []
    assert house.outcomes(late) == ["nothing"]


def test_an_older_tag_that_is_sent_again_is_not_applied_after_what_came_since(house: House) -> None:
    tagged = house.workspace("releases", triggers=Triggers(tag_regex="v.*"))
    house.engine.will_find("releases", BUCKET)
    house.forge.tags.update({(REPO, "v1"): "c1", (REPO, "v2"): "c2"})
    fail(house, "d-1", "d-2")
    house.clock.forward(seconds=10)
    house.deliver(TagPushed(REPO, "v2", "c2", WRITER.login, "two", "main"))
    house.work()
    house.sweep(minutes=6)
    late = house.deliver(TagPushed(REPO, "v1", "c1", WRITER.login, "one", "main"), "d-1")
    house.work()
    assert [run.commit for run in house.runs(tagged)] == ["c2"]
    assert any("came late" in reason for reason in house.reasons(late))


def test_a_tag_that_is_sent_again_runs_if_nothing_came_since(house: House) -> None:
    tagged = house.workspace("releases", triggers=Triggers(tag_regex="v.*"))
    house.engine.will_find("releases", BUCKET)
    house.forge.tags[REPO, "v1"] = "c1"
    fail(house, "d-1")
    house.sweep(minutes=6)
    house.deliver(TagPushed(REPO, "v1", "c1", WRITER.login, "one", "main"), "d-1")
    house.work()
    assert [run.commit for run in house.runs(tagged)] == ["c1"]


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ("", "the forge does not have tag v1, so nothing runs"),
        ("c2", "tag v1 points at c2 now, not at c1, so nothing runs"),
    ],
)
@pytest.mark.parametrize("asked_again", [True, False])
def test_a_tag_that_was_deleted_or_moved_before_its_push_came_does_not_run(
    house: House, now: str, reason: str, asked_again: bool
) -> None:
    house.workspace("releases", triggers=Triggers(tag_regex="v.*"))
    if now:
        house.forge.tags[REPO, "v1"] = now
    if asked_again:
        fail(house, "d-1")
        house.sweep(minutes=6)
    delivery = house.deliver(TagPushed(REPO, "v1", "c1", WRITER.login, "one", "main"), "d-1")
    house.work()
    house.sweep(minutes=2)
    assert house.runs() == []
    assert house.reasons(delivery) == [reason]


def test_a_tag_that_the_forge_knows_a_moment_later_runs(house: House) -> None:
    house.workspace("releases", triggers=Triggers(tag_regex="v.*"))
    house.engine.will_find("releases", BUCKET)
    house.deliver(TagPushed(REPO, "v1", "c1", WRITER.login, "one", "main"))
    house.work()
    house.forge.tags[REPO, "v1"] = "c1"
    house.sweep(seconds=10)
    assert [run.commit for run in house.runs()] == ["c1"]


def test_each_repository_may_have_a_webhook_of_its_own(house: House) -> None:
    other = RepoRef("github", "acme/other")
    house.workspace("other", repo=other)
    house.forge.hook_of = lambda repo: repo  # type: ignore[method-assign]
    house.sweep(minutes=6)
    assert {each.repo for each in house.services.catch_up.hooks()} == {REPO, other}
    assert house.forge.calls.count("failed_deliveries") == 2
