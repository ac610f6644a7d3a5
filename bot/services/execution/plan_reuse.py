"""Plan reuse: the saved plan that a preview showed is the file that is applied (promise 1).

A preview of a change's newer commit reuses the plan of the earlier one, too.

Only if none of the plan's inputs has changed. This is checked in the transaction that starts the run, when it
is next in the queue, so that nobody can change the state after it. Terraform checks once more, under the
state's lock. Policies judge the plan again, by their current sets, as they do every plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.services.execution.as_applied import ended_as_applied
from bot.services.execution.earlier_plans import EarlierPlans, Watching
from bot.services.plans.handed_outputs import States, fix_outputs
from bot.services.plans.plan_inputs import saved_inputs, shared_now, state_now
from bot.services.plans.snapshot import variables_of
from bot.services.ports import ArtifactKind, Clock, Transaction
from bot.services.runs.confirm import taking_turn
from bot.services.runs.order import applied_before
from bot.services.runs.transitions import Transitions

_TAKEN = (
    ArtifactKind.SAVED_PLAN,
    ArtifactKind.PLAN_JSON,
    ArtifactKind.DEPENDENCY_LOCK,
    ArtifactKind.BASIS,
    ArtifactKind.PLAN_VIEW,
    ArtifactKind.PLAN_TEXT,
)
_PLANNED = (RunStatus.PLANNED_AND_FINISHED, RunStatus.POLICY_SOFT_FAILED)
_STALE = "Saved plan is stale"
STALE = (
    "the state has changed since the plan was made, so Terraform refused it and nothing was applied: "
    "comment /plan, or retry the run, to plan again"
)


@dataclass(frozen=True)
class BeforeStart:
    """What was looked at before a run starts.

    `same_files`: a preview may reuse the plan of an earlier commit, as far as files are concerned. `states`
    have the outputs that the run gets as variables.
    """

    same_files: bool = False
    states: States = field(default_factory=dict)


class PlanReuse:
    """Reuses plans that were shown. `age` is the oldest plan to reuse; 0 turns reuse off."""

    def __init__(self, clock: Clock, transitions: Transitions, age: timedelta, earlier: EarlierPlans) -> None:
        self._earlier = earlier
        self._clock = clock
        self._transitions = transitions
        self._age = age

    def look(self, run_id: str, watching: Watching) -> BeforeStart:
        """Look at what takes a while, before the transaction that may start a run.

        Git may have to fetch two commits, which the watch stops. Raises Interrupted.
        """
        same_files = bool(self._age) and self._earlier.same_files(run_id, watching)
        return BeforeStart(same_files, self._earlier.handed(run_id))

    def start(self, tx: Transaction, run: Run, seen: BeforeStart) -> list[tuple[Run, RunEvent]]:
        """Return the steps that start a run: to its plan if one is reused, else to the fetch.

        A confirmed saved plan goes to its apply. The run fails if an output of another workspace is missing
        that it gets as a variable.
        """
        if run.saved_and_confirmed:
            return list(taking_turn(self._transitions, run))
        if missing := fix_outputs(tx, run, seen.states):
            fetching = self._transitions.moved(run, RunStatus.FETCHING)
            failed = self._transitions.moved(fetching[0], RunStatus.ERRORED, message=missing, error=missing)
            return [fetching, failed]
        if ended := ended_as_applied(tx, self._transitions, run):
            return ended
        if run.approval is not None:
            reused = run.approval.shown_run_id
        elif run.as_planned is not None and seen.same_files:
            reused = run.as_planned.run_id
        else:
            return [self._transitions.moved(run, RunStatus.FETCHING)]
        shown = tx.runs.get(reused)
        if why := self._why_not(tx, run, shown):
            return [self._transitions.moved(run, RunStatus.FETCHING, message=f"planned again: {why}")]
        return self._taken(tx, run, shown)

    def _why_not(self, tx: Transaction, run: Run, shown: Run) -> str:
        """Say why the run needs a new plan. Empty if the shown plan can be reused."""
        basis = saved_inputs(tx, shown.id)
        if basis is None or not basis.state or basis.backend:
            return "Plangate does not store the state, so it can't know whether it has changed"
        workspace = tx.workspaces.get(run.workspace_id)
        settings = (
            workspace.engine.value,
            workspace.engine_version,
            workspace.working_directory,
            str(run.modes),
        )
        approval = run.approval
        checks = (
            (shown.status not in _PLANNED, f"{shown.id} has no plan that holds"),
            (approval is not None and shown.files_of != run.files_of, "the commit is another"),
            (approval is not None and shown.digest != approval.digest, "another plan was approved"),
            (basis.settings != settings, "the workspace's settings have changed"),
            (variables_of(tx, shown.id) != variables_of(tx, run.id), "variables have changed"),
            (basis.state != state_now(tx, run.workspace_id), "the state has moved"),
            (basis.shared != shared_now(tx, workspace), "a state that it may read has moved"),
            (bool(source := applied_before(tx, run)), f"{source} was applied before it"),
            (self._old(basis.made_at), f"the plan is older than {_duration(self._age)}"),
            (not tx.artifacts.get(shown.id, ArtifactKind.SAVED_PLAN), "its plan file was deleted"),
        )
        return next((why for changed, why in checks if changed), "")

    def _old(self, made_at: str) -> bool:
        return self._clock.now() - datetime.fromisoformat(made_at) >= self._age

    def _taken(self, tx: Transaction, run: Run, shown: Run) -> list[tuple[Run, RunEvent]]:
        for kind in _TAKEN:
            tx.artifacts.put(run.id, kind, tx.artifacts.get(shown.id, kind) or b"")
        tx.artifacts.append_output(run.id, "plan", tx.artifacts.output(shown.id, "plan"))
        words = f"the plan of {shown.id} is reused: none of its inputs has changed"
        moves = [self._transitions.moved(run, RunStatus.FETCHING, message=words)]
        for status in (RunStatus.FETCHING_COMPLETED, RunStatus.PLAN_QUEUED, RunStatus.PLANNING):
            moves.append(self._transitions.moved(moves[-1][0], status))
        planned = self._transitions.moved(
            moves[-1][0],
            RunStatus.PLANNED,
            message=f"{shown.counts}, reused from {shown.id}",
            has_changes=shown.has_changes,
            counts=shown.counts,
            digest=shown.digest,
            engine_version=shown.engine_version,
            as_planned=run.as_planned and replace(run.as_planned, reused=True),
        )
        return [*moves, planned]


def planned_by(moves: Sequence[tuple[Run, RunEvent]]) -> Run | None:
    """Return the run if the steps bring it to its plan, else None."""
    last = moves[-1][0] if moves else None
    return last if last is not None and last.status is RunStatus.PLANNED else None


def why_failed(summary: str) -> str:
    """Say why an apply failed. If Terraform calls the plan stale, the text says that it changed nothing."""
    return f"{STALE} ({_STALE})" if _STALE in summary else summary


def _duration(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h" if minutes and minutes % 60 == 0 else f"{minutes} min"
