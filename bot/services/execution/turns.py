"""Turns between changes: a small one never waits until a big one is through (promise 2).

A job names the run that it was enqueued for. The worker that takes it starts another run of the same kind if
the repository of that one, or its change, has fewer runs at work. The job of that run then does the same in
return, so there are as many jobs as runs. Nothing is kept in Redis but ids.

The job of a run that finds no place in its concurrency group ends at once. When a run of the group gives its
place back, a job starts the next one.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.errors import StoreUnavailable
from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import Clock, Store, Transaction, Waiting, WorkGroup
from bot.services.runs.freezes import freeze_of
from bot.services.runs.queue_position import has_turn
from bot.services.runs.transitions import lease_of

_PLANS = frozenset({RunStatus.PENDING})
_APPLIES = frozenset({RunStatus.CONFIRMED, RunStatus.APPLY_QUEUED})
# Of a group, so many runs are tried: the first ones of others' queues may have to wait.
_TRIED = 10


class Turns:
    """Says which run a worker should start: one of its own pool."""

    def __init__(self, store: Store, clock: Clock, pool: str = "") -> None:
        self._store = store
        self._clock = clock
        self._pool = pool

    def instead_of(self, run_id: str) -> str:
        """Return the run whose turn it is when the job of a run is taken: mostly that run itself.

        Instead of a forecast or a drift check, any run of the kind that waits is started. Empty if the run
        belongs to another pool: this worker must not have its code, nor its secrets (promise 6).
        """
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
            if tx.workspaces.get(run.workspace_id).pool != self._pool:
                return ""
            free = not tx.leases.held([lease_of(run_id)], self._clock.now())
            if free and not run.final and run.status not in _PLANS | _APPLIES:
                return run_id  # it goes on after its worker was lost
            full = tx.waiting_runs.full_groups(self._clock.now())
            for kind in _kinds(run, free=free):
                waiting = replace(kind, without=full, pool=self._pool)
                own = free and not run.final and not run.in_background
                if found := self._first(tx, waiting, run if own else None):
                    return found
        return run_id

    def some_wait(self, tx: Transaction) -> bool:
        """Whether a run could start now if there were a worker. Forecasts and drift checks don't count."""
        full = tx.waiting_runs.full_groups(self._clock.now())
        kinds = ((False, _APPLIES), (False, _PLANS), (True, _PLANS))
        return any(self._first(tx, Waiting(only, statuses, without=full), None) for only, statuses in kinds)

    def of_group(self, tx: Transaction, group: str) -> str:
        """Return the run that gets the free place of a concurrency group, empty if none waits or is free."""
        if group in tx.waiting_runs.full_groups(self._clock.now()):
            return ""
        for plan_only, statuses in ((False, _APPLIES), (False, _PLANS), (True, _PLANS)):
            if found := self._first(tx, Waiting(plan_only, statuses, group=group), None):
                return found
        return ""

    def warm_up(self) -> None:
        """Have the database's statements compiled: a job's process is a fork of the worker's.

        Does nothing while the database is away: a worker that starts then waits for it.
        """
        with contextlib.suppress(StoreUnavailable), self._store.reading() as tx:
            tx.leases.held([""], self._clock.now())
            tx.waiting_runs.full_groups(self._clock.now())
            for group in tx.waiting_runs.groups(Waiting(True, _PLANS), self._clock.now()):
                tx.waiting_runs.of(group, Waiting(True, _PLANS), self._clock.now(), 1)
                break

    def _first(self, tx: Transaction, waiting: Waiting, wanted: Run | None) -> str:
        """Return the run that should start before the wanted one, empty if none should."""
        now = self._clock.now()
        groups = tx.waiting_runs.groups(waiting, now)
        loads = _loads(groups)
        ready = sorted((group for group in groups if group.waiting), key=lambda each: loads[each.key])
        mine = None if wanted is None else _group_of(tx, wanted)
        for group in ready:
            if mine is not None and loads[group.key][:2] >= loads.get(mine, (0, 0))[:2]:
                return ""
            for run in tx.waiting_runs.of(group, waiting, now, _TRIED):
                if _may_start(tx, run, now):
                    return run.id
        return ""


def _kinds(run: Run, *, free: bool) -> Sequence[Waiting]:
    """Return for which kinds of runs the job of a run may be: after its end, that of a plan or an apply."""
    if run.plan_only:
        return [Waiting(True, _PLANS)]
    applies, plans = Waiting(False, _APPLIES), Waiting(False, _PLANS)
    if not free or run.final:
        return [applies, plans]
    return [plans] if run.status in _PLANS else [applies]


def _loads(groups: Sequence[WorkGroup]) -> dict[tuple[RepoRef, int, str], tuple[int, int, str]]:
    """Return how many runs are at work in each group's repository and in itself, and since when it waits."""
    at_work: Counter[RepoRef] = Counter()
    for group in groups:
        at_work[group.repo] += group.at_work
    return {
        group.key: (at_work[group.repo], group.at_work, group.since.isoformat() if group.since else "")
        for group in groups
    }


def _group_of(tx: Transaction, run: Run) -> tuple[RepoRef, int, str]:
    repo = tx.workspaces.get(run.workspace_id).repo
    return repo, run.change_number or 0, "" if run.change_number else run.commit


def _may_start(tx: Transaction, run: Run, now: datetime) -> bool:
    if freeze_of(tx, run, now) is not None:
        return False
    if run.plan_only or run.status is not RunStatus.PENDING:
        return True
    return has_turn(tx, run)
