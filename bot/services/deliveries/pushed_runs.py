"""Creates the runs of a push or a tag. Runs of workspaces that depend on others wait for the others' runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.changes.decisions import Decision, NoRun, StartRun
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.events import BranchPushed, TagPushed
from bot.domain.runs.merge_result import AsApplied
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.order import Order
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.ports import RunQuery, Transaction
from bot.services.runs.create import RunFactory, commit_of
from bot.services.runs.order import after


def start_runs(
    tx: Transaction,
    run_factory: RunFactory,
    event: BranchPushed | TagPushed,
    decisions: Sequence[Decision],
    outcome: DeliveryResult,
    applied: Mapping[str, AsApplied],
) -> None:
    """Create the decided runs, and note the result of each decision.

    `applied` has the runs that have applied the same files before, by workspace.
    """
    for decision in decisions:
        if isinstance(decision, NoRun):
            outcome.say(DecisionKind.NOTHING, decision.reason, decision.workspace_name)
    reasons = {each.workspace.id: each.reason for each in decisions if isinstance(each, StartRun)}
    order = Order(each.workspace for each in decisions if isinstance(each, StartRun))
    made: dict[str, Run] = {}
    there = _with_run(tx, event)
    tx.variables.load(reasons)
    for workspace in order.sorted():
        if workspace.id in there:
            outcome.say(DecisionKind.NOTHING, "this commit has a run here already", workspace.name)
            continue
        why, before = reasons[workspace.id], applied.get(workspace.id)
        waits_for = after(workspace, order, made)
        run = run_factory.of_push(tx, workspace, event, why, outcome.wake, before, waits_for)
        made[workspace.id] = run
        outcome.say(DecisionKind.RUN, why, workspace.name, run.id)


def _with_run(tx: Transaction, event: BranchPushed | TagPushed) -> frozenset[str]:
    """Return the ids of the workspaces that a push or a tag of this commit has made a run in."""
    query = RunQuery(repo=event.repo, commit=commit_of(event), plan_only=False, limit=None)
    runs = tx.runs.find(query)
    return frozenset(run.workspace_id for run in runs if run.source in (RunSource.PUSH, RunSource.TAG))
