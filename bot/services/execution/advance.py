"""Advances a run: plan, policies, confirmation or auto-apply, apply; then the workspace's next run.

Everything that a run needs is in the database or can be fetched again, so any worker can advance any run. A
worker holds a run by a lease. Each change is checked against the lease's fencing number (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial

from bot.domain.errors import (
    Conflict,
    EngineError,
    ForgeError,
    ForgeUnavailable,
    Interrupted,
    LeaseLost,
    NotFound,
    PlanDisagrees,
    RemoteUnavailable,
    StoreUnavailable,
)
from bot.domain.ids import new_id
from bot.domain.people.audit import AuditAction
from bot.domain.people.origins import Origin, Via
from bot.domain.people.permissions import Person, Role
from bot.domain.plans.digest import DigestInputs, plan_digest
from bot.domain.plans.plan import load_plan_json, read_plan
from bot.domain.runs.lifecycle import APPLY_STAGES, PLAN_STAGES, RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.domain.tasks.tasks import TaskStage
from bot.domain.workspaces.phase import Phase
from bot.services.approvals.before_apply import BeforeApply
from bot.services.execution.disk_space import DiskSpace
from bot.services.execution.engine_jobs import EngineJobs
from bot.services.execution.lease import RunLeases
from bot.services.execution.plan_reuse import BeforeStart, PlanReuse, planned_by, why_failed
from bot.services.execution.restart import begin_again
from bot.services.execution.retry import patiently
from bot.services.execution.take_over import TakeOver
from bot.services.execution.turns import Turns
from bot.services.execution.watch import RunWatch
from bot.services.outbox import audit_log
from bot.services.plans.plan_inputs import (
    PlanInputs,
    current_inputs,
    inputs_of,
    save_inputs,
    saved_inputs,
    state_now,
)
from bot.services.plans.plan_text import packed_text
from bot.services.plans.snapshot import open_environment, secrets_of_run
from bot.services.plans.views import packed
from bot.services.policies.check import PolicyChecker
from bot.services.ports import (
    ApplyResult,
    ArtifactKind,
    Clock,
    Engine,
    Limits,
    PlanResult,
    Store,
    Transaction,
    Vault,
)
from bot.services.run_tasks.ask import RunTasks
from bot.services.runs import abandoned_locks
from bot.services.runs.queue_position import has_turn
from bot.services.runs.transitions import Transitions
from bot.services.states.kept_aside import NOT_PUSHED, Fate, keep

log = logging.getLogger(__name__)

Moves = list[tuple[Run, RunEvent]]

# How long a run waits for a forge that does not answer, before it errors.
FORGE_PATIENCE = timedelta(minutes=10)

# Other workers may take a run first that this one has chosen.
_TRIES = 10

# How much longer than its stage a run's token is valid: Terraform also pushes its state after the interrupt.
_SPARE = timedelta(hours=1)

LEFT_LOCKED = "its Terraform ended without unlocking it"
STORED_AFTER_ALL = "everything was applied; Terraform could not push the state, so Plangate stored it"

_WORKER = Person("plangate", Role.NONE, Origin(Via.SERVER))


class Execution:
    """Advances runs, as far as they go without a person."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        vault: Vault,
        engine: Engine,
        jobs: EngineJobs,
        transitions: Transitions,
        limits: Limits,
        policy_checker: PolicyChecker,
        plan_reuse: PlanReuse,
        before_apply: BeforeApply,
        turns: Turns,
        run_tasks: RunTasks,
    ) -> None:
        self._run_tasks = run_tasks
        self._before_apply = before_apply
        self._store = store
        self._clock = clock
        self._vault = vault
        self._engine = engine
        self._jobs = jobs
        self._transitions = transitions
        self._limits = limits
        self._policy_checker = policy_checker
        self._plan_reuse = plan_reuse
        self._turns = turns
        self._disk_space = DiskSpace(store, clock, engine)
        self._leases = RunLeases(store, clock, engine, limits, transitions)
        self._take_over = TakeOver(store, clock, engine, limits)

    def warm_up(self) -> None:
        """Prepare in the worker what the processes of its jobs need."""
        self._turns.warm_up()

    def advance(self, run_id: str) -> None:
        """Advance a run until it is final, waits for a person, or waits in the queue.

        Another run is advanced instead if its change has fewer runs at work. Does nothing if another worker
        holds it, or if it belongs to another pool of workers. Raises the error that prevents storing the
        result: the run then stays as it is, and the sweep enqueues it again.
        """
        for _ in range(_TRIES):
            chosen = self._turns.instead_of(run_id)
            if not chosen:
                return log.warning("%s: its pool has workers of its own; the sweep wakes one", run_id)
            with self._leases.of(chosen) as fence:
                if fence is not None:
                    return self._carry_on(chosen, fence)
            if chosen == run_id:
                return None
        return None

    def _carry_on(self, run_id: str, fence: int) -> None:
        try:
            if self._taken_over(run_id, fence) or self._disk_space.waits(run_id, fence):
                return
            seen = self._plan_reuse.look(run_id, partial(self._watching, run_id, fence, "plan"))
            run = self._begin(run_id, fence, seen)
            if run.status in PLAN_STAGES and run.status is not RunStatus.POLICY_CHECKING:
                run = self._plan(run, fence)
            if run.status is RunStatus.POLICY_CHECKING:
                with self._watching(run.id, fence, "plan") as watch:
                    run = self._policy_checker.check(run, fence, watch)
            if run.status in APPLY_STAGES:
                self._apply(run, fence)
        except (ForgeUnavailable, RemoteUnavailable) as error:
            self._forge_is_away(run_id, fence, error)
        except Interrupted:
            self._end(run_id, fence, RunStatus.CANCELED, "")
        except PlanDisagrees as error:
            self._end(run_id, fence, RunStatus.ERRORED, str(error), forged=error)
        except (EngineError, ForgeError, NotFound) as error:
            self._end(run_id, fence, RunStatus.ERRORED, str(error))
        except (Conflict, StoreUnavailable):
            # The lease was lost, or the database is unavailable or busy. The run is not at fault.
            raise
        except Exception:
            # A defect of ours must not leave a status pending forever (promise 3). The log has the details.
            reference = new_id("err")
            log.exception("%s: %s", run_id, reference)
            self._end(
                run_id, fence, RunStatus.ERRORED, f"Plangate itself failed; the log has it as {reference}"
            )

    def _begin(self, run_id: str, fence: int, seen: BeforeStart) -> Run:
        """Start the run if it is next in the queue. End it after a cancel or a lost worker."""

        def step(tx: Transaction, run: Run) -> Moves:
            if run.final:
                return []
            if run.cancel_requested_at and (run.status in PLAN_STAGES or run.status in APPLY_STAGES):
                return [self._transitions.moved(run, RunStatus.CANCELED, run.cancel_requested_by)]
            if run.status is RunStatus.PENDING and (run.plan_only or has_turn(tx, run, for_update=True)):
                moves = self._plan_reuse.start(tx, run, seen)
                taken = planned_by(moves)
                return [*moves, *self._policy_checker.after_plan(tx, taken)] if taken else moves
            if run.status is RunStatus.POLICY_CHECKING:
                return []  # the plan is stored: only the check starts again
            if run.status in PLAN_STAGES:
                return begin_again(tx, self._transitions, run, self._clock.now())
            return []

        return self._transitions.change(run_id, step, fence)

    def _unlock(self, tx: Transaction, run: Run, why: str = LEFT_LOCKED) -> None:
        """Release a lock that the run's Terraform left, which has ended."""
        abandoned_locks.release(tx, run, self._clock.now(), why)

    # --- plan -----------------------------------------------------------------------------------------------

    def _plan(self, run: Run, fence: int) -> Run:
        job = self._jobs.for_run(run, Phase.PLAN, self._clock.now() + self._limits.plan + _SPARE)
        with self._watching(run.id, fence, "plan") as watch:
            self._engine.fetch(job, watch)
            run = self._onward(run, fence, RunStatus.FETCHING_COMPLETED)
            self._run_tasks.gate(run, TaskStage.PRE_PLAN, fence, watch)
            run = self._onward(run, fence, RunStatus.PLAN_QUEUED, RunStatus.PLANNING)
            with self._store.reading() as tx:
                basis = current_inputs(tx, run, self._clock.now())
            result = self._engine.plan(job, watch)
        return self._planned(run, fence, result, basis)

    def _onward(self, run: Run, fence: int, *statuses: RunStatus) -> Run:
        """Move the run through consecutive statuses. Skips those that it has passed."""

        def step(_tx: Transaction, run: Run) -> Moves:
            moves: Moves = []
            for status in statuses:
                if status in run.allowed():
                    moves.append(self._transitions.moved(run, status))
                    run = moves[-1][0]
            return moves

        return self._transitions.change(run.id, step, fence)

    def _planned(self, run: Run, fence: int, result: PlanResult, basis: PlanInputs) -> Run:
        """Store the plan and decide what follows, in one transaction: a crash leaves nothing half done."""
        document = load_plan_json(result.plan_json)
        plan = read_plan(document)
        with self._store.reading() as tx:
            environment, secrets = open_environment(tx, run.id), secrets_of_run(tx, run.id)
        around = DigestInputs(result.dependency_lock, result.files, run.modes.refresh_only, environment)
        digest = plan_digest(document, self._vault.key("plan digest"), around)
        view, text = packed(document, secrets), packed_text(document, secrets, basis.engine)

        def step(tx: Transaction, run: Run) -> Moves:
            tx.artifacts.put(run.id, ArtifactKind.SAVED_PLAN, result.saved_plan)
            tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, result.plan_json)
            tx.artifacts.put(run.id, ArtifactKind.DEPENDENCY_LOCK, result.dependency_lock)
            tx.artifacts.put(run.id, ArtifactKind.PLAN_VIEW, view)
            tx.artifacts.put(run.id, ArtifactKind.PLAN_TEXT, text)
            about = [resource.address for resource in plan.resources]
            save_inputs(tx, run.id, inputs_of(basis, result, state_now(tx, run.workspace_id)), about)
            message = str(plan.counts) if plan.has_changes else "no changes"
            first = self._transitions.moved(
                run,
                RunStatus.PLANNED,
                message=message,
                has_changes=plan.has_changes,
                counts=plan.counts,
                digest=digest,
                engine_version=result.version,
            )
            self._unlock(tx, run)
            return [first, *self._policy_checker.after_plan(tx, first[0])]

        return self._transitions.change(run.id, step, fence)

    # --- apply ----------------------------------------------------------------------------------------------

    def _taken_over(self, run_id: str, fence: int) -> bool:
        """End an apply whose worker was lost, as it truly ended. False if the run is at another stage.

        Promise 3: an interrupted apply is never restarted automatically.
        """
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
        if run.status is not RunStatus.APPLYING:
            return False
        with self._watching(run_id, fence, "apply") as watch:
            ending = self._take_over.ending(run, watch)
        if ending is None:
            log.warning("%s: its worker was lost, but its Terraform may still be at work elsewhere", run_id)
        else:
            self._applied(
                run, fence, ending, "its worker was lost, and its Terraform is not at work any more"
            )
        return True

    def _apply(self, run: Run, fence: int) -> None:
        if not self._before_apply.may_start(run, fence):
            return
        # Before the run is marked applying: a forge that is down must not look like an interrupted apply.
        with self._watching(run.id, fence, "apply") as watch:
            self._run_tasks.gate(run, TaskStage.PRE_APPLY, fence, watch)
            missing = self._before_apply.missing(run, watch)
        if missing:
            self._transitions.change(
                run.id, lambda tx, run: self._before_apply.put_back(tx, run, missing), fence
            )
            return
        job = self._jobs.for_run(run, Phase.APPLY, self._clock.now() + self._limits.apply + _SPARE)
        with self._store.reading() as tx:
            inputs = saved_inputs(tx, run.id)
            plan = PlanResult(
                saved_plan=tx.artifacts.get(run.id, ArtifactKind.SAVED_PLAN) or b"",
                plan_json=b"",
                dependency_lock=tx.artifacts.get(run.id, ArtifactKind.DEPENDENCY_LOCK) or b"",
                version=run.engine_version,
                modules=inputs.modules if inputs is not None else None,
            )
        run = self._before_apply.start(run, fence)
        if run.status is not RunStatus.APPLYING:
            return  # canceled, frozen or removed during the request to the forge
        with self._watching(run.id, fence, "apply") as watch:
            result = patiently(lambda: self._engine.apply(job, plan, watch), self._clock, watch)
        self._applied(run, fence, result)

    def _applied(self, run: Run, fence: int, result: ApplyResult, unlocked: str = LEFT_LOCKED) -> None:
        def step(tx: Transaction, run: Run) -> Moves:
            self._unlock(tx, run, unlocked)
            stored = self._keep_left(tx, run, result.errored_state)
            if run.final:
                return []  # it was canceled by force
            if result.succeeded:
                return [self._transitions.moved(run, RunStatus.APPLIED, message=result.summary)]
            if result.only_unsaved and stored is Fate.CURRENT:
                return [self._transitions.moved(run, RunStatus.APPLIED, message=STORED_AFTER_ALL)]
            if result.interrupted:
                by = run.cancel_requested_by
                return [self._transitions.moved(run, RunStatus.CANCELED, by, result.summary)]
            why = why_failed(result.summary)
            return [self._transitions.moved(run, RunStatus.ERRORED, message=why, error=why)]

        try:
            self._transitions.change_at_last(run.id, step, fence)
        except LeaseLost:
            # Another worker decides about the run now, but only this worker has this state.
            with self._store.transaction() as tx:
                self._keep_left(tx, tx.runs.get(run.id), result.errored_state)
            self._engine.state_stored(run.id)
            raise
        self._engine.state_stored(run.id)

    def _keep_left(self, tx: Transaction, run: Run, state: bytes) -> Fate | None:
        """Store the state that Terraform could not push: the current one if it fits (promise 3)."""
        return keep(tx, run, state, NOT_PUSHED, self._clock.now()) if state else None

    def _end(
        self, run_id: str, fence: int, status: RunStatus, error: str, forged: PlanDisagrees | None = None
    ) -> None:
        def step(tx: Transaction, run: Run) -> Moves:
            if status not in run.allowed():
                return []
            if forged:
                audit_log.refused(tx, self._clock, _WORKER, AuditAction.VERIFY_PLAN, run.id, forged)
            self._unlock(tx, run)
            by = run.cancel_requested_by if status is RunStatus.CANCELED else ""
            return [self._transitions.moved(run, status, by, error, error=error)]

        self._transitions.change(run_id, step, fence)

    def _forge_is_away(self, run_id: str, fence: int, error: ForgeUnavailable | RemoteUnavailable) -> None:
        """Leave the run as it is, so that the sweep advances it later, until the time limit."""
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
        if run.status is RunStatus.APPLYING:
            # It would look like an interrupted apply. It has waited as long as a worker may.
            self._end(run_id, fence, RunStatus.ERRORED, f"nothing was applied: {error}")
        elif self._clock.now() - run.status_at > FORGE_PATIENCE:
            minutes = int(FORGE_PATIENCE.total_seconds() // 60)
            self._end(run_id, fence, RunStatus.ERRORED, f"the forge was away for {minutes} minutes: {error}")
        else:
            log.warning("%s waits for the forge: %s", run_id, error)

    @contextmanager
    def _watching(self, run_id: str, fence: int, stage: str) -> Iterator[RunWatch]:
        """Watch a stage. Stores its last output also if it fails, because it says why."""
        watch = RunWatch(self._store, self._clock, self._limits, run_id, fence, stage)
        # A stage starts with a full lease. A slow database and many short stages could otherwise use it up
        # before the first tick (promise 3).
        watch.tick()
        try:
            yield watch
        finally:
            watch.end()
