"""The lifecycle: one table, what derives from it, and random walks through it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.domain.errors import IllegalMove
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import FINAL, LABELS, TRANSITIONS, RunStatus, StageStatus
from bot.domain.runs.queue import next_run
from bot.domain.runs.run import Run, RunSource
from tests.fakes.runs import AT, a_preview, a_run, a_workspace

S = RunStatus
STATUSES = st.sampled_from(RunStatus)


def reachable(run: Run) -> set[RunStatus]:
    seen: set[RunStatus] = set()
    waiting = [run]
    while waiting:
        each = waiting.pop()
        if each.status not in seen:
            seen.add(each.status)
            waiting += [each.move(to, AT) for to in each.allowed()]
    return seen


def test_the_table_knows_every_status_and_nothing_else() -> None:
    assert set(TRANSITIONS) == set(RunStatus) == set(LABELS)
    assert all(to in RunStatus for onward in TRANSITIONS.values() for to in onward)


def test_statuses_are_spelled_as_in_the_runs_api() -> None:
    assert {status.value for status in RunStatus} == {
        "pending", "fetching", "fetching_completed", "plan_queued", "planning", "planned", "policy_checking",
        "policy_override", "policy_checked", "confirmed", "apply_queued", "applying", "applied",
        "planned_and_finished", "planned_and_saved", "policy_soft_failed", "discarded", "errored", "canceled",
    }  # fmt: skip


def test_the_final_statuses_are_those_of_the_run_model() -> None:
    assert {
        S.APPLIED, S.PLANNED_AND_FINISHED, S.POLICY_SOFT_FAILED, S.DISCARDED, S.ERRORED, S.CANCELED
    } == FINAL  # fmt: skip


def test_a_run_that_may_apply_can_reach_everything_but_the_preview_s_own_end() -> None:
    assert reachable(a_run()) == set(RunStatus) - {S.POLICY_SOFT_FAILED, S.PLANNED_AND_SAVED}


def test_a_preview_reaches_no_status_of_an_apply_nor_of_a_person_s_decision() -> None:
    assert reachable(a_preview()) == {
        S.PENDING, S.FETCHING, S.FETCHING_COMPLETED, S.PLAN_QUEUED, S.PLANNING, S.PLANNED, S.POLICY_CHECKING,
        S.POLICY_CHECKED, S.PLANNED_AND_FINISHED, S.POLICY_SOFT_FAILED, S.ERRORED, S.CANCELED,
    }  # fmt: skip


def test_a_run_that_saves_its_plan_applies_only_what_a_person_confirmed_and_is_not_planned_again() -> None:
    run = a_preview(save_plan=True, source=RunSource.API, change_number=None)
    assert reachable(run) == {
        S.PENDING, S.FETCHING, S.FETCHING_COMPLETED, S.PLAN_QUEUED, S.PLANNING, S.PLANNED, S.POLICY_CHECKING,
        S.POLICY_CHECKED, S.PLANNED_AND_FINISHED, S.PLANNED_AND_SAVED, S.POLICY_SOFT_FAILED, S.DISCARDED,
        S.ERRORED, S.CANCELED,
    }  # fmt: skip
    saved = a_preview(status=S.PLANNED_AND_SAVED, save_plan=True, plan_status=StageStatus.FINISHED)
    assert (saved.holds_workspace, saved.awaits_confirmation, saved.discardable) == (False, True, True)
    assert (saved.speculative, a_preview().speculative) == (False, True)
    waiting = saved.move(S.PENDING, AT, confirmed_by="ann", plan_only=False)
    assert waiting.allowed() == {S.CONFIRMED, S.DISCARDED, S.CANCELED}
    assert waiting.move(S.CANCELED, AT).plan_status is StageStatus.FINISHED
    assert S.CONFIRMED not in a_run().allowed()


@pytest.mark.parametrize(
    ("status", "only_after"),
    [
        (S.FETCHING, {S.PENDING}),
        (S.PLANNING, {S.PLAN_QUEUED}),
        (S.PLANNED, {S.PLANNING, S.CONFIRMED, S.APPLY_QUEUED}),
        (S.POLICY_OVERRIDE, {S.POLICY_CHECKING}),
        (S.POLICY_CHECKED, {S.POLICY_CHECKING, S.POLICY_OVERRIDE}),
        (S.CONFIRMED, {S.PENDING, S.PLANNED, S.POLICY_CHECKED}),
        (S.APPLY_QUEUED, {S.CONFIRMED}),
        (S.APPLYING, {S.APPLY_QUEUED}),
        (S.APPLIED, {S.APPLYING}),
        (S.DISCARDED, {S.PENDING, S.PLANNED, S.PLANNED_AND_SAVED, S.POLICY_OVERRIDE, S.POLICY_CHECKED}),
    ],
)
def test_no_stage_is_skipped_on_the_way_to_an_apply(status: RunStatus, only_after: set[RunStatus]) -> None:
    assert {before for before, onward in TRANSITIONS.items() if status in onward} == only_after


@pytest.mark.parametrize("make", [a_run, a_preview])
def test_every_status_on_the_way_has_a_way_out(make: type) -> None:
    for status in reachable(make()) - FINAL:
        assert make(status=status).allowed(), f"{status} is a dead end"


def test_each_stage_lets_a_run_be_stopped_by_a_cancel_or_a_discard() -> None:
    assert set(RunStatus) - FINAL == lifecycle.CANCELABLE | lifecycle.DISCARDABLE
    assert {S.PENDING} == lifecycle.CANCELABLE & lifecycle.DISCARDABLE


def test_a_worker_a_person_or_the_queue_is_responsible_for_each_status_that_is_not_final() -> None:
    groups = [
        {S.PENDING},
        {S.PLANNED_AND_SAVED},
        lifecycle.PLAN_STAGES,
        lifecycle.APPLY_STAGES,
        lifecycle.AWAITS_PERSON,
    ]
    assert set().union(*groups) == set(RunStatus) - FINAL
    assert sum(len(group) for group in groups) == len(set(RunStatus) - FINAL)


@given(STATUSES, STATUSES, st.booleans())
def test_a_move_is_made_exactly_where_the_table_allows_it(
    before: RunStatus, to: RunStatus, plan_only: bool
) -> None:
    run = a_run(status=before, plan_only=plan_only)
    if to in run.allowed():
        assert run.move(to, AT).status is to
        return
    with pytest.raises(IllegalMove) as refusal:
        run.move(to, AT)
    assert str(refusal.value) == f"{run.id} is {before.value} and can't become {to.value}; {run.possible()}"


@given(STATUSES, st.booleans())
def test_what_a_refusal_calls_possible_is_possible(status: RunStatus, plan_only: bool) -> None:
    run = a_run(status=status, plan_only=plan_only)
    said = run.possible()
    assert ("retry" in said) == run.final
    assert ("discard" in said) == (S.DISCARDED in run.allowed())
    assert ("cancel" in said) == (S.CANCELED in run.allowed())
    assert ("confirm" in said) == (run.saved or S.CONFIRMED in run.allowed())


def test_a_run_that_is_stopping_can_not_be_canceled_again() -> None:
    run = a_run(status=S.APPLYING, cancel_requested_at=AT, cancel_requested_by="ann")
    assert not run.cancelable
    assert "possible now: cancel" not in run.possible()


@pytest.mark.parametrize(
    ("before", "to", "plan", "apply"),
    [
        (S.PLANNING, S.ERRORED, StageStatus.ERRORED, StageStatus.PENDING),
        (S.FETCHING, S.ERRORED, StageStatus.ERRORED, StageStatus.PENDING),
        (S.PLANNING, S.CANCELED, StageStatus.CANCELED, StageStatus.PENDING),
        (S.PENDING, S.CANCELED, StageStatus.CANCELED, StageStatus.PENDING),
        (S.APPLYING, S.ERRORED, StageStatus.FINISHED, StageStatus.ERRORED),
        (S.APPLY_QUEUED, S.ERRORED, StageStatus.FINISHED, StageStatus.ERRORED),
        (S.CONFIRMED, S.CANCELED, StageStatus.FINISHED, StageStatus.CANCELED),
        (S.APPLYING, S.CANCELED, StageStatus.FINISHED, StageStatus.CANCELED),
        (S.APPLYING, S.APPLIED, StageStatus.FINISHED, StageStatus.FINISHED),
        (S.PLANNED, S.DISCARDED, StageStatus.FINISHED, StageStatus.PENDING),
        (S.POLICY_CHECKING, S.ERRORED, StageStatus.FINISHED, StageStatus.PENDING),
    ],
)
def test_the_plan_s_and_the_apply_s_own_status_tell_which_of_them_failed(
    before: RunStatus, to: RunStatus, plan: StageStatus, apply: StageStatus
) -> None:
    planned = before in lifecycle.APPLY_STAGES | {S.PLANNED, S.POLICY_CHECKING}
    run = a_run(status=before, plan_status=StageStatus.FINISHED if planned else StageStatus.PENDING)
    moved = run.move(to, AT)
    assert (moved.plan_status, moved.apply_status) == (plan, apply)


class Queue(RuleBasedStateMachine):
    """A workspace's runs, moved at random: legally, and with every move that is refused."""

    def __init__(self) -> None:
        super().__init__()
        self.workspace = a_workspace()
        self.runs: list[Run] = []
        self.started: list[str] = []
        self.seen: dict[str, list[RunStatus]] = {}
        self.at = AT

    def queue(self) -> list[Run]:
        """The unfinished runs that may apply, a holder first, as the store gives them."""
        open_ones = [run for run in self.runs if not run.plan_only and not run.final]
        return sorted(open_ones, key=lambda run: (not run.holds_workspace, run.sequence))

    @rule(plan_only=st.booleans())
    def add(self, plan_only: bool) -> None:
        number = len(self.runs) + 1
        self.runs.append(a_run(f"run-{number}", plan_only=plan_only, sequence=number))
        self.seen[f"run-{number}"] = [S.PENDING]

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), to=STATUSES)
    def move(self, data: st.DataObject, to: RunStatus) -> None:
        index = data.draw(st.integers(0, len(self.runs) - 1))
        run = self.runs[index]
        self.at += timedelta(seconds=1)
        starts = run.status is S.PENDING and to is S.FETCHING
        if starts and not run.plan_only:
            turn = next_run(self.workspace, self.queue())
            if turn is None or turn.id != run.id:
                return  # it is not its turn: nobody starts it
        if to not in run.allowed():
            with pytest.raises(IllegalMove):
                run.move(to, self.at)
            return
        self.runs[index] = run.move(to, self.at)
        self.seen[run.id].append(to)
        if starts and not run.plan_only:
            self.started.append(run.id)

    @invariant()
    def a_preview_never_gets_to_an_apply(self) -> None:
        for run in self.runs:
            if run.plan_only:
                assert not {S.CONFIRMED, S.APPLY_QUEUED, S.APPLYING, S.APPLIED} & set(self.seen[run.id])
                assert not run.holds_workspace
                assert not run.awaits_confirmation

    @invariant()
    def a_final_run_never_moves(self) -> None:
        for statuses in self.seen.values():
            assert not FINAL & set(statuses[:-1])

    @invariant()
    def a_run_holds_its_workspace_exactly_from_its_start_to_its_end(self) -> None:
        for run in self.runs:
            started = run.id in self.started
            assert run.holds_workspace == (not run.plan_only and started and not run.final)
        assert sum(run.holds_workspace for run in self.runs) <= 1

    @invariant()
    def runs_start_in_the_order_in_which_they_came(self) -> None:
        numbers = [int(run_id.removeprefix("run-")) for run_id in self.started]
        assert numbers == sorted(numbers)

    @invariant()
    def there_is_always_somebody_whose_turn_it_is_or_who_holds(self) -> None:
        queue = self.queue()
        held = any(run.holds_workspace for run in queue)
        assert (next_run(self.workspace, queue) is None) == (held or not queue)


TestQueue = Queue.TestCase
