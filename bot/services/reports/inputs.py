"""What a report is derived from besides its runs: read with few queries, however many workspaces there are.

Only the facts of runs whose plan is new are derived from the plan. Those of all others are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bot.domain.events import Change
from bot.domain.plans.delta import DeltaKind, DeltaRow
from bot.domain.policies.policy import PolicyCheck
from bot.domain.runs.approval import ApprovalState
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.merge_result import MergeResult
from bot.domain.runs.queue import why_waits
from bot.domain.runs.run import Run
from bot.domain.terms import ForgeWords
from bot.domain.workspaces.workspace import Workspace
from bot.services.forecasts.notes import ForecastNote, forecast_notes, said_of
from bot.services.plans.neighbours import Neighbours, find_neighbours, overlap_words, too_many_words
from bot.services.plans.plan_inputs import state_name
from bot.services.plans.shown_plan import shown_delta
from bot.services.ports import ArtifactKind, ChangeRecord, StateVersion, Transaction
from bot.services.reports.plan_facts import (
    NOTHING,
    FactsMemory,
    KeptFacts,
    PlanFacts,
    applied_facts,
    derived_facts,
    has_facts,
    kept_facts,
)
from bot.services.runs.order import held
from bot.services.runs.places import without_place
from bot.services.runs.queue_position import left_by_all


def conflict_of(record: ChangeRecord, inputs: ReportInputs) -> MergeResult | None:
    """Return the merge of a change that can't be made, if a workspace that it touches plans the merge."""
    merge = record.merge
    if merge is None or not merge.conflicting or not record.change.open:
        return None
    planned = any(inputs.workspace(each).merging.plans_merges for each in record.workspace_ids)
    return merge if planned else None


