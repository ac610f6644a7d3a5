"""What a change does to the resources of a workspace, for the page of the change: destroys first."""

from __future__ import annotations

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


class EffectLists:
    """Builds the lists of one page, within the page's limit."""

    def __init__(self) -> None:
        self._left = _LARGEST

    def of(self, run: Run | None) -> Effects | None:
        """Return what a run's plan does. None if there is no plan, or if it changes nothing."""
        if run is None or not run.has_changes:
            return None
        url = f"{elements.run_url(run.id)}#resources"
        counts = run.counts
        size = sum((counts.add, counts.change, counts.destroy, counts.imports)) if counts else 0
        if size > self._left:
            return Effects((), (), Link(f"{size:,} changes: see them in the run", url))
        self._left -= size
        view = PlanViews(services().store).of(run.id)
        changes = view.lists[PlanSection.CHANGES] if view else ()
        if not changes:
            return None
        rows = sorted(changes, key=lambda change: (_ORDER[change.deed], change.address))
        shown = tuple(map(_row, rows[:MOST]))
        more = len(rows) - len(shown)
        rest = Link(f"{more:,} more in the run", url) if more else Link("")
        return Effects(shown[:SHOWN], shown[SHOWN:], rest)


def _row(change: PlannedChange) -> EffectRow:
    kind, deed = KINDS[change.deed]
    note = f"forced by {', '.join(change.forced_by)}" if change.forced_by else change.reason
    return EffectRow(kind, deed, change.symbol, harmless(change.address), harmless(note))
