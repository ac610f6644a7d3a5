"""A workspace that is removed from plangate.yml, or renamed: what waits there ends, with that reason."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.workspaces.workspace import Workspace
from bot.services.runs.removed_workspaces import REASON
from bot.services.variables.sync import sync
from tests.fakes.engine import change
from tests.fakes.house import REPO, House


def place(house: House, name: str) -> Workspace:
    """Return a workspace in which each plan has a change."""
    house.engine.will_find(name, change("aws_s3_bucket.logs", "create", after={"name": "logs"}))
    return house.workspace(name)


def remove(house: House, *kept: Workspace) -> None:
    """Read a plangate.yml that has only these."""
    sync(house.store, kept, ())


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
    assert all(REASON in messages(house, run.id) for run in house.runs())
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
