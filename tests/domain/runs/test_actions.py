"""What may be done with a run: roles by statuses, from one table; the refusals say the same."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.people.permissions import Action, Person, Role
from bot.domain.runs import lifecycle
from bot.domain.runs.actions import force_cancel_in, possible, why_forbidden, why_not
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from tests.store.samples import AT, run, workspace

COOL_OFF = timedelta(seconds=30)
LATER = AT + timedelta(minutes=5)
S, A = RunStatus, Action

# What may be done with a run that may apply, by somebody with every right; a preview's where it differs.
LEGAL = {
    S.PENDING: {A.DISCARD, A.CANCEL},
    S.FETCHING: {A.CANCEL},
    S.FETCHING_COMPLETED: {A.CANCEL},
    S.PLAN_QUEUED: {A.CANCEL},
    S.PLANNING: {A.CANCEL},
    S.PLANNED: {A.CONFIRM, A.DISCARD},
    S.POLICY_CHECKING: {A.CANCEL},
    S.POLICY_OVERRIDE: {A.OVERRIDE_POLICY, A.DISCARD},
    S.POLICY_CHECKED: {A.CONFIRM, A.DISCARD},
    S.PLANNED_AND_SAVED: {A.CONFIRM, A.DISCARD},
    S.CONFIRMED: {A.CANCEL},
    S.APPLY_QUEUED: {A.CANCEL},
    S.APPLYING: {A.CANCEL},
    **{status: {A.RETRY} for status in lifecycle.FINAL},
}
PREVIEWS = {S.PENDING: {A.CANCEL}, S.PLANNED: set(), S.POLICY_OVERRIDE: set(), S.POLICY_CHECKED: set()}
# From which role on; a preview is retried by whoever may plan.
FROM = {
    A.CONFIRM: Role.WRITE,
    A.DISCARD: Role.WRITE,
    A.CANCEL: Role.WRITE,
    A.RETRY: Role.WRITE,
    A.FORCE_CANCEL: Role.ADMIN,
    A.OVERRIDE_POLICY: Role.OWNER,
}


def at(status: RunStatus, **about: object) -> Run:
    return run(workspace(), status=status, **about)


@pytest.mark.parametrize("plan_only", [False, True], ids=["run", "preview"])
@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("status", RunStatus)
def test_roles_by_statuses(status: RunStatus, role: Role, plan_only: bool) -> None:
    legal = PREVIEWS.get(status, LEGAL[status]) if plan_only else LEGAL[status]
    lowest = FROM | ({A.RETRY: Role.PLAN} if plan_only else {})
    expected = {action for action in legal if role >= lowest[action]}
    person = Person("dora", role)
    one = at(status, plan_only=plan_only)
    assert possible(one, person, LATER, COOL_OFF) == expected
    for action in FROM:
        refused = why_forbidden(one, person, action) or why_not(one, action, LATER, COOL_OFF)
        assert bool(refused) == (action not in expected), action


@pytest.mark.parametrize("status", sorted(lifecycle.CANCELABLE))
def test_after_a_cancel_only_force_cancel_is_left_and_only_after_the_cool_off(status: RunStatus) -> None:
    one = at(status, cancel_requested_by="carl", cancel_requested_at=AT)
    admin = Person("ada", Role.ADMIN)
    ends = AT + COOL_OFF
    soon = ends - timedelta(milliseconds=1)
    left = {A.DISCARD} if status is S.PENDING else set()
    assert possible(one, admin, soon, COOL_OFF) == left
    assert possible(one, admin, ends, COOL_OFF) == left | {A.FORCE_CANCEL}
    assert possible(one, Person("wren", Role.WRITE), ends, COOL_OFF) == left
    assert force_cancel_in(one, AT, COOL_OFF) == 30
    assert force_cancel_in(one, soon, COOL_OFF) == 1
    assert force_cancel_in(one, ends, COOL_OFF) == 0
    assert "give Terraform 1 more seconds" in why_not(one, A.FORCE_CANCEL, soon, COOL_OFF)


def test_a_run_is_force_canceled_once() -> None:
    one = at(S.APPLYING, cancel_requested_by="carl", cancel_requested_at=AT, force_cancel=True)
    assert possible(one, Person("ada", Role.OWNER), LATER, COOL_OFF) == set()
    assert why_not(one, A.FORCE_CANCEL, LATER, COOL_OFF).endswith("is being killed already")
    assert force_cancel_in(one, LATER, COOL_OFF) is None


@pytest.mark.parametrize(
    ("status", "action", "words"),
    [
        (S.PENDING, A.CONFIRM, "is pending and can't be confirmed; possible now: discard, cancel"),
        (S.PLANNED, A.CANCEL, "is planned and can't be canceled; possible now: confirm, discard"),
        (S.APPLYING, A.DISCARD, "is applying and can't be discarded; possible now: cancel"),
        (S.APPLYING, A.FORCE_CANCEL, "force-cancel comes after a cancel; possible now: cancel"),
        (S.APPLIED, A.FORCE_CANCEL, "can't be force-canceled; it is finished: retry it"),
        (S.PLANNED, A.RETRY, "only a finished run can be retried; possible now: confirm, discard"),
        (S.APPLIED, A.CONFIRM, "it is finished: retry it to run the same commit again"),
    ],
)
def test_a_refusal_names_the_run_its_status_and_what_is_possible(
    status: RunStatus, action: Action, words: str
) -> None:
    one = at(status)
    said = why_not(one, action, LATER, COOL_OFF)
    assert said.startswith(f"{one.id} is {status.value}")
    assert words in said


def test_a_run_that_stops_says_who_canceled_it() -> None:
    one = at(S.PLANNING, cancel_requested_by="carl", cancel_requested_at=AT)
    assert "it is stopping, for carl canceled it" in why_not(one, A.CANCEL, LATER, COOL_OFF)
