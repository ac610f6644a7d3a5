"""From a push to its end: plan, confirmation, apply; one run of a workspace after the other."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.errors import EngineError
from bot.domain.events import ChangedFiles, TagPushed
from bot.domain.people.origins import Via
from bot.domain.plans.modes import Modes
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.domain.workspaces.workspace import Lock, Triggers
from bot.services.ports import ApplyResult, AuditQuery
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


def test_a_push_is_planned_waits_for_a_person_and_is_applied_with_the_plan_that_was_shown(
    house: House,
) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    run = house.only_run()
    assert run.status is RunStatus.PLANNED
    assert house.said("c1", "plangate/network/plan") == (
        "success",
        "Plan: 1 to add, 0 to change, 0 to destroy",
    )
    assert house.said("c1", "plangate/network/apply")[0] == "pending"
    assert house.said("c1")[0] == "pending"

    house.controls.confirm(run.id, WRITER, "looks right")
    house.work()

    run = house.only_run()
    assert run.status is RunStatus.APPLIED
    assert house.engine.applied == [(run.id, house.saved_plan(run))]
    assert house.engine.count("plan") == 1
    assert house.said("c1") == ("success", "1 workspace applied: +1 ~0 -0")
    assert house.said("c1", "plangate/network/apply") == ("success", "Applied: +1 ~0 -0")
    assert house.kinds(run) == [
        "pending", "fetching", "fetching_completed", "plan_queued", "planning", "planned", "confirmed",
        "apply_queued", "applying", "applied",
    ]  # fmt: skip


def test_the_apply_gets_the_version_that_made_the_plan(house: House) -> None:
    house.workspace("network", engine_version="~> 1.0")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.engine.versions == ["1.15.5"]


def test_a_plan_without_changes_is_the_end_of_its_run(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf")
    assert house.statuses() == ["planned_and_finished"]
    assert house.said("c1") == ("success", "1 workspace planned: no changes")
    assert house.engine.applied == []


def test_the_next_run_is_not_even_planned_until_the_one_before_it_is_final(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    house.push("c3", "network/main.tf", before="c2")
    first, second, _ = house.runs()
    assert house.statuses() == ["planned", "pending", "pending"]
    assert house.engine.count("plan") == 1
    assert house.said("c3") == (
        "pending",
        f"network: Waiting: 3rd in the queue, behind {second.id}; {first.id} holds the workspace "
        "(needs confirmation)",
    )

    house.controls.confirm(first.id, WRITER)
    house.engine.during("apply", lambda _: house.work("plan"))
    house.work("apply")
    assert house.engine.count("plan") == 1, "the second began before the first was applied"
    house.work()
    # Nothing is left to do for the second: it finds no changes, and the third goes on by itself.
    assert house.statuses() == ["applied", "planned_and_finished", "planned_and_finished"]


def test_a_discarded_run_lets_the_next_one_go_on(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    house.controls.discard(house.runs()[0].id, WRITER, "not like that")
    house.work()
    assert house.statuses() == ["discarded", "planned"]
    assert house.said("c1")[0] == "failure"


def test_workspaces_do_not_wait_for_each_other(house: House) -> None:
    one, two = house.workspace("one"), house.workspace("two")
    for name in ("one", "two"):
        house.engine.will_find(name, BUCKET)
    house.push("c1", "one/main.tf", "two/main.tf")
    assert house.statuses(one) == house.statuses(two) == ["planned"]
    assert house.said("c1") == ("pending", "2 of 2 workspaces are not finished")


def test_auto_apply_applies_without_asking(house: House) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    run = house.only_run()
    assert run.status is RunStatus.APPLIED
    assert run.confirmed_by == "auto-apply"
    assert house.engine.applied == [(run.id, house.saved_plan(run))]
    with house.store.reading() as tx:
        (line,) = tx.audit.find(AuditQuery(deed="apply"))
    assert (line.login, line.via, line.subject, line.workspace) == (
        "auto-apply",
        Via.SERVER,
        run.id,
        "network",
    )


def test_a_destroy_run_waits_for_a_person_even_with_auto_apply(house: House) -> None:
    house.workspace("network", auto_apply=True)
    house.engine.will_find("network", change("aws_s3_bucket.logs", "delete"))
    house.push("c1", "network/main.tf", work=False)
    house.work("receive")
    with house.store.transaction() as tx:
        tx.runs.save(replace(house.only_run(), modes=Modes(destroy=True)))
    house.work()
    assert house.statuses() == ["planned"]
    assert house.engine.jobs[-1].modes.destroy


def test_a_push_that_touches_nothing_of_ours_makes_no_run_and_says_why(house: House) -> None:
    house.workspace("network")
    elsewhere = house.push("c1", "README.md")
    assert house.runs() == []
    assert house.reasons(elsewhere) == ["none of the changed files is in network/"]
    other_branch = house.push("c2", "network/main.tf", branch="topic")
    assert house.reasons(other_branch) == ["no workspace of acme/infra follows branch topic"]
    assert house.runs() == []


def test_a_new_branch_has_no_list_of_files_and_runs_every_workspace_on_it(house: House) -> None:
    house.workspace("network", branch="release")
    house.workspace("database", branch="release")
    house.workspace("on-main")
    house.push("c1", branch="release", before="")
    assert house.statuses() == ["planned_and_finished"] * 2
    assert "files_between" not in house.forge.calls


def test_a_list_of_files_that_was_cut_short_runs_every_workspace(house: House) -> None:
    house.workspace("network")
    house.push("c1", "README.md", work=False)
    house.forge.set_files_between(REPO, "before", "c1", ChangedFiles(("README.md",), complete=False))
    house.work()
    assert house.statuses() == ["planned_and_finished"]


def test_a_commit_that_made_a_run_makes_no_second_one(house: House) -> None:
    house.workspace("network")
    house.push("c1", "network/main.tf")
    again = house.push("c1", "network/main.tf")
    assert house.reasons(again) == ["this commit has a run here already"]
    assert len(house.runs()) == 1


def test_a_tag_runs_the_workspaces_that_listen_to_it_and_a_push_does_not(house: House) -> None:
    workspace = house.workspace("releases", triggers=Triggers(tag_regex=r"^v\d+$"))
    house.engine.will_find("releases", BUCKET)
    house.push("c1", "releases/main.tf")
    assert house.runs() == []
    house.forge.tags[REPO, "v1"] = "c1"
    house.deliver(TagPushed(REPO, "v1", "c1", WRITER.login, "first", "main"))
    beta = house.deliver(TagPushed(REPO, "v1-beta", "c1", WRITER.login, "beta", "main"))
    house.work()
    run = house.only_run()
    assert (run.source, run.status, run.workspace_id) == (RunSource.TAG, RunStatus.PLANNED, workspace.id)
    assert house.reasons(beta) == [r"tag v1-beta does not match ^v\d+$"]


def test_a_locked_workspace_keeps_its_runs_pending_and_says_who_locked_it(house: House) -> None:
    workspace = house.workspace("network")
    house.engine.will_find("network", BUCKET)
    with house.store.transaction() as tx:
        tx.workspaces.set_lock(workspace.id, Lock("ann", "moving house", house.clock.now()))
    house.push("c1", "network/main.tf")
    assert house.statuses() == ["pending"]
    assert house.said("c1")[1] == "network: Waiting: the workspace is locked by ann: moving house"
    with house.store.transaction() as tx:
        tx.workspaces.set_lock(workspace.id, None)
    house.sweep()
    assert house.statuses() == ["planned"]


def test_a_failed_plan_is_told_from_a_failed_apply(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.engine.fail("plan", EngineError("Error: no such region"), output="Error: no such region\n")
    house.push("c1", "network/main.tf")
    plan_failed = house.only_run()
    assert (plan_failed.plan_status.value, plan_failed.apply_status.value) == ("errored", "pending")
    assert house.said("c1", "plangate/network/plan") == ("failure", "Plan failed: Error: no such region")
    assert house.said("c1") == ("failure", "1 of 1 failed: network")
    assert "no such region" in house.output(plan_failed), "the last words of the output were lost"

    house.push("c2", "network/main.tf", before="c1")
    house.engine.fail("apply", ApplyResult(False, "Error: denied"), output="Error: denied\n")
    house.controls.confirm(house.runs()[1].id, WRITER)
    house.work()
    apply_failed = house.runs()[1]
    assert apply_failed.status is RunStatus.ERRORED
    assert (apply_failed.plan_status.value, apply_failed.apply_status.value) == ("finished", "errored")
    assert house.said("c2", "plangate/network/plan")[0] == "success"
    assert house.said("c2", "plangate/network/apply") == ("failure", "Apply failed: Error: denied")
    assert "denied" in house.output(apply_failed, "apply")


def test_a_state_that_could_not_be_pushed_becomes_current_and_is_not_lost_with_the_run(house: House) -> None:
    workspace = house.workspace("network", auto_apply=True)
    house.engine.will_find("network", BUCKET)
    left = b'{"version": 4, "serial": 7, "lineage": "l"}'
    house.engine.fail("apply", ApplyResult(False, "Error: denied", errored_state=left))
    house.push("c1", "network/main.tf")
    with house.store.reading() as tx:
        (version,) = tx.states.versions(workspace.id)
        assert tx.states.current(workspace.id) == version
        assert tx.states.data(version.id) == left
    assert (version.run_id, version.serial) == (house.only_run().id, 7)
    assert house.only_run().status is RunStatus.ERRORED


def test_outputs_alone_are_worth_an_apply(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", outputs={"address": ["create"]})
    house.push("c1", "network/main.tf")
    assert house.statuses() == ["planned"]
    assert house.said("c1", "plangate/network/plan") == ("success", "Plan: only outputs or addresses change")
    house.controls.confirm(house.only_run().id, WRITER)
    house.work()
    assert house.said("c1", "plangate/network/apply") == ("success", "Applied")
