"""Going on by itself with what was approved elsewhere: once what an apply needs was asked again (promise 7).

That it is to be asked is kept in the transaction that finishes the plan (see `wanting`), so that it is asked
once, and again while the forge is away. What is missing then is said of the run, which waits for a person.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.approval import ApprovalRecord
from bot.domain.errors import ForgeRefused, NotFound
from bot.domain.permissions import Person
from bot.domain.requirements import Facts, unmet
from bot.domain.run import Run, RunEvent
from bot.domain.workspace import Workspace
from bot.services.approved_elsewhere import to_be_asked
from bot.services.approving import fell
from bot.services.changes import Changed
from bot.services.merging import goes_on
from bot.services.outcome import Outcome
from bot.services.ports import Delivery, Forge, Store, Transaction
from bot.services.requiring import Requiring
from bot.services.transitions import Transitions
from bot.services.wanting import wanted_by

Moves = Sequence[tuple[Run, RunEvent]]


class GoingOn:
    """Lets runs go on that have what an apply needs, and says of the others what they lack."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, Forge],
        changed: Changed,
        requiring: Requiring,
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._forges = forges
        self._changed = changed
        self._requiring = requiring
        self._transitions = transitions

    def asked(self, delivery: Delivery, outcome: Outcome) -> None:
        """Ask the forge, then decide. Raises ForgeUnavailable, Conflict."""
        run_id, workspace_id = wanted_by(delivery)
        with self._store.reading() as tx:
            record = to_be_asked(tx, tx.runs.get(run_id))
            workspace = tx.workspaces.get(workspace_id)
        if record is None:
            return self._changed.nothing(delivery.id, outcome, "it waits for no approval any more")
        facts, person, unknown = self._ask(workspace, record)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return None
            record = to_be_asked(tx, tx.runs.get(run_id))
            if record is None:
                outcome.say("nothing", "it waits for no approval any more", workspace.name, run_id)
            else:
                self._decide(tx, run_id, workspace, record, facts, person, unknown, outcome)
            self._changed.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def _ask(self, workspace: Workspace, record: ApprovalRecord) -> tuple[Facts | None, Person, str]:
        """Return the facts, and the approver with the role of today; or why they could not be found out."""
        forge, repo = self._forges[workspace.repo.forge], workspace.repo
        try:
            change = forge.change(repo, record.change_number or 0)
            person = Person(record.by, forge.role(repo, record.by))
            return self._requiring.facts(change, [workspace]), person, ""
        except (ForgeRefused, NotFound) as error:
            # What can't be checked is not met: the run waits for a person, who is told why.
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
        outcome: Outcome,
    ) -> None:
        run = tx.runs.get(run_id)
        missing = unknown
        if facts is not None:
            missing = unmet(self._requiring.checks(tx, workspace, facts, run, person))

        def step(tx: Transaction, run: Run) -> Moves:
            if not missing:
                return goes_on(tx, self._transitions, run, record)
            fell(tx, record, f"not applied by itself; it lacks {missing}", self._changed.now())
            return [(replace(run, lacks=missing), self._transitions.event(run, "lacking", message=missing))]

        run = self._transitions.carry_out(tx, run_id, step, outcome.wake)
        if missing:
            return outcome.say("refused", missing, workspace.name, run.id)
        outcome.wake.runs.append(run)
        return outcome.say("confirmed", f"approved by {record.by} before", workspace.name, run.id)
