"""The policy check of a run: fetches the sets for its workspace, judges its plan, and acts on the results.

A check uses each set as it is when the check begins. Later commits to the set's repository affect later runs
only. If the worker of a check is lost, the check starts again from the stored plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.policies.input import run_document
from bot.domain.policies.policy import (
    EnforcementLevel,
    PolicyCheck,
    failing,
    same_failures,
    tally,
    verdict,
    why_stopped,
)
from bot.domain.policies.sets import PolicySet, sets_for
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.masking import mask
from bot.domain.runs.run import Run, RunEvent
from bot.domain.tasks.tasks import TaskStage
from bot.services.approvals.after_plan import AfterPlan
from bot.services.plans.snapshot import secrets_of_run, variables_of
from bot.services.policies.set_versions import SetVersions
from bot.services.policies.stored_plans import job_for
from bot.services.ports import (
    ArtifactKind,
    PolicyEngine,
    RunQuery,
    Store,
    Transaction,
    Watch,
)
from bot.services.run_tasks.ask import RunTasks
from bot.services.runs.transitions import Transitions

Moves = Sequence[tuple[Run, RunEvent]]

# How many earlier runs of a change are searched for sticky overrides.
_LOOKED_BACK = 20


class PolicyChecker:
    """Judges runs by the policy sets of plangate.yml. Does nothing if there are no sets."""

    def __init__(
        self,
        store: Store,
        engine: PolicyEngine,
        versions: SetVersions,
        sets: Sequence[PolicySet],
        transitions: Transitions,
        run_tasks: RunTasks,
    ) -> None:
        self._run_tasks = run_tasks
        self._store = store
        self._engine = engine
        self._versions = versions
        self._sets = sets
        self._transitions = transitions
        self._after_plan = AfterPlan(transitions)

    def after_plan(self, tx: Transaction, run: Run) -> Moves:
        """Return what follows a finished plan: the check, or the next step if no set and no task judges it.

        No set judges a forecast or a drift check: nobody can apply it.
        """
        if run.cancel_requested_at is not None or run.in_background:
            return self._after_plan.moves(tx, run)
        workspace = tx.workspaces.get(run.workspace_id)
        if sets_for(self._sets, workspace) or self._run_tasks.any_for(run, workspace, TaskStage.POST_PLAN):
            return [self._transitions.moved(run, RunStatus.POLICY_CHECKING)]
        return self._after_plan.moves(tx, run)

    def check(self, run: Run, fence: int, watch: Watch) -> Run:
        """Judge a run's plan and advance the run until it waits for a person.

        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Interrupted, LeaseLost.
        """
        with self._store.reading() as tx:
            workspace = tx.workspaces.get(run.workspace_id)
            document = run_document(run, workspace, variables_of(tx, run.id))
            plan_json = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON) or b""
            secrets = secrets_of_run(tx, run.id)
        sets = sets_for(self._sets, workspace)
        versions = [self._versions.in_force(each, watch) for each in sets]
        jobs = [
            job_for(each, version.files, plan_json, document)
            for each, version in zip(sets, versions, strict=True)
        ]
        found = zip(sets, versions, self._engine.judge(jobs, watch) if jobs else (), strict=True)
        checks = [
            PolicyCheck(
                set_name=each.name,
                version=version.id,
                policy=judged.policy,
                level=judged.level,
                outcome=judged.outcome,
                # Promise 6: a policy sees the plan's values, and may put one into its message.
                messages=tuple(mask(message, secrets) for message in judged.messages),
                seconds=judged.seconds,
                description=judged.description,
                file=judged.file,
                evaluator=judged.evaluator,
                count=judged.count,
            )
            for each, version, policies in found
            for judged in policies
        ]

        checks += self._run_tasks.checks(run, TaskStage.POST_PLAN, fence, watch)

        def step(tx: Transaction, run: Run) -> Moves:
            for version in versions:
                tx.policies.keep_version(version)
            self._run_tasks.keep_version(tx)
            return self._decided(tx, run, checks)

        return self._transitions.change(run.id, step, fence)

    def _decided(self, tx: Transaction, run: Run, checks: Sequence[PolicyCheck]) -> Moves:
        """Store the checks and decide what follows, in one transaction (promise 3)."""
        if run.status is not RunStatus.POLICY_CHECKING:
            return []
        before = [c for c in tx.policies.of_run(run.id) if c.set_name in TaskStage.PRE_PLAN.set_names]
        checks = self._with_kept_overrides(tx, run, [*before, *checks])
        tx.policies.put(run.id, checks)
        if run.cancel_requested_at:
            return [self._transitions.moved(run, RunStatus.CANCELED, run.cancel_requested_by)]
        words = tally(checks)
        status = verdict(checks, plan_only=run.plan_only, has_changes=bool(run.has_changes))
        if status is RunStatus.ERRORED:
            why = why_stopped(checks)
            return [self._transitions.moved(run, status, message=words, error=why)]
        first = self._transitions.moved(run, status, message=words)
        if status is not RunStatus.POLICY_CHECKED:
            return [first]
        return [first, *self._after_plan.moves(tx, first[0])]

    # --- sticky overrides -----------------------------------------------------------------------------------

    def _with_kept_overrides(
        self, tx: Transaction, run: Run, checks: Sequence[PolicyCheck]
    ) -> tuple[PolicyCheck, ...]:
        """Copy the overrides of earlier runs of the same change, for sets with sticky overrides."""
        sticky = {each.name for each in self._sets if each.sticky_overrides}
        wanted = [check for check in failing(checks, EnforcementLevel.SOFT) if check.set_name in sticky]
        if not wanted or run.change_number is None:
            return tuple(checks)
        query = RunQuery(workspace_id=run.workspace_id, change_number=run.change_number, limit=_LOOKED_BACK)
        before = [
            (earlier, check)
            for earlier in tx.runs.find(query)
            if earlier.id != run.id
            for check in tx.policies.of_run(earlier.id)
            if check.override is not None
        ]
        return tuple(self._kept(check, before) if check in wanted else check for check in checks)

    @staticmethod
    def _kept(check: PolicyCheck, before: Sequence[tuple[Run, PolicyCheck]]) -> PolicyCheck:
        for earlier, old in before:
            if old.override is not None and same_failures(check, old):
                reason = old.override.reason.partition(" (kept since ")[0]
                kept = replace(old.override, reason=f"{reason} (kept since {earlier.id})")
                return replace(check, override=kept)
        return check
