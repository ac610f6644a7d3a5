"""Deliveries: each is stored first, handled once, and tried again while the forge is away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.errors import (
    Conflict,
    EngineError,
    ForgeRefused,
    ForgeUnavailable,
    Invalid,
    NotFound,
    NotLetIn,
    NotReady,
)
from bot.domain.events import ChangeAction, ChangeUpdated, Ignored, TagPushed
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.workspace import Workspace
from bot.services.deliveries.intake import MAX_ATTEMPTS
from bot.services.ports import Delivery
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create")
AWAY = ForgeUnavailable("github failed (502)")


def test_a_delivery_is_accepted_once(house: House) -> None:
    house.events["d-1"] = Ignored("a star")
    delivery = Delivery("d-1", "github", "star", {}, b"{}", house.clock.now())
    assert house.intake.accept(delivery) is True
    assert house.intake.accept(delivery) is False
    assert [job.subject for job in house.dispatch.asked] == ["d-1"]


def test_a_delivery_handled_twice_makes_nothing_twice(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    pushed = house.push("c1", "network/main.tf")
    opened = house.open_change(1, "h1", "network/a.tf")
    said = house.say(1, "/plan")
    decisions = [house.delivery(each) for each in (pushed, opened, said)]
    runs = house.runs()
    for each in (pushed, opened, said):
        house.intake.handle(each)
    house.work()
    assert house.runs() == runs
    assert [house.delivery(each) for each in (pushed, opened, said)] == decisions


def test_a_delivery_that_was_handled_while_we_asked_the_forge_is_left_alone(house: House) -> None:
    house.workspace("network")
    delivery = house.push("c1", "network/main.tf", work=False)
    files_between = house.forge.files_between

    def slow(*about: Any) -> Any:
        house.forge.files_between = files_between  # type: ignore[method-assign]
        house.intake.handle(delivery)
        return files_between(*about)

    house.forge.files_between = slow  # type: ignore[method-assign,assignment]
    house.work()
    assert len(house.runs()) == 1
    assert house.outcomes(delivery) == ["run"]


@pytest.mark.parametrize("about", ["a comment", "a change"])
def test_what_another_worker_made_of_it_while_we_asked_is_not_made_again(house: House, about: str) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    if about == "a comment":
        delivery = house.say(1, "/plan", work=False)
    else:
        delivery = house.update_change(1, "h2", "network/a.tf", work=False)
    ask = house.forge.files_of_change

    def slow(*which: Any) -> Any:
        house.forge.files_of_change = ask  # type: ignore[method-assign]
        house.intake.handle(delivery)
        return ask(*which)

    house.forge.files_of_change = slow  # type: ignore[method-assign,assignment]
    house.work()
    assert len(house.runs()) == 2
    assert house.outcomes(delivery) == ["preview"]


def test_a_failure_does_not_overwrite_what_another_worker_made_of_the_delivery(house: House) -> None:
    house.workspace("network")
    delivery = house.push("c1", "network/main.tf", work=False)

    def slow(*about: Any) -> Any:
        del house.forge.files_between
        house.intake.handle(delivery)
        raise ForgeRefused("no")

    house.forge.files_between = slow  # type: ignore[method-assign,assignment]
    house.work()
    assert house.outcomes(delivery) == ["run"]
    assert house.delivery(delivery).error == ""


def test_what_leads_to_nothing_says_why(house: House) -> None:
    delivery = house.deliver(Ignored("a star changes nothing"))
    house.work()
    assert house.delivery(delivery).decisions == (
        DeliveryDecision(DecisionKind.NOTHING, "a star changes nothing"),
    )
    assert house.delivery(delivery).handled_at is not None


def test_a_body_that_can_not_be_read_leads_to_nothing_and_says_why(house: House) -> None:
    delivery = house.deliver(Invalid("`repository` is missing"))
    house.work()
    assert house.reasons(delivery) == ["the body could not be read: `repository` is missing"]


def test_each_decision_names_its_workspace_and_its_run(house: House) -> None:
    house.workspace("network")
    house.workspace("database")
    delivery = house.push("c1", "network/main.tf")
    assert house.delivery(delivery).decisions == (
        DeliveryDecision(DecisionKind.NOTHING, "none of the changed files is in database/", "database"),
        DeliveryDecision(DecisionKind.RUN, "network/main.tf is in network", "network", house.only_run().id),
    )


def test_a_push_waits_for_a_forge_that_is_away(house: House) -> None:
    house.workspace("network")
    house.forge.fail(AWAY, on="files_between")
    delivery = house.push("c1", "network/main.tf")
    waiting = house.delivery(delivery)
    assert (waiting.handled_at, waiting.attempts, waiting.error) == (None, 1, str(AWAY))
    assert house.runs() == []
    house.sweep()
    assert house.statuses() == ["planned_and_finished"]
    assert house.delivery(delivery).error == ""


@pytest.mark.parametrize("method", ["change", "role", "files_of_change"])
def test_a_comment_waits_for_a_forge_that_is_away(house: House, method: str) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    house.forge.fail(AWAY, on=method)
    house.say(1, "/plan")
    assert len(house.runs()) == 1
    house.sweep()
    assert len(house.runs()) == 2


def test_after_a_day_of_patience_a_delivery_is_given_up_with_its_reason(house: House) -> None:
    house.workspace("network")
    house.forge.fail(AWAY, on="files_between", times=10)
    delivery = house.push("c1", "network/main.tf")
    house.sweep(hours=23)
    assert house.delivery(delivery).handled_at is None
    house.sweep(hours=2)
    assert house.delivery(delivery).handled_at is not None
    assert house.delivery(delivery).decisions == (DeliveryDecision(DecisionKind.FAILED, str(AWAY)),)
    assert house.sweep() == 0


def test_what_can_not_succeed_is_not_tried_again(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    house.forge.fail(ForgeRefused("we may not read that"), on="change")
    delivery = house.say(1, "/plan")
    assert house.delivery(delivery).decisions == (
        DeliveryDecision(DecisionKind.FAILED, "we may not read that"),
    )
    assert house.sweep() == 0


def test_credentials_that_are_refused_for_a_while_lose_no_delivery(house: House) -> None:
    house.workspace("network")
    house.forge.fail(
        NotLetIn("github does not accept our credentials (Bad credentials)"), on="change", times=9
    )
    delivery = house.open_change(1, "h1", "network/a.tf")
    for _ in range(9):
        assert house.delivery(delivery).handled_at is None
        house.clock.forward(minutes=30)
        house.sweep()
        house.work()
    assert house.outcomes(delivery) == ["preview"]


def test_credentials_that_are_refused_for_a_day_end_a_delivery_with_that_reason(house: House) -> None:
    house.workspace("network")
    house.forge.fail(NotLetIn("the App is not installed on acme/infra"), on="change", times=9)
    delivery = house.open_change(1, "h1", "network/a.tf")
    house.clock.forward(hours=25)
    house.sweep()
    house.work()
    assert house.reasons(delivery) == ["the App is not installed on acme/infra"]


def test_a_push_to_a_branch_that_nobody_follows_asks_the_forge_nothing_however_late(house: House) -> None:
    house.workspace("network")
    house.forge.fail(ForgeUnavailable("github is out of order (502)"), on="branch_head", times=99)
    first = house.push("c1", "network/main.tf", branch="elsewhere", work=False)
    second = house.push("c2", "network/main.tf", branch="elsewhere", work=False)
    house.forge.calls.clear()
    house.work()
    assert {*house.reasons(first), *house.reasons(second)} == {
        "no workspace of acme/infra follows branch elsewhere"
    }
    assert house.forge.calls == []


def test_a_push_to_a_branch_that_no_rule_follows_asks_the_forge_nothing_however_late(
    build: Callable[..., House],
) -> None:
    like = Workspace("", "", REPO, branch="main")
    house = build(rules=[DiscoverRule(like, ("stacks/*",))])
    pushes = [house.push(commit, "a.tf", branch="elsewhere", work=False) for commit in ("c1", "c2")]
    house.forge.calls.clear()
    house.work()
    assert house.forge.calls == []
    assert all(house.delivery(each).handled_at for each in pushes)


def test_a_tag_that_no_workspace_runs_on_asks_the_forge_nothing(house: House) -> None:
    house.workspace("network")
    delivery = house.deliver(TagPushed(REPO, "v1", "c1", "wren", "one", "main"))
    house.work()
    assert house.reasons(delivery) == ["no workspace of acme/infra runs on tags"]
    assert house.forge.calls == []


@pytest.mark.parametrize("error", [NotFound("there is no such change"), NotReady("still counting files")])
@pytest.mark.parametrize("method", ["change", "files_of_change"])
def test_a_delivery_that_is_quicker_than_the_forge_itself_waits_a_moment(
    house: House, error: NotFound | NotReady, method: str
) -> None:
    """Forges send webhooks before their API knows everywhere of what they tell."""
    house.workspace("network")
    house.forge.fail(error, on=method, times=3)
    delivery = house.open_change(1, "h1", "network/a.tf")
    assert house.outcomes(delivery) == ["preview"]


def test_a_forge_that_takes_its_time_is_asked_again_by_the_sweep(house: House) -> None:
    house.workspace("network")
    house.forge.fail(NotFound("there is no such change"), on="change", times=8)
    delivery = house.open_change(1, "h1", "network/a.tf")
    assert house.delivery(delivery).handled_at is None
    house.sweep()
    assert house.outcomes(delivery) == ["preview"]


def answering_as_of_before(house: House, times: int) -> None:
    """Have the forge's API answer a few times as it would have before what happens next."""
    ask, before = house.forge.change, house.forge.change(REPO, 1)
    left = [before] * times

    def stale(*which: Any) -> Any:
        return left.pop() if left else ask(*which)

    house.forge.change = stale  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("times", [1, 8])
