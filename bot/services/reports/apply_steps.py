"""The next step towards an apply, as a comment recommends it: never a command that would be refused.

The forge is asked nothing for it. What is known is used: a draft, a conflict, failed policies. Whether people
have approved the change is asked when somebody comments `/apply` or `/why`, so a comment only says that they
have to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.changes.requirements import Requirement, known_unmet, people_needed
from bot.domain.events import Change
from bot.domain.policies.policy import PolicyCheck
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace


@dataclass(frozen=True)
class ApplyStep:
    """What to do next, what the headline says besides, what an apply requires, and whether of people."""

    following: str
    also: str = ""
    requires: tuple[str, ...] = ()
    unapproved: bool = False


def apply_step(
    workspace: Workspace, run: Run, change: Change, policies: Sequence[PolicyCheck], command: str
) -> ApplyStep:
    """Return the step to an apply; `command` is the `/apply` of the run's plan."""
    missing = known_unmet(workspace, change, policies)
    if any(check.requirement == Requirement.POLICIES_PASSED for check in missing):
        return ApplyStep("push a fix: the policies have to pass", requires=workspace.require)
    if missing:
        return ApplyStep(missing[0].why, ", not ready to be applied", workspace.require)
    if run.status is RunStatus.POLICY_SOFT_FAILED:
        step = f"push a fix, or comment `{command}`: its run then waits for an `/override`"
        return ApplyStep(step, requires=workspace.require)
    people = people_needed(workspace)
    return ApplyStep(command, ", needs an approval" if people else "", workspace.require, people)
