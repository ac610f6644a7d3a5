"""Policies: how binding one is, what judging a plan by it gave, and what a run does about it.

Levels and what each does on failure are those of HashiCorp's policy enforcement:
https://developer.hashicorp.com/terraform/enterprise/policy-enforcement
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.runs.lifecycle import RunStatus


class EnforcementLevel(StrEnum):
    """How binding a policy is."""

    ADVISORY = "advisory"
    SOFT = "soft-mandatory"
    HARD = "hard-mandatory"


class PolicyOutcome(StrEnum):
    """What judging a plan by a policy gave."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"


@dataclass(frozen=True)
class Override:
    """An owner let a failure be, for this run only."""

    by: str
    reason: str
    at: datetime


@dataclass(frozen=True)
class PolicyCheck:
    """What one policy of a set said of one run's plan.

    `version` is the set's, as it was when it judged. Of an errored policy the one message says why. `seconds`
    is what judging took. `file` is where the policy stands in its set, `evaluator` what evaluated it.
    `messages` are the first of `count`, if there were more than are kept.
    """

    set_name: str
    version: str
    policy: str
    level: EnforcementLevel
    outcome: PolicyOutcome
    messages: tuple[str, ...] = ()
    seconds: float = 0.0
    description: str = ""
    file: str = ""
    override: Override | None = None
    evaluator: str = ""
    count: int = 0

    @property
    def total(self) -> int:
        """How many messages there were."""
        return self.count or len(self.messages)

    @property
    def name(self) -> str:
        """How people name the policy: with its set, for two sets may have policies of one name."""
        return f"{self.set_name}/{self.policy}"

    @property
    def passed(self) -> bool:
        """Whether the plan is as the policy wants it; what could not be evaluated never is."""
        return self.outcome is PolicyOutcome.PASSED

    @property
    def stands(self) -> bool:
        """Whether the policy failed and nobody has overridden it."""
        return not self.passed and self.override is None

    def answers_to(self, word: str) -> bool:
        """Whether a person may mean this policy by a word."""
        return word in (self.policy, self.name)


def failing(checks: Sequence[PolicyCheck], level: EnforcementLevel) -> tuple[PolicyCheck, ...]:
    """Return the checks of a level that did not pass and are not overridden."""
    return tuple(check for check in checks if check.level is level and check.stands)


def verdict(checks: Sequence[PolicyCheck], *, plan_only: bool, has_changes: bool) -> RunStatus:
    """Return where a run goes from `policy_checking`.

    A plan without changes waits for no override: there is nothing that one would let through.
    """
    if failing(checks, EnforcementLevel.HARD):
        return RunStatus.ERRORED
    if failing(checks, EnforcementLevel.SOFT) and has_changes:
        return RunStatus.POLICY_SOFT_FAILED if plan_only else RunStatus.POLICY_OVERRIDE
    return RunStatus.POLICY_CHECKED


def overridden(
    checks: Sequence[PolicyCheck], chosen: Sequence[PolicyCheck], override: Override
) -> tuple[PolicyCheck, ...]:
    """Return all checks, the chosen ones overridden."""
    return tuple(replace(check, override=override) if check in chosen else check for check in checks)


def why_stopped(checks: Sequence[PolicyCheck]) -> str:
    """Say in a line which mandatory policies stop the run, the hardest first; empty if none does."""
    for level in (EnforcementLevel.HARD, EnforcementLevel.SOFT):
        if stopping := failing(checks, level):
            names = ", ".join(check.name for check in stopping[:5])
            more = f" and {len(stopping) - 5} more" if len(stopping) > 5 else ""
            policies = "policy" if len(stopping) == 1 else "policies"
            return f"{level.value} {policies} not passed: {names}{more}"
    return ""


def tally(checks: Sequence[PolicyCheck]) -> str:
    """Say how many did what, and what evaluated them: `12 passed, 1 soft failed, by OPA 1.22.3`."""
    named = (
        ("passed", [c for c in checks if c.passed]),
        ("hard failed", _of(checks, EnforcementLevel.HARD)),
        ("soft failed", _of(checks, EnforcementLevel.SOFT)),
        ("overridden", [c for c in checks if not c.passed and not c.stands]),
        ("advisory failed", _of(checks, EnforcementLevel.ADVISORY)),
    )
    parts = [f"{len(found)} {words}" for words, found in named if found]
    errors = sum(check.outcome is PolicyOutcome.ERRORED for check in checks)
    note = f" ({errors} could not be evaluated)" if errors else ""
    by = f", by {' and '.join(found)}" if (found := evaluators(checks)) else ""
    return (", ".join(parts) or "no policy applies") + note + by


def evaluators(checks: Sequence[PolicyCheck]) -> tuple[str, ...]:
    """Return what evaluated policies, each with its version."""
    return tuple(dict.fromkeys(check.evaluator for check in checks if check.evaluator))


def _of(checks: Sequence[PolicyCheck], level: EnforcementLevel) -> list[PolicyCheck]:
    return [check for check in checks if check.level is level and check.stands]


def same_failures(now: PolicyCheck, before: PolicyCheck) -> bool:
    """Whether a policy fails as it did before, word for word; what was not kept is not the same."""
    return (
        now.name == before.name
        and not (now.count or before.count)
        and now.outcome is before.outcome is PolicyOutcome.FAILED
        and sorted(now.messages) == sorted(before.messages)
    )
