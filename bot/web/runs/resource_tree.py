"""Builds the list of a plan's changes: a tree of modules, filtered and split into parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for

from bot.domain.plans.attributes import AttributeChange, AttributeForm, Attributes
from bot.domain.plans.line_diff import Side, line_diff
from bot.domain.plans.view import ChangeKind, PlannedChange, PlanSection, modules_of
from bot.services.plans.views import PlanView
from bot.web.page.layout import Filter
from bot.web.page.output import harmless
from bot.web.runs.resource_context import (
    AttributeDiff,
    Details,
    DiffRow,
    ModuleNode,
    ResourceDiff,
    ResourceList,
    Resources,
)

PART = 200
"""How many changes come at once."""

WITH_DETAILS = 20
"""Of how many changes the attributes come along, in place of when somebody opens them."""

_BESIDE = 50
_DEEPEST = 40

KINDS: dict[ChangeKind, tuple[str, str]] = {
    ChangeKind.CREATE: ("add", "Create"),
    ChangeKind.UPDATE: ("change", "Update"),
    ChangeKind.REPLACE: ("replace", "Replace"),
    ChangeKind.DESTROY: ("destroy", "Destroy"),
    ChangeKind.IMPORT: ("import", "Import"),
    ChangeKind.MOVE: ("move", "Move"),
    ChangeKind.FORGET: ("forget", "Forget"),
    ChangeKind.READ: ("read", "Read"),
}
_SIGNS = {"+": "add", "-": "destroy", "~": "change"}
_SIDES = {Side.AFTER: "add", Side.BEFORE: "destroy", Side.SKIPPED: "skipped", Side.BOTH: ""}
_NOTES = {
    AttributeForm.JSON: "JSON, laid out to compare",
    AttributeForm.TEXT: "",
    AttributeForm.LIST: "",
    AttributeForm.LINE: "",
}


@dataclass(frozen=True)
class ResourceFilter:
    """Filter of the changes: section, action, search words, module, and the first one to show.

    `open`: with the attributes of each.
    """

    section: PlanSection = PlanSection.CHANGES
    deed: str = ""
    query: str = ""
    module: str = ""
    begin: int = 0
    open: bool = False

    def arguments(self) -> dict[str, Any]:
        """Return it as query parameters."""
        said = {"see": self.section.value, "do": self.deed, "q": self.query, "module": self.module}
        found: dict[str, Any] = {name: value for name, value in said.items() if value}
        if self.section is PlanSection.CHANGES:
            del found["see"]
        if self.open:
            found["open"] = "all"
        return found | ({"from": self.begin} if self.begin else {})


def read_wish(arguments: Mapping[str, str]) -> ResourceFilter:
    """Parse it from a query; invalid values are ignored."""
    see, deed, begin = (arguments.get(name, "")[:20] for name in ("see", "do", "from"))
    return ResourceFilter(
        section=PlanSection(see) if see in set(PlanSection) else PlanSection.CHANGES,
        deed=deed if deed in set(ChangeKind) else "",
        query=arguments.get("q", "")[:200],
        module=arguments.get("module", "")[:1000],
        begin=int(begin) if begin.isascii() and begin.isdigit() else 0,
        open=arguments.get("open", "") == "all",
    )


def build(run_id: str, view: PlanView, wish: ResourceFilter) -> Resources | None:
    """Return all that a plan changes, as far as it was asked for; None if it changes nothing."""
    wish = replace(wish, section=PlanSection.CHANGES, open=False)
    changes = view.lists[PlanSection.CHANGES]
    outputs, drift = view.lists[PlanSection.OUTPUTS], view.lists[PlanSection.DRIFT]
    if not (changes or outputs or drift):
        return None
    return Resources(
        total=len(changes),
        filters=_filters(run_id, changes, wish),
        search_url=url_for("runs.show", run_id=run_id),
        query=wish.query,
        deed=wish.deed,
        module=harmless(wish.module),
        all_url=page_url(run_id, replace(wish, module="", begin=0)),
        expand_url=url_for("resources.listing", run_id=run_id, **replace(wish, open=True).arguments())
        if changes
        else "",
        list=part(run_id, view, wish),
        outputs=part(run_id, view, ResourceFilter(PlanSection.OUTPUTS), _BESIDE) if outputs else None,
        drift=part(run_id, view, ResourceFilter(PlanSection.DRIFT), _BESIDE) if drift else None,
    )


def part(run_id: str, view: PlanView, wish: ResourceFilter, most: int = PART) -> ResourceList:
    """Return a part of a section's changes as a tree."""
    changes = view.lists[wish.section]
    found = [number for number, change in enumerate(changes) if _wanted(change, wish)]
    shown = found[wish.begin : wish.begin + most]
    end = wish.begin + len(shown)
    along = wish.open or len(found) <= WITH_DETAILS
    rows = [
        (changes[n], row(run_id, wish.section, n, changes[n], _details_of(view, wish.section, n, along)))
        for n in shown
    ]
    counts = Counter(way for n in found for way in _ways(changes[n].module))
    left = len(found) - end
    return ResourceList(
        root=_tree(run_id, wish, rows, counts),
        words=_words(len(shown), wish.begin, len(found), len(changes)),
        more_url=url_for("resources.listing", run_id=run_id, **replace(wish, begin=end).arguments())
        if left > 0
        else "",
        more_words=f"Show {min(left, PART)} more of {left:,}",
        open=wish.open,
    )


