"""Plans asked for by hand and by flags: from the wish to Terraform, and what may be applied of them."""

from __future__ import annotations

import pytest

from bot.domain.errors import Forbidden, ForgeUnavailable, Invalid, NotFound
from bot.domain.people.permissions import Person, Role
from bot.domain.plans.modes import Mode, Modes
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.services.runs.queue_plan import LONGEST_MESSAGE, PlanOptions
from tests.fakes.engine import change
from tests.fakes.house import PLANNER, READER, REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
GONE = change("aws_s3_bucket.logs", "delete", before={"name": "logs"})
DESTROY = PlanOptions(modes=Modes(destroy=True))
INSTANCE = 'aws_instance.web["blue green"]'


@pytest.fixture
def network(house: House) -> House:
    house.workspace("network", allowed_modes=tuple(Mode))
    house.engine.will_find("network", BUCKET)
    house.forge.set_branch(REPO, "main", "head")
    return house


# --- Queue Plan ---------------------------------------------------------------------------------------------


def test_queue_plan_uses_the_current_commit_of_the_branch(network: House) -> None:
    run = network.manual_runs.queue_plan("network", WRITER, PlanOptions(message="  Look for drift  "))
    network.work()
    run = network.run(run.id)
    assert (run.status, run.source, run.commit, run.branch) == (
        RunStatus.PLANNED, RunSource.MANUAL, "head", "main",
    )  # fmt: skip
    assert (run.message, run.created_by, run.plan_only) == ("Look for drift", WRITER.login, False)
    assert network.timeline(run)[0].message == "queued by hand"
    assert network.said("head", "plangate/network/apply")[0] == "pending"


def test_a_workspace_of_another_branch_gets_that_branches_commit(house: House) -> None:
    house.workspace("network", branch="staging")
    house.forge.set_branch(REPO, "main", "head")
    house.forge.set_branch(REPO, "staging", "later")
    run = house.manual_runs.queue_plan("network", WRITER, PlanOptions())
    assert (run.commit, run.branch) == ("later", "staging")


def test_the_modes_reach_terraform_and_stand_in_the_timeline(network: House) -> None:
    modes = Modes(replace_addrs=(INSTANCE,), target_addrs=(INSTANCE, "module.app"))
    run = network.manual_runs.queue_plan("network", WRITER, PlanOptions(modes=modes))
    network.work()
    assert {job.modes for job in network.engine.jobs} == {modes}
    assert network.timeline(run)[0].message == f"queued by hand {modes}"
    assert network.said("head", "plangate/network/plan")[1].startswith(f"Plan with {modes}: 1 to add")


def test_a_plan_only_run_waits_for_nobody_blocks_nobody_and_is_not_told_to_the_forge(network: House) -> None:
    network.push("c1", "network/main.tf")
    network.workspace_locks  # noqa: B018  the holder below is what would block
    run = network.manual_runs.queue_plan("network", PLANNER, PlanOptions(plan_only=True))
    network.work()
    run = network.run(run.id)
    assert (run.status, run.plan_only) == (RunStatus.PLANNED_AND_FINISHED, True)
    assert network.statuses() == ["planned", "planned_and_finished"]
    before = len(network.forge.statuses)
    network.forge.set_branch(REPO, "main", "quiet")
    network.manual_runs.queue_plan("network", PLANNER, PlanOptions(plan_only=True))
    network.work()
    assert len(network.forge.statuses) == before
    assert network.forge.latest_status(REPO, "quiet", "plangate") is None
    assert network.engine.applied == []


def test_a_plan_only_run_does_not_speak_for_the_commit(network: House) -> None:
    network.push("c1", "network/main.tf")
    network.controls.confirm(network.only_run().id, WRITER)
    network.work()
    assert network.said("c1") == ("success", "1 workspace applied: +1 ~0 -0")
    network.manual_runs.queue_plan("network", WRITER, PlanOptions(plan_only=True, modes=Modes(destroy=True)))
    network.engine.will_find("network", GONE)
    network.work()
    network.report_delivery.report(f"commit:github:{REPO.path}:c1")
    assert network.said("c1") == ("success", "1 workspace applied: +1 ~0 -0")


def test_who_may_and_what_may_be(network: House) -> None:
    with pytest.raises(Forbidden, match="plan needs plan access"):
        network.manual_runs.queue_plan("network", READER, PlanOptions())
    with pytest.raises(NotFound):
        network.manual_runs.queue_plan("nowhere", WRITER, PlanOptions())
    network.workspace("network", allowed_modes=(Mode.TARGET,))
    with pytest.raises(Invalid, match="-destroy is not allowed in workspace network"):
        network.manual_runs.queue_plan("network", WRITER, DESTROY)
    network.workspace("network", active=False)
    with pytest.raises(NotFound, match="is retired"):
        network.manual_runs.queue_plan("network", WRITER, PlanOptions())
    assert network.runs() == []


def test_a_forge_that_is_away_makes_no_run(network: House) -> None:
    network.forge.fail(ForgeUnavailable("out of order"), "branch_head")
    with pytest.raises(ForgeUnavailable):
        network.manual_runs.queue_plan("network", WRITER, PlanOptions())
    assert network.runs() == []