class ReportInputs:
    """Reads for one derivation, within its transaction. What is asked for must have been loaded before."""

    def __init__(self, tx: Transaction, memory: FactsMemory) -> None:
        self._tx = tx
        self._memory = memory
        self._checks: dict[str, Sequence[PolicyCheck]] = {}
        self._states: dict[str, StateVersion | None] = {}
        self._waits: dict[str, str] = {}
        self._facts: dict[str, PlanFacts] = {}
        self._neighbours: Neighbours | None = None
        self._forecasts: Mapping[str, Sequence[ForecastNote]] = {}
        self._approvers: dict[tuple[str, str], str] = {}
        self._new: dict[str, KeptFacts] = {}

    @property
    def new_facts(self) -> Sequence[KeptFacts]:
        """The facts that were derived and are not stored yet."""
        return tuple(self._new.values())

    # --- reading --------------------------------------------------------------------------------------------

    def load(self, workspace_ids: Iterable[str], runs: Sequence[Run]) -> None:
        """Read the workspaces, and what belongs to their runs besides the plans."""
        self._tx.workspaces.load({*workspace_ids, *(run.workspace_id for run in runs)})
        unjudged = [run.id for run in runs if run.id not in self._checks]
        found = self._tx.policies.of_runs(unjudged)
        self._checks |= {run_id: found.get(run_id, ()) for run_id in unjudged}
        self._load_waits([run for run in runs if run.id not in self._waits])

    def load_plans(self, runs: Iterable[Run]) -> None:
        """Read the facts of the runs' plans, and the states that they are compared with."""
        ended = [run for run in runs if has_facts(run)]
        absent = []
        for run in ended:
            if run.id in self._facts:
                continue
            if (known := self._memory.get(run)) is not None:
                self._facts[run.id] = known
            else:
                absent.append(run)
        stored = self._tx.artifacts.of_runs([run.id for run in absent], ArtifactKind.PLAN_FACTS)
        for run in absent:
            facts = kept_facts(run, stored[run.id]) if run.id in stored else None
            if facts is None:
                self._keep(run, derived_facts(self._tx, run))
            else:
                self._facts[run.id] = facts
                self._memory.put(run, facts)
        wanted = {run.workspace_id for run in ended if run.plan_only and run.has_changes}
        if unread := wanted - self._states.keys():
            found = self._tx.states.currents(unread)
            self._states |= {workspace_id: found.get(workspace_id) for workspace_id in unread}

    def load_neighbours(self, change: Change, runs: Sequence[Run]) -> None:
        """Find the plans of other open changes in the runs' workspaces."""
        ids = {run.workspace_id for run in runs}
        self._neighbours = find_neighbours(self._tx, change.repo, ids, change.number)

    def load_forecasts(self, change: Change, runs: Sequence[Run]) -> None:
        """Read what the runs' plans do together with those of other open changes."""
        self._forecasts = forecast_notes(self._tx, change.repo, runs) if change.open else {}

    def load_approvers(self, change: Change, workspace_ids: Iterable[str]) -> None:
        """Read which plans are approved, and applied after the merge."""
        after = [each for each in workspace_ids if not self.workspace(each).merging.apply_when.before]
        for record in self._tx.approvals.of_workspaces(after, change.number):
            if record.state is ApprovalState.KEPT:
                self._approvers.setdefault((record.workspace_id, record.digest), record.by)

    # --- what was read --------------------------------------------------------------------------------------

    def workspace(self, workspace_id: str) -> Workspace:
        """Return a workspace. Raises NotFound."""
        return self._tx.workspaces.get(workspace_id)

    def by_name(self, ids: Collection[str]) -> list[Workspace]:
        """Return workspaces, sorted by their names."""
        return sorted(map(self.workspace, ids), key=lambda each: each.name)

    def waits(self, run: Run) -> str:
        """Say why a run waits. Empty if it does not wait."""
        return self._waits.get(run.id, "")

    def checks(self, run: Run) -> Sequence[PolicyCheck]:
        """Return what policies said of a run's plan."""
        return self._checks.get(run.id, ())

    def facts(self, run: Run) -> PlanFacts:
        """Return what a run's plan says; of a plan that has not ended, nothing."""
        return self._facts.get(run.id, NOTHING)

    def approver(self, run: Run) -> str:
        """Say who approved a plan that is applied after the merge. Empty if nobody has."""
        return self._approvers.get((run.workspace_id, run.digest), "") if run.digest else ""

    def is_outdated(self, run: Run) -> bool:
        """Whether the state has changed since a preview's plan, so that the plan may be outdated."""
        read = self.facts(run).state
        if not read or not (run.plan_only and run.final and run.has_changes):
            return False
        return read != state_name(self._states.get(run.workspace_id))

    def overlaps(self, run: Run, words: ForgeWords) -> tuple[str, ...]:
        """Say which other open changes plan to change the same resources, and which resources."""
        facts = self.facts(run)
        if self._neighbours is None or not facts.addresses:
            return ()
        said = []
        plans = self._neighbours.plans.get(run.workspace_id, ())
        for number, other in plans:
            if other not in facts.overlaps:
                found = overlap_words(self._tx, run.id, facts.addresses, other)
                mine = {each: facts.overlaps[each] for _, each in plans if each in facts.overlaps}
                facts = replace(facts, overlaps={**mine, other: found})
                self._keep(run, facts)
            if both := facts.overlaps[other]:
                said.append(f"{words.change} {words.numbered(number)} plans to change {both} too")
        if run.workspace_id in self._neighbours.too_many:
            said.append(too_many_words(words))
        return tuple(said)

    def forecast(self, run: Run, words: ForgeWords) -> tuple[str, ...]:
        """Say what a run's plan does together with those of other open changes. Empty if nothing is known."""
        told = self._forecasts.get(run.id, ())
        return (said_of(told, words),) if told else ()

    def applied(self, run: Run) -> tuple[str, str]:
        """Return the end of the output of an apply that has ended, and Terraform's errors in it."""
        facts = self.facts(run)
        if facts.applied is None:
            facts = replace(facts, applied=applied_facts(self._tx, run))
            self._keep(run, facts)
        return facts.applied or ("", "")

    def delta(self, run: Run) -> tuple[DeltaRow, ...]:
        """What differs from the approved plan, while the run asks for approval again."""
        if not run.delta or run.approval is None or not run.awaits_confirmation:
            return ()
        facts, approved = self.facts(run), run.approval.shown_run_id
        if approved not in facts.deltas:
            rows = shown_delta(self._tx, approved, run.id) or ()
            if run.rest_of is not None:
                # Most of what is not planned any more was done. The run's words name what was not.
                rows = tuple(row for row in rows if row.kind is not DeltaKind.REMOVED)
            facts = replace(facts, deltas={approved: rows})
            self._keep(run, facts)
        return facts.deltas[approved]

    # --- how ------------------------------------------------------------------------------------------------

    def _keep(self, run: Run, facts: PlanFacts) -> None:
        self._facts[run.id] = facts
        if has_facts(run):
            self._new[run.id] = KeptFacts(run, facts)
            self._memory.put(run, facts)

    def _load_waits(self, runs: Sequence[Run]) -> None:
        self._waits.update(without_place(self._tx, runs))
        waiting = [run for run in runs if run.status is RunStatus.PENDING and not run.plan_only]
        if not waiting:
            return
        ids = {run.workspace_id for run in waiting}
        queues, left = self._tx.runs.queues(ids), left_by_all(self._tx, ids)
        ordered = held(self._tx, (run for queue in queues.values() for run in queue))
        for run in waiting:
            queue, holder = queues.get(run.workspace_id, ()), left.get(run.workspace_id, "")
            place = self.workspace(run.workspace_id)
            if because := why_waits(run, place, queue, holder, ordered):
                self._waits[run.id] = because
