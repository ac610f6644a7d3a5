"""Continues a run whose plan was approved elsewhere, after its requirements were checked again (promise 7).

The check is requested in the transaction that stores the plan (see `outbox`), so that it happens once, and is
retried while the forge is down. If something is missing, the run says so and waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.changes.requirements import Facts, unmet
from bot.domain.errors import ForgeRefused, NotFound
from bot.domain.people.permissions import Person
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import fell
from bot.services.approvals.approved_elsewhere import to_be_asked
from bot.services.approvals.approver import Approvers
from bot.services.approvals.merge_approvals import goes_on
from bot.services.approvals.requirements import RequirementChecker
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.outbox import wanted_by
from bot.services.ports import Clock, Delivery, Forge, Store, Transaction
from bot.services.runs.transitions import Moves, Transitions


class ContinueAfterMerge:
    """Continues runs that meet their requirements, and notes on the others what is missing."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, Forge],
        ledger: Ledger,
        requirement_checker: RequirementChecker,
        approvers: Approvers,
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._ledger = ledger
        self._requirement_checker = requirement_checker
        self._approvers = approvers
        self._transitions = transitions

    def asked(self, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Ask the forge, then decide. Raises ForgeUnavailable, Conflict."""
        run_id, workspace_id = wanted_by(delivery)
        with self._store.reading() as tx:
            record = to_be_asked(tx, tx.runs.get(run_id))
            workspace = tx.workspaces.get(workspace_id)
        if record is None:
            return self._ledger.nothing(delivery.id, outcome, "it waits for no approval any more")
        facts, person, unknown = self._ask(workspace, record)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery.id):
                return None
            record = to_be_asked(tx, tx.runs.get(run_id))
            if record is None:
                outcome.say(DecisionKind.NOTHING, "it waits for no approval any more", workspace.name, run_id)
            else:
                self._decide(tx, run_id, workspace, record, facts, person, unknown, outcome)
            self._ledger.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def _ask(self, workspace: Workspace, record: ApprovalRecord) -> tuple[Facts | None, Person, str]:
        """Return the facts, and the approver with their current role; or why they are unknown."""
        repo = workspace.repo
        try:
            change = self._forges[repo.forge].change(repo, record.change_number or 0)
            person = self._approvers.now(workspace, record)
            return self._requirement_checker.facts(change, [workspace]), person, ""
        except (ForgeRefused, NotFound) as error:
            # A requirement that can't be checked is not met: the run waits for a person, who is told why.
            return None, Person(record.by, record.role), str(error)

    def _decide(
        self,
        tx: Transaction,
        run_id: str,
        workspace: Workspace,
        record: ApprovalRecord,
        facts: Facts | None,
        person: Person,
        unknown: str,
        outcome: DeliveryResult,
    ) -> None:
        run = tx.runs.get(run_id)
        missing = unknown
        if facts is not None:
            missing = unmet(self._requirement_checker.checks(tx, workspace, facts, run, person))

        def step(tx: Transaction, run: Run) -> Moves:
            if not missing:
                return goes_on(tx, self._transitions, run, record)
            fell(tx, record, f"not applied by itself; it lacks {missing}", self._clock.now())
            return [(replace(run, lacks=missing), self._transitions.event(run, "lacking", message=missing))]

        run = self._transitions.carry_out(tx, run_id, step, outcome.wake)
        if missing:
            return outcome.say(DecisionKind.REFUSED, missing, workspace.name, run.id)
        outcome.wake.runs.append(run)
        return outcome.say(DecisionKind.CONFIRMED, f"approved by {record.by} before", workspace.name, run.id)
