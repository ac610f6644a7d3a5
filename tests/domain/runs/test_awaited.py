"""Runs that wait for runs of other workspaces: what they say, and who passes them."""

from __future__ import annotations

import pytest

from bot.domain.plans.modes import Modes
from bot.domain.runs.awaited import Awaited, deciding, why_held
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.queue import next_run, why_waits
from bot.domain.runs.run import Run
from tests.fakes.runs import a_preview, a_run, a_workspace

APPLIED = a_run("run-1", RunStatus.APPLIED, sequence=1)
FAILED = a_run("run-1", RunStatus.ERRORED, sequence=1)
NOTHING_TO_DO = a_run("run-1", RunStatus.PLANNED_AND_FINISHED, sequence=1, has_changes=False)


def of(*awaited: tuple[str, Run]) -> str:
    return why_held([Awaited(name, run) for name, run in awaited])


@pytest.mark.parametrize(
    ("run", "said"),
    [
        (APPLIED, ""),
        (NOTHING_TO_DO, ""),
        (a_run(), "waits for network"),
        (a_run(status=RunStatus.PLANNING), "waits for network (planning)"),
        (a_run(status=RunStatus.PLANNED), "waits for network (needs confirmation)"),
        (a_run(status=RunStatus.APPLYING), "waits for network (applying)"),
        (FAILED, "waits for network, which failed"),
        (a_run(status=RunStatus.CANCELED), "waits for network, which was canceled"),
        (a_run(status=RunStatus.DISCARDED), "waits for network, which was discarded"),
    ],
)
def test_a_run_says_for_which_workspace_it_waits(run: Run, said: str) -> None:
    assert of(("network", run)) == said
    # One that failed is told before all others.
    assert of(("dns", a_run()), ("network", FAILED)) == "waits for network, which failed"


def test_several_are_named_in_one_sentence() -> None:
    assert of(("a", a_run()), ("b", APPLIED), ("c", a_run()), ("d", a_run())) == "waits for a, c and d"
    assert of() == ""


def test_a_later_apply_of_the_same_change_decides() -> None:
    later = a_run("run-2", RunStatus.APPLIED, sequence=2)
    newest = a_run("run-3", RunStatus.ERRORED, sequence=3)
    assert deciding(FAILED, [newest, later]) == later
    assert deciding(FAILED, [newest]) == newest
    assert deciding(FAILED, []) == FAILED
    others = [
        a_run("run-2", RunStatus.APPLIED, sequence=2, change_number=7),
        a_preview("run-3", RunStatus.PLANNED_AND_FINISHED, sequence=3, change_number=None),
        a_run("run-4", RunStatus.APPLIED, sequence=4, modes=Modes(destroy=True)),
        a_run("run-0", RunStatus.APPLIED, sequence=0),
    ]
    assert deciding(FAILED, others) == FAILED


def test_runs_of_other_changes_pass_one_that_waits_and_its_own_do_not() -> None:
    place = a_workspace()
    first = a_run("run-1", sequence=1)
    same, other = a_run("run-2", sequence=2), a_run("run-3", sequence=3, change_number=7)
    queue, held = [first, same, other], {"run-1": "waits for dns, which failed"}
    assert next_run(place, queue, held) == other
    assert why_waits(first, place, queue, held=held) == "waits for dns, which failed"
    assert why_waits(same, place, queue, held=held) == (
        "2nd in the queue, behind run-1, which waits for dns, which failed"
    )
    assert why_waits(other, place, queue, held=held) == ""
    last = a_run("run-4", sequence=4, change_number=7)
    assert why_waits(last, place, [*queue, last], held=held) == "2nd in the queue, behind run-3"
    assert next_run(place, [first, same], held) is None
