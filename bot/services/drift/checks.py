"""Makes drift checks: starts those that are due while no run waits, and stores what they found.

A check is a plan-only run of the configuration that was applied last. A drift ends by itself: a later check
finds none, or a later run applies the whole configuration. All of this is read from the database each time,
so a lost job or run loses nothing. Of many times that were missed, the check is made once (promise 3).
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.errors import EngineError, Forbidden, IllegalMove, LeaseLost
from bot.domain.ids import new_id
from bot.domain.notifications.destinations import Destination
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, refusal
from bot.domain.plans.diagnostics import errors_text
from bot.domain.plans.forecast import first_error
from bot.domain.plans.plan import load_plan_json
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.masking import mask
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.drifted import MOST_KEPT, DriftedResource, hidden, read_drift
from bot.domain.workspaces.workspace import Workspace
from bot.services.drift.effect import InEffect, in_effect, with_last, written_since
from bot.services.drift.news import DriftNews
from bot.services.execution.turns import Turns
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.wake import Wake
from bot.services.plans.plan_inputs import saved_inputs, state_now
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import (
    ON_REQUEST,
    ArtifactKind,
    Clock,
    Dispatch,
    DriftCheck,
    DriftRecord,
    Limits,
    Store,
    Transaction,
)
from bot.services.runs.cancel import PLANGATE
from bot.services.runs.transitions import Transitions

log = logging.getLogger(__name__)

_LEASE = "drift checks"


class DriftChecks:
    """Checks workspaces for drift. A limit of 0 switches the checks off, and drifts still end."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        transitions: Transitions,
        limits: Limits,
        destinations: Sequence[Destination] = (),
    ) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._transitions = transitions
        self._limits = limits
        self._news = DriftNews(clock, destinations)
        self._turns = Turns(store, clock)

    def wake(self) -> None:
        """Enqueue the job if there is something to do."""
        with self._store.reading() as tx:
            checks = {each.workspace_id: each for each in tx.drift_checks.all()}
            something = bool(self._due(tx, checks)) or bool(tx.drifts.all_lasting())
            something |= any(each.run_id for each in checks.values())
            wanted = any(each.wanted for each in checks.values())
            idle = wanted and not self._turns.some_wait(tx)
        if something or idle:
            self._dispatch.check_drift(swept=True)

    def work(self) -> None:
        """Store what ended checks found, end drifts, and start checks that are due. One worker at a time."""
        owner, now = f"{socket.gethostname()}:{os.getpid()}", self._clock.now()
        with self._store.transaction() as tx:
            fence = tx.leases.take(_LEASE, owner, now, self._limits.report_lease)
        if fence is None:
            return
        try:
            self._do(fence)
        except LeaseLost:
            log.warning("another worker makes the drift checks; this one stops")
        finally:
            with self._store.transaction() as tx:
                tx.leases.release(_LEASE, fence, self._clock.now())

    @audited(AuditAction.PLAN)
    def ask(self, name: str, person: Person) -> None:
        """Have a workspace checked as soon as no run waits. Raises Forbidden, IllegalMove, NotFound."""
        with self._store.transaction() as tx:
            workspace = tx.workspaces.get(tx.workspaces.named(name).id, for_update=True)
            if not person.may(Action.PLAN):
                raise Forbidden(refusal(person, Action.PLAN))
            if not self._limits.drift_checks:
                raise IllegalMove("drift is not checked: PLANGATE_DRIFT_CHECKS is 0")
            if why_not := in_effect(tx, workspace).why_not:
                raise IllegalMove(f"{name} can't be checked for drift: {why_not}")
            check = tx.drift_checks.get(workspace.id) or DriftCheck(workspace.id, self._clock.now())
            due_at = check.due_at if workspace.drift.on else ON_REQUEST
            tx.drift_checks.put(replace(check, wanted=True, due_at=due_at))
            done(tx, self._clock, person, AuditAction.PLAN, workspace, "drift check")
        try:
            self._dispatch.check_drift()
        except ConnectionError as error:
            log.warning("no worker could be woken (%s); the sweep will", error)

    def _do(self, fence: int) -> None:
        with self._store.reading() as tx:
            checks = {each.workspace_id: each for each in tx.drift_checks.all()}
            due = self._due(tx, checks)
            lasting = tx.drifts.all_lasting()
        for workspace_id, at in due:
            self._note_due(workspace_id, at, fence)
        for check in checks.values():
            if check.run_id:
                self._settle(check, fence)
        for drift in lasting:
            self._look_at(drift, fence)
        with self._store.reading() as tx:
            wanted = [each for each in tx.drift_checks.all() if each.wanted and not each.run_id]
        for check in wanted:
            if not self._start(check, fence):
                return

    def _due(self, tx: Transaction, checks: dict[str, DriftCheck]) -> list[tuple[str, datetime]]:
        """Return the workspaces whose time has come since it was noted last, each with that time."""
        found = []
        for workspace in tx.workspaces.all(checked=True):
            at = workspace.drift.last_due(workspace.id, self._clock.now())
            known = checks.get(workspace.id)
            if not workspace.drift.on:
                continue
            if known is None or known.due_at == ON_REQUEST or (at is not None and at > known.due_at):
                found.append((workspace.id, at or self._clock.now()))
        return found if self._limits.drift_checks else []

    # --- steps, each in a transaction under the lease -------------------------------------------------------

    def _note_due(self, workspace_id: str, at: datetime, fence: int) -> None:
        """Note that a check is due: once, no matter how many times have passed."""
        with self._store.transaction() as tx:
            tx.leases.check(_LEASE, fence)
            known = tx.drift_checks.get(workspace_id)
            if known is None or known.due_at == ON_REQUEST:
                # The first time counts from now on, so that a new schedule doesn't check everything at once.
                first = known or DriftCheck(workspace_id, ON_REQUEST)
                tx.drift_checks.put(replace(first, due_at=self._clock.now()))
            elif at > known.due_at:
                tx.drift_checks.put(replace(known, due_at=at, wanted=True))

    def _start(self, check: DriftCheck, fence: int) -> bool:
        """Start a check. False if none may start now."""
        wake = Wake()
        with self._store.transaction() as tx:
            tx.leases.check(_LEASE, fence)
            workspace = tx.workspaces.get(check.workspace_id, for_update=True)
            busy = sum(bool(each.run_id) for each in tx.drift_checks.all())
            if busy >= self._limits.drift_checks or self._turns.some_wait(tx):
                return False
            if _is_off(workspace, check):
                tx.drift_checks.put(replace(check, wanted=False))
                return True
            stands = in_effect(tx, workspace)
            if any(run.status is RunStatus.APPLYING for run in tx.runs.queue(workspace.id)):
                return True  # it is checked after the apply
            if stands.run is None or not workspace.active:
                why = stands.why_not or "the workspace is not in plangate.yml any more"
                tx.drift_checks.put(replace(check, wanted=False, error=why, checked_at=self._clock.now()))
                return True
            run = self._add(tx, stands.run, wake)
            tx.drift_checks.put(replace(check, wanted=False, run_id=run.id, basis=stands.run.id))
        self._transitions.wake(wake)
        return True

    def _add(self, tx: Transaction, basis: Run, wake: Wake) -> Run:
        """Add a plan-only run of the configuration that a run brought into effect. No change shows it."""
        now = self._clock.now()
        run = Run(
            id=new_id("run"),
            workspace_id=basis.workspace_id,
            status=RunStatus.PENDING,
            source=RunSource.DRIFT,
            plan_only=True,
            commit=basis.commit,
            branch=basis.branch,
            message="drift check",
            created_by=PLANGATE,
            created_at=now,
            status_at=now,
            merge=basis.merge,
            configuration_version=basis.configuration_version,
        )
        why = f"it is time to check what {basis.id} applied"
        return self._transitions.add(
            tx, run, self._transitions.event(run, run.status.value, PLANGATE, why), wake
        )

    def _settle(self, check: DriftCheck, fence: int) -> None:
        """Store what an ended check found."""
        wake = Wake()
        with self._store.reading() as tx:
            run = tx.runs.get(check.run_id)
            if not run.final:
                return
            workspace = tx.workspaces.get(check.workspace_id)
            outdated = _is_outdated(tx, run, check, in_effect(tx, workspace))
            error = "" if outdated else _why_nothing(tx, run)
            found = () if outdated or error else _drift(tx, run, workspace)
            if isinstance(found, str):
                error, found = found, ()
        with self._store.transaction() as tx:
            tx.leases.check(_LEASE, fence)
            now = self._clock.now()
            if outdated or _is_off(workspace, check):
                tx.drift_checks.put(replace(check, run_id="", wanted=outdated))
                return
            tx.drift_checks.put(replace(check, run_id="", checked_at=now, error=error))
            if not error:
                self._found(tx, workspace, run, check, found, wake)
        self._transitions.wake(wake)

    def _found(
        self,
        tx: Transaction,
        workspace: Workspace,
        run: Run,
        check: DriftCheck,
        found: Sequence[DriftedResource],
        wake: Wake,
    ) -> None:
        known, now = tx.drifts.lasting(workspace.id), self._clock.now()
        if not found:
            if known is not None:
                self._end(tx, workspace, known, f"{run.id} found none", wake, run.id)
            return
        since = written_since(tx, tx.runs.get(check.basis))
        kept = with_last(tx, workspace.id, found[:MOST_KEPT])
        drift = DriftRecord(
            id=known.id if known else new_id("drift"),
            workspace_id=workspace.id,
            began_at=known.began_at if known else now,
            seen_at=now,
            run_id=run.id,
            basis=check.basis,
            resources=kept,
            number=len(found),
            since=since,
        )
        tx.drifts.put(drift)
        if known is None:
            self._news.began(tx, workspace, drift, wake)

    def _look_at(self, drift: DriftRecord, fence: int) -> None:
        """End a drift that a later run has brought to an end, or have the workspace checked again."""
        wake = Wake()
        with self._store.transaction() as tx:
            tx.leases.check(_LEASE, fence)
            workspace = tx.workspaces.get(drift.workspace_id, for_update=True)
            known = tx.drifts.lasting(workspace.id)
            stands = in_effect(tx, workspace)
            if known is None:
                return
            check = tx.drift_checks.get(workspace.id) or DriftCheck(workspace.id, self._clock.now())
            if not workspace.active:
                self._end(tx, workspace, known, "the workspace is not in plangate.yml any more", wake)
            elif _is_off(workspace, check):
                self._end(tx, workspace, known, "drift checks were switched off", wake)
            elif stands.run is not None and stands.run.id != known.basis:
                why = f"{stands.run.id} brought the configuration into effect"
                self._end(tx, workspace, known, why, wake, stands.run.id)
            elif stands.newest is not None and stands.newest.modes.destroy and stands.newest.in_effect:
                why = f"{stands.newest.id} has destroyed everything"
                self._end(tx, workspace, known, why, wake, stands.newest.id)
            elif stands.run is not None and stands.newest is not None:
                moved = check.checked_at is None or stands.newest.status_at >= check.checked_at
                if (
                    moved
                    and stands.newest.id != known.basis
                    and not check.run_id
                    and not check.wanted
                    and self._limits.drift_checks
                ):
                    tx.drift_checks.put(replace(check, wanted=True))
        self._transitions.wake(wake)

    def _end(
        self,
        tx: Transaction,
        workspace: Workspace,
        drift: DriftRecord,
        why: str,
        wake: Wake,
        run_id: str = "",
    ) -> None:
        tx.drifts.put(replace(drift, ended_at=self._clock.now(), ended_by=why))
        self._news.ended(tx, workspace, drift, run_id or drift.run_id, why, wake)


