"""Run tasks: asked at their stages, answered by callbacks, never waited for beyond their time limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.errors import Conflict, ReceiverAway, ReceiverRefused
from bot.domain.policies.policy import PolicyCheck
from bot.domain.policies.sets import PolicySet, SetOrigin
from bot.domain.runs.run import Run
from bot.domain.tasks.tasks import PlanHook, RunTask, TaskAnswer, TaskStage, TaskStatus
from bot.services.people.tokens import BadToken
from bot.services.runs.transitions import lease_of
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

ALL = tuple(TaskStage)
PASSED = TaskAnswer(TaskStatus.PASSED, "cheap enough")
FAILED = TaskAnswer(TaskStatus.FAILED, "too expensive", "https://cost.test/1", ("C-1: a large disk",))


def with_task(build: Callable[..., House], answer: TaskAnswer | None = None, **fields: Any) -> House:
    """Return a house with a task `cost` that answers as soon as it is asked, or never."""
    task = RunTask("cost", **{"stages": (TaskStage.POST_PLAN,), **fields})
    house = build(run_tasks=(task,))
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net", tags=("production",))
    if answer is not None:
        house.task_caller.then = lambda request: reply(house, request, answer)
    return house


def reply(house: House, request: Mapping[str, Any], answer: TaskAnswer) -> None:
    house.services.task_callbacks.answer(request["task_result_id"], request["access_token"], answer)


def checks(house: House, run: Run | None = None) -> list[PolicyCheck]:
    with house.store.reading() as tx:
        return list(tx.policies.of_run((run or house.only_run()).id))


def shown(house: House) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(each.name, each.level.value, each.outcome.value, each.messages) for each in checks(house)]


def stages(house: House) -> list[str]:
    return [request["stage"] for _, request in house.task_caller.asked]


def test_a_task_that_passes_is_shown_like_a_policy(build: Callable[..., House]) -> None:
    house = with_task(build, PASSED, mandatory=True)
    house.push("c1", "net/main.tf")
    assert shown(house) == [("post-plan task/cost", "hard-mandatory", "passed", ("cheap enough",))]
    run = house.only_run()
    assert run.status.value == "policy_checked"
    assert house.said("c1", "plangate/net/policy") == ("success", "1 passed")
    ((_, request),) = house.task_caller.asked
    assert request["stage"] == "post_plan" and request["run_id"] == run.id
    assert request["task_result_enforcement_level"] == "mandatory"
    assert request["workspace_name"] == "net" and request["is_speculative"] is False
    here = f"https://plangate.test/api/v2/task-results/{request['task_result_id']}"
    assert request["task_result_callback_url"] == f"{here}/callback"
    assert request["plan_json_api_url"] == f"{here}/plan-json"


def test_a_mandatory_task_that_fails_ends_the_run(build: Callable[..., House]) -> None:
    house = with_task(build, FAILED, mandatory=True)
    house.push("c1", "net/main.tf")
    said = ("too expensive", "C-1: a large disk", "https://cost.test/1")
    assert shown(house) == [("post-plan task/cost", "hard-mandatory", "failed", said)]
    run = house.only_run()
    assert (run.status.value, run.error) == (
        "errored",
        "hard-mandatory policy not passed: post-plan task/cost",
    )


def test_an_advisory_task_stops_nothing(build: Callable[..., House]) -> None:
    house = with_task(build, FAILED)
    house.push("c1", "net/main.tf")
    assert house.statuses() == ["policy_checked"]
    assert [each.outcome.value for each in checks(house)] == ["failed"]


@pytest.mark.parametrize(("mandatory", "ends"), [(True, "errored"), (False, "policy_checked")])
def test_a_task_that_never_answers_is_given_up_at_its_time_limit(
    build: Callable[..., House], mandatory: bool, ends: str
) -> None:
    house = with_task(build, mandatory=mandatory, timeout=timedelta(seconds=30))
    begun = house.clock.now()
    house.push("c1", "net/main.tf")
    assert house.statuses() == [ends]
    assert [each.messages for each in checks(house)] == [("it did not answer within its time limit",)]
    assert house.clock.now() - begun < timedelta(minutes=2)


def test_before_the_plan_nothing_is_planned_unless_the_task_passes(build: Callable[..., House]) -> None:
    house = with_task(build, FAILED, mandatory=True, stages=(TaskStage.PRE_PLAN,))
    house.push("c1", "net/main.tf")
    assert house.statuses() == ["errored"]
    assert (house.engine.count("fetch"), house.engine.count("plan")) == (1, 0)
    ((_, request),) = house.task_caller.asked
    assert request["plan_json_api_url"] is None and request["plan_id"] is None
    assert checks(house)[0].name == "pre-plan task/cost"


def test_before_the_apply_nothing_is_applied_unless_the_task_passes(build: Callable[..., House]) -> None:
    house = with_task(build, FAILED, mandatory=True, stages=(TaskStage.PRE_APPLY,))
    house.push("c1", "net/main.tf")
    assert house.statuses() == ["planned"]
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["errored"]
    assert house.engine.count("apply") == 0


def test_results_of_all_stages_stay_together_with_policies(build: Callable[..., House]) -> None:
    guard = PolicySet("guard", SetOrigin("rules"), everywhere=True)
    house = build(run_tasks=(RunTask("cost", ALL, mandatory=True),), policy_sets=(guard,))
    house.policies.folders["rules"] = "tags soft-mandatory passed"
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    house.task_caller.then = lambda request: reply(house, request, PASSED)
    house.push("c1", "net/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["applied"]
    assert stages(house) == ["pre_plan", "post_plan", "pre_apply"]
    names = [each.name for each in checks(house)]
    assert names == ["pre-plan task/cost", "guard/tags", "post-plan task/cost", "pre-apply task/cost"]


@pytest.mark.parametrize(
    ("fields", "asked"),
    [({"tags": ("production",)}, 1), ({"workspaces": ("app",)}, 0), ({"exclude": ("n*",)}, 0)],
)
def test_tasks_choose_workspaces(build: Callable[..., House], fields: dict[str, Any], asked: int) -> None:
    house = with_task(build, PASSED, **fields)
    house.push("c1", "net/main.tf")
    assert len(house.task_caller.asked) == asked
    assert house.statuses() == ["policy_checked" if asked else "planned"]


def test_a_service_that_is_away_is_asked_again(build: Callable[..., House]) -> None:
    house = with_task(build, PASSED)
    house.task_caller.errors.extend([ReceiverAway("it answered 503")] * 3)
    house.push("c1", "net/main.tf")
    assert [each.outcome.value for each in checks(house)] == ["passed"]


def test_slow_services_do_not_cost_the_worker_its_lease(build: Callable[..., House]) -> None:
    house = build(run_tasks=tuple(RunTask(f"task-{n}", stages=(TaskStage.POST_PLAN,)) for n in range(4)))
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    lost: list[bool] = []

    def slowly(request: Mapping[str, Any]) -> None:
        house.clock.forward(seconds=20)
        with house.store.reading() as tx:
            lost.append(tx.leases.expired(lease_of(request["run_id"]), house.clock.now()))
        reply(house, request, PASSED)

    house.task_caller.then = slowly
    house.push("c1", "net/main.tf")
    assert lost == [False] * 4


def test_a_service_that_refuses_the_request_is_not_waited_for(build: Callable[..., House]) -> None:
    house = with_task(build, mandatory=True)
    house.task_caller.errors.append(ReceiverRefused("it answered 404"))
    begun = house.clock.now()
    house.push("c1", "net/main.tf")
    assert house.statuses() == ["errored"]
    assert checks(house)[0].messages == ("it can't be asked: it answered 404",)
    assert house.clock.now() - begun < timedelta(minutes=1)


def test_a_cancel_ends_the_wait(build: Callable[..., House]) -> None:
    house = with_task(build)
    house.task_caller.then = lambda _: house.controls.cancel(house.only_run().id, WRITER)
    house.push("c1", "net/main.tf")
    assert house.statuses() == ["canceled"]


def test_after_a_lost_worker_the_next_one_waits_for_the_same_answer(build: Callable[..., House]) -> None:
    house = with_task(build, mandatory=True)

    def die(_: object) -> None:
        raise KeyboardInterrupt

    house.task_caller.then = die
    with pytest.raises(KeyboardInterrupt):
        house.push("c1", "net/main.tf")
    assert house.statuses() == ["policy_checking"]
    ((_, request),) = house.task_caller.asked
    reply(house, request, PASSED)
    house.sweep(minutes=5)
    assert house.statuses() == ["policy_checked"]
    assert len(house.task_caller.asked) == 1


def test_after_a_lost_worker_the_time_limit_counts_from_the_first_request(
    build: Callable[..., House],
) -> None:
    house = with_task(build, mandatory=True)

    def die(_: object) -> None:
        raise KeyboardInterrupt

    house.task_caller.then = die
    with pytest.raises(KeyboardInterrupt):
        house.push("c1", "net/main.tf")
    house.task_caller.then = lambda _: None
    before = house.clock.forward(minutes=11)
    house.sweep(seconds=1)
    assert house.statuses() == ["errored"]
    assert house.clock.now() - before < timedelta(minutes=1)


def test_a_task_is_asked_about_previews_too_and_says_so(build: Callable[..., House]) -> None:
    house = with_task(build, FAILED, mandatory=True)
    house.open_change(1, "c1", "net/main.tf")
    ((_, request),) = house.task_caller.asked
    assert request["is_speculative"] is True
    assert house.statuses() == ["errored"]


# --- callbacks ----------------------------------------------------------------------------------------------


def asked(build: Callable[..., House], do: Callable[[House, Mapping[str, Any]], object]) -> House:
    house = with_task(build, timeout=timedelta(seconds=30))
    house.task_caller.then = lambda request: do(house, request)
    house.push("c1", "net/main.tf")
    return house


def test_a_token_is_good_for_one_result(build: Callable[..., House]) -> None:
    refused: list[str] = []

    def do(house: House, request: Mapping[str, Any]) -> None:
        callbacks, token = house.services.task_callbacks, request["access_token"]
        for result_id, wrong in ((request["task_result_id"], "x" * 64), ("taskrs-other", token), ("é", "é")):
            with pytest.raises(BadToken) as caught:
                callbacks.answer(result_id, wrong, PASSED)
            refused.append(str(caught.value))

    house = asked(build, do)
    assert set(refused) == {"this token is not for this result of a run task"}
    assert [each.outcome.value for each in checks(house)] == ["errored"]


def test_progress_may_be_told_and_the_first_final_answer_counts(build: Callable[..., House]) -> None:
    later: list[str] = []

    def do(house: House, request: Mapping[str, Any]) -> None:
        reply(house, request, TaskAnswer(TaskStatus.RUNNING, "counting"))
        reply(house, request, PASSED)
        with pytest.raises((BadToken, Conflict)) as caught:
            reply(house, request, FAILED)
        later.append(str(caught.value))

    house = asked(build, do)
    assert [each.outcome.value for each in checks(house)] == ["passed"]
    assert len(later) == 1 and "final" in later[0]


def test_the_plan_is_read_with_the_token_while_the_answer_is_waited_for(build: Callable[..., House]) -> None:
    plans: list[bytes] = []

    def do(house: House, request: Mapping[str, Any]) -> None:
        about = (request["task_result_id"], request["access_token"])
        plans.append(house.services.task_callbacks.plan_json(*about))
        reply(house, request, PASSED)

    house = asked(build, do)
    assert b"aws_vpc.main" in plans[0]
    _, request = house.task_caller.asked[0]
    with pytest.raises(BadToken, match="is final"):
        house.services.task_callbacks.plan_json(request["task_result_id"], request["access_token"])


def test_hostile_answers_are_one_line_each_and_bring_no_strange_address(
    build: Callable[..., House],
) -> None:
    def do(house: House, request: Mapping[str, Any]) -> None:
        hostile = TaskAnswer(
            TaskStatus.FAILED, "a\n# b \u202e" + "x" * 5000, "javascript:alert(1)", ("o\r\n| c",) * 500
        )
        reply(house, request, hostile)

    house = asked(build, do)
    (check,) = checks(house)
    assert all(each.isprintable() for each in check.messages)
    assert len(check.messages) == 51 and len(check.messages[0]) == 1000
    assert not any("javascript" in each for each in check.messages)


# --- hooks --------------------------------------------------------------------------------------------------


def with_hook(build: Callable[..., House], answer: TaskAnswer, **fields: Any) -> House:
    hook = PlanHook("checkov", **{"stages": (TaskStage.POST_PLAN,), "command": ("/bin/true",), **fields})
    house = build(run_hooks=(hook,))
    house.engine.will_find("net", change("aws_vpc.main"))
    house.workspace("net")
    house.hook_runner.answers["checkov"] = answer
    return house


def test_a_hook_is_shown_like_a_policy_and_gets_the_plan(build: Callable[..., House]) -> None:
    house = with_hook(build, TaskAnswer(TaskStatus.FAILED, outcomes=("CKV_1: open",)))
    house.push("c1", "net/main.tf")
    assert shown(house) == [("post-plan hook/checkov", "advisory", "failed", ("CKV_1: open",))]
    assert house.statuses() == ["policy_checked"]
    ((_, plan_json, about),) = house.hook_runner.ran
    assert b"aws_vpc.main" in plan_json
    assert about["PLANGATE_WORKSPACE"] == "net" and about["PLANGATE_STAGE"] == "post_plan"
    assert about["PLANGATE_SPECULATIVE"] == "false"


def test_a_mandatory_hook_stops_the_plan_before_it_begins(build: Callable[..., House]) -> None:
    failed = TaskAnswer(TaskStatus.FAILED, outcomes=("no",))
    house = with_hook(build, failed, mandatory=True, stages=(TaskStage.PRE_PLAN,))
    house.push("c1", "net/main.tf")
    assert house.statuses() == ["errored"]
    assert house.engine.count("plan") == 0
    assert [plan for _, plan, _ in house.hook_runner.ran] == [b""]
    assert house.only_run().error == "hard-mandatory policy not passed: pre-plan hook/checkov"


def test_a_mandatory_hook_stops_the_apply(build: Callable[..., House]) -> None:
    errored = TaskAnswer(TaskStatus.ERRORED, "it ended with the exit code 2")
    house = with_hook(build, errored, mandatory=True, stages=(TaskStage.PRE_APPLY,))
    house.push("c1", "net/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.statuses() == ["errored"]
    assert house.engine.count("apply") == 0
