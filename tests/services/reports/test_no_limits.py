"""Statuses and comments count every workspace and every run, however many there are (promise 4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.domain.events import Change
from bot.domain.ids import new_id
from bot.domain.plans.plan import Counts
from bot.domain.reports.posts import CommentPost, StatusPost
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.run import Run, RunEvent, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ChangeRecord, Transaction
from bot.services.reports.derive import ReportBuilder
from bot.services.runs.report_subjects import CommitSubject
from tests.fakes.house import REPO, House

PREVIEW: dict[str, Any] = {"plan_only": True, "change_number": 1, "source": RunSource.CHANGE}


def with_runs(house: House, number: int, **changes: Any) -> list[Run]:
    """Store as many workspaces, each with a run; the oldest runs first."""
    made = []
    with house.store.transaction() as tx:
        for index in range(number):
            name = f"ws-{index:04d}"
            workspace = tx.workspaces.put(Workspace(new_id("ws"), name, REPO, working_directory=name))
            made.append(add(house, tx, workspace.id, index, **changes))
    return made


def add(house: House, tx: Transaction, workspace_id: str, index: int, **changes: Any) -> Run:
    now = house.clock.forward(seconds=0.01)
    run = Run(
        new_id("run"), workspace_id, RunStatus.PLANNED_AND_FINISHED, RunSource.PUSH, False, "c1", "main", "",
        "ann", now, now, plan_status=StageStatus.FINISHED, has_changes=False, counts=Counts(),
    )  # fmt: skip
    run = replace(run, **changes)
    if index == 0:
        run = replace(run, status=RunStatus.ERRORED, plan_status=StageStatus.ERRORED)
    return tx.runs.add(run, RunEvent(run.id, now, "pending", "ann", ""))


def record_of(house: House, runs: list[Run], head: str = "h1") -> ChangeRecord:
    about = Change(REPO, 1, "Change 1", "ann", head, "topic", "main", from_fork=False, url="")
    with house.store.transaction() as tx:
        ids = tuple(run.workspace_id for run in runs)
        return tx.changes.put(ChangeRecord("chg-1", about, ids, house.clock.now()))


def derived(house: House, subject: str) -> tuple[dict[str, StatusReport], list[str]]:
    """Return what should stand on the forge: statuses by their context, and comments."""
    builder = ReportBuilder({"github": house.forge}, house.texts, house.post_builder, house.addresses)
    with house.store.reading() as tx:
        contents = [post.content for post in builder.derive(tx, subject).posts]
    statuses = [content.status for content in contents if isinstance(content, StatusPost)]
    comments = [content.body for content in contents if isinstance(content, CommentPost)]
    return {status.context: status for status in statuses}, comments


def test_a_push_that_touches_many_workspaces_is_reported_whole(house: House) -> None:
    with_runs(house, 1010)
    said, _ = derived(house, str(CommitSubject(REPO, "c1")))
    assert len(said) == 1011
    assert said["plangate"].state.value == "failure", "the oldest run failed"
    assert said["plangate"].description == "1 of 1010 failed: ws-0000"


def test_a_change_that_touches_many_workspaces_is_reported_whole(house: House) -> None:
    runs = with_runs(house, 510, commit="h1", **PREVIEW)
    said, [comment] = derived(house, record_of(house, runs).id)
    assert said["plangate"].description == "1 of 510 failed: ws-0000"
    assert comment.count("; next: ") == 510


def test_a_change_with_many_older_plans_tells_of_what_was_applied_first(house: House) -> None:
    [first, second] = with_runs(house, 2, commit="h1", **PREVIEW)
    applied = {"status": RunStatus.APPLIED, "apply_status": StageStatus.FINISHED}
    with house.store.transaction() as tx:
        add(house, tx, second.workspace_id, 1, commit="h1", **{**PREVIEW, **applied, "plan_only": False})
        for index in range(1, 600):
            add(house, tx, first.workspace_id, index, commit=f"h{index}", **PREVIEW)
        for run in (first, second):
            add(house, tx, run.workspace_id, 1, commit="h600", **PREVIEW)
    _, comments = derived(house, record_of(house, [first, second], "h600").id)
    assert [text for text in comments if text.startswith("ws-0001 applied")]


def test_a_workspace_without_a_run_of_the_latest_commit_shows_its_last_one(house: House) -> None:
    [first, second] = with_runs(house, 2, commit="h1", **PREVIEW)
    with house.store.transaction() as tx:
        for index in range(1, 600):
            add(house, tx, second.workspace_id, index, commit=f"h{index}", **PREVIEW)
    _, [comment] = derived(house, record_of(house, [first, second], "h599").id)
    assert comment.count("; next: ") == 2


def test_workspaces_of_a_big_change_have_no_status_before_their_runs_are_long_at_work(house: House) -> None:
    runs = with_runs(
        house, 12, commit="h1", status=RunStatus.PENDING, plan_status=StageStatus.PENDING, **PREVIEW
    )
    record = record_of(house, runs)
    statuses, _ = derived(house, record.id)
    # The first of them has failed.
    assert set(statuses) == {"plangate", "plangate/ws-0000/plan"}
    assert statuses["plangate"].state is StatusState.FAILURE
    for since in (timedelta(), timedelta(seconds=10)):
        assert set(statuses) == {"plangate", "plangate/ws-0000/plan"}
        with house.store.transaction() as tx:
            run = tx.runs.get(runs[1].id)
            tx.runs.save(replace(run, status=RunStatus.PLANNING, status_at=run.status_at - since))
        statuses, _ = derived(house, record.id)
    assert set(statuses) == {"plangate", "plangate/ws-0000/plan", "plangate/ws-0001/plan"}


def test_workspaces_of_a_small_change_have_their_statuses_at_once(house: House) -> None:
    runs = with_runs(
        house, 10, commit="h1", status=RunStatus.PENDING, plan_status=StageStatus.PENDING, **PREVIEW
    )
    statuses, _ = derived(house, record_of(house, runs).id)
    assert len(statuses) == 11


def test_a_status_of_an_earlier_run_does_not_stand_while_the_next_one_waits(house: House) -> None:
    runs = with_runs(house, 12, commit="h1", **PREVIEW)
    record = record_of(house, runs)
    again = {**PREVIEW, "commit": "h1", "status": RunStatus.PENDING, "plan_status": StageStatus.PENDING}
    with house.store.transaction() as tx:
        add(house, tx, runs[5].workspace_id, 12, **again)
    statuses, _ = derived(house, record.id)
    assert statuses["plangate/ws-0005/plan"].state is StatusState.PENDING
