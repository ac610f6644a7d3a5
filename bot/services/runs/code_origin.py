"""Whose code a run has: that of a change, of two for a forecast, or only of the branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.runs.run import Run, RunSource
from bot.services.ports import ChangeRecord, RunQuery, Transaction
from bot.services.runs.cancel import PLANGATE


@dataclass(frozen=True)
class ChangeCode:
    """The commit of a change whose code a run has. A change that nobody knows may come from anywhere."""

    number: int
    commit: str
    record: ChangeRecord | None

    @property
    def from_fork(self) -> bool:
        """Whether people without write access may have written it."""
        return self.record is None or self.record.change.from_fork


def changes_in(tx: Transaction, run: Run) -> Sequence[ChangeCode]:
    """Return the changes whose code a run has; none for a run of the branch."""
    repo = tx.workspaces.get(run.workspace_id).repo
    if run.source is RunSource.FORECAST:
        wanted = tx.forecasts.of_run(run.id)
        if wanted is None or run.merge is None:
            return (ChangeCode(0, run.commit, None),)
        heads = ((wanted.first, run.merge.first), (wanted.second, run.commit))
        return [ChangeCode(number, commit, tx.changes.numbered(repo, number)) for number, commit in heads]
    if run.source is RunSource.DRIFT:
        # It has the code of the run that it checks.
        check = tx.drift_checks.get(run.workspace_id)
        if check is None or check.run_id != run.id:
            return (ChangeCode(0, run.commit, None),)
        return changes_in(tx, tx.runs.get(check.basis))
    if run.change_number is None:
        return ()
    return (ChangeCode(run.change_number, run.commit, tx.changes.numbered(repo, run.change_number)),)


def was_asked_for(tx: Transaction, workspace_id: str, code: ChangeCode) -> bool:
    """Whether a person had this very commit planned in a workspace."""
    query = RunQuery(
        workspace_id=workspace_id, change_number=code.number, commit=code.commit, plan_only=True, limit=None
    )
    return any(
        each.created_by != PLANGATE and each.source is not RunSource.QUEUE for each in tx.runs.find(query)
    )
