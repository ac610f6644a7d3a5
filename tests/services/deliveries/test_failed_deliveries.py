"""Failed deliveries: the forge is asked to send again what it lists as failed, and no more than that."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable
from bot.domain.events import BranchPushed, GroupQueued, RepoRef, TagPushed
from bot.domain.workspaces.workspace import Triggers
from bot.services.deliveries.catch_up import CatchUpSettings
from bot.services.ports.failed_deliveries import FailedAttempt, HookWatch
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


def fail(house: House, *names: str, event: str = "push") -> None:
    """Have the forge fail to deliver webhooks: nobody tells us."""
    for name in names:
        attempt = str(len(house.forge.failed) + 1)
        house.forge.failed.append(FailedAttempt(attempt, name, event, house.clock.now()))


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


def test_what_does_not_come_is_asked_for_four_times_in_a_day_and_then_no_more(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    fail(house, "d-1")
    begun, asked = house.clock.now(), []
    for _ in range(60):
        before = len(house.forge.sent_again)
        house.sweep(minutes=15)
        asked += [house.clock.now() - begun] * (len(house.forge.sent_again) - before)
    assert house.forge.sent_again == ["1"] * 4
    assert timedelta(hours=12) < asked[-1] < timedelta(hours=14)
    assert summary(house) == (1, 0, 1)
    assert "delivery d-1 was asked for for the last time" in caplog.text


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


def test_a_list_that_is_refused_is_not_used_and_that_is_logged_once(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(3):
        house.forge.fail(ForgeRefused("github refused webhooks of acme/infra"), on="failed_deliveries")
        house.sweep(hours=2)
    assert (watch(house).refused, watch(house).error) == (True, "github refused webhooks of acme/infra")
    assert caplog.text.count("are not looked for: github refused webhooks") == 1
    house.sweep(hours=2)
    assert (watch(house).refused, watch(house).error) == (False, "")


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
