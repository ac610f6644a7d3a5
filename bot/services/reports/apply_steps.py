"""The next step towards an apply, as a comment recommends it: never a command that would be refused.

The forge is asked nothing for it. What is known is used: a draft, a conflict, failed policies, and what
people had approved when the forge was asked last (after a verdict, an `/apply`, a `/why`, or on the page).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.changes.requirements import Requirement, known_unmet, of_people
from bot.domain.policies.policy import PolicyCheck
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import ChangeRecord


@dataclass(frozen=True)
class ApplyStep:
    """What to do next, what the headline says besides, and what an apply requires.

    `met` are the requirements that people have met, as far as that is known. `unapproved` says that people
    still have to approve it.
    """

    following: str
    also: str = ""
    requires: tuple[str, ...] = ()
    met: tuple[str, ...] = ()
    unapproved: bool = False


def apply_step(
    workspace: Workspace,
    run: Run,
    record: ChangeRecord,
    policies: Sequence[PolicyCheck],
    command: str,
) -> ApplyStep:
    """Return the step to an apply; `command` is the `/apply` of the run's plan."""
    approved = record.approved(workspace.id)
    met = tuple(each for each in of_people(workspace) if each in approved)
    step = ApplyStep(command, requires=workspace.require, met=met)
    missing = known_unmet(workspace, record.change, policies)
    if any(check.requirement == Requirement.POLICIES_PASSED for check in missing):
        return replace(step, following="push a fix: the policies have to pass")
    if missing:
        return replace(step, following=missing[0].why, also=", not ready to be applied")
    if run.status is RunStatus.POLICY_SOFT_FAILED:
        fix = f"push a fix, or comment `{command}`: its run then waits for an `/override`"
        return replace(step, following=fix)
    if len(met) < len(of_people(workspace)):
        return replace(step, also=", needs an approval", unapproved=True)
    return step
