"""View model of the difference between a plan and the approved one: a sentence, and a folded table."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.plans.delta import AttributeDelta, DeltaKind, DeltaRow
from bot.domain.reports.report import WorkspaceSection
from bot.rendering.escape import Markdown, cell, code, html, plain

_ADDRESS = 160
# Longer than what the comparison shows of a text: it is cut there, around what differs.
_VALUE = 400
_MOST_ATTRIBUTES = 5
_KINDS = {DeltaKind.ADDED: "new", DeltaKind.REMOVED: "gone", DeltaKind.ALTERED: "other values"}


@dataclass(frozen=True)
class DeltaLine:
    """One resource's line in the table."""

    kind: Markdown
    address: Markdown
    says: Markdown


@dataclass(frozen=True)
class DeltaPart:
    """The differences in a workspace since its plan was approved; `more` lines don't fit."""

    name: Markdown
    sentence: Markdown
    title: Markdown
    rows: tuple[DeltaLine, ...]
    more: int


def delta_part(section: WorkspaceSection, most: int) -> DeltaPart:
    """Return the view model of a section's delta, with at most so many lines."""
    shown = section.delta[:most]
    return DeltaPart(
        name=plain(section.workspace.name),
        sentence=code(section.run.delta, 400),
        title=html(f"What differs, in {section.workspace.name}"),
        rows=tuple(_line(row) for row in shown),
        more=len(section.delta) - len(shown),
    )


def _line(row: DeltaRow) -> DeltaLine:
    return DeltaLine(
        kind=cell(plain(_KINDS[row.kind])),
        address=cell(Markdown(f"{code(row.symbol)} {code(row.address, _ADDRESS)}")),
        says=cell(_says(row)),
    )


def _says(row: DeltaRow) -> Markdown:
    parts = [_attribute(each) for each in row.attributes[:_MOST_ATTRIBUTES]]
    if more := len(row.attributes) - len(parts) + row.more:
        parts.append(Markdown(f"and {more} more"))
    return Markdown("<br>".join(parts))


def _attribute(attribute: AttributeDelta) -> Markdown:
    name = code(attribute.name, _ADDRESS)
    if not attribute.before and not attribute.after:
        return Markdown(f"{name} (sensitive)")
    return Markdown(f"{name}: {code(attribute.before, _VALUE)} → {code(attribute.after, _VALUE)}")
