"""Judging plans that are kept by a set that is not in force: what would it have stopped?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.domain.lifecycle import RunStatus
from bot.domain.masking import mask
from bot.domain.policy import Level, PolicyCheck, tally, verdict
from bot.domain.policy_input import run_document
from bot.domain.policy_sets import USUAL_LIMITS, PolicyLimits
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.ports import ArtifactKind, Files, PolicyEngine, PolicyJob, RunQuery, Stop, Store, Watch
from bot.services.snapshot import secrets_of_run, variables_of

_NOT_IN_FORCE = "not in force"
# So that a set for few workspaces among many does not have the whole history read.
_LOOKED_BACK = 5000


@dataclass(frozen=True)
class StoredPlan:
    """A run whose plan is kept, and what a policy is told of it."""

    run: Run
    workspace: Workspace
    plan_json: bytes = field(repr=False)
    document: Mapping[str, Any] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True)
class Replayed:
    """What a set says of one run's plan, and where the run would have gone."""

    run: Run
    workspace: Workspace
    checks: tuple[PolicyCheck, ...]

    @property
    def would_end(self) -> RunStatus:
        """The status that the run would have had behind its policies."""
        changes = bool(self.run.has_changes)
        return verdict(self.checks, plan_only=self.run.plan_only, has_changes=changes)

    @property
    def stopped(self) -> bool:
        """Whether the set would have stopped the run."""
        return self.would_end is not RunStatus.POLICY_CHECKED

    @property
    def words(self) -> str:
        """How many policies said what."""
        return tally(self.checks)


def replay(
    store: Store, engine: PolicyEngine, files: Files, last: int, limits: PolicyLimits = USUAL_LIMITS
) -> Iterator[Replayed]:
    """Judge the newest runs that have a plan, newest first; changes nothing."""
    for plan in stored_plans(store, last):
        checks = judged(engine, plan, files, Level.SOFT, limits, Patience())
        yield Replayed(plan.run, plan.workspace, checks)


def stored_plans(
    store: Store, last: int, covers: Callable[[Workspace], bool] = lambda _: True
) -> Iterator[StoredPlan]:
    """Yield the newest runs that have a plan, of workspaces that are covered; one is read at a time."""
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
            if left and covers(workspace) and (found := _stored(store, run, workspace)):
                left -= 1
                yield found


def judged(
    engine: PolicyEngine, plan: StoredPlan, files: Files, level: Level, limits: PolicyLimits, watch: Watch
) -> tuple[PolicyCheck, ...]:
    """Judge a stored plan. Raises Interrupted where the watcher says so, EngineError."""
    found = engine.judge(PolicyJob(files, level, plan.plan_json, plan.document, limits), watch)
    return tuple(
        PolicyCheck(
            _NOT_IN_FORCE,
            "",
            one.policy,
            one.level,
            one.outcome,
            tuple(mask(message, plan.secrets) for message in one.messages),
            one.seconds,
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


class Patience:
    """The watcher of what nobody watches."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> Stop:
        """Go on."""
        return Stop.GO_ON
