"""Whose turn it is, and why a run waits."""

from __future__ import annotations

import pytest

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.queue import next_run, why_waits
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Lock
from tests.fakes.runs import AT, a_preview, a_run, a_workspace

FIRST, SECOND, THIRD = (a_run(f"run-{n}", sequence=n) for n in (1, 2, 3))
PLANNED = a_run("run-1", RunStatus.PLANNED, sequence=1)
LOCKED = a_workspace(lock=Lock("ann", "moving house", AT))


def test_the_first_that_came_is_next() -> None:
    assert next_run(a_workspace(), [FIRST, SECOND]) == FIRST


def test_nobody_is_next_while_a_run_holds_the_workspace() -> None:
    assert next_run(a_workspace(), [PLANNED, SECOND]) is None


def test_nobody_is_next_while_the_workspace_is_locked() -> None:
    assert next_run(LOCKED, [FIRST]) is None


def test_nobody_is_next_where_nobody_waits() -> None:
    assert next_run(a_workspace(), []) is None


@pytest.mark.parametrize(
    ("run", "queue", "why"),
    [
        (FIRST, [FIRST, SECOND], ""),
        (SECOND, [FIRST, SECOND], "2nd in the queue, behind run-1"),
        (SECOND, [PLANNED, SECOND], "2nd in the queue, behind run-1 (needs confirmation)"),
        (
            THIRD,
            [PLANNED, SECOND, THIRD],
            "3rd in the queue, behind run-2; run-1 holds the workspace (needs confirmation)",
        ),
        (
            SECOND,
            [a_run("run-1", RunStatus.APPLYING, sequence=1), SECOND],
            "2nd in the queue, behind run-1 (applying)",
        ),
        (PLANNED, [PLANNED], ""),
        (a_preview("run-9"), [PLANNED], ""),
    ],
    ids=[
        "its turn",
        "behind one",
        "behind a holder",
        "behind both",
        "behind an apply",
        "not pending",
        "preview",
    ],
)
def test_a_run_says_its_place_and_behind_whom_it_waits(run: Run, queue: list[Run], why: str) -> None:
    assert why_waits(run, a_workspace(), queue) == why


def test_a_lock_is_named_with_who_and_why() -> None:
    assert why_waits(FIRST, LOCKED, [FIRST]) == "the workspace is locked by ann: moving house"
    silent = a_workspace(lock=Lock("ann", "", AT))
    assert why_waits(FIRST, silent, [FIRST]) == "the workspace is locked by ann"


@pytest.mark.parametrize(
    ("place", "word"),
    [(2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st")],
)
def test_places_are_counted_as_people_do(place: int, word: str) -> None:
    queue = [a_run(f"run-{n}", sequence=n) for n in range(1, place + 1)]
    assert why_waits(queue[-1], a_workspace(), queue).startswith(
        f"{word} in the queue, behind run-{place - 1}"
    )
