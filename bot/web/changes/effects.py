"""What a change does to the resources of a workspace, for the page of the change: destroys first."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import cast

from flask import current_app

from bot.domain.plans.view import ChangeKind, PlannedChange, PlanSection
from bot.domain.runs.run import Run
from bot.services.plans.views import PlanViews
from bot.web.changes.context import EffectRow, Effects
from bot.web.page import elements
from bot.web.page.layout import Link
from bot.web.page.output import harmless
from bot.web.request.services import services
from bot.web.runs.resource_tree import KINDS

SHOWN = 12
"""How many resources are listed at once. The others are folded."""
MOST = 100
_LARGEST = 5000
"""With more changes than this on the page, the others are only counted: the page stays fast."""

_REMEMBERED = 200
_PLACE = "plangate_effects"

_ORDER = {
    deed: place
    for place, deed in enumerate(
        (
            ChangeKind.DESTROY,
            ChangeKind.REPLACE,
            ChangeKind.FORGET,
            ChangeKind.UPDATE,
            ChangeKind.CREATE,
            ChangeKind.IMPORT,
            ChangeKind.MOVE,
            ChangeKind.READ,
        )
    )
}


@dataclass(frozen=True)
class _Listed:
    """The list of one plan, and how many changes the plan has."""

    size: int
    effects: Effects


class _Memory:
    """The lists that this process has built lately: a page that renews itself reads no plan again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._found: OrderedDict[tuple[str, int], _Listed] = OrderedDict()

    def get(self, run: Run) -> _Listed | None:
        with self._lock:
            return self._found.get((run.id, run.version))

    def put(self, run: Run, listed: _Listed) -> None:
        with self._lock:
            self._found[run.id, run.version] = listed
            while len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)


class EffectLists:
    """Builds the lists of one page, within the page's limit."""

    def __init__(self) -> None:
        self._left = _LARGEST
        self._memory = cast(_Memory, current_app.extensions.setdefault(_PLACE, _Memory()))

    def of(self, run: Run | None) -> Effects | None:
        """Return what a run's plan does. None if there is no plan, or if it changes nothing."""
        if run is None or not run.has_changes:
            return None
        counts = run.counts
        # Moves, forgotten resources and reads are not among the counts: the plan may have more changes.
        least = sum((counts.add, counts.change, counts.destroy, counts.imports)) if counts else 0
        if self._left <= 0 or least > self._left:
            return _only_counted(run, least)
        listed = self._memory.get(run)
        if listed is None:
            listed = _listed(run)
            if listed is None:
                return None
            self._memory.put(run, listed)
        fits = listed.size <= self._left
        self._left -= listed.size
        return listed.effects if fits else _only_counted(run, listed.size)


def _listed(run: Run) -> _Listed | None:
    view = PlanViews(services().store).of(run.id)
    changes = view.lists[PlanSection.CHANGES] if view else ()
    if not changes:
        return None
    rows = sorted(changes, key=lambda change: (_ORDER[change.deed], change.address))
    shown = tuple(map(_row, rows[:MOST]))
    more = len(rows) - len(shown)
    rest = Link(f"{more:,} more in the run", _url(run)) if more else Link("")
    return _Listed(len(rows), Effects(shown[:SHOWN], shown[SHOWN:], rest))


def _only_counted(run: Run, size: int) -> Effects:
    said = f"{size:,} changes: see them in the run" if size else "See the changes in the run"
    return Effects((), (), Link(said, _url(run)))


def _url(run: Run) -> str:
    return f"{elements.run_url(run.id)}#resources"


def _row(change: PlannedChange) -> EffectRow:
    kind, deed = KINDS[change.deed]
    note = f"forced by {', '.join(change.forced_by)}" if change.forced_by else change.reason
    return EffectRow(kind, deed, change.symbol, harmless(change.address), harmless(note))
