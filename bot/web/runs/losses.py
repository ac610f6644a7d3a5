"""Names the objects that a plan destroys or replaces, above everything else that the run's page shows."""

from __future__ import annotations

from bot.domain.plans.view import ChangeKind, PlannedChange, PlanSection
from bot.services.plans.views import PlanView
from bot.web.page.layout import Link
from bot.web.page.output import harmless
from bot.web.runs.resource_context import Loss, Losses
from bot.web.runs.resource_tree import KINDS, ResourceFilter, page_url

SHOWN = 8
"""How many objects are named. The filters of the list below show the others."""


def build(run_id: str, view: PlanView) -> Losses | None:
    """Return the objects: destroyed ones first, then replaced ones. None if the plan keeps every object."""
    changes = view.lists[PlanSection.CHANGES]
    gone, replaced = (
        [change for change in changes if change.deed is deed]
        for deed in (ChangeKind.DESTROY, ChangeKind.REPLACE)
    )
    if not gone and not replaced:
        return None
    counts = [f"{verb} {len(them):,}" for verb, them in (("destroys", gone), ("replaces", replaced)) if them]
    counts[0] += " object" if len(gone or replaced) == 1 else " objects"
    left = len(gone) + len(replaced) - SHOWN
    deed = ChangeKind.DESTROY if len(gone) > SHOWN else ChangeKind.REPLACE
    return Losses(
        words=f"This plan {' and '.join(counts)}",
        rows=tuple(map(_loss, [*gone, *replaced][:SHOWN])),
        rest=Link(f"{left:,} more", page_url(run_id, ResourceFilter(deed=deed.value)))
        if left > 0
        else Link(""),
    )


def _loss(change: PlannedChange) -> Loss:
    kind, deed = KINDS[change.deed]
    address = change.address + (f" (deposed object {change.deposed})" if change.deposed else "")
    return Loss(kind, deed, change.symbol, harmless(address))
