"""The words for where a run stands, in statuses, comments and pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.plans.modes import Modes
from bot.domain.plans.plan import Counts
from bot.domain.reports import headlines
from bot.domain.reports.report import StatusState
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import FINAL, RunStatus, StageStatus
from bot.domain.runs.run import Run, RunSource
from tests.fakes.runs import AT, a_preview, a_run

S, P = RunStatus, StatusState
TWO = Counts(1, 0, 1)


def _walks(run: Run, *before: RunStatus) -> Iterator[tuple[RunStatus, ...]]:
    """Every legal walk from here that comes to each status twice at most."""
    yield ()
    for to in sorted(run.allowed()):
        if before.count(to) < 2:
            for rest in _walks(run.move(to, AT), *before, to):
                yield (to, *rest)


WALKS = {plan_only: list(_walks(a_run(plan_only=plan_only))) for plan_only in (True, False)}


@st.composite
def walked(draw: st.DrawFn) -> Run:
    """A run as it stands after a legal walk, with whatever it may have found and heard on its way."""
    run = a_run(
        plan_only=draw(st.booleans()),
        source=draw(st.sampled_from(RunSource)),
        change_number=draw(st.sampled_from([None, 1])),
        delta=draw(st.sampled_from(["", "+ a.b"])),
        cancel_requested_by=draw(st.sampled_from(["", "ann"])),
        modes=draw(st.sampled_from([Modes(), Modes(destroy=True)])),
    )
    for to in draw(st.sampled_from(WALKS[run.plan_only])):
        found: dict[str, Any] = {}
        if to is S.PLANNED:
            counts = draw(st.sampled_from([TWO, Counts()]))
            found = {"counts": counts, "has_changes": bool(counts) or draw(st.booleans())}
            if run.confirmed_by:
                found = {"confirmed_by": "", "lacks": "approved"}
        if to is S.CONFIRMED:
            found = {"confirmed_by": "ann"}
        if to is S.ERRORED:
            found = {"error": draw(st.sampled_from(["", "no region"]))}
        run = run.move(to, AT, **found)
    return run


@settings(max_examples=300)
@given(walked(), st.sampled_from(["", "2nd in the queue, behind run-0"]))
def test_every_run_has_words_in_one_line(run: Run, waits: str) -> None:
    for state, words in (headlines.plan_headline(run, waits), headlines.headline(run, waits)):
        assert state in StatusState
        assert words == words.strip() != ""
        assert not words.endswith(":")
    apply = headlines.apply_headline(run, waits)
    assert apply is None or apply[1] == apply[1].strip() != ""
    assert headlines.state_words(run, waits)


@settings(max_examples=300)
@given(walked())
def test_nothing_of_a_final_run_is_pending(run: Run) -> None:
    if not run.final:
        return
    said = [
        headlines.plan_headline(run),
        headlines.headline(run),
        headlines.aggregate([("network", run, "")]),
    ]
    if apply := headlines.apply_headline(run):
        said.append(apply)
    assert StatusState.PENDING not in [state for state, _ in said]


@settings(max_examples=300)
@given(walked())
def test_a_run_that_came_to_nothing_is_never_called_a_success(run: Run) -> None:
    if run.status not in FINAL - {S.APPLIED, S.PLANNED_AND_FINISHED}:
        return
    state, _ = headlines.headline(run)
    assert state in (StatusState.FAILURE, StatusState.ERROR)
    assert headlines.aggregate([("network", run, "")])[0] is StatusState.FAILURE


@settings(max_examples=300)
@given(walked())
def test_a_run_at_work_or_waiting_for_somebody_is_pending(run: Run) -> None:
    if run.final or (run.plan_only and run.status in lifecycle.AWAITS_PERSON):
        return
    assert headlines.headline(run)[0] is StatusState.PENDING


@given(walked())
def test_a_preview_has_nothing_to_say_of_an_apply(run: Run) -> None:
    if run.plan_only:
        assert headlines.apply_headline(run) is None


FINISHED: dict[str, Any] = {"plan_status": StageStatus.FINISHED, "counts": TWO, "has_changes": True}
BY_COMMENT: dict[str, Any] = {"source": RunSource.COMMENT, "change_number": 1}
FAILED_APPLY: dict[str, Any] = {**FINISHED, "apply_status": StageStatus.ERRORED}
NOTHING: dict[str, Any] = {"plan_status": StageStatus.FINISHED, "counts": Counts(), "has_changes": False}


@pytest.mark.parametrize(
    ("run", "plan", "apply"),
    [
        (a_run(), (P.PENDING, "Planning"), None),
        (a_run(**BY_COMMENT), (P.PENDING, "Planning"), (P.PENDING, "Planning before the apply")),
        (a_run(status=S.PLANNING), (P.PENDING, "Planning"), None),
        (a_run(status=S.POLICY_CHECKING, **FINISHED), (P.PENDING, "Checking policies"), None),
        (
            a_run(status=S.PLANNED, **FINISHED),
            (P.SUCCESS, "Plan: 1 to add, 0 to change, 1 to destroy"),
            (P.PENDING, "Waiting for confirmation on the run's page"),
        ),
        (
            a_run(status=S.PLANNED, **FINISHED, **BY_COMMENT),
            (P.SUCCESS, "Plan: 1 to add, 0 to change, 1 to destroy"),
            (P.PENDING, "Waiting for confirmation: comment /apply"),
        ),
        (
            a_run(status=S.APPLYING, **FINISHED, confirmed_by="ann"),
            (P.SUCCESS, "Plan: 1 to add, 0 to change, 1 to destroy"),
            (P.PENDING, "Applying +1 ~0 -1, confirmed by ann"),
        ),
        (
            a_run(status=S.APPLIED, **FINISHED),
            (P.SUCCESS, "Plan: 1 to add, 0 to change, 1 to destroy"),
            (P.SUCCESS, "Applied: +1 ~0 -1"),
        ),
        (
            a_run(status=S.ERRORED, **FAILED_APPLY, error="denied"),
            (P.SUCCESS, "Plan: 1 to add, 0 to change, 1 to destroy"),
            (P.FAILURE, "Apply failed: denied"),
        ),
        (
            a_run(status=S.ERRORED, **FAILED_APPLY),
            (P.SUCCESS, "Plan: 1 to add, 0 to change, 1 to destroy"),
            (P.FAILURE, "Apply failed"),
        ),
        (
            a_run(status=S.ERRORED, plan_status=StageStatus.ERRORED, error="no region"),
            (P.FAILURE, "Plan failed: no region"),
            None,
        ),
        (
            a_run(status=S.ERRORED, plan_status=StageStatus.ERRORED, **BY_COMMENT),
            (P.FAILURE, "Plan failed"),
            (P.FAILURE, "Not applied: the plan failed"),
        ),
        (
            a_run(status=S.ERRORED, **FINISHED, error="no public buckets"),
            (P.FAILURE, "Policies failed: no public buckets"),
            None,
        ),
        (a_preview(status=S.POLICY_SOFT_FAILED, **FINISHED), (P.FAILURE, "Policies failed"), None),
        (a_run(status=S.PLANNED_AND_FINISHED, **NOTHING), (P.SUCCESS, "No changes"), None),
        (
            a_run(status=S.PLANNED_AND_FINISHED, **NOTHING, **BY_COMMENT),
            (P.SUCCESS, "No changes"),
            (P.SUCCESS, "Nothing to apply: the plan has no changes"),
        ),
        (
            a_run(status=S.CANCELED, plan_status=StageStatus.CANCELED, cancel_requested_by="ann"),
            (P.ERROR, "Plan canceled by ann"),
            (P.ERROR, "Before the apply: canceled by ann"),
        ),
        (
            a_preview(status=S.CANCELED, plan_status=StageStatus.CANCELED),
            (P.ERROR, "Plan canceled by plangate"),
            None,
        ),
        (
            a_run(status=S.DISCARDED),
            (P.ERROR, "Discarded before it was planned"),
            (P.ERROR, "Discarded: nothing was applied"),
        ),
    ],
)
def test_a_run_says_where_its_plan_and_its_apply_stand(run: Run, plan: object, apply: object) -> None:
    assert headlines.plan_headline(run) == plan
    assert headlines.apply_headline(run) == apply


def test_a_pending_run_says_why_it_waits() -> None:
    assert headlines.plan_headline(a_run(), "behind run-0") == (P.PENDING, "Waiting: behind run-0")
    assert headlines.apply_headline(a_run(**BY_COMMENT), "behind run-0") == (
        P.PENDING,
        "Waiting: behind run-0",
    )


def test_an_import_is_named_before_the_rest() -> None:
    assert headlines.amount(Counts(0, 0, 0, 2)) == "2 to import, 0 to add, 0 to change, 0 to destroy"


def planned(counts: Counts = TWO, status: RunStatus = S.PLANNED_AND_FINISHED) -> Run:
    return a_preview(
        status=status, plan_status=StageStatus.FINISHED, counts=counts, has_changes=bool(counts)
    )  # fmt: skip


APPLIED = a_run(status=S.APPLIED, **FINISHED)
FAILED = a_preview(status=S.ERRORED, plan_status=StageStatus.ERRORED)


@pytest.mark.parametrize(
    ("workspaces", "said"),
    [
        ([], (P.SUCCESS, "No workspace is affected")),
        ([("a", None, "")], (P.PENDING, "a: Planning")),
        ([("a", a_preview(), "")], (P.PENDING, "a: Planning")),
        ([("a", a_run(), "behind run-0")], (P.PENDING, "a: Waiting: behind run-0")),
        ([("a", a_preview(), ""), ("b", None, "")], (P.PENDING, "2 of 2 workspaces are not finished")),
        ([("a", planned(), ""), ("b", a_preview(), "")], (P.PENDING, "b: Planning")),
        ([("a", FAILED, ""), ("b", a_preview(), "")], (P.FAILURE, "1 of 2 failed: a")),
        ([("a", FAILED, ""), ("b", FAILED, "")], (P.FAILURE, "2 of 2 failed: a, b")),
        ([("a", planned(), ""), ("b", planned(), "")], (P.SUCCESS, "2 workspaces planned: +2 ~0 -2")),
        ([("a", planned(Counts()), "")], (P.SUCCESS, "1 workspace planned: no changes")),
        (
            [("a", APPLIED, ""), ("b", planned(), "")],
            (P.SUCCESS, "2 workspaces planned, 1 applied: +2 ~0 -2"),
        ),
        ([("a", APPLIED, "")], (P.SUCCESS, "1 workspace applied: +1 ~0 -1")),
    ],
)
def test_a_commit_s_one_status_says_what_matters_most(workspaces: list[Any], said: object) -> None:
    assert headlines.aggregate(workspaces) == said


def test_a_note_is_said_until_there_is_a_run() -> None:
    note = "a change from a fork: someone may comment /plan"
    assert headlines.aggregate([("a", None, "")], note) == (P.PENDING, note[0].upper() + note[1:])
    assert headlines.aggregate([("a", planned(), "")], note)[0] is P.SUCCESS
