"""Which open changes are planned together, and where.

Two changes meet in a workspace if both have a plan with changes there, or one of them has it in a workspace
that this one depends on. Older changes come first, and each has only so many others. All plans must be of the
changes as they are now, on the state as it is now: the plan of both is compared with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.domain.events import RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.plans.plan_inputs import state_name
from bot.services.ports import ChangeRecord, ForecastRecord, RunQuery, StateVersion, Transaction
from bot.services.runs.merge_results import why_plan_outdated

# Of more open changes in a repository, only the oldest are planned together.
_MOST_CHANGES = 100
_PLANNED = frozenset({RunStatus.PLANNED_AND_FINISHED.value, RunStatus.POLICY_SOFT_FAILED.value})

Key = tuple[str, int, int]


@dataclass(frozen=True)
class Pair:
    """Two changes that meet in a workspace, with their plans. The first one has the lower number."""

    workspace: Workspace
    first: ChangeRecord
    second: ChangeRecord
    first_plan: Run
    second_plan: Run
    base: str
    state: str

    @property
    def record(self) -> ForecastRecord:
        """The forecast that is to be made."""
        return ForecastRecord(
            self.workspace.id,
            self.first.change.number,
            self.second.change.number,
            self.first_plan.id,
            self.second_plan.id,
            self.base,
            self.state,
        )

    def answers(self, record: ForecastRecord) -> bool:
        """Whether a forecast is the one of this pair.

        The plans stay as they are on a newer base that changes none of their files. A conflict may not.
        """
        same = self.record
        plans = (record.first_plan, record.second_plan, record.state)
        conflicting = record.result is not None and bool(record.result.conflicts)
        return plans == (same.first_plan, same.second_plan, same.state) and (
            not conflicting or record.base == same.base
        )


def wanted_pairs(tx: Transaction, repo: RepoRef, limit: int) -> Mapping[Key, Pair]:
    """Return the pairs of a repository that should be planned together, in the order of their changes.

    Each change is in pairs with at most `limit` others.
    """
    records = _mergeable(tx, repo) if limit else {}
    places = {each.id: each for each in tx.workspaces.of_repo(repo) if _takes_part(each)} if records else {}
    if not _may_meet(records.values(), places):
        return {}
    plans = _plans(tx, repo, records, places)
    forks = frozenset(number for number, each in records.items() if each.change.from_fork)
    meetings = _Meetings(places, plans, forks)
    states = tx.states.currents(meetings.places)
    found: dict[Key, Pair] = {}
    used: Counter[int] = Counter()
    for first, one in records.items():
        for second, here in sorted(meetings.of(first).items()):
            other = records[second]
            if used[first] >= limit or used[second] >= limit or not _into_the_same(one, other):
                continue
            used.update((first, second))
            for workspace, first_plan, second_plan in here:
                state = state_name(states.get(workspace.id))
                pair = Pair(workspace, one, other, first_plan, second_plan, _base(one), state)
                found[pair.record.key] = pair
    return found


class _Meetings:
    """Where changes meet: in the workspaces that both plan, and in those that depend on one of them.

    A fork's code is planned only where it was allowed to be planned, and there its plan is (promise 5). So it
    takes no part in workspaces that only depend on those.
    """

    def __init__(
        self, places: Mapping[str, Workspace], plans: Mapping[tuple[str, int], Run], forks: frozenset[int]
    ) -> None:
        touched: dict[str, dict[int, Run]] = {}
        for (workspace_id, number), run in plans.items():
            touched.setdefault(workspace_id, {})[number] = run
        order = Order(places.values())
        self._here: dict[str, tuple[dict[int, Run], dict[int, Run]]] = {}
        self._of_change: dict[int, list[str]] = {}
        for workspace_id, mine in touched.items():
            if not places[workspace_id].merging.forecast:
                continue
            before: dict[int, Run] = {}
            for source in order.before(places[workspace_id]):
                for number, run in touched.get(source.id, {}).items():
                    before.setdefault(number, run)
            beside = {
                number: run for number, run in before.items() if number not in mine and number not in forks
            }
            self._here[workspace_id] = mine, beside
            for number in (*mine, *beside):
                self._of_change.setdefault(number, []).append(workspace_id)
        self._places = places

    @property
    def places(self) -> Iterable[str]:
        """The workspaces in which changes may meet."""
        return self._here

    def of(self, first: int) -> dict[int, list[tuple[Workspace, Run, Run]]]:
        """Return where a change meets those with higher numbers, with the plans of both."""
        found: dict[int, list[tuple[Workspace, Run, Run]]] = {}
        for workspace_id in self._of_change.get(first, ()):
            mine, beside = self._here[workspace_id]
            others = {**mine, **beside} if first in mine else mine
            own = mine.get(first) or beside[first]
            for second, run in others.items():
                if second > first:
                    found.setdefault(second, []).append((self._places[workspace_id], own, run))
        return found


def _mergeable(tx: Transaction, repo: RepoRef) -> dict[int, ChangeRecord]:
    """Return the open changes that can be merged into their bases, by number, the oldest first."""
    found = [each for each in tx.changes.open_of(repo, None) if each.merge and not each.merge.conflicting]
    return {each.change.number: each for each in reversed(found[-_MOST_CHANGES:])}


def _takes_part(workspace: Workspace) -> bool:
    return workspace.active and not workspace.proposed and workspace.merging.plans_merges


def _may_meet(records: Iterable[ChangeRecord], places: Mapping[str, Workspace]) -> bool:
    """Whether two changes touch the same workspace, or any that are ordered. Reads no run."""
    touching = Counter(each for record in records for each in record.workspace_ids if each in places)
    several = len({*touching}) > 1 and any(places[each].depends_on for each in touching)
    return several or any(number > 1 for number in touching.values())


def _plans(
    tx: Transaction, repo: RepoRef, records: Mapping[int, ChangeRecord], places: Mapping[str, Workspace]
) -> dict[tuple[str, int], Run]:
    """Return the newest plan of each change in each workspace, if it is good and changes something."""
    commits = frozenset(each.change.head_sha for each in records.values())
    query = RunQuery(repo=repo, commits=commits, plan_only=True, statuses=_PLANNED, limit=None)
    newest: dict[tuple[str, int], Run] = {}
    for run in tx.runs.find(query):
        record = records.get(run.change_number or 0)
        touched = record is not None and run.workspace_id in record.workspace_ids
        if touched and run.workspace_id in places and record and run.commit == record.change.head_sha:
            newest.setdefault((run.workspace_id, record.change.number), run)
    states = tx.states.currents({workspace_id for workspace_id, _ in newest})
    return {
        key: run
        for key, run in newest.items()
        if _is_good(records[key[1]], places[key[0]], run, states.get(key[0]))
    }


def _is_good(record: ChangeRecord, workspace: Workspace, run: Run, state: StateVersion | None) -> bool:
    on_state = state is None or run.status_at >= state.created_at
    plain = run.has_changes and not run.modes and run.merge is not None
    return bool(plain and on_state and not why_plan_outdated(record, workspace, run))


def _into_the_same(one: ChangeRecord, other: ChangeRecord) -> bool:
    branches = one.change.base_branch, other.change.base_branch
    return branches[0] == branches[1] and _base(one) == _base(other)


def _base(record: ChangeRecord) -> str:
    return record.merge.base if record.merge is not None else ""
