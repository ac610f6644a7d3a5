"""Makes forecasts: plans open changes together while no run waits, and compares what was planned.

One forecast is planned at a time. It gives way to every other run, and is made again later. A forecast that
is not wanted any more is deleted: a head, a base or a state has moved, or a change was closed. All of this
is read from the database each time, so a lost job or run loses nothing (promise 3).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from bot.domain.errors import EngineError, ForgeError, Interrupted, LeaseLost, NotFound, RemoteUnavailable
from bot.domain.plans.diagnostics import errors_text
from bot.domain.plans.forecast import Forecast, first_error, forecast
from bot.domain.plans.plan import load_plan_json
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.masking import mask
from bot.domain.runs.merge_result import MergeResult
from bot.domain.runs.run import Run
from bot.services.execution.turns import Turns
from bot.services.forecasts.pairs import Pair, wanted_pairs
from bot.services.outbox.wake import Wake
from bot.services.plans.plan_inputs import saved_inputs
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import (
    ArtifactKind,
    Clock,
    Dispatch,
    ForecastRecord,
    ForgeReader,
    Limits,
    MergeCommits,
    Store,
    Transaction,
    WatchSignal,
)
from bot.services.runs.cancel import PLANGATE, canceled
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Transitions

log = logging.getLogger(__name__)

_LEASE = "forecasts"
_OUTDATED = "its changes are not as they were planned"


@dataclass
class _Due:
    """What is to be done: forecasts to delete, to compare and to make. `busy`: one is planned now."""

    outdated: list[ForecastRecord] = field(default_factory=list)
    ended: list[ForecastRecord] = field(default_factory=list)
    missing: list[Pair] = field(default_factory=list)
    busy: bool = False


class ForecastJob:
    """Makes forecasts, one at a time over all processes. A limit of 0 switches them off."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        forges: Mapping[str, ForgeReader],
        merges: MergeCommits,
        run_factory: RunFactory,
        transitions: Transitions,
        limits: Limits,
    ) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._forges = forges
        self._merges = merges
        self._run_factory = run_factory
        self._transitions = transitions
        self._limits = limits
        self._turns = Turns(store, clock)

    def wake(self) -> None:
        """Enqueue the job if there is something to do, and workers to do it."""
        with self._store.reading() as tx:
            due = self._due(tx)
            idle = bool(due.missing) and not due.busy and not self._turns.some_wait(tx)
        if due.outdated or due.ended or idle:
            self._dispatch.forecast(swept=True)

    def work(self) -> None:
        """Delete and compare what is due, then start the next forecast if no run waits."""
        owner, now = f"{socket.gethostname()}:{os.getpid()}", self._clock.now()
        with self._store.transaction() as tx:
            fence = tx.leases.take(_LEASE, owner, now, self._limits.report_lease)
        if fence is None:
            return
        try:
            self._do(fence)
        except LeaseLost:
            log.warning("another worker makes the forecasts; this one stops")
        finally:
            with self._store.transaction() as tx:
                tx.leases.release(_LEASE, fence, self._clock.now())

    def _do(self, fence: int) -> None:
        with self._store.reading() as tx:
            due = self._due(tx)
        for record in due.outdated:
            self._delete(record, fence)
        for record in due.ended:
            self._compare(record, fence)
        if due.busy:
            return
        for pair in due.missing:
            with self._store.reading() as tx:
                if self._turns.some_wait(tx):
                    return
            if self._make(pair, fence):
                return

    def _due(self, tx: Transaction) -> _Due:
        due = _Due()
        for repo in sorted(tx.forecasts.repos()):
            wanted = dict(wanted_pairs(tx, repo, self._limits.forecasts))
            for record in tx.forecasts.of_repo(repo):
                pair = wanted.get(record.key)
                if pair is None or not pair.answers(record):
                    due.outdated.append(record)
                    continue
                run = tx.runs.get(record.run_id) if record.result is None else None
                if run is not None and _gave_way(run):
                    continue
                del wanted[record.key]
                if run is not None and run.final:
                    due.ended.append(record)
                due.busy |= run is not None and not run.final
            due.missing += wanted.values()
        return due

    # --- steps ----------------------------------------------------------------------------------------------

    def _delete(self, record: ForecastRecord, fence: int) -> None:
        wake = Wake()
        with self._store.transaction() as tx:
            tx.leases.check(_LEASE, fence)
            tx.forecasts.remove(record)
            run = tx.runs.get(record.run_id) if record.run_id else None
            if run is not None and run.cancelable:
                moves = canceled(tx, self._transitions, run, PLANGATE, _OUTDATED, last_words=_OUTDATED)
                self._transitions.save(tx, run, moves, wake)
            if record.result is not None:
                self._report(tx, record, wake)
        self._transitions.wake(wake)

    def _make(self, pair: Pair, fence: int) -> bool:
        """Start the forecast of two changes. False if there is nothing to plan."""
        with self._store.reading() as tx:
            if not all(_is_on_state(tx, run, pair) for run in (pair.first_plan, pair.second_plan)):
                return False
        try:
            merge, failed = self._merge(pair), None
        except Interrupted:
            return False
        except EngineError as error:
            merge, failed = None, Forecast(error=first_error(str(error)))
        except (ForgeError, RemoteUnavailable, NotFound) as error:
            log.warning("changes %d and %d are not planned together: %s", *pair.record.key[1:], error)
            return False
        if merge is not None and merge.conflicting:
            failed = Forecast(conflicts=merge.conflicts)
        wake, record = Wake(), pair.record
        with self._store.transaction() as tx:
            tx.leases.check(_LEASE, fence)
            now = wanted_pairs(tx, pair.workspace.repo, self._limits.forecasts).get(record.key)
            if now is None or now.record != record:
                return False
            if merge is None or failed is not None:
                tx.forecasts.put(replace(record, result=failed))
                self._report(tx, record, wake)
            else:
                changes = pair.first.change, pair.second.change
                run = self._run_factory.forecast(tx, pair.workspace, changes, merge, wake)
                tx.forecasts.put(replace(record, run_id=run.id))
        self._transitions.wake(wake)
        return failed is None

    def _merge(self, pair: Pair) -> MergeResult:
        first, second = pair.first.change, pair.second.change
        remote = self._forges[first.repo.forge].remote(first.repo)
        watch = _WhileIdle(self._store, self._turns)
        return self._merges.merge(
            remote, second.head_sha, pair.base, second.base_branch, watch, first=first.head_sha
        )

    def _compare(self, record: ForecastRecord, fence: int) -> None:
        with self._store.reading() as tx:
            result = _result(tx, record)
        wake = Wake()
        with self._store.transaction() as tx:
            tx.leases.check(_LEASE, fence)
            if result is None:
                tx.forecasts.remove(record)
            else:
                tx.forecasts.put(replace(record, result=result))
                self._report(tx, record, wake)
        self._transitions.wake(wake)

    def _report(self, tx: Transaction, record: ForecastRecord, wake: Wake) -> None:
        repo = tx.workspaces.get(record.workspace_id).repo
        for number in (record.first, record.second):
            if (change := tx.changes.numbered(repo, number)) is not None:
                self._transitions.report(tx, change.id, wake)


