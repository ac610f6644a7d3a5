"""Why a run waits, in words: its place, who is ahead, who holds the workspace, who locked it."""

from __future__ import annotations

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.queue import next_run, why_waits
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Lock
from tests.store.samples import AT, run, workspace

PLACE = workspace()
LOCKED = workspace(lock=Lock("ada", "the freeze", AT))


def queue(*statuses: RunStatus) -> list[Run]:
    return [
        run(PLACE, id=f"run-{number}", status=s, sequence=number)
        for number, s in enumerate(statuses, start=1)
    ]


def test_the_place_and_who_is_ahead() -> None:
    waiting = queue(RunStatus.PLANNED, RunStatus.PENDING, RunStatus.PENDING)
    assert why_waits(waiting[1], PLACE, waiting) == "2nd in the queue, behind run-1 (needs confirmation)"
    assert why_waits(waiting[2], PLACE, waiting) == (
        "3rd in the queue, behind run-2; run-1 holds the workspace (needs confirmation)"
    )
    assert why_waits(waiting[0], PLACE, waiting) == ""


def test_ordinals() -> None:
    many = queue(RunStatus.APPLYING, *[RunStatus.PENDING] * 23)
    places = [why_waits(one, PLACE, many).split(" ")[0] for one in many[1:]]
    assert (places[0], places[1], places[2]) == ("2nd", "3rd", "4th")
    assert places[9:12] == ["11th", "12th", "13th"]
    assert places[19:22] == ["21st", "22nd", "23rd"]


def test_a_lock_is_the_reason_only_where_nothing_else_goes_on() -> None:
    waiting = queue(RunStatus.PENDING, RunStatus.PENDING)
    assert why_waits(waiting[0], LOCKED, waiting) == "the workspace is locked by ada: the freeze"
    assert why_waits(waiting[1], LOCKED, waiting) == (
        "2nd in the queue, behind run-1; the workspace is locked by ada: the freeze"
    )
    held = queue(RunStatus.APPLYING, RunStatus.PENDING)
    assert why_waits(held[1], LOCKED, held) == "2nd in the queue, behind run-1 (applying)"
    assert next_run(LOCKED, waiting) is None
    assert next_run(PLACE, waiting) == waiting[0]


def test_a_lost_workers_terraform_is_a_reason_of_its_own() -> None:
    waiting = queue(RunStatus.PENDING)
    assert why_waits(waiting[0], PLACE, waiting, "run-0") == (
        "the worker of run-0 was lost, and its Terraform may still write to the state"
    )
