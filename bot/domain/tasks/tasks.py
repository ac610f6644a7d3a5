"""Run tasks, their results, and what a result means for a run.

Stages, statuses and levels are HashiCorp's:
https://developer.hashicorp.com/terraform/enterprise/api-docs/run-tasks/run-tasks-integration
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.workspaces.workspace import Workspace

MOST_OUTCOMES = 50
LONGEST_MESSAGE = 1000


class TaskStage(StrEnum):
    """The point of a run's way at which a task is asked."""

    PRE_PLAN = "pre_plan"
    POST_PLAN = "post_plan"
    PRE_APPLY = "pre_apply"

    @property
    def set_name(self) -> str:
        """How its results are named among the policies. No policy set can have a space in its name."""
        return f"{self.value.replace('_', '-')} task"


class TaskStatus(StrEnum):
    """The status of a result. `errored` is ours: the task could not be asked, or did not answer in time."""

    PENDING = "pending"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"

    @property
    def final(self) -> bool:
        """Whether it can't change any more."""
        return self not in (TaskStatus.PENDING, TaskStatus.RUNNING)


@dataclass(frozen=True)
class RunTask:
    """A service that is asked about runs. Its address and key are not here: only the adapter has them.

    `mandatory`: a run errors unless the task passes. Without `workspaces` and `tags`, every workspace counts.
    """

    name: str
    stages: tuple[TaskStage, ...]
    mandatory: bool = False
    workspaces: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    timeout: timedelta = timedelta(minutes=10)

    def asked_about(self, workspace: Workspace, stage: TaskStage) -> bool:
        """Whether the task is asked about runs of a workspace at a stage."""
        if stage not in self.stages or _matches(workspace.name, self.exclude):
            return False
        if not self.workspaces and not self.tags:
            return True
        return bool(set(self.tags) & set(workspace.tags)) or _matches(workspace.name, self.workspaces)

    @property
    def level(self) -> EnforcementLevel:
        """How binding a result is, in the words of policies."""
        return EnforcementLevel.HARD if self.mandatory else EnforcementLevel.ADVISORY


@dataclass(frozen=True)
class TaskResult:
    """What one task said of one run at one stage. `sent_at` is None until the service took the request.

    `outcomes` are single findings, one line each. `expires_at`: without an answer by then, it is errored.
    """

    id: str
    run_id: str
    stage: TaskStage
    task: str
    created_at: datetime
    expires_at: datetime
    sent_at: datetime | None = None
    status: TaskStatus = TaskStatus.PENDING
    message: str = ""
    url: str = ""
    outcomes: tuple[str, ...] = ()

    def late(self, now: datetime) -> bool:
        """Whether the time for an answer is over."""
        return not self.status.final and now >= self.expires_at


def as_check(task: RunTask, result: TaskResult, version: str) -> PolicyCheck:
    """Return a result as policies have it, so that comment and page show both alike."""
    outcomes = {TaskStatus.PASSED: PolicyOutcome.PASSED, TaskStatus.FAILED: PolicyOutcome.FAILED}
    said = (result.message, *result.outcomes, result.url)
    return PolicyCheck(
        set_name=result.stage.set_name,
        version=version,
        policy=task.name,
        level=task.level,
        outcome=outcomes.get(result.status, PolicyOutcome.ERRORED),
        messages=tuple(text for text in said if text),
        evaluator="",
    )


def of_other_stages(checks: Sequence[PolicyCheck], stage: TaskStage) -> tuple[PolicyCheck, ...]:
    """Return the checks that are not of a stage's tasks."""
    return tuple(check for check in checks if check.set_name != stage.set_name)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
