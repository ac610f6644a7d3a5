"""Compares two plans of a workspace, for the page of a change."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.plans.attributes import SENSITIVE
from bot.domain.plans.delta import AttributeDelta, DeltaKind, DeltaRow
from bot.domain.runs.run import Run
from bot.services.plans.shown_plan import shown_delta
from bot.services.ports import Transaction
from bot.web.changes.context import Delta, PlanChoice
from bot.web.page import wording
from bot.web.page.output import harmless
from bot.web.request.services import services
from bot.web.states.context import DifferenceRow, StateAttribute

MOST_SHOWN = 300
"""How many resources that differ are listed."""

_LABELS = {
    DeltaKind.ADDED: "only the later plan does this",
    DeltaKind.REMOVED: "only the earlier plan does this",
    DeltaKind.ALTERED: "other values",
}
_KINDS = {DeltaKind.ADDED: "add", DeltaKind.REMOVED: "destroy", DeltaKind.ALTERED: "change"}


def build(tx: Transaction, plans: Sequence[Run], before: str, now: str) -> Delta:
    """Return what differs between two of the plans, newest first; nothing is read until two are chosen.

    Raises EngineError if one can't be read.
    """
    known = {run.id for run in plans}
    later, earlier = now, before
    if not {before, now} <= known:
        # The usual question: what is new in the latest plan?
        later = plans[0].id if plans else ""
        earlier = plans[1].id if len(plans) > 1 else later
        return Delta(_choices(plans), earlier, later, None, "")
    found = shown_delta(tx, earlier, later)
    if found is None:
        return Delta(_choices(plans), earlier, later, None, "One of the two plans was deleted.")
    return Delta(_choices(plans), earlier, later, tuple(map(_row, found[:MOST_SHOWN])), "")


def unreadable(plans: Sequence[Run], before: str, now: str, why: str) -> Delta:
    """Return that two plans can't be compared, and why."""
    return Delta(_choices(plans), before, now, None, why)


def _choices(plans: Sequence[Run]) -> tuple[PlanChoice, ...]:
    return tuple(
        PlanChoice(
            run.id,
            f"{wording.short(run.commit)}, {'preview' if run.plan_only else 'run'}",
            wording.moment(run.created_at, services().clock.now()),
        )
        for run in plans
    )


def _row(row: DeltaRow) -> DifferenceRow:
    return DifferenceRow(
        sign=harmless(row.symbol),
        kind=_KINDS[row.kind],
        label=_LABELS[row.kind],
        address=harmless(row.address),
        attributes=tuple(map(_attribute, row.attributes)),
        more=row.more,
        untold=False,
        open=bool(row.attributes),
    )


def _attribute(row: AttributeDelta) -> StateAttribute:
    hidden = not row.before and not row.after
    before, after = (SENSITIVE, SENSITIVE) if hidden else (row.before, row.after)
    return StateAttribute("~", "change", harmless(row.name), harmless(before), harmless(after), False)