def _is_off(workspace: Workspace, check: DriftCheck) -> bool:
    """Whether the times of a workspace's checks were taken away, and nobody has asked since."""
    return not workspace.drift.on and check.due_at != ON_REQUEST


def _is_outdated(tx: Transaction, run: Run, check: DriftCheck, stands: InEffect) -> bool:
    """Whether a check has to be made again: it gave way, or something was applied or written meanwhile."""
    if run.status is RunStatus.CANCELED:
        return run.cancel_requested_by in ("", PLANGATE)
    inputs = saved_inputs(tx, run.id)
    moved = inputs is not None and bool(inputs.state) and inputs.state != state_now(tx, run.workspace_id)
    return moved or stands.run is None or stands.run.id != check.basis


def _why_nothing(tx: Transaction, run: Run) -> str:
    """Say why a check found out nothing. Empty if it has a plan."""
    if run.status is RunStatus.CANCELED:
        return f"{run.cancel_requested_by} canceled {run.id}"
    if run.status is not RunStatus.PLANNED_AND_FINISHED:
        told = errors_text(tx.artifacts.output(run.id, "plan"))
        return first_error(told or run.error) or f"{run.id} errored"
    return ""


def _drift(tx: Transaction, run: Run, workspace: Workspace) -> Sequence[DriftedResource] | str:
    """Return what a check found, without secrets; or why its plan can't be read."""
    raw, secrets = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON), secrets_of_run(tx, run.id)
    if not raw:
        return "its plan is not kept any more"
    try:
        document = load_plan_json(raw)
    except EngineError as error:
        return str(error)
    found = read_drift(document, workspace.drift.ignore)
    return [hidden(each, lambda text: mask(text, secrets)) for each in found]
