"""Judging plans that are kept by a set that is not in force: what would it have stopped?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.domain.lifecycle import RunStatus
from bot.domain.masking import mask
from bot.domain.policy import Level, PolicyCheck, tally, verdict
from bot.domain.policy_input import run_document
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.ports import ArtifactKind, Files, PolicyEngine, PolicyJob, RunQuery, Stop, Store
from bot.services.snapshot import secrets_of_run, variables_of

_NOT_IN_FORCE = "not in force"


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


def replay(store: Store, engine: PolicyEngine, files: Files, last: int) -> Iterator[Replayed]:
    """Judge the newest runs that have a plan, newest first; changes nothing."""
    left, offset = last, 0
    while left > 0:
        with store.reading() as tx:
            runs = tx.runs.find(RunQuery(limit=100, offset=offset))
        if not runs:
            return
        offset += len(runs)
        for run in runs:
            if left and (found := _replayed(store, engine, files, run)):
                left -= 1
                yield found


def _replayed(store: Store, engine: PolicyEngine, files: Files, run: Run) -> Replayed | None:
    with store.reading() as tx:
        plan = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON)
        if not plan:
            return None
        workspace = tx.workspaces.get(run.workspace_id)
        document = run_document(run, workspace, variables_of(tx, run.id))
        secrets = secrets_of_run(tx, run.id)
    judged = engine.judge(PolicyJob(files, Level.SOFT, plan, document), _Patience())
    checks = tuple(
        PolicyCheck(
            _NOT_IN_FORCE,
            "",
            one.policy,
            one.level,
            one.outcome,
            tuple(mask(message, secrets) for message in one.messages),
            one.seconds,
        )
        for one in judged
    )
    return Replayed(run, workspace, checks)


class _Patience:
    """The watcher of what nobody watches."""

    def output(self, text: str) -> None:
        """Let it be."""

    def tick(self) -> Stop:
        """Go on."""
        return Stop.GO_ON
