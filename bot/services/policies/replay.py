"""Policy replay: judges stored plans by a changed policy set and by the set in force. Runs as a job.

One worker at a time runs a replay, under a lease. The result is stored as a row, from which the comment and
the status are derived (promise 4). An interrupted replay starts again, up to a limit.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.errors import (
    EngineError,
    ForgeRefused,
    ForgeUnavailable,
    Interrupted,
    LeaseLost,
    NotFound,
    RemoteUnavailable,
)
from bot.domain.policies.policy import PolicyCheck, PolicyOutcome
from bot.domain.policies.sets import PolicySet
from bot.domain.reports.replays import Replay, ReplayResult, ReplayState, any_errored, compare
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.wake import Wake
from bot.services.policies.set_versions import NoPolicies, SetVersions
from bot.services.policies.stored_plans import StoredPlan, job_for, judge_plan, stored_plans
from bot.services.ports import (
    Clock,
    Limits,
    PolicyEngine,
    SetVersion,
    Store,
    Transaction,
    WatchSignal,
)
from bot.services.runs.transitions import Transitions

log = logging.getLogger(__name__)

# After this time no further plan is judged. The report has the results until then.
PATIENCE = timedelta(minutes=10)
MOST_ATTEMPTS = 10
_FIRST_WAIT = timedelta(seconds=20)
_LONGEST_WAIT = timedelta(minutes=10)
_MOST_ERRORS = 20


class PolicyReplay:
    """Replays changed policy sets on the last `last` plans."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        engine: PolicyEngine,
        versions: SetVersions,
        sets: Sequence[PolicySet],
        transitions: Transitions,
        limits: Limits,
        last: int,
    ) -> None:
        self._store = store
        self._clock = clock
        self._engine = engine
        self._versions = versions
        self._sets = {each.name: each for each in sets}
        self._transitions = transitions
        self._limits = limits
        self._last = last

    def replay(self, replay_id: str) -> None:
        """Run a replay, unless it is done, not due, outdated, or another worker runs it."""
        lease = f"replay:{replay_id}"
        owner = f"{socket.gethostname()}:{os.getpid()}"
        with self._store.transaction() as tx:
            fence = tx.leases.take(lease, owner, self._clock.now(), self._limits.lease)
        if fence is None:
            return
        try:
            self._carry_out(replay_id, _LeaseWatch(self._store, self._clock, self._limits, lease, fence))
        except LeaseLost:
            log.warning("%s: another worker has the replay; this one stops", replay_id)
        finally:
            with self._store.transaction() as tx:
                tx.leases.release(lease, fence, self._clock.now())

    def _carry_out(self, replay_id: str, watch: _LeaseWatch) -> None:
        begun = self._begin(replay_id, watch)
        if begun is None:
            return
        replay, chosen = begun
        watch.wanted = lambda tx: self._is_current(tx, replay)
        try:
            result = self._tried(chosen, replay.commit, watch)
        except (ForgeUnavailable, RemoteUnavailable) as error:
            after = timedelta(seconds=getattr(error, "retry_after", None) or 0)
            not_before = self._clock.now() + max(after, _wait(replay.attempts))
            self._end(replace(replay, why=str(error), not_before=not_before), watch)
        except Interrupted:
            log.info("%s is outdated", replay_id)
        except (EngineError, ForgeRefused, NotFound) as error:
            self._end(replace(replay, state=ReplayState.FAILED, why=str(error)), watch)
        else:
            self._end(replace(replay, state=ReplayState.DONE, why="", result=result), watch)

    def _begin(self, replay_id: str, watch: _LeaseWatch) -> tuple[Replay, PolicySet] | None:
        """Count the attempt before it starts, because the replay itself may crash its worker."""
        now = self._clock.now()
        with self._store.transaction() as tx:
            watch.check(tx)
            replay = tx.replays.get(replay_id)
            early = replay.not_before is not None and replay.not_before > now
            chosen = self._sets.get(replay.set_name)
            if replay.state is not ReplayState.WANTED or early or chosen is None:
                return None
            if not self._is_current(tx, replay):
                tx.replays.save(replace(replay, state=ReplayState.FAILED, why="a newer commit was pushed"))
                return None
            attempts = replay.attempts + 1
            replay = replace(replay, attempts=attempts, not_before=now + _wait(attempts))
            if attempts <= MOST_ATTEMPTS:
                tx.replays.save(replay)
                return replay, chosen
        why = replay.why or "its worker was lost each time"
        self._end(replace(replay, state=ReplayState.FAILED, why=f"given up: {why}"), watch)
        return None

    @staticmethod
    def _is_current(tx: Transaction, replay: Replay) -> bool:
        change = tx.changes.get(replay.change_id).change
        return change.open and change.head_sha == replay.commit

    def _end(self, replay: Replay, watch: _LeaseWatch) -> None:
        """Store the result and enqueue its report."""
        wake = Wake()
        with self._store.transaction() as tx:
            watch.check(tx)
            tx.replays.save(replay)
            self._transitions.report(tx, replay.change_id, wake)
        self._transitions.wake(wake)

    # --- judging --------------------------------------------------------------------------------------------

    def _tried(self, chosen: PolicySet, commit: str, watch: _LeaseWatch) -> ReplayResult:
        until = self._clock.now() + PATIENCE
        changed = self._versions.at(chosen, commit, watch)
        try:
            in_force: SetVersion | None = self._versions.in_force(chosen, watch)
        except NoPolicies:
            in_force = None  # the change adds this set
        result = ReplayResult(in_force=in_force.commit if in_force else "")
        bare = self._without_a_plan(chosen, changed, watch)
        # A set that can't be read has no policy names.
        errors = {f"{name}: {why}": None for name, why in bare.items() if name.startswith("(")}

        def covers(workspace: Workspace) -> bool:
            return workspace.active and chosen.judges(workspace)

        for plan in stored_plans(self._store, self._last, covers):
            if self._clock.now() >= until:
                result = replace(result, cut_short=True)
                break
            before = self._in_force(chosen, in_force, plan, watch)
            after = judge_plan(self._engine, plan, chosen, changed.files, watch)
            same = [check for check in after if check.messages[:1] == (bare.get(check.policy),)]
            errors.update((f"{check.policy}: {check.messages[0]}", None) for check in same)
            found = compare(plan.run, plan.workspace.name, before, after)
            result = result.plus(found, errored=any_errored(after))
        more = len(errors) - _MOST_ERRORS
        left_out = (f"and {more} more errors",) if more > 0 else ()
        return replace(result, errors=(*tuple(errors)[:_MOST_ERRORS], *left_out))

    def _without_a_plan(
        self, chosen: PolicySet, changed: SetVersion, watch: _LeaseWatch
    ) -> Mapping[str, str]:
        """Return why policies can't be evaluated without any plan.

        A message about a plan, also an error, may contain values of the plan, so it is not shown (promise 6).
        An error that is the same without a plan contains nothing of it.
        """
        (found,) = self._engine.judge([job_for(chosen, changed.files, b"{}", {})], watch)
        return {
            one.policy: one.messages[0]
            for one in found
            if one.outcome is PolicyOutcome.ERRORED and one.messages
        }

    def _in_force(
        self, chosen: PolicySet, version: SetVersion | None, plan: StoredPlan, watch: _LeaseWatch
    ) -> Sequence[PolicyCheck]:
        """Return the results of the set in force for a plan. Uses stored results if it judged that run."""
        if version is None:
            return ()
        with self._store.reading() as tx:
            checks = tx.policies.of_run(plan.run.id)
        known = [c for c in checks if (c.set_name, c.version) == (chosen.name, version.id)]
        return known or judge_plan(self._engine, plan, chosen, version.files, watch)