class _WhileIdle:
    """Watches Git, and stops it as soon as a run waits for a worker."""

    def __init__(self, store: Store, turns: Turns) -> None:
        self._store = store
        self._turns = turns

    def output(self, text: str) -> None:
        """Ignore output."""

    def tick(self) -> WatchSignal:
        """Return whether to go on."""
        with self._store.reading() as tx:
            return WatchSignal.INTERRUPT if self._turns.some_wait(tx) else WatchSignal.GO_ON


def _gave_way(run: Run) -> bool:
    """Whether a forecast was stopped because another run waited for its worker."""
    return run.status is RunStatus.CANCELED and run.cancel_requested_by in ("", PLANGATE)


def _is_on_state(tx: Transaction, run: Run, pair: Pair) -> bool:
    """Whether a plan was made on the state of the workspace as it is now."""
    inputs = saved_inputs(tx, run.id)
    elsewhere = run.workspace_id != pair.workspace.id
    return inputs is not None and (elsewhere or inputs.state in ("", pair.state))


def _result(tx: Transaction, record: ForecastRecord) -> Forecast | None:
    """Return what a finished forecast found. None if the plans are not of the same state, or are gone."""
    run = tx.runs.get(record.run_id)
    if run.status is RunStatus.CANCELED:
        return Forecast(canceled_by=run.cancel_requested_by)
    if run.status is not RunStatus.PLANNED_AND_FINISHED:
        told = errors_text(tx.artifacts.output(run.id, "plan"))
        return Forecast(error=first_error(told or run.error) or "it says no more")
    inputs = saved_inputs(tx, run.id)
    if inputs is None or inputs.state not in ("", record.state):
        return None
    plans = [tx.runs.get(each) for each in (record.first_plan, record.second_plan)]
    here = [each.id if each.workspace_id == run.workspace_id else "" for each in plans]
    documents = [_document(tx, each) for each in here]
    both = _document(tx, run.id)
    if both is None or any(name and found is None for name, found in zip(here, documents, strict=True)):
        return None
    secrets = secrets_of_run(tx, run.id)
    try:
        return forecast(documents[0], documents[1], both).hiding(lambda text: mask(text, secrets))
    except EngineError as error:
        return Forecast(error=str(error))


def _document(tx: Transaction, run_id: str) -> Mapping[str, object] | None:
    raw = tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON) if run_id else None
    return load_plan_json(raw) if raw else None
