"""Runs hooks, asks run tasks about a run, and waits for their answers.

The requests are in the database before they are sent. If the worker dies, the next one waits for the same
answers, up to the same time limits: a lost callback leaves no run hanging (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.errors import EngineError, Interrupted, ReceiverAway, ReceiverError
from bot.domain.ids import new_id, plan_id
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, failing, why_stopped
from bot.domain.runs.masking import mask
from bot.domain.runs.run import Run, RunSource
from bot.domain.tasks.tasks import (
    PlanHook,
    RunTask,
    TaskAnswer,
    TaskResult,
    TaskStage,
    TaskStatus,
    as_check,
    of_other_stages,
)
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import (
    Addresses,
    ArtifactKind,
    Clock,
    HookRunner,
    SetVersion,
    Store,
    TaskCaller,
    Transaction,
    Watch,
    WatchSignal,
)
from bot.services.run_tasks.tokens import TaskTokens
from bot.services.runs.transitions import lease_of

log = logging.getLogger(__name__)

_PAUSE = timedelta(seconds=1)
VERSION = "run-tasks"
"""The id of the one version of the set that results are shown under."""

API = "/api/v2"


class RunTasks:
    """Asks the tasks and runs the hooks of plangate.yml. Does nothing for a workspace that has none."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        caller: TaskCaller,
        tokens: TaskTokens,
        addresses: Addresses,
        tasks: Sequence[RunTask],
        organization: str,
        hooks: Sequence[PlanHook] = (),
        runner: HookRunner | None = None,
    ) -> None:
        self._hooks = tuple(hooks)
        self._runner = runner
        self._store = store
        self._clock = clock
        self._caller = caller
        self._tokens = tokens
        self._addresses = addresses
        self._tasks = {task.name: task for task in tasks}
        self._organization = organization

    def any_for(self, run: Run, workspace: Workspace, stage: TaskStage) -> bool:
        """Whether a task or a hook judges a run at a stage. None does a forecast: nobody can apply it."""
        return bool(self._for(run, workspace, stage) or self._hooks_for(run, workspace, stage))

    def gate(self, run: Run, stage: TaskStage, fence: int, watch: Watch) -> None:
        """Ask the tasks of a stage, and store what they said. Raises EngineError if a mandatory one stops it.

        Raises Interrupted, LeaseLost.
        """
        checks = self.checks(run, stage, fence, watch)
        if not checks:
            return
        with self._store.transaction() as tx:
            tx.leases.check(lease_of(run.id), fence)
            self.keep_version(tx)
            tx.policies.put(run.id, [*of_other_stages(tx.policies.of_run(run.id), stage), *checks])
        if failing(checks, EnforcementLevel.HARD):
            raise EngineError(why_stopped(checks))

    def checks(self, run: Run, stage: TaskStage, fence: int, watch: Watch) -> Sequence[PolicyCheck]:
        """Ask the tasks of a stage and return what they said. Raises Interrupted, LeaseLost."""
        with self._store.reading() as tx:
            workspace = tx.workspaces.get(run.workspace_id)
            secrets = secrets_of_run(tx, run.id)
            plan_json = b"" if stage is TaskStage.PRE_PLAN else self._plan_json(tx, run)
        hooks, tasks = self._hooks_for(run, workspace, stage), self._for(run, workspace, stage)
        about = _about(run, workspace, stage)
        checks = [self._hooked(hook, stage, plan_json, about, watch) for hook in hooks]
        if tasks:
            results = self._waited(run, stage, self._begun(run, tasks, stage, fence), workspace, watch)
            checks += [as_check(self._tasks[each.task], stage, each.answer, VERSION) for each in results]
        return tuple(_masked(check, secrets) for check in checks)

    def _hooked(
        self, hook: PlanHook, stage: TaskStage, plan_json: bytes, about: Mapping[str, str], watch: Watch
    ) -> PolicyCheck:
        assert self._runner is not None, "there are hooks, and nothing that runs them"
        begun = self._clock.now()
        answer = self._runner.run(hook, plan_json, about, watch)
        return as_check(hook, stage, answer, VERSION, (self._clock.now() - begun).total_seconds())

    @staticmethod
    def _plan_json(tx: Transaction, run: Run) -> bytes:
        return tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON) or b""

    def keep_version(self, tx: Transaction) -> None:
        """Store the set that results are shown under."""
        now = self._clock.now()
        tx.policies.keep_version(SetVersion(VERSION, "run tasks and hooks", "plangate.yml", "", {}, now))

    def _for(self, run: Run, workspace: Workspace, stage: TaskStage) -> Sequence[RunTask]:
        if run.source is RunSource.FORECAST:
            return ()
        return [task for task in self._tasks.values() if task.asked_about(workspace, stage)]

    def _hooks_for(self, run: Run, workspace: Workspace, stage: TaskStage) -> Sequence[PlanHook]:
        if run.source is RunSource.FORECAST:
            return ()
        return [hook for hook in self._hooks if hook.asked_about(workspace, stage)]

    def _begun(self, run: Run, tasks: Sequence[RunTask], stage: TaskStage, fence: int) -> Sequence[str]:
        """Return the ids of this stage's results: those of a worker that was lost, or new ones."""
        now = self._clock.now()
        with self._store.transaction() as tx:
            tx.leases.check(lease_of(run.id), fence)
            there = {each.task: each.id for each in tx.task_results.of_run(run.id, stage, run.status_at)}
            new = [
                TaskResult(new_id("taskrs"), run.id, stage, task.name, now, now + task.timeout)
                for task in tasks
                if task.name not in there
            ]
            tx.task_results.add(new)
        return [*(there[task.name] for task in tasks if task.name in there), *(each.id for each in new)]

    def _waited(
        self, run: Run, stage: TaskStage, ids: Sequence[str], workspace: Workspace, watch: Watch
    ) -> Sequence[TaskResult]:
        """Send what was not sent, and wait until every result is final or late."""
        while True:
            with self._store.reading() as tx:
                results = [tx.task_results.get(each) for each in ids]
            now = self._clock.now()
            for result in results:
                if result.late(now):
                    why = "it did not answer within its time limit"
                    self._answer(result, TaskAnswer(TaskStatus.ERRORED, why))
                elif result.sent_at is None and not result.status.final:
                    self._send(run, result, workspace)
                    # A slow service takes a third of the lease's time.
                    _mind(watch, stage)
            with self._store.reading() as tx:
                results = [tx.task_results.get(each) for each in ids]
            if all(result.status.final for result in results):
                return results
            _mind(watch, stage)
            self._clock.wait(_PAUSE)

    def _send(self, run: Run, result: TaskResult, workspace: Workspace) -> None:
        task = self._tasks[result.task]
        try:
            self._caller.ask(task, self._request(run, result, task, workspace))
        except ReceiverAway as error:
            # Tried again each second until the time limit.
            log.warning("%s: the run task %s can't be asked now: %s", run.id, task.name, error)
            return
        except ReceiverError as error:
            self._answer(result, TaskAnswer(TaskStatus.ERRORED, f"it can't be asked: {error}"))
            return
        with self._store.transaction() as tx:
            tx.task_results.sent(result.id, self._clock.now())

    def _answer(self, result: TaskResult, answer: TaskAnswer) -> None:
        with self._store.transaction() as tx:
            tx.task_results.answered(result.id, answer)

    def _request(
        self, run: Run, result: TaskResult, task: RunTask, workspace: Workspace
    ) -> Mapping[str, Any]:
        here = f"{self._addresses.public}{API}/task-results/{result.id}"
        planned = result.stage is not TaskStage.PRE_PLAN
        return {
            "payload_version": 1,
            "stage": result.stage.value,
            "access_token": self._tokens.of(result.id),
            "capabilities": {"outcomes": True},
            "is_speculative": run.speculative,
            "organization_name": self._organization,
            "plan_id": plan_id(run.id) if planned else None,
            "plan_json_api_url": f"{here}/plan-json" if planned else None,
            "run_app_url": self._addresses.run(run.id),
            "run_created_at": _moment(run.created_at),
            "run_created_by": run.created_by,
            "run_id": run.id,
            "run_message": run.message,
            "task_result_callback_url": f"{here}/callback",
            "task_result_enforcement_level": "mandatory" if task.mandatory else "advisory",
            "task_result_id": result.id,
            "vcs_branch": run.branch or None,
            "vcs_commit_sha": run.commit or None,
            "vcs_repo_identifier": workspace.repo.path if workspace.has_repo else None,
            "workspace_app_url": f"{self._addresses.public}/workspaces/{workspace.name}",
            "workspace_id": workspace.id,
            "workspace_name": workspace.name,
            "workspace_working_directory": workspace.working_directory,
        }


def _mind(watch: Watch, stage: TaskStage) -> None:
    """Keep the lease, and look whether the run was canceled. Raises Interrupted, LeaseLost."""
    if watch.tick() is not WatchSignal.GO_ON:
        raise Interrupted(f"canceled while {stage.value} run tasks were waited for")


def _about(run: Run, workspace: Workspace, stage: TaskStage) -> Mapping[str, str]:
    """Return what a hook is told of a run, as variables. No value has text that people write."""
    return {
        "PLANGATE_STAGE": stage.value,
        "PLANGATE_RUN_ID": run.id,
        "PLANGATE_WORKSPACE": workspace.name,
        "PLANGATE_COMMIT": run.commit,
        "PLANGATE_SPECULATIVE": "true" if run.plan_only else "false",
    }


def _masked(check: PolicyCheck, secrets: Sequence[str]) -> PolicyCheck:
    """Promise 6: a task reads the plan's values, and may put one into its message."""
    messages = tuple(mask(message, secrets) for message in check.messages)
    return PolicyCheck(**{**vars(check), "messages": messages})


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
