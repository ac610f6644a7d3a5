"""The order of workspaces: applies wait for those that they depend on, and plan what they made."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.errors import EngineError
from bot.domain.plans.modes import Mode
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from bot.services.ports import ApplyResult
from tests.fakes.engine import change
from tests.fakes.house import WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
ROW = ("network", "cluster", "app")
FILES = tuple(f"{name}/main.tf" for name in ROW)
FAILED = ApplyResult(False, "Error: quota exceeded")


def subnet(vpc: str = "") -> dict[str, Any]:
    """A subnet whose VPC is known only after the network was applied."""
    found = change("aws_subnet.it", "create", after={"name": "it", **({"vpc": vpc} if vpc else {})})
    found["change"]["after_unknown"] = {} if vpc else {"vpc": True}
    return found


def row(house: House, **options: Any) -> House:
    """Three workspaces in a row: app depends on cluster, which depends on network."""
    house.workspace("network", **options)
    house.workspace("cluster", depends_on=("network",), **options)
    house.workspace("app", depends_on=("clu*",), **options)
    for name in ROW:
        house.engine.will_find(name, BUCKET)
    return house


@pytest.fixture
def opened(house: House) -> House:
    """A change that touches all of a row, with previews."""
    row(house).open_change(1, "h1", *FILES)
    return house


def applies(house: House, name: str) -> list[Run]:
    """Return the runs of a workspace that may apply, oldest first."""
    return house.runs(house.find_workspace(name), plan_only=False)


def stands(house: House) -> list[str]:
    """Return where the newest applies of the row stand."""
    return [found[-1].status.value if (found := applies(house, name)) else "" for name in ROW]


def applied(house: House) -> list[str]:
    """Return the workspaces in the order in which they were applied."""
    names = {run.id: name for name in ROW for run in applies(house, name)}
    return [names[run_id] for run_id, _ in house.engine.applied]


def approval_of(house: House, run: Run) -> ApprovalRecord:
    assert run.approval is not None
    with house.store.reading() as tx:
        return tx.approvals.get(run.approval.id)


# --- on a change --------------------------------------------------------------------------------------------


def test_previews_run_side_by_side_and_applies_in_order(opened: House) -> None:
    assert opened.statuses() == ["planned_and_finished"] * 3
    opened.say(1, "/apply")
    assert applied(opened) == list(ROW)
    assert stands(opened) == ["applied"] * 3


def test_a_dependent_waits_without_a_worker_and_says_for_whom(opened: House) -> None:
    opened.say(1, "/apply", work=False)
    opened.work("receive", "report")
    assert stands(opened) == ["pending"] * 3
    assert opened.said("h1", "plangate/cluster/plan")[1] == "Waits for network"
    assert opened.said("h1", "plangate/app/plan")[1] == "Waits for cluster and network"
    opened.engine.during("apply", lambda _: opened.work("report"))
    opened.engine.during("apply", lambda _: None)
    opened.work()
    assert stands(opened) == ["applied"] * 3


def test_each_dependent_is_planned_again_after_what_it_depends_on(opened: House) -> None:
    opened.engine.state_here = True
    opened.say(1, "/plan")
    plans = opened.engine.count("plan")
    opened.say(1, "/apply")
    # The first one applies the plan that was shown; the others can't know what it changed.
    assert opened.engine.count("plan") == plans + 2
    for name in ("cluster", "app"):
        (run,) = applies(opened, name)
        assert "was applied before it" in " ".join(e.message for e in opened.timeline(run))


def test_values_that_become_known_need_no_new_approval(opened: House) -> None:
    opened.engine.will_find("cluster", subnet())
    opened.say(1, "/plan cluster")
    opened.engine.during("apply", lambda _: opened.engine.will_find("cluster", subnet("vpc-1")))
    opened.say(1, "/apply")
    assert stands(opened) == ["applied"] * 3
    (run,) = applies(opened, "cluster")
    assert run.approval is not None
    assert run.digest != run.approval.digest
    (said,) = [e.message for e in opened.timeline(run) if e.kind == "confirmed"]
    assert "but for values that are known now: other values for aws_subnet.it (vpc)" in said
    record = approval_of(opened, run)
    assert (record.state.value, record.run_id) == ("used", run.id)


@pytest.mark.parametrize("more", [[subnet("vpc-1"), BUCKET], [change("aws_subnet.it", "update")], [BUCKET]])
def test_anything_else_stops_shows_the_difference_and_asks_again(opened: House, more: list[Any]) -> None:
    opened.engine.will_find("cluster", subnet())
    opened.say(1, "/plan cluster")
    opened.engine.during("apply", lambda _: opened.engine.will_find("cluster", *more))
    opened.say(1, "/apply")
    assert stands(opened) == ["applied", "planned", "pending"]
    (run,) = applies(opened, "cluster")
    assert run.delta
    assert approval_of(opened, run).state.value == "fallen"
    assert opened.said("h1", "plangate/app/plan")[1] == "Waits for cluster (needs confirmation)"
    opened.say(1, "/apply cluster")
    assert stands(opened) == ["applied"] * 3


def test_a_value_that_became_known_without_waiting_asks_again(house: House) -> None:
    """Promise 1: only an order explains that values became known."""
    house.workspace("network")
    house.engine.will_find("network", subnet())
    house.open_change(1, "h1", "network/main.tf")
    house.engine.will_find("network", subnet("vpc-1"))
    house.say(1, "/apply")
    assert applies(house, "network")[0].status is RunStatus.PLANNED


def test_a_value_that_became_known_long_after_the_order_asks_again(opened: House) -> None:
    opened.say(1, "/apply network")
    opened.engine.will_find("cluster", subnet())
    opened.say(1, "/plan cluster")
    # This plan knew all that the network has made.
    opened.engine.will_find("cluster", subnet("vpc-1"))
    opened.say(1, "/apply cluster")
    assert stands(opened)[1] == "planned"


@pytest.mark.parametrize(
    ("ends", "said"),
    [("failed", "which failed"), ("canceled", "which was canceled"), ("discarded", "which was discarded")],
)
def test_one_that_ends_without_an_apply_holds_its_dependents(opened: House, ends: str, said: str) -> None:
    if ends == "failed":
        opened.engine.fail("apply", FAILED)
    elif ends == "discarded":
        opened.engine.will_find("network", BUCKET, subnet())
    opened.say(1, "/apply", work=ends != "canceled")
    if ends == "canceled":
        opened.work("receive")
        opened.controls.cancel(applies(opened, "network")[0].id, WRITER)
    elif ends == "discarded":
        opened.controls.discard(applies(opened, "network")[0].id, WRITER)
    opened.work()
    opened.sweep()
    assert stands(opened)[1:] == ["pending", "pending"]
    for name in ("cluster", "app"):
        assert opened.said("h1", f"plangate/{name}/plan")[1] == f"Waits for network, {said}"
    # A later apply of it lets them go on.
    opened.engine.will_find("network", BUCKET)
    opened.say(1, "/plan network")
    opened.say(1, "/apply network")
    assert stands(opened) == ["applied"] * 3
    assert applied(opened)[-3:] == list(ROW)


def test_a_retry_of_one_that_failed_lets_the_others_go_on(opened: House) -> None:
    opened.engine.fail("apply", FAILED)
    opened.say(1, "/apply")
    opened.controls.retry(applies(opened, "network")[0].id, WRITER)
    opened.work()
    opened.controls.confirm(applies(opened, "network")[-1].id, WRITER)
    opened.work()
    assert stands(opened) == ["applied"] * 3


def test_a_dependent_alone_is_refused_and_the_command_for_both_is_told(opened: House) -> None:
    opened.say(1, "/apply app")
    assert stands(opened) == ["", "", ""]
    (said,) = [text for text in opened.comments(1) if "depends on" in text]
    assert (
        "app: depends on cluster, which is not applied on this change: comment "
        "`/apply network cluster app` to apply them in order" in said
    )
    opened.say(1, "/apply network cluster app")
    assert applied(opened) == list(ROW)


def test_the_comment_shows_the_order_and_suggests_only_what_is_carried_out(opened: House) -> None:
    codes = [opened.runs(opened.find_workspace(name))[0].plan_code for name in ROW]
    step = "/apply " + " ".join(f"{name} {code}" for name, code in zip(ROW, codes, strict=True))
    assert f"app: Planned; next: {step}" in opened.summary(1)
    opened.say(1, step)
    assert applied(opened) == list(ROW)


def test_nothing_is_suggested_for_a_dependent_of_one_that_can_t_be_applied(opened: House) -> None:
    opened.engine.fail("plan", EngineError("no such module"))
    opened.say(1, "/plan network")
    said = opened.summary(1)
    assert "next: /plan network" in said
    assert "next: /apply" not in said


def test_why_knows_the_order(opened: House) -> None:
    opened.say(1, "/why app")
    (said,) = [text for text in opened.comments(1) if "applied after" in text]
    assert "it is applied after cluster, network" in said
    assert "comment `/apply network cluster app` to apply them in order" in said
    opened.engine.fail("apply", FAILED)
    opened.say(1, "/apply")
    opened.say(1, "/why app")
    assert any("Waits for network, which failed" in text for text in opened.comments(1))


def test_a_dependent_alone_is_applied_if_nothing_is_left_before_it(opened: House) -> None:
    opened.engine.will_find("cluster")
    opened.say(1, "/plan cluster")
    opened.say(1, "/apply network")
    opened.say(1, "/apply app")
    assert applied(opened) == ["network", "app"]


def test_a_dependent_waits_for_an_earlier_apply_that_is_under_way(opened: House) -> None:
    opened.say(1, "/apply network cluster", work=False)
    opened.work("receive")
    opened.say(1, "/apply app", work=False)
    opened.work()
    assert applied(opened) == list(ROW)


def test_what_is_refused_holds_back_what_depends_on_it(opened: House) -> None:
    opened.engine.fail("plan", EngineError("no such module"))
    opened.say(1, "/plan network")
    opened.say(1, "/apply")
    assert stands(opened) == ["", "", ""]
    (said,) = [text for text in opened.comments(1) if "depends on" in text]
    assert "cluster: depends on network, whose plan failed, and network can't be applied now" in said
    assert "/apply network" not in said


def test_what_is_destroyed_goes_the_other_way(house: House) -> None:
    row(house, allowed_modes=tuple(Mode)).open_change(1, "h1", *FILES)
    house.say(1, "/plan -destroy")
    assert "next: /apply app" in house.summary(1)
    house.say(1, "/apply")
    assert applied(house) == list(reversed(ROW))


def test_one_that_is_destroyed_by_name_needs_no_others(house: House) -> None:
    row(house, allowed_modes=tuple(Mode)).open_change(1, "h1", *FILES)
    house.say(1, "/plan -destroy app")
    house.say(1, "/apply app")
    assert applied(house) == ["app"]


def test_one_that_is_applied_after_the_merge_is_not_suggested(house: House) -> None:
    house.workspace("network", merging=Merging(apply_when=ApplyWhen.AFTER_MERGE))
    house.workspace("app", depends_on=("network",))
    for name in ("network", "app"):
        house.engine.will_find(name, BUCKET)
    house.open_change(1, "h1", "network/main.tf", "app/main.tf")
    assert "next: /apply network app" not in house.summary(1)
    house.say(1, "/apply app")
    said = "app: depends on network, which is applied after the merge: merge this change first"
    assert any(said in text for text in house.comments(1))
    assert applies(house, "app") == []


def test_a_workspace_that_waits_says_so_to_another_apply(opened: House) -> None:
    opened.engine.fail("apply", FAILED)
    opened.say(1, "/apply")
    opened.say(1, "/apply app")
    assert any("is approved already and waits for network, which failed" in t for t in opened.comments(1))


def test_a_held_run_does_not_hold_up_other_changes(opened: House) -> None:
    opened.engine.fail("apply", FAILED)
    opened.say(1, "/apply")
    opened.open_change(2, "h2", "app/other.tf")
    opened.say(2, "/apply")
    newest = applies(opened, "app")[-1]
    assert (newest.change_number, newest.status) == (2, RunStatus.APPLIED)
    assert applies(opened, "app")[0].status is RunStatus.PENDING


def test_a_newer_commit_stops_those_that_wait(opened: House) -> None:
    opened.engine.fail("apply", FAILED)
    opened.say(1, "/apply")
    opened.update_change(1, "h2", *FILES)
    assert [run.status.value for name in ROW for run in applies(opened, name)] == [
        "errored", "discarded", "discarded",
    ]  # fmt: skip


def test_an_approval_is_carried_over_only_in_the_order(house: House) -> None:
    row(house, merging=Merging(keep_approval=True)).open_change(1, "h1", *FILES)
    house.engine.fail("apply", FAILED)
    house.say(1, "/apply")
    house.update_change(1, "h2", *FILES)
    assert stands(house)[2] == "discarded"
    assert applied(house) == ["network"]
    house.say(1, "/apply")
    assert stands(house) == ["applied"] * 3


@pytest.mark.parametrize("first", ["network", "app"])
def test_approvals_are_carried_over_in_order_whichever_plan_is_ready_first(house: House, first: str) -> None:
    row(house, merging=Merging(keep_approval=True)).open_change(1, "h1", *FILES)
    house.say(1, "/apply", work=False)
    house.work("receive")
    house.update_change(1, "h2", *FILES, work=False)
    house.work("receive")
    assert stands(house) == ["discarded"] * 3
    previews = house.runs(house.find_workspace(first), plan_only=True)
    house.execution.advance(previews[-1].id)
    house.work("receive")
    assert len(applies(house, first)) == (2 if first == "network" else 1)
    house.work()
    # One that came too early comes again, after the others.
    house.sweep(minutes=1)
    house.sweep(minutes=1)
    assert stands(house) == ["applied"] * 3
    assert applied(house) == list(ROW)


# --- on the branch ------------------------------------------------------------------------------------------


def test_runs_of_a_push_wait_in_order(house: House) -> None:
    row(house, auto_apply=True).push("c1", *FILES)
    assert applied(house) == list(ROW)
    assert stands(house) == ["applied"] * 3


def test_runs_of_a_push_wait_for_a_confirmation(house: House) -> None:
    row(house).push("c1", *FILES)
    assert stands(house) == ["planned", "pending", "pending"]
    assert house.said("c1", "plangate/cluster/plan")[1] == "Waits for network (needs confirmation)"
    house.controls.confirm(applies(house, "network")[0].id, WRITER)
    house.work()
    assert stands(house) == ["applied", "planned", "pending"]


def test_the_runs_of_a_branch_never_pass_each_other(house: House) -> None:
    row(house, auto_apply=True)
    house.engine.fail("apply", FAILED)
    house.push("c1", *FILES)
    house.push("c2", "app/other.tf")
    older, newer = applies(house, "app")
    assert [older.status, newer.status] == [RunStatus.PENDING, RunStatus.PENDING]
    said = house.said("c2", "plangate/app/plan")[1]
    assert said == f"Waiting: 2nd in the queue, behind {older.id}, which waits for network, which failed"
    house.engine.will_find("network", BUCKET)
    house.push("c3", "network/main.tf")
    assert older.id in [run_id for run_id, _ in house.engine.applied]
    assert applies(house, "app")[0].status is RunStatus.APPLIED
    assert applied(house)[:4] == ["network", "network", "cluster", "app"]


def test_an_approval_before_the_merge_covers_values_that_become_known(house: House) -> None:
    row(house, merging=Merging(apply_when=ApplyWhen.AFTER_MERGE))
    house.engine.will_find("cluster", subnet())
    house.open_change(1, "h1", *FILES)
    house.say(1, "/apply")
    assert house.engine.applied == []
    house.engine.during("apply", lambda _: house.engine.will_find("cluster", subnet("vpc-1")))
    house.close_change(1, merged=True, as_commit="m1")
    house.push("m1", *FILES)
    assert applied(house) == list(ROW)


def test_a_run_trigger_makes_no_second_run_of_one_that_waits(house: House) -> None:
    house.workspace("network", auto_apply=True)
    house.workspace("app", auto_apply=True, depends_on=("network",), run_triggers=("network",))
    for name in ("network", "app"):
        house.engine.will_find(name, BUCKET)
    house.push("c1", "network/main.tf", "app/main.tf")
    assert [run.source.value for run in applies(house, "app")] == ["push"]
    house.engine.will_find("network", BUCKET)
    house.push("c2", "network/main.tf")
    assert [run.source.value for run in applies(house, "app")] == ["push", "trigger"]


@pytest.mark.parametrize("first", ["app", "cluster"])
def test_triggered_runs_wait_in_order(house: House, first: str) -> None:
    house.workspace("network", auto_apply=True)
    options: dict[str, Any] = {"run_triggers": ("network",), "auto_apply_run_triggers": True}
    house.workspace("app", depends_on=("cluster",), **options)
    house.workspace("cluster", **options)
    for name in ROW:
        house.engine.will_find(name, BUCKET)
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    house.execution.advance(house.only_run().id)
    place = house.find_workspace(first)
    assert place is not None
    # Deliveries may be handled in any order: one that comes too early comes again.
    house.intake.handle(f"applied:{house.only_run().id}:{place.id}")
    assert len(house.runs()) == (1 if first == "app" else 2)
    house.work()
    house.sweep(minutes=1)
    assert applied(house) == list(ROW)


# --- whatever dies ------------------------------------------------------------------------------------------


def test_the_sweep_goes_on_if_the_worker_dies_after_an_apply(opened: House) -> None:
    """The apply's end is stored, and nobody was woken for what depends on it (promise 3)."""
    opened.say(1, "/apply", work=False)
    opened.work("receive")
    network = applies(opened, "network")[0]
    opened.execution.advance(network.id)
    while opened.dispatch.take():
        pass  # Redis has lost everything.
    assert stands(opened) == ["applied", "pending", "pending"]
    opened.sweep()
    assert stands(opened) == ["applied"] * 3
    assert applied(opened) == list(ROW)


@pytest.mark.parametrize("stage", ["fetch", "plan"])
def test_a_worker_that_dies_while_it_plans_a_dependent_again_loses_nothing(opened: House, stage: str) -> None:
    opened.say(1, "/apply", work=False)
    opened.work("receive")
    network = applies(opened, "network")[0]
    opened.execution.advance(network.id)
    cluster = applies(opened, "cluster")[0]
    opened.killed_while(stage, lambda: opened.execution.advance(cluster.id))
    assert stands(opened)[0] == "applied"
    opened.sweep(minutes=10)
    opened.sweep(minutes=10)
    assert stands(opened) == ["applied"] * 3


def test_an_apply_that_was_cut_off_holds_its_dependents(opened: House) -> None:
    opened.say(1, "/apply", work=False)
    opened.work("receive")
    network = applies(opened, "network")[0]
    opened.killed_while("apply", lambda: opened.execution.advance(network.id))
    opened.sweep(minutes=10)
    opened.sweep(minutes=10)
    assert stands(opened) == ["errored", "pending", "pending"]
    assert opened.said("h1", "plangate/app/plan")[1] == "Waits for network, which failed"
