"""Webhooks that never came: the forge is compared with what was handled, and what is missing is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.errors import ForgeUnavailable, NotLetIn
from bot.domain.events import (
    BranchPushed,
    Change,
    ChangeAction,
    ChangeClosed,
    ChangeUpdated,
    CommentAdded,
    RepoRef,
)
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.workspace import Workspace
from bot.services.deliveries.catch_up import CatchUpSettings
from bot.services.ports import Delivery, DeliveryQuery
from bot.services.ports.catching_up import RepoWatch
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create")
OTHER = change("aws_s3_bucket.other", "create")
AWAY = ForgeUnavailable("github failed (502)")
EVERY = timedelta(minutes=5)


@pytest.fixture
def house(build: Callable[..., House]) -> House:
    """A house with a workspace `network`, whose repository was looked at."""
    house = build(catching_up=CatchUpSettings(EVERY))
    house.workspace("network")
    house.forge.set_branch(REPO, "main", "c0")
    house.engine.will_find("network", BUCKET)
    house.sweep()
    return house


def later(house: House, **time: float) -> list[Delivery]:
    """Let the next look come; return what was found by then, oldest first."""
    house.sweep(**(time or {"minutes": 6}))
    return found(house)


def found(house: House) -> list[Delivery]:
    with house.store.reading() as tx:
        records = tx.deliveries.recent(100, query=DeliveryQuery(event="(found)"))
        return [tx.deliveries.get(record.id) for record in reversed(records)]


def kinds(deliveries: Sequence[Delivery]) -> set[type]:
    return {type(delivery.meaning) for delivery in deliveries}


def watch(house: House, repo: RepoRef = REPO) -> RepoWatch:
    with house.store.reading() as tx:
        stored = tx.repo_watches.get(repo)
    assert stored is not None
    return stored


def moved(house: House, commit: str, *files: str, since: str = "c0") -> None:
    """Have somebody push, and nobody tell us."""
    house.forge.set_branch(REPO, "main", commit)
    house.forge.set_files_between(REPO, since, commit, files)


def opened(house: House, number: int, commit: str, *files: str, **about: object) -> Change:
    """Have somebody open a change, and nobody tell us."""
    fields = {"head_branch": f"topic-{number}", "base_branch": "main", "from_fork": False, **about}
    new = Change(
        REPO, number, f"Change {number}", "ann", commit, url="https://forge.test", default_branch="main",
        **fields,  # type: ignore[arg-type]
    )  # fmt: skip
    return house.forge.add_change(new, files)


# What is found


def test_a_push_that_nobody_told_us_of_is_planned_with_the_files_since_the_last_one(house: House) -> None:
    house.push("c1", "network/main.tf", before="c0")
    moved(house, "c2", "network/main.tf", since="c1")
    (delivery,) = later(house)
    assert [(run.commit, run.branch) for run in house.runs()] == [("c1", "main"), ("c2", "main")]
    assert (delivery.event, delivery.repo) == ("push (found)", "acme/infra")
    assert isinstance(delivery.meaning, BranchPushed)
    assert (delivery.meaning.before, delivery.meaning.after) == ("c1", "c2")


def test_a_push_that_touches_no_workspace_is_handled_and_not_found_again(house: House) -> None:
    moved(house, "c1", "docs/readme.md")
    later(house)
    (delivery,) = later(house)
    assert house.runs() == []
    assert house.reasons(delivery.id) == ["none of the changed files is in network/"]


def test_a_new_change_is_planned_and_its_check_ends(house: House) -> None:
    opened(house, 1, "h1", "network/a.tf")
    (delivery,) = later(house)
    assert house.statuses() == ["planned_and_finished"]
    assert house.said("h1")[0] == "success"
    assert isinstance(delivery.meaning, ChangeUpdated)
    assert delivery.meaning.action is ChangeAction.OPENED


def test_new_commits_of_a_change_are_planned(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.forge.edit_change(REPO, 1, head_sha="h2")
    (delivery,) = later(house)
    assert [run.commit for run in house.runs()] == ["h1", "h2"]
    assert house.said("h2")[0] == "success"
    assert isinstance(delivery.meaning, ChangeUpdated)
    assert delivery.meaning.action is ChangeAction.NEW_COMMITS


def test_a_change_that_goes_to_another_branch_now_has_other_plans(house: House) -> None:
    staging = house.workspace("staging", branch="staging", working_directory="network")
    house.engine.will_find("staging", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.forge.edit_change(REPO, 1, base_branch="staging")
    later(house)
    assert [run.commit for run in house.runs(staging)] == ["h1"]


def test_a_change_that_was_merged_gives_back_the_workspace_that_it_held(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.say(1, "/plan")
    house.engine.will_find("network", OTHER)
    house.say(1, "/apply")
    assert house.statuses()[-1] == "planned"
    house.forge.edit_change(REPO, 1, open=False, merged=True, merge_sha="c1")
    moved(house, "c1", "network/a.tf")
    deliveries = later(house)
    assert kinds(deliveries) == {ChangeClosed, BranchPushed}
    assert house.statuses()[-2:] == ["discarded", "planned"]


def test_a_change_that_was_closed_has_its_previews_stopped(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    house.forge.edit_change(REPO, 1, open=False)
    house.dispatch.lose_everything()
    house.clock.forward(minutes=6)
    house.services.catch_up.check(str(REPO))
    house.work("receive")
    assert house.statuses() == ["canceled"]


def test_a_change_that_was_closed_and_opened_again_is_planned_again(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.close_change(1)
    house.forge.edit_change(REPO, 1, open=True, head_sha="h2")
    (delivery,) = later(house)
    assert isinstance(delivery.meaning, ChangeUpdated)
    assert delivery.meaning.action is ChangeAction.REOPENED
    assert [run.commit for run in house.runs()] == ["h1", "h2"]


def test_a_draft_that_became_ready_is_planned(house: House) -> None:
    opened(house, 1, "h1", "network/a.tf", draft=True)
    later(house)
    house.forge.edit_change(REPO, 1, draft=False)
    deliveries = later(house)
    assert [d.meaning.action for d in deliveries if isinstance(d.meaning, ChangeUpdated)] == [
        ChangeAction.OPENED,
        ChangeAction.READY,
    ]


def test_an_apply_that_nobody_told_us_of_is_carried_out(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.clock.forward(seconds=10)
    house.comment(1, "/apply")
    (delivery,) = later(house)
    assert house.statuses() == ["planned_and_finished", "applied"]
    assert isinstance(delivery.meaning, CommentAdded)
    assert house.reactions(1) == ["eyes", "+1"]


def test_an_apply_that_was_written_more_than_an_hour_ago_is_answered_and_not_carried_out(
    house: House,
) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.clock.forward(seconds=10)
    house.comment(1, "/apply")
    later(house, hours=2)
    assert house.statuses() == ["planned_and_finished"]
    assert "more than an hour after you wrote it" in house.comments(1)[-1]


def test_an_apply_of_a_commit_that_was_not_shown_yet_is_refused(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.forge.edit_change(REPO, 1, head_sha="h2")
    house.clock.forward(seconds=10)
    house.comment(1, "/apply")
    later(house)
    assert "applied" not in house.statuses()
    assert house.comments(1)[-1] != house.summary(1)


def test_a_comment_without_a_command_makes_no_delivery(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.comment(1, "looks good to me")
    house.comment(1, "/apply", by=house.forge.login)
    assert later(house) == []


def test_a_command_that_was_written_into_an_older_comment_is_not_its_authors(house: House) -> None:
    house.open_change(1, "h1", "network/a.tf")
    house.clock.forward(seconds=10)
    comment = house.comment(1, "looks good to me")
    house.clock.forward(seconds=1)
    house.forge.edit_comment(comment.comment_id, "/apply")
    assert later(house) == []
    assert house.statuses() == ["planned_and_finished"]


# What is not found


def test_what_came_by_webhook_is_not_found_again(house: House) -> None:
    house.push("c1", "network/main.tf", before="c0")
    house.open_change(1, "h1", "network/a.tf")
    house.say(1, "/plan")
    house.say(1, "thanks")
    house.update_change(1, "h2", "network/a.tf")
    house.close_change(1, merged=True, as_commit="c2")
    house.push("c2", "network/main.tf", before="c1")
    assert later(house) == []
    assert later(house) == []


def test_what_was_found_and_comes_late_by_webhook_makes_nothing_twice(house: House) -> None:
    moved(house, "c1", "network/main.tf")
    about = opened(house, 1, "h1", "network/a.tf")
    house.clock.forward(seconds=10)
    comment = house.comment(1, "/plan")
    later(house)
    runs = house.runs()
    house.deliver(BranchPushed(REPO, "main", "c0", "c1", WRITER.login, "one", "main"))
    house.deliver(ChangeUpdated(about, ChangeAction.OPENED, "ann"))
    last = house.deliver(comment)
    house.work()
    assert house.runs() == runs
    assert house.reasons(last) == ["this comment was handled before, by another delivery"]
    assert len(later(house)) == 3


def test_the_first_look_leaves_changes_alone_that_were_there_before(build: Callable[..., House]) -> None:
    house = build(catching_up=CatchUpSettings(EVERY))
    house.workspace("network")
    house.forge.set_branch(REPO, "main", "c0")
    opened(house, 1, "h1", "network/a.tf")
    house.clock.forward(hours=1)
    house.sweep()
    assert found(house) == []
    assert house.runs() == []


def test_the_first_look_finds_what_happened_to_changes_that_are_known(build: Callable[..., House]) -> None:
    house = build(catching_up=CatchUpSettings(EVERY))
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.forge.set_branch(REPO, "main", "c0")
    for number in (1, 2, 3):
        house.open_change(number, f"h{number}", "network/a.tf")
    house.forge.edit_change(REPO, 1, head_sha="h11")
    house.forge.edit_change(REPO, 2, open=False)
    assert kinds(later(house)) == {ChangeUpdated, ChangeClosed}


def test_of_a_branch_that_nobody_follows_nothing_is_found(house: House) -> None:
    house.forge.set_branch(REPO, "elsewhere", "e1")
    later(house)
    house.forge.set_branch(REPO, "elsewhere", "e2")
    assert later(house) == []


def test_what_waits_for_a_worker_is_not_taken_for_missing(house: House) -> None:
    house.push("c1", "network/main.tf", before="c0", work=False)
    house.clock.forward(minutes=6)
    house.forge.calls.clear()
    house.services.catch_up.check(str(REPO))
    assert house.forge.calls == []
    assert later(house) == []


def test_what_is_handled_while_the_forge_answers_is_not_taken_for_missing(house: House) -> None:
    ask = house.forge.news

    def slow(*about: object) -> object:
        answer = ask(*about)  # type: ignore[arg-type]
        house.forge.news = ask  # type: ignore[method-assign]
        house.push("c1", "network/main.tf", before="c0", work=False)
        house.open_change(1, "h1", "network/a.tf", work=False)
        house.update_change(1, "h2", "network/a.tf", work=False)
        house.work("receive")
        return answer

    house.forge.news = slow  # type: ignore[method-assign,assignment]
    house.clock.forward(minutes=6)
    house.services.catch_up.check(str(REPO))
    assert found(house) == []


def test_a_push_found_late_does_not_bring_an_older_commit_after_a_newer_one(house: House) -> None:
    moved(house, "c1", "network/main.tf")
    house.clock.forward(minutes=6)
    house.services.catch_up.check(str(REPO))
    job = house.dispatch.take()
    assert job is not None
    house.forge.set_files_between(REPO, "c0", "c2", ["network/main.tf"])
    house.push("c2", "network/main.tf", before="c1")
    house.intake.handle(job.subject)
    house.work()
    assert [run.commit for run in house.runs()] == ["c2"]


def test_a_push_in_the_middle_of_what_is_handled_is_not_applied_after_what_follows_it(house: House) -> None:
    # c1 and c2 are told of, c3 is not; c1 comes late, when the branch has c3.
    house.push("c1", "network/main.tf", before="c0", work=False)
    house.clock.forward(seconds=1)
    second = house.push("c2", "network/main.tf", before="c1", work=False)
    moved(house, "c3", "network/main.tf")
    house.forge.set_files_between(REPO, "c1", "c3", ["network/main.tf"])
    house.work()
    assert [run.commit for run in house.runs()] == ["c3"]
    assert house.reasons(second) == ["this commit has a run here already"]


def test_a_push_plans_also_what_an_earlier_one_touched_that_nobody_told_us_of(house: House) -> None:
    house.workspace("app")
    house.engine.will_find("app", OTHER)
    moved(house, "c1", "app/main.tf")
    house.forge.set_files_between(REPO, "c0", "c2", ["app/main.tf", "network/main.tf"])
    house.push("c2", "network/main.tf", before="c1")
    assert later(house) == []
    assert [run.commit for run in house.runs()] == ["c2", "c2"]


def test_a_push_is_decided_again_if_another_one_was_handled_meanwhile(house: House) -> None:
    moved(house, "c2", "network/main.tf")
    ask = house.forge.files_between

    def slow(*about: object) -> object:
        house.forge.files_between = ask  # type: ignore[method-assign]
        with house.store.transaction() as tx:
            tx.repo_watches.moved(REPO, "main", "c2", house.clock.now())
        return ask(*about)  # type: ignore[arg-type]

    house.forge.files_between = slow  # type: ignore[method-assign,assignment]
    house.forge.set_files_between(REPO, "c0", "c1", ["network/main.tf"])
    house.deliver(BranchPushed(REPO, "main", "c0", "c1", WRITER.login, "one", "main"))
    house.work()
    assert [run.commit for run in house.runs()] == ["c2"]


# When it is looked for


def test_a_repository_is_looked_at_now_and_then(house: House) -> None:
    house.forge.calls.clear()
    house.sweep(minutes=4)
    assert house.forge.calls == []
    house.sweep(minutes=2)
    assert house.forge.calls == ["news"]


def test_at_a_start_everything_is_looked_at_at_once(house: House) -> None:
    moved(house, "c1", "network/main.tf")
    house.services.catch_up.hurry()
    assert len(later(house, seconds=20)) == 1


def test_where_it_is_turned_off_nothing_is_asked(build: Callable[..., House]) -> None:
    house = build(catching_up=CatchUpSettings(EVERY, calls=0))
    house.workspace("network")
    house.sweep(minutes=20)
    assert house.forge.calls == []


def test_a_limit_of_requests_a_minute_is_kept_and_everything_has_its_turn(
    build: Callable[..., House],
) -> None:
    house = build(catching_up=CatchUpSettings(EVERY, calls=8))
    repos = [RepoRef("github", f"acme/repo-{number}") for number in range(6)]
    for number, repo in enumerate(repos):
        house.workspace(f"w{number}", repo=repo)
    counts = []
    for _ in range(8):
        before = house.forge.calls.count("news")
        house.sweep(seconds=30)
        counts.append(house.forge.calls.count("news") - before)
    # Each look takes four requests.
    assert counts == [2, 0, 2, 0, 2, 0, 0, 0]
    assert {watch(house, repo).error for repo in repos} == {""}


def test_a_forge_that_is_away_is_asked_again_and_nothing_is_lost(house: House) -> None:
    moved(house, "c1", "network/main.tf")
    house.forge.fail(AWAY, on="news")
    assert later(house) == []
    assert watch(house).error == "github failed (502)"
    assert len(later(house)) == 1
    assert watch(house).error == ""


def test_a_job_that_was_lost_comes_again(house: House) -> None:
    moved(house, "c1", "network/main.tf")
    house.clock.forward(minutes=6)
    house.sweeping.run()
    house.dispatch.lose_everything()
    assert len(later(house, seconds=70)) == 1


def test_credentials_that_are_refused_hold_up_no_other_repository(house: House) -> None:
    other = RepoRef("github", "acme/other")
    house.workspace("other", repo=other)
    house.forge.set_branch(other, "main", "o0")
    house.forge.fail(NotLetIn("the App is not installed on acme/infra"), on="news")
    later(house)
    assert sorted([watch(house).error, watch(house, other).error]) == [
        "",
        "the App is not installed on acme/infra",
    ]


def test_a_repository_with_a_rule_only_is_looked_at(build: Callable[..., House]) -> None:
    like = Workspace("", "", REPO, branch="main")
    house = build(rules=[DiscoverRule(like, ("stacks/*",))], catching_up=CatchUpSettings(EVERY))
    house.forge.set_branch(REPO, "main", "c0")
    house.sweep()
    house.engine.found = ("stacks/a",)
    moved(house, "c1", "stacks/a/main.tf")
    assert len(later(house)) == 1
    assert [run.commit for run in house.runs()] == ["c1"]


def test_a_repository_that_nobody_follows_any_more_is_left_alone(house: House) -> None:
    with house.store.transaction() as tx:
        tx.workspaces.put(replace(tx.workspaces.named("network"), active=False))
    house.forge.calls.clear()
    house.services.catch_up.check(str(REPO))
    later(house)
    assert house.forge.calls == []


def test_a_queue_that_is_down_delays_what_was_found_and_loses_nothing(house: House) -> None:
    moved(house, "c1", "network/main.tf")
    house.clock.forward(minutes=6)
    house.dispatch.down = True
    house.services.catch_up.check(str(REPO))
    house.dispatch.down = False
    assert len(later(house, seconds=10)) == 1
    assert [run.commit for run in house.runs()] == ["c1"]
