"""Notifications: what is told, gathered without floods, delivered with retries, and logged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import Forbidden, NotFound, ReceiverAway, ReceiverRefused
from bot.domain.notifications.destinations import CHOSEN, Destination, DestinationKind, Trigger
from bot.domain.people.permissions import Person, Role
from bot.domain.policies.sets import PolicySet, SetOrigin
from bot.services.notifications.compose import MOST_TOPICS
from bot.services.notifications.deliver import REFUSALS
from bot.services.ports import ApplyResult, DeliveryAttempt, Notification
from tests.fakes.engine import change
from tests.fakes.house import READER, WRITER, House

OWNER = Person("olga", Role.OWNER)


def chat(name: str = "ops", **fields: Any) -> Destination:
    return Destination(name, **{"kind": DestinationKind.SLACK, "triggers": CHOSEN, **fields})


def told(build: Callable[..., House], *destinations: Destination, **how: Any) -> House:
    house = build(destinations=destinations or (chat(),), **how)
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net", tags=("production",))
    return house


def lines(house: House) -> list[list[str]]:
    return [[f"{line.workspace} {line.words}" for line in m.lines] for _, m in house.messengers.sent]


def logged(house: House) -> Sequence[Notification]:
    with house.store.reading() as tx:
        return tx.notification_log.find("", 100)


def attempts(house: House, of: Notification) -> Sequence[DeliveryAttempt]:
    with house.store.reading() as tx:
        return tx.notification_log.attempts([of.id])[of.id]


def test_a_run_that_waits_for_a_person_is_told_once(build: Callable[..., House]) -> None:
    house = told(build)
    house.push("c1abcdef0", "net/main.tf")
    assert house.messengers.sent == []
    house.sweep(seconds=31)
    assert lines(house) == [["net needs confirmation: +1 ~0 -0"]]
    ((_, message),) = house.messengers.sent
    assert message.title == "acme/infra@c1abcde commit c1abcdef0"
    assert message.lines[0].url == house.addresses.run(house.only_run().id) == message.url
    house.sweep(seconds=31)
    assert len(house.messengers.sent) == 1


def test_events_of_one_commit_are_one_message(build: Callable[..., House]) -> None:
    house = told(build)
    house.workspace("app")
    house.engine.will_find("app", change("aws_vpc.main"))
    house.push("c1", "net/main.tf", "app/main.tf")
    for run in house.runs():
        house.controls.confirm(run.id, WRITER)
    house.work()
    house.sweep(seconds=31)
    assert len(house.messengers.sent) == 1
    assert sorted(lines(house)[0]) == [
        "app applied: +1 ~0 -0",
        "app needs confirmation: +1 ~0 -0",
        "net applied: +1 ~0 -0",
        "net needs confirmation: +1 ~0 -0",
    ]


def test_a_storm_of_commits_is_one_message(build: Callable[..., House]) -> None:
    house = told(build)
    for number in range(MOST_TOPICS + 1):
        house.push(f"c{number}", "net/main.tf")
        waiting = [run for run in house.runs() if not run.final]
        house.controls.discard(waiting[0].id, WRITER)
        house.work()
    house.sweep(seconds=31)
    assert house.messengers.titles() == [f"{MOST_TOPICS + 1} changes"]
    assert len(lines(house)[0]) == MOST_TOPICS + 1


def test_an_apply_of_a_change_names_the_change(build: Callable[..., House]) -> None:
    house = told(build, chat(triggers=(Trigger.APPLIED,)))
    house.open_change(7, "c1", "net/main.tf")
    house.sweep(seconds=31)
    assert house.messengers.sent == []  # a preview tells nobody but its change
    house.say(7, "/apply net")
    house.sweep(seconds=31)
    assert house.messengers.titles() == ["acme/infra#7 Change 7"]
    assert lines(house) == [["net applied: +1 ~0 -0"]]


def test_an_error_says_where_and_nothing_of_the_output(build: Callable[..., House]) -> None:
    house = told(build)
    house.engine.fail("apply", ApplyResult(False, "Error: password=hunter2 is wrong"))
    house.push("c1", "net/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    house.sweep(seconds=31)
    assert lines(house)[-1][-1] == "net errored: during the apply"
    assert "hunter2" not in repr(house.messengers.sent)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        ("tags soft-mandatory failed", "net policies failed: +1 ~0 -0"),
        ("tags hard-mandatory failed", "net policies failed: +1 ~0 -0"),
    ],
)
def test_failed_policies_are_told_as_such(build: Callable[..., House], says: str, words: str) -> None:
    guard = PolicySet("guard", SetOrigin("rules"), everywhere=True)
    house = told(build, policy_sets=(guard,))
    house.policies.folders["rules"] = says
    house.push("c1", "net/main.tf")
    house.sweep(seconds=31)
    assert lines(house) == [[words]]


def test_who_did_not_choose_policies_is_told_that_the_run_waits(build: Callable[..., House]) -> None:
    guard = PolicySet("guard", SetOrigin("rules"), everywhere=True)
    house = told(build, chat(triggers=(Trigger.NEEDS_ATTENTION,)), policy_sets=(guard,))
    house.policies.folders["rules"] = "tags soft-mandatory failed"
    house.push("c1", "net/main.tf")
    house.sweep(seconds=31)
    assert lines(house) == [["net needs confirmation: +1 ~0 -0"]]


@pytest.mark.parametrize(
    ("fields", "chosen"),
    [
        ({}, True),
        ({"workspaces": ("n*",)}, True),
        ({"workspaces": ("app",)}, False),
        ({"tags": ("production",)}, True),
        ({"tags": ("staging",)}, False),
        ({"tags": ("production",), "exclude": ("net",)}, False),
        ({"triggers": (Trigger.ERRORED,)}, False),
    ],
)
def test_destinations_choose_workspaces_and_events(
    build: Callable[..., House], fields: dict[str, Any], chosen: bool
) -> None:
    house = told(build, chat(**fields))
    house.push("c1", "net/main.tf")
    house.sweep(seconds=31)
    assert bool(house.messengers.sent) is chosen


def test_programs_are_told_at_once_and_of_each_run_by_itself(build: Callable[..., House]) -> None:
    hook = chat("hook", kind=DestinationKind.WEBHOOK, gather=timedelta())
    house = told(build, hook)
    house.workspace("app")
    house.engine.will_find("app", change("aws_vpc.main"))
    house.push("c1", "net/main.tf", "app/main.tf")
    assert sorted(line for part in lines(house) for line in part) == [
        "app needs confirmation: +1 ~0 -0",
        "net needs confirmation: +1 ~0 -0",
    ]
    assert len(house.messengers.sent) == 2


def test_a_run_that_waits_for_long_is_told_again_once(build: Callable[..., House]) -> None:
    house = told(build, chat(triggers=(Trigger.APPROVAL_EXPIRING,)))
    house.push("c1", "net/main.tf")
    house.sweep(hours=23)
    house.sweep(seconds=31)
    assert house.messengers.sent == []
    house.sweep(hours=2)
    house.sweep(seconds=31)
    assert lines(house) == [["net still waits for a person: for 25 hours"]]
    house.sweep(hours=30)
    house.sweep(seconds=31)
    assert len(house.messengers.sent) == 1


# --- delivery -----------------------------------------------------------------------------------------------


def test_a_receiver_that_is_away_is_tried_until_it_answers_and_each_attempt_is_logged(
    build: Callable[..., House],
) -> None:
    house = told(build)
    house.messengers.answers.extend([ReceiverAway("it answered 503"), ReceiverAway("it is slow", 600)])
    house.push("c1", "net/main.tf")
    house.sweep(seconds=31)
    house.sweep(seconds=5)
    house.sweep(seconds=300)
    assert house.messengers.sent == []  # it asked for ten minutes
    house.sweep(seconds=300)
    assert len(house.messengers.sent) == 1
    (only,) = logged(house)
    assert (only.state.value, only.attempts, only.next_at) == ("sent", 3, None)
    assert [(each.ok, each.answer) for each in attempts(house, only)] == [
        (False, "it answered 503"),
        (False, "it is slow"),
        (True, "200 OK"),
    ]


def test_a_receiver_that_stays_away_is_given_up_after_a_day(build: Callable[..., House]) -> None:
    house = told(build, chat(triggers=(Trigger.NEEDS_ATTENTION,)))
    house.messengers.answers.extend([ReceiverAway("it is away")] * 1000)
    house.push("c1", "net/main.tf")
    house.sweep(seconds=31)
    for _ in range(60):
        house.sweep(minutes=30)
    (only,) = logged(house)
    assert (only.state.value, only.next_at, only.error) == ("failed", None, "it is away")


def test_a_refusal_is_tried_a_few_times(build: Callable[..., House]) -> None:
    house = told(build)
    house.messengers.answers.extend([ReceiverRefused("it answered 404")] * 100)
    house.push("c1", "net/main.tf")
    house.sweep(seconds=31)
    for _ in range(REFUSALS + 3):
        house.sweep(minutes=20)
    (only,) = logged(house)
    assert (only.state.value, only.attempts) == ("failed", REFUSALS)


def test_a_lost_redis_loses_no_message(build: Callable[..., House]) -> None:
    house = told(build, chat(kind=DestinationKind.WEBHOOK, gather=timedelta()))
    house.push("c1", "net/main.tf", work=False)
    house.work("receive", "plan")
    house.dispatch.lose_everything()
    assert house.messengers.sent == []
    house.sweep()
    assert len(house.messengers.sent) == 1


def test_a_destination_that_is_gone_keeps_nothing_waiting(build: Callable[..., House]) -> None:
    house = told(build)
    house.push("c1", "net/main.tf")
    with house.store.transaction() as tx:
        (notice,) = tx.notices.waiting("ops", 10)
        tx.notices.want([type(notice)(**{**vars(notice), "key": "x", "destination": "gone"})])
    house.sweep(seconds=31)
    gone = [each for each in logged(house) if each.destination == "gone"]
    assert [(each.state.value, each.next_at) for each in gone] == [("failed", None)]
    assert "does not name this destination" in gone[0].error
    house.sweep(seconds=31)
    with house.store.reading() as tx:
        assert tx.notices.due_destinations(house.clock.now()) == frozenset()


def test_one_worker_at_a_time_serves_a_destination(build: Callable[..., House]) -> None:
    house = told(build)
    house.push("c1", "net/main.tf")
    house.clock.forward(seconds=31)
    with house.store.transaction() as tx:
        assert tx.leases.take("notify:ops", "another", house.clock.now(), timedelta(minutes=1)) is not None
    house.services.notifications.deliver("ops")
    assert house.messengers.sent == []
    house.sweep(minutes=2)
    assert len(house.messengers.sent) == 1


# --- tests by people ----------------------------------------------------------------------------------------


def test_an_owner_tests_a_destination_and_only_a_worker_sends(build: Callable[..., House]) -> None:
    house = told(build, chat(triggers=(Trigger.ERRORED,)))
    house.services.notifications.test("ops", OWNER)
    assert house.messengers.sent == []
    house.work()
    assert house.messengers.titles() == ["Test of a notification"]
    assert lines(house) == [[" test: olga asked for it"]]


def test_others_may_not_and_what_there_is_not_is_refused(build: Callable[..., House]) -> None:
    house = told(build)
    with pytest.raises(Forbidden, match="only an owner"):
        house.services.notifications.test("ops", READER)
    with pytest.raises(NotFound, match="no destination nowhere"):
        house.services.notifications.test("nowhere", OWNER)
    house.work()
    assert house.messengers.sent == []