def test_new_commits_that_the_forges_own_api_does_not_know_yet_are_planned(house: House, times: int) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    answering_as_of_before(house, times)
    delivery = house.update_change(1, "h2", "network/a.tf")
    house.sweep()
    assert house.outcomes(delivery) == ["preview"]
    assert [run.commit for run in house.runs()] == ["h1", "h2"]


@pytest.mark.parametrize("times", [1, 8])
def test_a_merge_that_the_forges_own_api_does_not_know_yet_is_one(house: House, times: int) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    answering_as_of_before(house, times)
    delivery = house.close_change(1, merged=True, as_commit="m1")
    house.sweep()
    assert house.reasons(delivery) == ["the change was merged"]


def test_a_change_that_the_forges_own_api_takes_for_closed_still_is_planned_anew(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    house.close_change(1)
    answering_as_of_before(house, 2)
    about = house.forge.edit_change(REPO, 1, open=True, head_sha="h2")
    delivery = house.deliver(ChangeUpdated(about, ChangeAction.REOPENED, "ann"))
    house.work()
    assert house.outcomes(delivery) == ["preview"]


def test_what_was_looked_at_since_is_not_waited_for(house: House) -> None:
    """Deliveries overtake each other: the later one has brought what the earlier one tells of."""
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    late = house.update_change(1, "h2", "network/a.tf", work=False)
    newest = house.update_change(1, "h3", "network/a.tf", work=False)
    house.intake.handle(newest)
    at = house.clock.now()
    house.intake.handle(late)
    assert house.clock.now() == at, "nobody waited"
    assert house.delivery(late).handled_at is not None


def test_what_is_not_there_after_a_minute_is_not_there(house: House) -> None:
    house.workspace("network")
    house.forge.fail(NotFound("there is no such change"), on="change", times=100)
    delivery = house.open_change(1, "h1", "network/a.tf")
    house.sweep(minutes=1)
    assert house.reasons(delivery) == ["there is no such change"]
    assert house.sweep() == 0


def test_our_own_mistake_is_tried_again_and_given_up_in_the_end_with_a_reference(house: House) -> None:
    house.workspace("network")

    def broken(*about: Any) -> None:
        raise ZeroDivisionError("the token is s3cret")

    house.forge.files_between = broken  # type: ignore[method-assign,assignment]
    delivery = house.push("c1", "network/main.tf")
    for _ in range(MAX_ATTEMPTS - 2):
        house.sweep()
    assert house.delivery(delivery).handled_at is None
    house.sweep()
    (decision,) = house.delivery(delivery).decisions
    assert decision.kind is DecisionKind.FAILED
    assert decision.reason.startswith("Plangate itself failed; the log has it as err-")
    assert "s3cret" not in decision.reason
    assert house.sweep() == 0


def test_where_somebody_was_quicker_it_is_decided_again_at_once(house: House) -> None:
    house.workspace("network")
    files_between = house.forge.files_between

    def quicker(*about: Any) -> None:
        house.forge.files_between = files_between  # type: ignore[method-assign]
        raise Conflict("somebody was quicker")

    house.forge.files_between = quicker  # type: ignore[method-assign,assignment]
    delivery = house.push("c1", "network/main.tf")
    assert house.outcomes(delivery) == ["run"]
    assert house.delivery(delivery).attempts == 0


def test_a_git_that_can_not_be_asked_is_asked_again(build: Callable[..., House]) -> None:
    house = build(rules=[DiscoverRule(Workspace("", "", REPO), ("*",))])
    house.engine.found = ("network",)
    house.engine.fail("directories", EngineError("acme/infra could not be fetched"))
    delivery = house.push("c1", "network/main.tf")
    assert house.delivery(delivery).handled_at is None
    house.sweep()
    assert house.statuses() == ["planned_and_finished"]


def test_a_push_handled_late_does_not_bring_an_older_commit_after_a_newer_one(house: House) -> None:
    network, database = house.workspace("network"), house.workspace("database")
    house.forge.fail(AWAY, on="files_between")
    late = house.push("c1", "network/main.tf", "database/main.tf")
    house.forge.set_files_between(REPO, "before", "c2", ["network/main.tf", "database/main.tf"])
    house.push("c2", "network/main.tf", before="c1")
    assert [run.commit for run in house.runs()] == ["c2"]
    house.sweep()
    assert [run.commit for run in house.runs(network)] == ["c2"]
    assert [run.commit for run in house.runs(database)] == ["c2"]
    assert house.outcomes(late) == ["run", "nothing"]


def test_of_two_pushes_handled_side_by_side_the_older_does_not_come_after_the_newer(house: House) -> None:
    network, database = house.workspace("network"), house.workspace("database")
    files_between = house.forge.files_between

    def meanwhile(*about: Any) -> Any:
        house.forge.files_between = files_between  # type: ignore[method-assign]
        house.forge.set_files_between(REPO, "before", "c2", ["network/main.tf", "database/main.tf"])
        house.push("c2", "network/main.tf", before="c1")
        return files_between(*about)

    house.forge.files_between = meanwhile  # type: ignore[method-assign,assignment]
    first = house.push("c1", "network/main.tf", "database/main.tf")
    assert [run.commit for run in house.runs(network)] == ["c2"]
    assert [run.commit for run in house.runs(database)] == ["c2"]
    assert house.outcomes(first) == ["run", "nothing"]


def test_a_redis_that_is_down_loses_no_delivery(house: House) -> None:
    house.workspace("network")
    house.dispatch.down = True
    delivery = house.push("c1", "network/main.tf")
    assert house.delivery(delivery).handled_at is None
    house.dispatch.down = False
    house.sweep()
    assert house.statuses() == ["planned_and_finished"]
    assert house.said("c1")[0] == "success"


def test_a_late_push_to_a_repository_without_workspaces_asks_the_forge_nothing(house: House) -> None:
    pushes = [house.push(commit, "network/main.tf", work=False) for commit in ("c1", "c2")]
    house.forge.calls.clear()
    house.work()
    assert house.forge.calls == []
    assert all(house.delivery(each).handled_at for each in pushes)


def test_a_delivery_that_was_read_when_it_came_is_not_parsed_again(house: House) -> None:
    """The house's parser knows only what `deliver` was given: it would fail here."""
    push = Ignored("read by the web process")
    house.intake.accept(Delivery("d-1", "github", "push", {}, b"{}", house.clock.now(), meaning=push))
    house.work()
    assert house.reasons("d-1") == ["read by the web process"]
