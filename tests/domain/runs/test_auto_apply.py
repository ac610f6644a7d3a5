"""Auto-apply and its exceptions, as one table."""

from __future__ import annotations

import itertools

import pytest

from bot.domain.plans.modes import NORMAL, Modes
from bot.domain.runs.auto_apply import auto_applies
from bot.domain.runs.run import RunSource
from tests.store.samples import workspace

ON = workspace(auto_apply=True)
OFF = workspace()
S = RunSource


@pytest.mark.parametrize(
    ("source", "may_apply", "expected"),
    [
        (S.PUSH, False, True),
        (S.TAG, False, True),
        (S.MANUAL, True, True),
        (S.MANUAL, False, False),
        # What failed or was put aside once deserves a look.
        (S.RETRY, True, False),
        (S.TRIGGER, True, False),
        (S.CHANGE, True, False),
        (S.COMMENT, True, False),
    ],
)
def test_where_the_setting_is_on(source: RunSource, may_apply: bool, expected: bool) -> None:
    assert auto_applies(ON, source, may_apply=may_apply) is expected
    assert auto_applies(OFF, source, may_apply=may_apply) is False


def test_run_triggers_have_a_setting_of_their_own() -> None:
    assert auto_applies(workspace(auto_apply_run_triggers=True), S.TRIGGER)
    assert not auto_applies(workspace(auto_apply_run_triggers=True), S.PUSH)


def test_the_exceptions_hold_whatever_else_is_so() -> None:
    every = workspace(auto_apply=True, auto_apply_run_triggers=True)
    for source, may_apply, modes in itertools.product(
        RunSource, (False, True), (NORMAL, Modes(refresh_only=True))
    ):
        assert not auto_applies(every, source, may_apply=may_apply, plan_only=True, modes=modes)
        assert not auto_applies(every, source, may_apply=may_apply, modes=Modes(destroy=True))
        assert not auto_applies(every, source, may_apply=may_apply, modes=modes, change_number=3)
