"""Changes: what is previewed, what stands on them, and what becomes of it when they move or close."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bot.domain.errors import EngineError
from bot.domain.events import ChangeAction, ChangeClosed, ChangeUpdated
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.workspaces.workspace import Merging
from tests.fakes.engine import change
from tests.fakes.house import REPO, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})


def test_a_change_is_previewed_in_each_workspace_that_it_touches(house: House) -> None:
    for name in ("network", "database", "unrelated"):
        house.workspace(name)
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", "database/b.tf")
    assert house.statuses() == ["planned_and_finished"] * 2
    assert all(run.plan_only for run in house.runs())
    assert house.summary(1).splitlines()[:3] == [
        "plans of h1",
        "database: No changes; next: nothing",
        f"network: Planned; next: /apply network {house.runs(house.find_workspace('network'))[0].plan_code}",
    ]
    assert house.said("h1") == ("success", "2 workspaces planned: +1 ~0 -0")
    assert house.said("h1", "plangate/network/plan") == (
        "success",
        "Plan: 1 to add, 0 to change, 0 to destroy",
    )
    assert house.forge.latest_status(REPO, "h1", "plangate/network/apply") is None
    assert house.engine.applied == []


def test_previews_do_not_wait_for_runs_that_apply_nor_for_each_other(house: House) -> None:
    workspace = house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.push("c1", "network/main.tf")
    house.open_change(1, "h1", "network/a.tf")
    house.open_change(2, "h2", "network/a.tf")
    assert house.statuses(workspace) == ["planned", "planned_and_finished", "planned_and_finished"]


def test_a_preview_reads_the_state_and_can_not_lock_it(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    job = house.engine.jobs[-1]
    assert job.state is not None
    assert not job.state.lock
    assert job.state.password.startswith("r.")
    assert job.environment["TFC_RUN_ID"] == house.only_run().id
    assert job.state.password in job.secrets


def test_what_a_change_downloads_is_used_by_no_other_run(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.say(1, "/apply")
    house.push("c1", "network/main.tf")
    kept = {run.id: run.commit for run in house.runs()}
    found = {(kept[job.run_id], job.fills_cache) for job in house.engine.jobs}
    assert found == {("h1", False), ("c1", True)}


def test_a_newer_commit_cancels_the_previews_of_the_older_one(house: House) -> None:
    workspace = house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive", "report")
    house.update_change(1, "h2", "network/a.tf")
    assert house.statuses(workspace) == ["canceled", "planned_and_finished"]
    assert house.engine.count("plan") == 1
    assert "plans of h2" in house.summary(1)


def test_a_preview_at_work_is_interrupted_by_a_newer_commit(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")

    def newer(_: object) -> None:
        house.update_change(1, "h2", "network/a.tf", work=False)
        house.work("receive")

    house.engine.during("plan", newer)
    house.work()
    first, second = house.runs()
    assert (first.status, first.cancel_requested_by) == (RunStatus.CANCELED, "plangate")
    assert second.status is RunStatus.PLANNED_AND_FINISHED


def test_a_newer_commit_that_leaves_a_workspace_alone_cancels_its_preview_and_passes(
    house: House,
) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    house.update_change(1, "h2", "README.md")
    assert house.statuses() == ["canceled"]
    assert house.said("h2") == ("success", "No workspace is affected")
    assert house.summary(1).endswith("No workspace is affected by the latest commit.")


def test_a_change_that_touches_no_workspace_passes_and_gets_no_comment(house: House) -> None:
    house.workspace("network")
    delivery = house.open_change(1, "h1", "README.md")
    assert house.said("h1") == ("success", "No workspace is affected")
    assert house.comments(1) == []
    assert house.reasons(delivery) == ["none of the changed files is in network/"]


def test_a_change_against_another_branch_passes(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", base="develop")
    assert house.said("h1")[0] == "success"
    assert house.runs() == []


def test_a_change_of_a_repository_without_workspaces_is_left_alone(house: House) -> None:
    delivery = house.open_change(1, "h1", "network/a.tf")
    assert house.reasons(delivery) == ["no workspace is configured for acme/infra"]
    assert house.forge.statuses == []


def test_a_change_from_a_fork_is_not_planned_before_a_writer_says_so(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", fork=True)
    assert house.runs() == []
    assert house.engine.jobs == []
    assert house.said("h1") == (
        "pending", "A change from a fork: someone with write access may comment /plan"
    )  # fmt: skip
    house.say(1, "/plan", by="pat")
    assert house.runs() == []
    house.say(1, "/plan", by="wren")
    assert house.statuses() == ["planned_and_finished"]
    assert house.said("h1")[0] == "success"


def test_a_fork_that_touches_no_workspace_passes_like_any_other_change(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "README.md", fork=True)
    assert house.said("h1") == ("success", "No workspace is affected")


def test_a_failed_preview_shows_its_error_and_fails_the_commit(house: House) -> None:
    house.workspace("network")
    house.engine.fail("plan", EngineError("Error: no region"), output="Error: no region\n\non main.tf\n")
    house.open_change(1, "h1", "network/a.tf")
    assert house.statuses() == ["errored"]
    assert house.said("h1") == ("failure", "1 of 1 failed: network")
    assert "Error: no region\n\non main.tf" in house.summary(1)
    assert "next: /plan network" in house.summary(1)


def test_a_change_reopened_on_the_same_commit_keeps_its_plan(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    house.close_change(1)
    about = house.forge.edit_change(REPO, 1, open=True)
    again = house.deliver(ChangeUpdated(about, ChangeAction.REOPENED, "ann"))
    house.work()
    assert house.reasons(again) == [f"this commit has a plan: {house.only_run().id}"]


def test_a_change_reopened_after_its_previews_were_canceled_is_planned_anew(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    house.close_change(1)
    assert house.statuses() == ["canceled"]
    about = house.forge.edit_change(REPO, 1, open=True)
    house.deliver(ChangeUpdated(about, ChangeAction.REOPENED, "ann"))
    house.work()
    assert house.statuses() == ["canceled", "planned_and_finished"]


def test_a_change_retargeted_to_another_branch_is_previewed_there_and_no_longer_here(house: House) -> None:
    here, there = house.workspace("main-net"), house.workspace("dev-net", branch="develop")
    for workspace in (here, there):
        with house.store.transaction() as tx:
            tx.workspaces.put(replace(workspace, working_directory="network"))
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    about = house.forge.edit_change(REPO, 1, base_branch="develop")
    house.deliver(ChangeUpdated(about, ChangeAction.RETARGETED, "ann"))
    house.work()
    assert house.statuses(here) == ["canceled"]
    assert house.statuses(there) == ["planned_and_finished"]


def test_closing_a_change_cancels_its_previews_and_discards_what_waits_for_an_answer(
    house: House,
) -> None:
    network, database = house.workspace("network"), house.workspace("database")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.engine.will_find("network", BUCKET, change("aws_s3_bucket.more", "create"))
    house.say(1, "/apply")
    assert house.statuses(network) == ["planned_and_finished", "planned"]
    # The newer commit is about another workspace; what waits in the first is discarded all the same.
    house.update_change(1, "h2", "database/a.tf", work=False)
    house.work("receive")
    house.close_change(1)
    assert house.statuses(network) == ["planned_and_finished", "discarded"]
    assert house.statuses(database) == ["canceled"]
    assert "/apply" not in house.summary(1), "a closed change offers to apply"


def test_a_run_that_stops_at_another_plan_after_its_change_was_merged_does_not_hold_the_queue(
    house: House,
) -> None:
    workspace = house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.engine.will_find("network", BUCKET, change("aws_s3_bucket.more", "create"))
    house.say(1, "/apply", work=False)
    house.work("receive")

    def merged(_: object) -> None:
        house.close_change(1, merged=True, work=False)
        house.push("c1", "network/a.tf", work=False)
        house.work("receive")

    house.engine.during("plan", merged)
    house.work()
    # Nobody could approve it by a comment any more; the branch's own run asks on its page.
    assert house.statuses(workspace) == ["planned_and_finished", "discarded", "planned"]


def test_a_close_of_a_change_never_seen_leads_to_nothing(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.dispatch.lose_everything()
    delivery = house.close_change(1)
    assert house.reasons(delivery) == ["the change was closed; it was never planned here"]


def test_deliveries_that_come_out_of_order_leave_the_newest_commit_standing(house: House) -> None:
    house.workspace("network")
    opened = house.open_change(1, "h1", "network/a.tf", work=False)
    house.dispatch.lose_everything()
    house.update_change(1, "h2", "network/a.tf")
    # The first call's job comes late, or was tried again: what it says of the change is outdated.
    house.intake.handle(opened)
    house.work()
    assert [(run.commit, run.status.value) for run in house.runs()] == [("h2", "planned_and_finished")]
    assert "plans of h2" in house.summary(1)


def test_an_update_handled_after_the_close_plans_nothing(house: House) -> None:
    house.workspace("network")
    opened = house.open_change(1, "h1", "network/a.tf", work=False)
    house.dispatch.lose_everything()
    house.close_change(1)
    house.intake.handle(opened)
    house.work()
    assert house.runs() == []


def test_a_close_handled_after_the_change_was_reopened_stops_nothing(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf", work=False)
    house.work("receive")
    about = house.forge.edit_change(REPO, 1, title="still open")
    house.deliver(ChangeClosed(replace(about, open=False), "ann"))
    house.work()
    assert house.statuses() == ["planned_and_finished"]


def test_a_close_that_does_not_name_the_author_leaves_who_it_was(house: House) -> None:
    house.workspace("network")
    house.open_change(1, "h1", "network/a.tf")
    about = house.forge.edit_change(REPO, 1, open=False)
    house.deliver(ChangeClosed(replace(about, author=""), "ben"))
    house.work()
    with house.store.reading() as tx:
        record = tx.changes.numbered(REPO, 1)
    assert record is not None
    assert (record.change.author, record.change.open) == (about.author, False)
    assert about.author


def test_two_changes_of_one_workspace_are_applied_one_after_the_other(house: House) -> None:
    workspace = house.workspace("network", merging=Merging(replan_siblings=False))
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.open_change(2, "h2", "network/b.tf")
    house.say(1, "/apply", work=False)
    house.say(2, "/apply", work=False)
    seen: list[list[str]] = []
    house.engine.during("apply", lambda _: seen.append(house.statuses(workspace)))
    house.work()
    assert seen == [["planned_and_finished", "planned_and_finished", "applying", "pending"]]
    first, second = house.runs(workspace)[2:]
    assert (first.status, second.status) == (RunStatus.APPLIED, RunStatus.PLANNED_AND_FINISHED)
    assert house.said("h2", "plangate/network/apply") == (
        "success", "Nothing to apply: the plan has no changes"
    )  # fmt: skip


def test_the_second_of_two_changes_says_behind_which_run_it_waits(house: House) -> None:
    house.workspace("network")
    house.engine.will_find("network", BUCKET)
    house.open_change(1, "h1", "network/a.tf")
    house.open_change(2, "h2", "network/b.tf")
    house.engine.will_find("network", BUCKET, change("aws_s3_bucket.more", "create"))
    house.say(1, "/apply")
    house.say(2, "/apply")
    holder = house.runs()[2]
    waits = f"Waiting: 2nd in the queue, behind {holder.id} (needs confirmation)"
    assert house.said("h2", "plangate/network/apply") == ("pending", waits)


def test_houses_do_not_share_anything(build: Callable[..., House]) -> None:
    one, two = build(), build()
    one.workspace("network")
    assert two.find_workspace("network") is None
