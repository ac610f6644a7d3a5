"""An approval is carried over only for a plan that was made from the same files and the same providers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bot.domain.events import GroupQueued
from bot.domain.runs.approval import ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import ApplyWhen, Merging
from tests.fakes.engine import change
from tests.fakes.house import REPO, WRITER, House

BUCKET = change("aws_s3_bucket.logs", "create", after={"name": "logs"})
Exchange = Callable[[House, str], None]


def other_files(house: House, commit: str) -> None:
    """Exchange what a provider reads at the apply."""
    house.engine.files[commit] = "other files"


def other_provider(house: House, commit: str) -> None:
    """Exchange a provider for another of the same version."""
    house.engine.locks[commit] = lock_with(b"h1:another")


def lock_with(checksum: bytes) -> bytes:
    return (
        b'provider "registry.terraform.io/hashicorp/aws" {\n  version = "6.0.0"\n  hashes = [\n    "'
        + checksum
        + b'",\n  ]\n}\n'
    )


EXCHANGES = pytest.mark.parametrize("exchange", [other_files, other_provider])
FILES = "made from other files"


def approved(house: House, merging: Merging) -> None:
    house.workspace("net", merging=merging)
    house.engine.locks |= dict.fromkeys(("h1", "h2", "m1", "q1"), lock_with(b"h1:approved"))
    house.engine.will_find("net", BUCKET)
    house.open_change(1, "h1", "net/a.tf")
    if merging.keep_approval:
        house.workspace_locks.lock("net", WRITER)
    house.say(1, "/apply")


def newest(house: House) -> Run:
    return house.runs()[-1]


def state_of_the_approval(house: House) -> ApprovalState:
    with house.store.reading() as tx:
        return tx.approvals.of_change(tx.workspaces.named("net").id, 1)[0].state


@EXCHANGES
def test_a_newer_commit_with_the_same_plan_and_other_materials_asks_again(
    house: House, exchange: Exchange
) -> None:
    approved(house, Merging(keep_approval=True))
    exchange(house, "h2")
    house.update_change(1, "h2", "net/a.tf")
    house.workspace_locks.unlock("net", WRITER)
    house.work()
    assert house.engine.applied == []
    assert state_of_the_approval(house) is ApprovalState.FALLEN


@EXCHANGES
def test_behind_a_merge_the_same_plan_with_other_materials_waits(house: House, exchange: Exchange) -> None:
    approved(house, Merging(apply_when=ApplyWhen.AFTER_MERGE))
    exchange(house, "m1")
    house.close_change(1, merged=True, as_commit="m1")
    house.push("m1", "net/a.tf")
    assert newest(house).status is RunStatus.PLANNED
    assert house.engine.applied == []
    said = any(FILES in event.message for event in house.timeline(newest(house)))
    assert said is (exchange is other_files)


@EXCHANGES
def test_a_merge_queues_commit_with_other_materials_is_not_what_was_approved(
    house: House, exchange: Exchange
) -> None:
    approved(house, Merging(apply_when=ApplyWhen.AFTER_MERGE))
    exchange(house, "q1")
    house.forge.set_files_between(REPO, "b0", "q1", ["net/a.tf"])
    house.deliver(GroupQueued(REPO, 1, "q1", "gh-readonly-queue/main/pr-1-b0", "b0", "main", "main"))
    house.work()
    state, words = house.said("q1")
    assert state == "failure"
    assert (FILES in words) is (exchange is other_files)


def test_what_is_planned_again_while_the_run_waits_is_compared_too(house: House) -> None:
    """The run made for the older commit's approval plans for itself: another worker may read other files."""
    approved(house, Merging(keep_approval=True))
    house.update_change(1, "h2", "net/a.tf")
    other_files(house, "h2")
    house.workspace_locks.unlock("net", WRITER)
    house.work()
    run = newest(house)
    assert (run.commit, run.status) == ("h2", RunStatus.PLANNED)
    assert "made from other files" in run.delta
    house.say(1, f"/apply net {run.plan_code}")
    assert house.run(run.id).status is RunStatus.APPLIED
