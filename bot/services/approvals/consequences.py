"""The consequences of a changed run: for its approval, its reports, other workspaces and other changes.

Each is stored in the transaction that changes the run, so that none is lost (promise 3). The program injects
`CONSEQUENCES` into `Transitions`, which knows none of them.
"""

from __future__ import annotations

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import RunSource
from bot.services.approvals.approvals import kept_approval, settle
from bot.services.approvals.approved_elsewhere import to_be_asked
from bot.services.outbox.outbox import ASKED, OUTDATED, PLANNED, want, want_followers
from bot.services.outbox.wake import Wake
from bot.services.plans.neighbours import neighbours
from bot.services.ports import Transaction
from bot.services.runs.report_subjects import all_subjects_of
from bot.services.runs.transitions import Consequence, RunChange


def settle_approval(tx: Transaction, changed: RunChange, wake: Wake) -> None:  # noqa: ARG001
    """Update the approval that the run was created for."""
    settle(tx, changed.before, changed.run, changed.at)


def report_run(tx: Transaction, changed: RunChange, wake: Wake) -> None:
    """Mark the run's change or commit to be reported."""
    if changed.run.reported:
        for subject in all_subjects_of(tx, changed.run):
            wake.report(tx, subject, changed.at)


def tell_of_preview(tx: Transaction, changed: RunChange, wake: Wake) -> None:
    """Compare a change's new plan with a waiting approval, and update the neighbours of the change."""
    run = changed.run
    shown = run.plan_only and run.change_number is not None and run.source is not RunSource.QUEUE
    if not shown or not changed.finished:
        return
    if kept_approval(tx, run) is not None:
        wake.deliveries += want(tx, PLANNED, run, changed.at)
    for other, _, _ in neighbours(tx, tx.workspaces.get(run.workspace_id), run.change_number):
        wake.report(tx, other, changed.at)


def follow_apply(tx: Transaction, changed: RunChange, wake: Wake) -> None:
    """After an apply: request runs of its run triggers, and new plans of other changes."""
    if not changed.run.plan_only and changed.reached(RunStatus.APPLIED):
        wake.deliveries += want_followers(tx, changed.run, changed.at)
        wake.deliveries += want(tx, OUTDATED, changed.run, changed.at)


def ask_about_approval(tx: Transaction, changed: RunChange, wake: Wake) -> None:
    """Request a check of the requirements of a run whose plan was approved elsewhere."""
    before, run = changed.before, changed.run
    stopped = not run.plan_only and before is not None and not before.awaits_confirmation
    if stopped and to_be_asked(tx, run) is not None:
        wake.deliveries += want(tx, ASKED, run, changed.at)


def compare_forecast(tx: Transaction, changed: RunChange, wake: Wake) -> None:  # noqa: ARG001
    """Have a forecast compared with the plans of its changes, and the next one made."""
    wake.forecasts |= changed.run.source is RunSource.FORECAST and changed.finished


def compare_drift(tx: Transaction, changed: RunChange, wake: Wake) -> None:  # noqa: ARG001
    """Have the plan of a drift check read."""
    wake.drift_checks |= changed.run.source is RunSource.DRIFT and changed.finished


CONSEQUENCES: tuple[Consequence, ...] = (
    settle_approval,
    report_run,
    tell_of_preview,
    follow_apply,
    ask_about_approval,
    compare_forecast,
    compare_drift,
)
