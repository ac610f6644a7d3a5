"""The list of what a plan changes: a tree of modules, narrowed and cut into parts, so that it may be long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flask import url_for

from bot.domain.attributes import AttributeChange, Attributes, Form
from bot.domain.line_diff import Side, line_diff
from bot.domain.plan_view import Change, Deed, Section, modules_of
from bot.services.plan_views import PlanView
from bot.web.output import harmless
from bot.web.pages import Filter
from bot.web.resource_context import (
    AttributeRow,
    Details,
    DiffRow,
    ModuleNode,
    ResourceList,
    ResourceRow,
    Resources,
)

PART = 200
"""How many changes come at once."""

WITH_DETAILS = 20
"""Of how many changes the attributes come along, in place of when somebody opens them."""

_BESIDE = 50
_DEEPEST = 40

_KINDS: dict[Deed, tuple[str, str]] = {
    Deed.CREATE: ("add", "Create"),
    Deed.UPDATE: ("change", "Update"),
    Deed.REPLACE: ("replace", "Replace"),
    Deed.DESTROY: ("destroy", "Destroy"),
    Deed.IMPORT: ("import", "Import"),
    Deed.MOVE: ("move", "Move"),
    Deed.FORGET: ("forget", "Forget"),
    Deed.READ: ("read", "Read"),
}
_SIGNS = {"+": "add", "-": "destroy", "~": "change"}
_SIDES = {Side.AFTER: "add", Side.BEFORE: "destroy", Side.SKIPPED: "skipped", Side.BOTH: ""}
_NOTES = {Form.JSON: "JSON, laid out to compare", Form.TEXT: "", Form.LIST: "", Form.LINE: ""}


@dataclass(frozen=True)
class Wish:
    """Which changes somebody wants to see: of a section, by deed, words and module, from where on."""

    section: Section = Section.CHANGES
    deed: str = ""
    query: str = ""
    module: str = ""
    begin: int = 0

    def arguments(self) -> dict[str, Any]:
        """Return what of it an address has to say."""
        said = {"see": self.section.value, "do": self.deed, "q": self.query, "module": self.module}
        found: dict[str, Any] = {name: value for name, value in said.items() if value}
        if self.section is Section.CHANGES:
            del found["see"]
        return found | ({"from": self.begin} if self.begin else {})


def read_wish(arguments: Mapping[str, str]) -> Wish:
    """Read it from a query; what makes no sense is left out."""
    see, deed, begin = (arguments.get(name, "")[:20] for name in ("see", "do", "from"))
    return Wish(
        section=Section(see) if see in set(Section) else Section.CHANGES,
        deed=deed if deed in set(Deed) else "",
        query=arguments.get("q", "")[:200],
        module=arguments.get("module", "")[:1000],
        begin=int(begin) if begin.isascii() and begin.isdigit() else 0,
    )


def build(run_id: str, view: PlanView, wish: Wish) -> Resources | None:
    """Return all that a plan changes, as far as it was asked for; None where it changes nothing."""
    wish = replace(wish, section=Section.CHANGES)
    changes = view.lists[Section.CHANGES]
    outputs, drift = view.lists[Section.OUTPUTS], view.lists[Section.DRIFT]
    if not (changes or outputs or drift):
        return None
    return Resources(
        total=len(changes),
        filters=_filters(run_id, changes, wish),
        search_url=url_for("runs.show", run_id=run_id),
        query=wish.query,
        deed=wish.deed,
        module=harmless(wish.module),
        all_url=_page_url(run_id, replace(wish, module="", begin=0)),
        list=part(run_id, view, wish),
        outputs=part(run_id, view, Wish(Section.OUTPUTS), _BESIDE) if outputs else None,
        drift=part(run_id, view, Wish(Section.DRIFT), _BESIDE) if drift else None,
    )


def part(run_id: str, view: PlanView, wish: Wish, most: int = PART) -> ResourceList:
    """Return a part of a section's changes as a tree."""
    changes = view.lists[wish.section]
    found = [number for number, change in enumerate(changes) if _wanted(change, wish)]
    shown = found[wish.begin : wish.begin + most]
    end = wish.begin + len(shown)
    along = len(found) <= WITH_DETAILS
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
    )