class _LeaseWatch:
    """Watches a replay: renews the lease, and stops the replay once its result is no longer needed."""

    def __init__(self, store: Store, clock: Clock, limits: Limits, lease: str, fence: int) -> None:
        self._store = store
        self._clock = clock
        self._limits = limits
        self._lease = lease
        self._fence = fence
        self._renewed: datetime = clock.now()
        self.wanted: Callable[[Transaction], bool] = lambda _: True

    def output(self, text: str) -> None:
        """Ignore output: policies print nothing that is stored."""

    def check(self, tx: Transaction) -> None:
        """Check that this worker still holds the lease. Raises LeaseLost."""
        tx.leases.check(self._lease, self._fence)

    def tick(self) -> WatchSignal:
        """Renew the lease. Raises LeaseLost."""
        now = self._clock.now()
        if now - self._renewed < self._limits.lease / 4:
            return WatchSignal.GO_ON
        with self._store.transaction() as tx:
            tx.leases.renew(self._lease, self._fence, now, self._limits.lease)
            self._renewed = now
            return WatchSignal.GO_ON if self.wanted(tx) else WatchSignal.INTERRUPT


def _wait(attempts: int) -> timedelta:
    return min(_FIRST_WAIT * (1 << min(attempts, 10)), _LONGEST_WAIT)
