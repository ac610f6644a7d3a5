"""A workspace that is removed from plangate.yml, or renamed: what waits there ends, with that reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.domain.workspaces.freeze import FreezeWindow
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ApplyResult
from bot.services.variables.sync import sync
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

GONE = "its workspace is no longer in plangate.yml"


def place(house: House, name: str, **fields: Any) -> Workspace:
    """Return a workspace in which each plan has a change."""
    house.engine.will_find(name, change("aws_s3_bucket.logs", "create", after={"name": "logs"}))
    return house.workspace(name, **fields)


def remove(house: House, *kept: Workspace) -> None:
    """Read a plangate.yml that has only these."""
    sync(house.store, house.clock.now(), kept, ())


def messages(house: House, run_id: str) -> list[str]:
    with house.store.reading() as tx:
        return [event.message for event in tx.runs.timeline(run_id)]


def test_waiting_runs_are_discarded_with_that_reason_and_their_statuses_end(house: House) -> None:
    place(house, "network")
    house.push("c1", "network/main.tf")
    house.push("c2", "network/main.tf", before="c1")
    assert house.statuses() == ["planned", "pending"]
    remove(house)
    house.sweep()
    assert house.statuses() == ["discarded", "discarded"]
    assert all(GONE in messages(house, run.id) for run in house.runs())
    for commit in ("c1", "c2"):
        assert house.status(commit, "plangate/network/apply").state != "pending"
        assert house.status(commit).state != "pending"


def test_after_a_renaming_only_the_new_name_has_runs_that_wait(house: House) -> None:
    old = place(house, "network")
    house.push("c1", "network/main.tf")
    remove(house, replace(old, id="ws-new", name="net"))
    house.sweep()
    house.push("c2", "network/main.tf", before="c1")
    with house.store.reading() as tx:
        new = tx.workspaces.named("net")
    assert house.statuses(old) == ["discarded"]
    assert house.statuses(new) == ["planned"]


def test_what_is_being_planned_ends_first(house: House) -> None:
    place(house, "network")
    seen: list[str] = []

    def removed_and_swept(_: object) -> None:
        remove(house)
        house.clock.forward(seconds=10)
        house.sweeping.run()
        seen.extend(house.statuses())

    house.engine.during("plan", removed_and_swept)
    house.push("c1", "network/main.tf")
    assert seen == ["planning"]
    house.sweep()
    assert house.statuses() == ["discarded"]


def test_other_workspaces_are_left_alone(house: House) -> None:
    kept = place(house, "network")
    place(house, "storage")
    house.push("c1", "network/main.tf", "storage/main.tf")
    remove(house, kept)
    house.sweep()
    assert house.statuses(kept) == ["planned"]
    assert kept.repo == REPO


# --- what waits for a removed workspace, or waits there -----------------------------------------------------

ROW = ("network", "app")
FREEZE = FreezeWindow("30 12 * * TUE", timedelta(hours=4), "Europe/Berlin")
FAILED = ApplyResult(False, "Error: quota exceeded")


def row(house: House, **network: Any) -> Workspace:
    """Two workspaces, of which app depends on network. Return app."""
    place(house, "network", **network)
    return place(house, "app", depends_on=("network",))


def status_of(house: House, name: str) -> str:
    return house.runs(house.find_workspace(name), plan_only=False)[-1].status.value


def report(house: House) -> None:
    """Deliver what is marked as due, and nothing else."""
    house.clock.forward(minutes=1)
    with house.store.reading() as tx:
        due = tx.posts.due(house.clock.now(), 100)
    for subject in due:
        house.report_delivery.report(subject)


def test_what_waits_for_a_failed_run_of_a_removed_workspace_goes_on(house: House) -> None:
    app = row(house)
    house.open_change(1, "h1", "network/main.tf", "app/main.tf")
    house.engine.fail("apply", FAILED)
    house.say(1, "/apply")
    assert house.said("h1", "plangate/app/plan")[1] == "Waits for network, which failed"
    remove(house, app)
    report(house)
    assert "Waits for network" not in house.said("h1", "plangate/app/plan")[1]
    house.sweep()
    assert status_of(house, "app") == "applied"


def test_after_a_renaming_nothing_waits_for_the_old_name(house: House) -> None:
    app = row(house)
    house.push("c1", "network/main.tf", "app/main.tf")
    house.controls.discard(house.runs(house.find_workspace("network"))[0].id, WRITER)
    house.work()
    assert house.said("c1", "plangate/app/plan")[1] == "Waits for network, which was discarded"
    old = house.find_workspace("network")
    assert old is not None
    remove(house, replace(old, id="", name="net"), replace(app, depends_on=("net",)))
    house.sweep()
    assert status_of(house, "app") == "planned"


def test_one_that_waits_for_others_too_says_only_those(house: House) -> None:
    """Its status changes although it still may not start."""
    places = [place(house, name) for name in ("network", "dns")]
    app = place(house, "app", depends_on=("network", "dns"))
    house.push("c1", "network/main.tf", "dns/main.tf", "app/main.tf")
    house.controls.discard(house.runs(places[0])[0].id, WRITER)
    house.work()
    assert house.said("c1", "plangate/app/plan")[1] == "Waits for network, which was discarded"
    remove(house, places[1], app)
    report(house)
    assert house.said("c1", "plangate/app/plan")[1] == "Waits for dns (needs confirmation)"
    house.sweep()
    assert status_of(house, "app") == "pending"


def test_the_queue_of_what_waited_is_reported_too(house: House) -> None:
    app = row(house, auto_apply=True)
    house.engine.fail("apply", FAILED)
    house.push("c1", "network/main.tf", "app/main.tf")
    house.push("c2", "app/other.tf")
    assert "which waits for network, which failed" in house.said("c2", "plangate/app/plan")[1]
    remove(house, app)
    report(house)
    assert "network" not in house.said("c2", "plangate/app/plan")[1]


def test_a_run_of_a_removed_workspace_does_not_start_at_the_end_of_its_freeze(house: House) -> None:
    app = row(house, freeze=(FREEZE,))
    house.open_change(1, "h1", "network/main.tf", "app/main.tf")
    house.say(1, "/apply")
    assert house.said("h1", "plangate/app/plan")[1] == "Waits for network (waits for the end of a freeze)"
    remove(house, app)
    house.sweep()
    run = house.runs(house.find_workspace("network"), plan_only=False)[-1]
    assert run.status.value == "canceled"
    assert GONE in messages(house, run.id)
    assert house.said("h1", "plangate/network/apply")[0] != "pending"
    assert status_of(house, "app") == "applied"
    house.sweep(hours=5)
    assert [house.run(run_id).workspace_id for run_id, _ in house.engine.applied] == [app.id]


def test_a_worker_that_comes_before_the_sweep_does_not_start_it_either(house: House) -> None:
    app = row(house, freeze=(FREEZE,))
    house.push("c1", "network/main.tf")
    run = house.only_run()
    house.controls.confirm(run.id, WRITER)
    house.work()
    remove(house, app)
    house.clock.forward(hours=5)
    house.execution.advance(run.id)
    assert house.run(run.id).status.value == "canceled"
    assert house.engine.applied == []


def test_one_that_waits_itself_ends_and_releases_what_waits_for_it(house: House) -> None:
    network = place(house, "network")
    place(house, "cluster", depends_on=("network",))
    app = place(house, "app", depends_on=("cluster",))
    house.push("c1", *(f"{name}/main.tf" for name in ("network", "cluster", "app")))
    remove(house, network, app)
    house.sweep()
    assert status_of(house, "cluster") == "discarded"
    assert house.said("c1", "plangate/app/plan")[1] == "Waits for network (needs confirmation)"
    house.controls.confirm(house.runs(network)[0].id, WRITER)
    house.work()
    assert status_of(house, "app") == "planned"


def test_what_is_applied_there_is_waited_for(house: House) -> None:
    app = row(house, auto_apply=True)
    seen: list[str] = []

    def removed_and_swept(_: object) -> None:
        remove(house, app)
        house.clock.forward(seconds=10)
        house.sweeping.run()
        seen.extend(house.statuses())

    house.engine.during("apply", removed_and_swept)
    house.push("c1", "network/main.tf", "app/main.tf")
    assert sorted(seen) == ["applying", "pending"]
    house.sweep()
    assert (status_of(house, "network"), status_of(house, "app")) == ("applied", "planned")


def test_nothing_is_suggested_for_a_removed_workspace_nor_needed_before_others(
    house: House,
) -> None:
    app = row(house)
    house.open_change(1, "h1", "network/main.tf", "app/main.tf")
    remove(house, app)
    house.say(1, "/why app")
    assert "next: /apply network" not in house.summary(1)
    house.say(1, "/apply app")
    assert status_of(house, "app") == "applied"