def row(
    run_id: str, section: PlanSection, number: int, change: PlannedChange, details: Details | None
) -> ResourceDiff:
    """Return a change for the page."""
    kind, deed = KINDS[change.deed]
    name = change.name + (f" (deposed object {change.deposed})" if change.deposed else "")
    return ResourceDiff(
        anchor=f"{section.value}-{number}",
        symbol=change.symbol,
        kind=kind,
        deed=deed,
        name=harmless(name),
        address=harmless(change.address),
        notes=tuple(map(harmless, _notes(change))),
        url=url_for("resources.one", run_id=run_id, section=section.value, number=number),
        details=details,
    )


def details(change: PlannedChange, found: Attributes) -> Details:
    """Return the attributes of a change for the page."""
    rest = [f"{found.unchanged} unchanged"] if found.unchanged else []
    rest += [f"{found.more} more that are not listed here"] if found.more else []
    none = "" if found.changed else _nothing(change)
    return Details(tuple(map(_attribute, found.changed)), " · ".join(rest), none)


def _details_of(view: PlanView, section: PlanSection, number: int, along: bool) -> Details | None:
    if not along:
        return None
    return details(view.lists[section][number], view.attributes(section, number))


def _nothing(change: PlannedChange) -> str:
    match change.deed:
        case ChangeKind.MOVE:
            return "Only its address changes."
        case ChangeKind.IMPORT:
            return "It is imported without changes."
        case ChangeKind.READ:
            return "It is read during the apply."
        case _:
            return "The plan names no attribute."


def _notes(change: PlannedChange) -> Iterator[str]:
    if change.forced_by:
        yield f"forced by {', '.join(change.forced_by)}"
    if change.reason:
        yield change.reason
    if change.previous_address:
        yield f"moved from {change.previous_address}"
    if change.import_id:
        yield f"imported from {change.import_id}"


def _wanted(change: PlannedChange, wish: ResourceFilter) -> bool:
    if wish.deed and change.deed.value != wish.deed:
        return False
    if wish.module and not f"{change.module}.".startswith(f"{wish.module}."):
        return False
    if not wish.query:
        return True
    text = " ".join((change.address, change.deed.value, *_notes(change))).casefold()
    return all(word in text for word in wish.query.casefold().split())


def _filters(run_id: str, changes: Sequence[PlannedChange], wish: ResourceFilter) -> tuple[Filter, ...]:
    others = replace(wish, deed="", begin=0)
    within = [change for change in changes if _wanted(change, others)]
    counts = Counter(change.deed for change in within)
    found = [Filter("All", page_url(run_id, others), len(within), not wish.deed)]
    for deed in ChangeKind:
        if counts[deed] or wish.deed == deed.value:
            url = page_url(run_id, replace(others, deed=deed.value))
            found.append(Filter(KINDS[deed][1], url, counts[deed], wish.deed == deed.value))
    return tuple(found)


def page_url(run_id: str, wish: ResourceFilter) -> str:
    """Return the address of the run's page with the changes that a filter asks for."""
    return url_for("runs.show", run_id=run_id, **wish.arguments()) + "#resources"


def _words(shown: int, begin: int, found: int, total: int) -> str:
    if not total:
        return "No resource changes."
    if not found:
        return "Nothing fits."
    if shown == found == total:
        return ""
    of = f"{found:,}" if found == total else f"{found:,} that fit, of {total:,}"
    return of.capitalize() if shown == found else f"{begin + 1:,} to {begin + shown:,} of {of}"


# --- the tree -----------------------------------------------------------------------------------------------


def _way(module: str) -> tuple[str, ...]:
    return modules_of(module)[:_DEEPEST]


def _ways(module: str) -> Iterator[tuple[str, ...]]:
    """Yield a module and its parents, each as the list of names on its path."""
    way = _way(module)
    for length in range(len(way) + 1):
        yield way[:length]


def _tree(
    run_id: str,
    wish: ResourceFilter,
    rows: Sequence[tuple[PlannedChange, ResourceDiff]],
    counts: Mapping[tuple[str, ...], int],
) -> ModuleNode:
    """Lay rows, which come in the order of the tree, out as a tree."""
    own: dict[tuple[str, ...], list[ResourceDiff]] = {(): []}
    for change, shown in rows:
        for way in _ways(change.module):
            own.setdefault(way, [])
        own[_way(change.module)].append(shown)
    within: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for way in own:
        if way:
            within.setdefault(way[:-1], []).append(way)

    def node(way: tuple[str, ...]) -> ModuleNode:
        return ModuleNode(
            name=harmless(way[-1]) if way else "",
            url=page_url(run_id, replace(wish, module=".".join(way), begin=0)),
            count=counts[way],
            rows=tuple(own[way]),
            modules=tuple(map(node, within.get(way, ()))),
        )

    return node(())


# --- attributes ---------------------------------------------------------------------------------------------


def _attribute(found: AttributeChange) -> AttributeDiff:
    lines: tuple[DiffRow, ...] = ()
    if found.form is not AttributeForm.LINE:
        lines = tuple(
            DiffRow(_SIDES[line.side], line.side.value, harmless(line.text))
            for line in line_diff(found.before, found.after)
        )
    return AttributeDiff(
        sign=found.sign,
        kind=_SIGNS[found.sign],
        name=harmless(found.name) or "value",
        before=_shown(found.before, lines),
        after=_shown(found.after, lines),
        lines=lines,
        note=_NOTES[found.form],
        forces=found.forces,
    )


def _shown(value: str | None, lines: tuple[DiffRow, ...]) -> str | None:
    return None if value is None or lines else harmless(value)
