"""After an apply: the plans of other open changes are outdated; they are marked so, and made again.

At most so many for one apply: who has a hundred open changes does not want a hundred plans for each of them.
"""

from __future__ import annotations

from bot.domain.run import Run
from bot.services.changes import Changed
from bot.services.making import NewRuns
from bot.services.neighbours import latest_preview
from bot.services.outcome import Outcome
from bot.services.ports import ChangeRecord, Delivery, Store, Transaction
from bot.services.transitions import Transitions
from bot.services.wanting import wanted_by

# How many open changes of a repository are looked at.
MOST_CHANGES = 200


class Siblings:
    """Plans other changes again, at most `limit` for one apply."""

    def __init__(
        self, store: Store, changed: Changed, new_runs: NewRuns, transitions: Transitions, limit: int
    ) -> None:
        self._store = store
        self._changed = changed
        self._new_runs = new_runs
        self._transitions = transitions
        self._limit = limit

    def applied(self, delivery: Delivery, outcome: Outcome) -> None:
        """Mark the previews that an apply has outdated, and plan the first of them again. Raises Conflict."""
        run_id, workspace_id = wanted_by(delivery)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return
            run, workspace = tx.runs.get(run_id), tx.workspaces.get(workspace_id)
            left = self._limit if workspace.merging.replan_siblings else 0
            for record, preview in self._previewed(tx, run):
                name = f"{workspace.name}, change {record.change.number}"
                self._transitions.report(tx, record.id, outcome.wake)
                if not left:
                    outcome.say("nothing", f"outdated by {run.id}; /plan plans it again", name)
                    continue
                left -= 1
                why = f"{run.id} was applied, so the plan before is outdated"
                made = self._new_runs.preview(
                    tx, workspace, record.change, "plangate", why, outcome.wake, preview.modes
                )
                outcome.say("preview", why, name, made.id)
            self._changed.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)

    @staticmethod
    def _previewed(tx: Transaction, run: Run) -> list[tuple[ChangeRecord, Run]]:
        """Return the other open changes with a finished plan of their latest commit, newest change first.

        A fork's code is planned again only where a person had that very commit planned (promise 5): one that
        has no plan gets none here.
        """
        workspace = tx.workspaces.get(run.workspace_id)
        # One that has a run in the queue is planned again by that, which asks by itself where need be.
        queued = {each.change_number for each in tx.runs.queue(workspace.id)}
        found = []
        for record in tx.changes.open_of(workspace.repo, MOST_CHANGES):
            if record.change.number in {run.change_number, *queued}:
                continue
            if workspace.id not in record.workspace_ids:
                continue
            preview = latest_preview(tx, workspace.id, record.change)
            if preview is not None and preview.status_at <= run.status_at:
                found.append((record, preview))
        return found
