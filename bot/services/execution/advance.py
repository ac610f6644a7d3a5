"""Carrying a run on: plan, policies, confirmation or auto-apply, apply; then the next run of the workspace.

Everything a run needs is in the database or fetched anew, so any worker can carry on any run. A worker holds
a run by a lease; each change it makes is checked against the lease's fencing number (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from bot.domain.digest import Surroundings, plan_digest
from bot.domain.errors import (
    Conflict,
    EngineError,
    ForgeError,
    ForgeUnavailable,
    Interrupted,
    LeaseLost,
    NotFound,
    RemoteUnavailable,
    StoreUnavailable,
)
from bot.domain.ids import new_id
from bot.domain.lifecycle import APPLY_STAGES, PLAN_STAGES, RunStatus
from bot.domain.plan import load_plan_json, read_plan
from bot.domain.run import Run, RunEvent
from bot.services import left_locks
from bot.services.basis import Basis, basis_now, keep_basis, state_now
from bot.services.engine_jobs import EngineJobs
from bot.services.holding import Holding
from bot.services.patience import patiently
from bot.services.plan_views import packed
from bot.services.policing import Policing
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
from bot.services.restarting import begin_again
from bot.services.snapshot import open_environment, secrets_of_run
from bot.services.states import new_version
from bot.services.taking_over import TakingOver, planned_by, why_failed
from bot.services.transitions import Transitions
from bot.services.turns import whose_turn
from bot.services.watching import RunWatch

log = logging.getLogger(__name__)

Moves = list[tuple[Run, RunEvent]]

# How long a run waits for a forge that does not answer before it errors.
FORGE_PATIENCE = timedelta(minutes=10)

# How much longer than its stage a run's token is good: Terraform pushes its state after the interrupt, too.
_SPARE = timedelta(hours=1)

CUT_OFF = (
    "the worker that applied this was lost, so what was applied is not known for certain: "
    "every state that Terraform pushed is kept; look at the state and plan again"
)


class Phases:
    """Carries runs on, as far as they go without a person."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        vault: Vault,
        engine: Engine,
        jobs: EngineJobs,
        transitions: Transitions,
        limits: Limits,
        policing: Policing,
        taking_over: TakingOver,
    ) -> None:
        self._store = store
        self._clock = clock
        self._vault = vault
        self._engine = engine
        self._jobs = jobs
        self._transitions = transitions
        self._limits = limits
        self._policing = policing
        self._taking_over = taking_over
        self._holding = Holding(store, clock, engine, limits)

    def advance(self, run_id: str) -> None:
        """Carry a run on until it is final, waits for a person, or waits for its turn.

        Does nothing where another worker holds it. Raises whatever keeps the outcome from being kept: the
        run then stays as it is, and the sweep has it carried on again.
        """
        with self._holding.of(run_id) as fence:
            if fence is not None:
                self._carry_on(run_id, fence)

    def _carry_on(self, run_id: str, fence: int) -> None:
        try:
            run = self._begin(run_id, fence)
            if run.status in PLAN_STAGES and run.status is not RunStatus.POLICY_CHECKING:
                run = self._plan(run, fence)
            if run.status is RunStatus.POLICY_CHECKING:
                with self._watching(run, fence, "plan") as watch:
                    run = self._policing.check(run, fence, watch)
            if run.status in APPLY_STAGES:
                self._apply(run, fence)
        except (ForgeUnavailable, RemoteUnavailable) as error:
            self._forge_is_away(run_id, fence, error)
        except Interrupted:
            self._end(run_id, fence, RunStatus.CANCELED, "")
        except (EngineError, ForgeError, NotFound) as error:
            self._end(run_id, fence, RunStatus.ERRORED, str(error))
        except (Conflict, StoreUnavailable):
            # The lease was lost, or the database is away or busy: that is no fault of the run's.
            raise
        except Exception:
            # Our own mistake must not leave a status pending for ever (promise 3); the log has the rest.
            reference = new_id("err")
            log.exception("%s: %s", run_id, reference)
            self._end(
                run_id, fence, RunStatus.ERRORED, f"Plangate itself failed; the log has it as {reference}"
            )

    def _begin(self, run_id: str, fence: int) -> Run:
        """Start the run if it is its turn; end it where a cancel or a lost worker says so."""

        def step(tx: Transaction, run: Run) -> Moves:
            if run.final:
                return []
            if run.status is RunStatus.APPLYING:
                # Promise 3: an apply that was cut off is never started again by itself.
                return [self._transitions.moved(run, RunStatus.ERRORED, message=CUT_OFF, error=CUT_OFF)]
            if run.cancel_requested_at and (run.status in PLAN_STAGES or run.status in APPLY_STAGES):
                return [self._transitions.moved(run, RunStatus.CANCELED, run.cancel_requested_by)]
            if run.status is RunStatus.PENDING and (run.plan_only or self._has_turn(tx, run)):
                moves = self._taking_over.start(tx, run)
                taken = planned_by(moves)
                return [*moves, *self._policing.after_plan(tx, taken)] if taken else moves
            if run.status is RunStatus.POLICY_CHECKING:
                return []  # the plan is kept: only the check begins again
            if run.status in PLAN_STAGES:
                return begin_again(tx, self._transitions, run, self._clock.now())
            return []

        return self._transitions.change(run_id, step, fence)

    def _has_turn(self, tx: Transaction, run: Run) -> bool:
        turn = whose_turn(tx, run.workspace_id, for_update=True)
        return turn is not None and turn.id == run.id

    def _unlock(self, tx: Transaction, run: Run) -> None:
        """Let go of a lock that the run's Terraform left: this worker has seen its process end."""
        left_locks.release(tx, run, self._clock.now(), "its Terraform ended without unlocking it")

    # --- plan -----------------------------------------------------------------------------------------------

    def _plan(self, run: Run, fence: int) -> Run:
        job = self._jobs.for_run(run, expires=self._clock.now() + self._limits.plan + _SPARE)
        with self._watching(run, fence, "plan") as watch:
            self._engine.fetch(job, watch)
            run = self._onward(
                run, fence, RunStatus.FETCHING_COMPLETED, RunStatus.PLAN_QUEUED, RunStatus.PLANNING
            )
            with self._store.reading() as tx:
                basis = basis_now(tx, run, self._clock.now())
            result = self._engine.plan(job, watch)
        return self._planned(run, fence, result, basis)

    def _onward(self, run: Run, fence: int, *statuses: RunStatus) -> Run:
        """Move the run through statuses that follow each other, leaving out those it has behind it."""

        def step(_tx: Transaction, run: Run) -> Moves:
            moves: Moves = []
            for status in statuses:
                if status in run.allowed():
                    moves.append(self._transitions.moved(run, status))
                    run = moves[-1][0]
            return moves

        return self._transitions.change(run.id, step, fence)

    def _planned(self, run: Run, fence: int, result: PlanResult, basis: Basis) -> Run:
        """Keep the plan and decide what follows, in one transaction: a crash leaves nothing half decided."""
        document = load_plan_json(result.plan_json)
        plan = read_plan(document)
        with self._store.reading() as tx:
            environment, secrets = open_environment(tx, run.id), secrets_of_run(tx, run.id)
        around = Surroundings(result.dependency_lock, result.files, run.modes.refresh_only, environment)
        digest = plan_digest(document, self._vault.key("plan digest"), around)
        view = packed(document, secrets)

        def step(tx: Transaction, run: Run) -> Moves:
            tx.artifacts.put(run.id, ArtifactKind.SAVED_PLAN, result.saved_plan)
            tx.artifacts.put(run.id, ArtifactKind.PLAN_JSON, result.plan_json)
            tx.artifacts.put(run.id, ArtifactKind.DEPENDENCY_LOCK, result.dependency_lock)
            tx.artifacts.put(run.id, ArtifactKind.PLAN_VIEW, view)
            # Moved while the plan was made: which state the plan saw is not known.
            known = result.state_here and basis.state == state_now(tx, run.workspace_id)
            about = [resource.address for resource in plan.resources]
            keep_basis(tx, run.id, replace(basis, state=basis.state if known else ""), about)
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
            return [first, *self._policing.after_plan(tx, first[0])]

        return self._transitions.change(run.id, step, fence)

    # --- apply ----------------------------------------------------------------------------------------------

    def _apply(self, run: Run, fence: int) -> None:
        # Before the run is called applying: a forge that is away now must not look like an apply cut off.
        job = self._jobs.for_run(run, expires=self._clock.now() + self._limits.apply + _SPARE)
        with self._store.reading() as tx:
            plan = PlanResult(
                saved_plan=tx.artifacts.get(run.id, ArtifactKind.SAVED_PLAN) or b"",
                plan_json=b"",
                dependency_lock=tx.artifacts.get(run.id, ArtifactKind.DEPENDENCY_LOCK) or b"",
                version=run.engine_version,
            )
        run = self._onward(run, fence, RunStatus.APPLY_QUEUED, RunStatus.APPLYING)
        if run.status is not RunStatus.APPLYING:
            return  # canceled while the forge was asked
        with self._watching(run, fence, "apply") as watch:
            result = patiently(lambda: self._engine.apply(job, plan, watch), self._clock, watch)
        self._applied(run, fence, result)

    def _applied(self, run: Run, fence: int, result: ApplyResult) -> None:
        def step(tx: Transaction, run: Run) -> Moves:
            self._unlock(tx, run)
            self._keep_aside(tx, run, result.errored_state)
            if result.succeeded:
                return [self._transitions.moved(run, RunStatus.APPLIED, message=result.summary)]
            if result.interrupted:
                by = run.cancel_requested_by
                return [self._transitions.moved(run, RunStatus.CANCELED, by, result.summary)]
            why = why_failed(result.summary)
            return [self._transitions.moved(run, RunStatus.ERRORED, message=why, error=why)]

        try:
            self._transitions.change_at_last(run.id, step, fence)
        except LeaseLost:
            # What becomes of the run is another's to say now; but nobody else has this state.
            with self._store.transaction() as tx:
                self._keep_aside(tx, run, result.errored_state)
            raise

    def _keep_aside(self, tx: Transaction, run: Run, state: bytes) -> None:
        """Keep what Terraform could not push: not as the current state, but not lost (promise 3)."""
        if state:
            why = "Terraform could not push it and left it in the working tree"
            tx.states.add(new_version(run, state, why, self._clock.now()), state)

    # --- ends -----------------------------------------------------------------------------------------------

    def _end(self, run_id: str, fence: int, status: RunStatus, error: str) -> None:
        def step(tx: Transaction, run: Run) -> Moves:
            if status not in run.allowed():
                return []
            self._unlock(tx, run)
            by = run.cancel_requested_by if status is RunStatus.CANCELED else ""
            return [self._transitions.moved(run, status, by, error, error=error)]

        self._transitions.change(run_id, step, fence)

    def _forge_is_away(self, run_id: str, fence: int, error: ForgeUnavailable | RemoteUnavailable) -> None:
        """Leave the run where it is, for the sweep to carry on, until patience is over."""
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
        if run.status is RunStatus.APPLYING:
            # It would look like an apply that was cut off; it was waited for as long as a worker may.
            self._end(run_id, fence, RunStatus.ERRORED, f"nothing was applied: {error}")
        elif self._clock.now() - run.status_at > FORGE_PATIENCE:
            minutes = int(FORGE_PATIENCE.total_seconds() // 60)
            self._end(run_id, fence, RunStatus.ERRORED, f"the forge was away for {minutes} minutes: {error}")
        else:
            log.warning("%s waits for the forge: %s", run_id, error)

    @contextmanager
    def _watching(self, run: Run, fence: int, stage: str) -> Iterator[RunWatch]:
        """Look on at a stage; its last words are kept also where it fails, for they say why."""
        watch = RunWatch(self._store, self._clock, self._limits, run.id, fence, stage)
        # A stage begins with the whole of the lease: a database that is slow to answer, and many short
        # stages, would otherwise have it run out before the engine looks round (promise 3).
        watch.tick()
        try:
            yield watch
        finally:
            watch.end()
