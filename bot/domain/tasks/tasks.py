"""Run tasks and hooks, their results, and what a result means for a run.

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
    def words(self) -> str:
        """The stage in words."""
        return self.value.replace("_", "-")

    @property
    def set_names(self) -> tuple[str, str]:
        """How results of tasks and of hooks are named among policies. No set's name can have a space."""
        return (f"{self.words} task", f"{self.words} hook")


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
class StageJudge:
    """What judges runs at stages: a task or a hook.

    `mandatory`: a run errors unless it passes. Without `workspaces` and `tags`, every workspace counts.
    """

    name: str
    stages: tuple[TaskStage, ...]
    mandatory: bool = False
    workspaces: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    timeout: timedelta = timedelta(minutes=10)

    def asked_about(self, workspace: Workspace, stage: TaskStage) -> bool:
        """Whether it judges runs of a workspace at a stage."""
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
class RunTask(StageJudge):
    """A service that is asked about runs. Its address and key are not here: only the adapter has them."""


@dataclass(frozen=True)
class PlanHook(StageJudge):
    """A command of the server's configuration. `command` starts with the absolute path of a program.

    `reads` are paths that it may read besides the system's. `environment` are names of the server's variables
    that it gets. `network`: it may reach what the worker reaches; otherwise nothing.
    """

    command: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    network: bool = False


@dataclass(frozen=True)
class TaskAnswer:
    """What a task or a hook said. `outcomes` are single findings, one line each."""

    status: TaskStatus
    message: str = ""
    url: str = ""
    outcomes: tuple[str, ...] = ()


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

    @property
    def answer(self) -> TaskAnswer:
        """What the task said so far."""
        return TaskAnswer(self.status, self.message, self.url, self.outcomes)

    def late(self, now: datetime) -> bool:
        """Whether the time for an answer is over."""
        return not self.status.final and now >= self.expires_at


def as_check(
    judge: StageJudge, stage: TaskStage, answer: TaskAnswer, version: str, seconds: float = 0.0
) -> PolicyCheck:
    """Return an answer as policies have it, so that comment and page show all alike."""
    outcomes = {TaskStatus.PASSED: PolicyOutcome.PASSED, TaskStatus.FAILED: PolicyOutcome.FAILED}
    said = (answer.message, *answer.outcomes, answer.url)
    return PolicyCheck(
        set_name=stage.set_names[isinstance(judge, PlanHook)],
        version=version,
        policy=judge.name,
        level=judge.level,
        outcome=outcomes.get(answer.status, PolicyOutcome.ERRORED),
        messages=tuple(text for text in said if text),
        seconds=seconds,
    )


def of_other_stages(checks: Sequence[PolicyCheck], stage: TaskStage) -> tuple[PolicyCheck, ...]:
    """Return the checks that are not of a stage's tasks and hooks."""
    return tuple(check for check in checks if check.set_name not in stage.set_names)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