def row(run_id: str, section: Section, number: int, change: Change, details: Details | None) -> ResourceRow:
    """Return a change for the page."""
    kind, deed = _KINDS[change.deed]
    name = change.name + (f" (deposed object {change.deposed})" if change.deposed else "")
    return ResourceRow(
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


def details(change: Change, found: Attributes) -> Details:
    """Return what a change does to the attributes, for the page."""
    rest = [f"{found.unchanged} unchanged"] if found.unchanged else []
    rest += [f"{found.more} more that are not listed here"] if found.more else []
    none = "" if found.changed else _nothing(change)
    return Details(tuple(map(_attribute, found.changed)), " · ".join(rest), none)


def _details_of(view: PlanView, section: Section, number: int, along: bool) -> Details | None:
    if not along:
        return None
    return details(view.lists[section][number], view.attributes(section, number))


def _nothing(change: Change) -> str:
    match change.deed:
        case Deed.MOVE:
            return "Only its address changes."
        case Deed.IMPORT:
            return "It is brought under management as it is."
        case Deed.READ:
            return "It is read during the apply."
        case _:
            return "No attribute is told of."


def _notes(change: Change) -> Iterator[str]:
    if change.forced_by:
        yield f"forced by {', '.join(change.forced_by)}"
    if change.reason:
        yield change.reason
    if change.previous_address:
        yield f"moved from {change.previous_address}"
    if change.import_id:
        yield f"imported from {change.import_id}"


def _wanted(change: Change, wish: Wish) -> bool:
    if wish.deed and change.deed.value != wish.deed:
        return False
    if wish.module and not f"{change.module}.".startswith(f"{wish.module}."):
        return False
    if not wish.query:
        return True
    text = " ".join((change.address, change.deed.value, *_notes(change))).casefold()
    return all(word in text for word in wish.query.casefold().split())


def _filters(run_id: str, changes: Sequence[Change], wish: Wish) -> tuple[Filter, ...]:
    others = replace(wish, deed="", begin=0)
    within = [change for change in changes if _wanted(change, others)]
    counts = Counter(change.deed for change in within)
    found = [Filter("All", _page_url(run_id, others), len(within), not wish.deed)]
    for deed in Deed:
        if counts[deed] or wish.deed == deed.value:
            url = _page_url(run_id, replace(others, deed=deed.value))
            found.append(Filter(_KINDS[deed][1], url, counts[deed], wish.deed == deed.value))
    return tuple(found)


def _page_url(run_id: str, wish: Wish) -> str:
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
    """Give a module and all that it is within, each as the names on the way to it."""
    way = _way(module)
    for length in range(len(way) + 1):
        yield way[:length]


def _tree(
    run_id: str,
    wish: Wish,
    rows: Sequence[tuple[Change, ResourceRow]],
    counts: Mapping[tuple[str, ...], int],
) -> ModuleNode:
    """Lay rows, which come in the order of the tree, out as a tree."""
    own: dict[tuple[str, ...], list[ResourceRow]] = {(): []}
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
            url=_page_url(run_id, replace(wish, module=".".join(way), begin=0)),
            count=counts[way],
            rows=tuple(own[way]),
            modules=tuple(map(node, within.get(way, ()))),
        )

    return node(())


# --- attributes ---------------------------------------------------------------------------------------------


def _attribute(found: AttributeChange) -> AttributeRow:
    lines: tuple[DiffRow, ...] = ()
    if found.form is not Form.LINE:
        lines = tuple(
            DiffRow(_SIDES[line.side], line.side.value, harmless(line.text))
            for line in line_diff(found.before, found.after)
        )
    return AttributeRow(
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
