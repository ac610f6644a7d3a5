"""What checks come to: the verdict on a run, the words of a status, and what an override undoes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bot.domain.policies.policy import (
    EnforcementLevel,
    Override,
    PolicyCheck,
    PolicyOutcome,
    overridden,
    tally,
    verdict,
    why_stopped,
)
from bot.domain.runs.lifecycle import RunStatus

GIVEN = Override("olga", "known", datetime(2026, 1, 2, tzinfo=UTC))
S = RunStatus


def check(level: str, outcome: str, policy: str = "p", override: Override | None = None) -> PolicyCheck:
    return PolicyCheck(
        "set", "v1", policy, EnforcementLevel(level), PolicyOutcome(outcome), override=override
    )


SOFT, HARD, ADVISORY = "soft-mandatory", "hard-mandatory", "advisory"


@pytest.mark.parametrize("outcome", ["failed", "errored"])
@pytest.mark.parametrize(
    ("levels", "run", "preview", "unchanged"),
    [
        ([], S.POLICY_CHECKED, S.POLICY_CHECKED, S.POLICY_CHECKED),
        ([ADVISORY], S.POLICY_CHECKED, S.POLICY_CHECKED, S.POLICY_CHECKED),
        ([SOFT], S.POLICY_OVERRIDE, S.POLICY_SOFT_FAILED, S.POLICY_CHECKED),
        ([HARD], S.ERRORED, S.ERRORED, S.ERRORED),
        ([ADVISORY, SOFT, HARD], S.ERRORED, S.ERRORED, S.ERRORED),
    ],
)
def test_the_hardest_failure_decides(
    levels: list[str], outcome: str, run: RunStatus, preview: RunStatus, unchanged: RunStatus
) -> None:
    checks = [check(HARD, "passed"), *(check(level, outcome) for level in levels)]
    assert verdict(checks, plan_only=False, has_changes=True) is run
    assert verdict(checks, plan_only=True, has_changes=True) is preview
    assert verdict(checks, plan_only=False, has_changes=False) is unchanged


def test_an_override_undoes_what_was_chosen_and_nothing_else() -> None:
    checks = (check(SOFT, "failed", "a"), check(SOFT, "errored", "b"), check(HARD, "passed", "c"))
    some = overridden(checks, checks[:1], GIVEN)
    assert verdict(some, plan_only=False, has_changes=True) is S.POLICY_OVERRIDE
    assert why_stopped(some) == "soft-mandatory policy not passed: set/b"
    every = overridden(checks, checks[:2], GIVEN)
    assert verdict(every, plan_only=False, has_changes=True) is S.POLICY_CHECKED
    assert why_stopped(every) == ""
    assert tally(every) == "1 passed, 2 overridden (1 could not be evaluated)"


def test_the_words_of_a_status() -> None:
    checks = [check(HARD, "passed")] * 12 + [check(SOFT, "failed")]
    assert tally(checks) == "12 passed, 1 soft failed"
    assert tally([*checks, check(HARD, "errored")]) == (
        "12 passed, 1 hard failed, 1 soft failed (1 could not be evaluated)"
    )
    assert tally([]) == "no policy applies"
