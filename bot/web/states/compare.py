"""Builds the page that compares two versions of a state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import request, url_for

from bot.domain.errors import NotFound
from bot.domain.plans.attributes import AttributeChange, AttributeForm
from bot.domain.states.diff import StateChangeKind
from bot.services.ports import StateVersion
from bot.services.states.compare import StateComparison, StateDifference
from bot.web.page import elements, wording
from bot.web.page.layout import Link
from bot.web.page.output import harmless
from bot.web.request import access
from bot.web.request.services import services
from bot.web.states.context import ComparePage, DifferenceRow, StateAttribute, VersionChoice

PER_PAGE = 100

OPEN_AT_ONCE = 10
"""Up to how many resources that differ are shown unfolded."""

MOST_CHOICES = 200

_SIGNS = {
    StateChangeKind.ADDED: ("+", "add", "only in the later one"),
    StateChangeKind.REMOVED: ("-", "destroy", "only in the earlier one"),
    StateChangeKind.CHANGED: ("~", "change", "differs"),
}
_KINDS = {"+": "add", "-": "destroy", "~": "change"}


def build(name: str) -> ComparePage:
    """Return the page for the versions that the address names: by default the current and the one before.

    Raises NotFound.
    """
    person, number = access.person_asking(), elements.page_number()
    with services().store.reading() as tx:
        workspace = tx.workspaces.named(name)
        versions = tx.states.versions(workspace.id, MOST_CHOICES)
        current = tx.states.current(workspace.id)
    if not versions:
        raise NotFound("this workspace has no state here yet")
    now = request.args.get("now", "") or (current or versions[0]).id
    before = request.args.get("before", "") or before_it(versions, now)
    found = services().state_versions.compare(
        workspace.id, person, before, now, offset=(number - 1) * PER_PAGE, limit=PER_PAGE
    )
    total = sum(found.counts.values())
    chosen = {"name": name, "before": before, "now": now}
    where = elements.part(number, PER_PAGE, total)
    return ComparePage(
        chrome=elements.chrome(f"States compared · {name}", person, "workspaces"),
        workspace=Link(harmless(name), elements.workspace_url(name)),
        tabs=elements.tabs(name, "states"),
        states_url=url_for("state_versions.listing", name=name),
        action=url_for("state_versions.compare", name=name),
        choices=tuple(map(_choice, versions)),
        before=_choice(found.before),
        now=_choice(found.now),
        summary=_summary(found.counts),
        same=_same(found),
        outputs=tuple(_row(each, total=0) for each in found.outputs),
        resources=tuple(_row(each, total=total) for each in found.resources),
        pager=elements.pager(
            number, number * PER_PAGE < total, "state_versions.compare", where=where, **chosen
        ),
    )


def before_it(versions: Sequence[StateVersion], version_id: str) -> str:
    """Return the version before this one, without refused ones; itself if there is none."""
    later = iter(versions)
    for version in later:
        if version.id == version_id:
            break
    return next((version.id for version in later if not version.refused), version_id)


def _choice(version: StateVersion) -> VersionChoice:
    refused = ", refused" if version.refused else ""
    when = wording.moment(version.created_at, services().clock.now())
    return VersionChoice(version.id, f"Serial {version.serial}{refused}", when)


def _summary(counts: Mapping[StateChangeKind, int]) -> str:
    words = {
        StateChangeKind.ADDED: "added",
        StateChangeKind.REMOVED: "removed",
        StateChangeKind.CHANGED: "changed",
    }
    said = [f"{counts[kind]} {word}" for kind, word in words.items() if counts.get(kind)]
    return ", ".join(said)


def _same(found: StateComparison) -> str:
    if not found.same:
        return ""
    return "1 is the same in both." if found.same == 1 else f"{found.same} are the same in both."


def _row(each: StateDifference, total: int) -> DifferenceRow:
    sign, kind, label = _SIGNS[each.kind]
    return DifferenceRow(
        sign=sign,
        kind=kind,
        label=label,
        address=harmless(each.address),
        attributes=tuple(map(attribute_row, each.attributes.changed)),
        more=each.attributes.more,
        untold=each.untold,
        open=total <= OPEN_AT_ONCE,
    )


def attribute_row(row: AttributeChange) -> StateAttribute:
    """Return an attribute for a page, with what of its values may be shown."""
    return StateAttribute(
        sign=row.sign,
        kind=_KINDS[row.sign],
        name=harmless(row.name),
        before=_lines(row.before),
        after=_lines(row.after),
        block=row.form is not AttributeForm.LINE,
    )


def _lines(text: str | None) -> str | None:
    return None if text is None else "\n".join(map(harmless, text.split("\n")))
