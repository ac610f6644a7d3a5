"""The sweep: finds due work that no worker does (promise 3).

It looks for deliveries, runs, reports, replays, catching up, forecasts and notifications.
Redis carries only ids, and a worker can die at any moment. The sweep reads from the database what is due and
wakes workers for it. It decides nothing itself, except to release the state lock of a lost worker, to make
current a state that was kept aside, to discard the waiting runs of removed workspaces and those of uploads
whose client is gone, to index the resources
of states, and to delete what is old. So it may run twice, or in many processes.
"""

from __future__ import annotations

from datetime import timedelta

from bot.domain.runs.lifecycle import UNDER_WAY, RunStatus
from bot.domain.runs.run import Run
from bot.services.configurations.abandoned_runs import AbandonedRuns
from bot.services.deliveries.catch_up import CatchUp
from bot.services.drift.checks import DriftChecks
from bot.services.forecasts.make import ForecastJob
from bot.services.identity.keys import IssuerKeys
from bot.services.notifications.deliver import NotificationDelivery
from bot.services.notifications.events import Reminders
from bot.services.ports import Clock, Dispatch, Engine, Limits, RunQuery, Store, Transaction
from bot.services.runs.abandoned_locks import AbandonedLocks
from bot.services.runs.freezes import freeze_of
from bot.services.runs.places import with_places
from bot.services.runs.queue_position import turns_of
from bot.services.runs.removed_workspaces import RemovedWorkspaces
from bot.services.runs.transitions import lease_of
from bot.services.states.kept_aside import KeptStates
from bot.services.states.resource_index import ResourceIndex
from bot.services.upkeep.left_trees import LeftTrees
from bot.services.upkeep.retention import RetentionJob

_JUST_NOW = timedelta(seconds=5)
_AT_A_TIME = 500


class Sweep:
    """Wakes workers for everything that the database says is due."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        abandoned_locks: AbandonedLocks,
        removed_workspaces: RemovedWorkspaces,
        abandoned_runs: AbandonedRuns,
        retention_job: RetentionJob,
        issuer_keys: IssuerKeys,
        kept_states: KeptStates,
        resource_index: ResourceIndex,
        limits: Limits,
        catch_up: CatchUp,
        forecasts: ForecastJob,
        drift_checks: DriftChecks,
        notifications: NotificationDelivery,
        reminders: Reminders,
    ) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._abandoned_locks = abandoned_locks
        self._removed_workspaces = removed_workspaces
        self._abandoned_runs = abandoned_runs
        self._retention_job = retention_job
        self._left_trees = LeftTrees(store, clock, limits)
        self._issuer_keys = issuer_keys
        self._kept_states = kept_states
        self._resource_index = resource_index
        self._catch_up = catch_up
        self._forecasts = forecasts
        self._drift_checks = drift_checks
        self._notifications = notifications
        self._reminders = reminders

    def run(self) -> int:
        """Wake workers for due work. Return how much there was."""
        self._abandoned_locks.release_all()
        self._removed_workspaces.discard_all()
        self._abandoned_runs.discard_all()
        self._kept_states.settle()
        now = self._clock.now()
        with self._store.reading() as tx:
            deliveries = tx.deliveries.due(now - _JUST_NOW, _AT_A_TIME)
            runs = self._runs(tx)
            subjects = tx.posts.due(now, _AT_A_TIME)
            replays = tx.replays.due(now - _JUST_NOW, _AT_A_TIME)
        for delivery_id in deliveries:
            self._dispatch.receive(delivery_id, swept=True)
        self._dispatch.advance_all(runs, swept=True)
        for subject in subjects:
            self._dispatch.report(subject, swept=True)
        for replay_id in replays:
            self._dispatch.replay(replay_id, swept=True)
        self._retention_job.run()
        self._issuer_keys.tend()
        repos = self._catch_up.wake()
        self._forecasts.wake()
        self._drift_checks.wake()
        self._reminders.remind()
        messages = self._notifications.wake()
        # Last: large states take their time, and nobody waits for it.
        self._resource_index.catch_up_all()
        return len(deliveries) + len(runs) + len(subjects) + len(replays) + repos + messages

    def tidy(self, engine: Engine) -> None:
        """Store the states and delete the files that killed workers left on this machine."""
        self._left_trees.tidy(engine)

    def _runs(self, tx: Transaction) -> list[Run]:
        """Return the runs that should make progress but have no worker."""
        now = self._clock.now()
        statuses = frozenset(status.value for status in UNDER_WAY)
        unfinished = tx.runs.find(RunQuery(statuses=statuses, limit=None))
        held = tx.leases.held([lease_of(run.id) for run in unfinished], now)
        free = [r for r in unfinished if lease_of(r.id) not in held]
        waiting = {r.workspace_id for r in free if r.status is RunStatus.PENDING and not r.plan_only}
        tx.workspaces.load(waiting)
        turns = {turn.id for turn in turns_of(tx, waiting).values()}
        due = [r for r in free if r.plan_only or r.status is not RunStatus.PENDING or r.id in turns]
        due = [r for r in due if not r.frozen or freeze_of(tx, r, now) != r.frozen]
        due = [r for r in due if now - r.status_at > _JUST_NOW or r.status is not RunStatus.PENDING]
        return with_places(tx, due, self._clock)