def test_a_long_message_is_cut(network: House) -> None:
    run = network.manual_runs.queue_plan("network", WRITER, PlanOptions(message="x" * 5000))
    assert len(run.message) == LONGEST_MESSAGE


def test_the_same_commit_may_be_queued_again_and_again(network: House) -> None:
    for _ in range(2):
        network.manual_runs.queue_plan("network", WRITER, PlanOptions())
    assert [run.commit for run in network.runs()] == ["head", "head"]


# --- auto-apply ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("person", "options", "status"),
    [
        (WRITER, PlanOptions(), "applied"),
        (PLANNER, PlanOptions(), "planned"),
        (WRITER, PlanOptions(plan_only=True), "planned_and_finished"),
        (WRITER, DESTROY, "planned"),
        (WRITER, PlanOptions(modes=Modes(refresh_only=True)), "applied"),
    ],
)
def test_auto_apply_and_its_exceptions(
    house: House, person: Person, options: PlanOptions, status: str
) -> None:
    house.workspace("network", allowed_modes=tuple(Mode), auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.forge.set_branch(REPO, "main", "head")
    house.manual_runs.queue_plan("network", person, options)
    house.work()
    assert house.statuses() == [status]


# --- flags in comments --------------------------------------------------------------------------------------


def test_a_destroy_plan_by_comment_is_what_apply_applies(network: House) -> None:
    network.open_change(1, "h1", "network/a.tf")
    network.engine.will_find("network", GONE)
    delivery = network.say(1, "/plan -destroy")
    assert network.reasons(delivery) == [f"/plan -destroy by {WRITER.login}"]
    assert "network: Planned with -destroy; next: /apply network" in network.summary(1)
    network.say(1, "/apply")
    _, preview, run = network.runs()
    assert (preview.modes, run.modes) == (Modes(destroy=True), Modes(destroy=True))
    assert run.approval is not None
    assert run.approval.shown_run_id == preview.id
    assert run.status is RunStatus.APPLIED


def test_an_apply_after_a_plain_plan_is_plain_again(network: House) -> None:
    network.open_change(1, "h1", "network/a.tf")
    network.say(1, "/plan -target=aws_s3_bucket.logs")
    network.say(1, "/plan")
    network.say(1, "/apply")
    assert network.runs()[-1].modes == Modes()
    assert network.runs()[-1].status is RunStatus.APPLIED


def test_addresses_with_quotes_and_brackets_come_through_a_comment(network: House) -> None:
    network.open_change(1, "h1", "network/a.tf")
    network.say(1, f"/plan -replace='{INSTANCE}' -target {INSTANCE} network")
    assert network.runs()[-1].modes == Modes(replace_addrs=(INSTANCE,), target_addrs=(INSTANCE,))
    assert network.engine.jobs[-1].modes == network.runs()[-1].modes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/plan -detroy", "/plan: -detroy is not a valid flag here; did you mean -destroy?"),
        ("/plan -target=x", "/plan: -target: `x` is not the address of a resource or a module"),
        ("/apply -destroy", "/apply: flags belong to /plan"),
        ("/plan -destroy -refresh-only", "/plan: -destroy and -refresh-only exclude each other"),
    ],
)
def test_what_is_no_flag_is_refused_by_name(network: House, text: str, said: str) -> None:
    network.open_change(1, "h1", "network/a.tf")
    delivery = network.say(1, text)
    assert network.outcomes(delivery) == ["refused"]
    assert said in network.comments(1)[-1]
    assert len(network.runs()) == 1
    assert network.reactions(1) == ["eyes", "confused"]


def test_a_mode_that_is_not_allowed_is_refused_for_that_workspace_alone(network: House) -> None:
    network.workspace("safe")
    network.open_change(1, "h1", "network/a.tf", "safe/a.tf")
    delivery = network.say(1, "/plan -destroy")
    assert sorted(network.outcomes(delivery)) == ["preview", "refused"]
    assert "safe: -destroy is not allowed in workspace safe" in network.comments(1)[-1]


def test_who_may_not_plan_hears_that_first(network: House) -> None:
    network.open_change(1, "h1", "network/a.tf")
    network.say(1, "/plan -detroy", by=READER.login)
    assert "plan needs plan access" in network.comments(1)[-1]
    assert "detroy" not in network.comments(1)[-1].partition("\n")[2]


def test_a_retry_plans_as_the_old_run_did_and_waits(network: House) -> None:
    run = network.manual_runs.queue_plan("network", WRITER, DESTROY)
    network.work()
    network.controls.discard(run.id, WRITER)
    retried = network.controls.retry(run.id, WRITER)
    assert (retried.modes, retried.auto_apply) == (Modes(destroy=True), False)


def test_an_owner_on_the_command_line_is_a_person_like_any_other(network: House) -> None:
    run = network.manual_runs.queue_plan("network", Person("cli:root", Role.OWNER), PlanOptions())
    assert run.created_by == "cli:root"
