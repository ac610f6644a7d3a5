"""Judges stored plans by a set that is not in force: what would it have stopped?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.policies.input import run_document
from bot.domain.policies.policy import PolicyCheck, tally, verdict
from bot.domain.policies.sets import USUAL_LIMITS, USUAL_NAMESPACES, PolicyLimits, PolicySet, SetOrigin
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.masking import mask
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.snapshot import secrets_of_run, variables_of
from bot.services.ports import (
    ArtifactKind,
    Files,
    PolicyEngine,
    PolicyJob,
    RunQuery,
    Store,
    Watch,
    WatchSignal,
)

_NOT_IN_FORCE = "not in force"
# A set for a few workspaces must not make us read the whole history.
_LOOKED_BACK = 5000


@dataclass(frozen=True)
class StoredPlan:
    """A run with a stored plan, and the input that policies get for it."""

    run: Run
    workspace: Workspace
    plan_json: bytes = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class ReplayedPlan:
    """The results of a set for one run's plan, and the status that the run would have had."""

    run: Run
    workspace: Workspace
    checks: tuple[PolicyCheck, ...]

    @property
    def would_end(self) -> RunStatus:
        """The status that the run would have had after its policy check."""
        changes = bool(self.run.has_changes)
        return verdict(self.checks, plan_only=self.run.plan_only, has_changes=changes)

    @property
    def stopped(self) -> bool:
        """Whether the set would have stopped the run."""
        return self.would_end is not RunStatus.POLICY_CHECKED

    @property
    def words(self) -> str:
        """How many policies had each outcome."""
        return tally(self.checks)


def replay(
    store: Store,
    engine: PolicyEngine,
    files: Files,
    last: int,
    limits: PolicyLimits = USUAL_LIMITS,
    namespaces: tuple[str, ...] = USUAL_NAMESPACES,
) -> Iterator[ReplayedPlan]:
    """Judge the newest runs that have a plan, newest first; changes nothing."""
    chosen = PolicySet(_NOT_IN_FORCE, SetOrigin(""), limits=limits, namespaces=namespaces)
    for plan in stored_plans(store, last):
        checks = judge_plan(engine, plan, chosen, files, UnwatchedJob())
        yield ReplayedPlan(plan.run, plan.workspace, checks)


def stored_plans(
    store: Store, last: int, covers: Callable[[Workspace], bool] = lambda _: True
) -> Iterator[StoredPlan]:
    """Yield the newest runs with a plan, for the workspaces that match. Reads one at a time.

    A forecast is left out: no set judges it.
    """
    left, offset = last, 0
    while left > 0 and offset < _LOOKED_BACK:
        with store.reading() as tx:
            runs = tx.runs.find(RunQuery(limit=100, offset=offset))
            workspaces = {run.workspace_id: tx.workspaces.get(run.workspace_id) for run in runs}
        if not runs:
            return
        offset += len(runs)
        for run in runs:
            workspace = workspaces[run.workspace_id]
            own = not run.in_background
            if left and own and covers(workspace) and (found := _stored(store, run, workspace)):
                left -= 1
                yield found


def job_for(chosen: PolicySet, files: Files, plan_json: bytes, document: Mapping[str, Any]) -> PolicyJob:
    """Return the job that judges a plan by a set of plangate.yml."""
    return PolicyJob(
        files, chosen.level, plan_json, document, chosen.limits, chosen.namespaces, chosen.needs_opa
    )


def judge_plan(
    engine: PolicyEngine, plan: StoredPlan, chosen: PolicySet, files: Files, watch: Watch
) -> tuple[PolicyCheck, ...]:
    """Judge a stored plan. Raises Interrupted if the watcher says so, EngineError."""
    (found,) = engine.judge([job_for(chosen, files, plan.plan_json, plan.document)], watch)
    return tuple(
        PolicyCheck(
            _NOT_IN_FORCE,
            "",
            one.policy,
            one.level,
            one.outcome,
            tuple(mask(message, plan.secrets) for message in one.messages),
            one.seconds,
            evaluator=one.evaluator,
            count=one.count,
        )
        for one in found
    )


def _stored(store: Store, run: Run, workspace: Workspace) -> StoredPlan | None:
    with store.reading() as tx:
        plan = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON)
        if not plan:
            return None
        document = run_document(run, workspace, variables_of(tx, run.id))
        return StoredPlan(run, workspace, plan, document, secrets_of_run(tx, run.id))


class UnwatchedJob:
    """The watcher of a job that nobody watches."""

    def output(self, text: str) -> None:
        """Ignore output."""

    def tick(self) -> WatchSignal:
        """Never stop."""
        return WatchSignal.GO_ON
