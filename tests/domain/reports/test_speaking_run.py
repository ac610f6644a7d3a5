"""Which run speaks for a workspace, and that `/apply` means the same one."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.changes.decisions import ConfirmRun, decide_apply
from bot.domain.reports.speaking_run import speaking_run, speaking_run_of_change
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import RunSource
from tests.fakes.runs import AT, a_change, a_preview, a_run

S = RunStatus
SHOWN = a_preview("run-1", S.PLANNED_AND_FINISHED, commit="h1", has_changes=True)
MERGED = a_change(open=False, merged=True, merge_sha="m1")
BRANCH = a_run("run-5", S.PLANNED, commit="m1", has_changes=True)


def test_a_run_that_was_put_aside_leaves_the_word_to_the_one_before_it() -> None:
    discarded = a_run("run-2", S.DISCARDED)
    canceled = a_run("run-3", S.CANCELED, plan_status=StageStatus.CANCELED)
    stopped = a_run("run-4", S.CANCELED, apply_status=StageStatus.CANCELED)
    assert speaking_run([canceled, discarded, SHOWN]) == SHOWN
    assert speaking_run([stopped, SHOWN]) == stopped
    assert speaking_run([canceled]) == canceled
    assert speaking_run([]) is None


def test_the_latest_commit_speaks_before_an_older_one() -> None:
    older = a_preview("run-0", S.PLANNED_AND_FINISHED, commit="h0")
    assert speaking_run_of_change(a_change(), [older, SHOWN]) == SHOWN
    assert speaking_run_of_change(a_change(), [older]) == older
    assert speaking_run_of_change(a_change(), []) is None


def test_a_merge_queue_s_run_never_speaks_for_the_change() -> None:
    queued = a_preview("run-2", S.ERRORED, commit="m1", source=RunSource.QUEUE)
    assert speaking_run_of_change(MERGED, [queued, SHOWN]) == SHOWN
    assert speaking_run_of_change(MERGED, [queued]) is None


def test_after_a_merge_the_branch_s_run_speaks_and_is_what_apply_confirms() -> None:
    runs = [BRANCH, SHOWN]
    assert speaking_run_of_change(MERGED, runs) == BRANCH
    assert decide_apply(MERGED, runs, AT + timedelta(hours=1)) == ConfirmRun(BRANCH)


def test_a_discarded_run_of_the_branch_hides_the_one_that_waits_neither_from_people_nor_from_apply() -> None:
    runs = [a_run("run-6", S.DISCARDED, commit="m1"), BRANCH, SHOWN]
    assert speaking_run_of_change(MERGED, runs) == BRANCH
    assert decide_apply(MERGED, runs, AT + timedelta(hours=1)) == ConfirmRun(BRANCH)
