"""The view of a plan that pages show. It is stored with the plan, because the plan's JSON may be very large.

It is masked at creation (promise 6) and encrypted like all files of a run. The list of ten thousand changes
can be read at once, and the attributes of a few without those of the others. The format: the length of the
list, the list, and then chunks with the attributes of some changes each. All of it is compressed JSON.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.domain.errors import EngineError
from bot.domain.plans.attributes import AttributeChange, AttributeForm, Attributes
from bot.domain.plans.plan import load_plan_json
from bot.domain.plans.view import ChangeKind, PlannedChange, PlanSection, plan_view
from bot.domain.runs.masking import TextMasker
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import ArtifactKind, Store, Transaction

_PIECE = 40
_LENGTH = 4


class PlanView:
    """A stored view. `lists` has the changes of each section. Attributes are read on demand."""

    def __init__(self, raw: bytes) -> None:
        size = int.from_bytes(raw[:_LENGTH])
        head = json.loads(zlib.decompress(raw[_LENGTH : _LENGTH + size]))
        self._pieces = raw[_LENGTH + size :]
        self._ends: list[int] = head["ends"]
        self._read: dict[int, list[Any]] = {}
        self.lists: Mapping[PlanSection, Sequence[PlannedChange]] = {
            section: tuple(map(_read_change, head["lists"][section.value])) for section in PlanSection
        }

    def attributes(self, section: PlanSection, number: int) -> Attributes:
        """Return the attributes of a section's change, counted from 0. Raises IndexError."""
        if not 0 <= number < len(self.lists[section]):
            raise IndexError(number)
        before = list(PlanSection)[: list(PlanSection).index(section)]
        place = sum(len(self.lists[each]) for each in before) + number
        changed, unchanged, more = self._piece(place // _PIECE)[place % _PIECE]
        return Attributes(tuple(_read_attribute(each) for each in changed), unchanged, more)

    def _piece(self, number: int) -> list[Any]:
        if number not in self._read:
            begin = self._ends[number - 1] if number else 0
            self._read[number] = json.loads(zlib.decompress(self._pieces[begin : self._ends[number]]))
        return self._read[number]


def packed(document: Mapping[str, Any], secrets: Sequence[str]) -> bytes:
    """Return the view of a plan's JSON, in the stored format."""
    hider = TextMasker(secrets)
    lists: dict[str, list[Any]] = {section.value: [] for section in PlanSection}
    rows: list[Any] = []
    for section, change, attributes in plan_view(document, hider.hide if secrets else None):
        shown, inner = _hidden(hider, change, attributes)
        lists[section.value].append(_change_row(shown))
        rows.append([[_attribute_row(each) for each in inner.changed], inner.unchanged, inner.more])
    pieces = [_squeezed(rows[begin : begin + _PIECE]) for begin in range(0, len(rows), _PIECE)]
    ends, end = [], 0
    for piece in pieces:
        end += len(piece)
        ends.append(end)
    head = _squeezed({"lists": lists, "ends": ends})
    return b"".join([len(head).to_bytes(_LENGTH), head, *pieces])


class PlanViews:
    """Finds the view of a run's plan."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of(self, run_id: str) -> PlanView | None:
        """Return the view. None if the run has no readable plan.

        Creates the view of a plan that was stored without one. Raises NotFound.
        """
        with self._store.reading() as tx:
            tx.runs.get(run_id)
            if kept := tx.artifacts.get(run_id, ArtifactKind.PLAN_VIEW):
                return PlanView(kept)
            raw = _made(tx, run_id)
        if raw is None:
            return None
        with self._store.transaction() as tx:
            tx.artifacts.put(run_id, ArtifactKind.PLAN_VIEW, raw)
        return PlanView(raw)


def _made(tx: Transaction, run_id: str) -> bytes | None:
    plan_json = tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON)
    if not plan_json:
        return None
    try:
        return packed(load_plan_json(plan_json), secrets_of_run(tx, run_id))
    except EngineError:
        return None


def _squeezed(data: Any) -> bytes:
    return zlib.compress(
        json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    )


def _hidden(
    hider: TextMasker, change: PlannedChange, attributes: Attributes
) -> tuple[PlannedChange, Attributes]:
    """Return a change without secret values of the run's variables. `for_each` keys are in names."""
    texts = [change.address, change.module, change.previous_address, change.import_id, change.deposed]
    texts += change.forced_by
    for each in attributes.changed:
        texts += [each.name, each.before or "", each.after or ""]
    if not hider.finds(texts):
        return change, attributes
    hide = hider.hide
    module = hide(change.module)
    name = hide(change.name)
    shown = replace(
        change,
        address=f"{module}.{name}" if module else name,
        module=module,
        previous_address=hide(change.previous_address),
        import_id=hide(change.import_id),
        forced_by=tuple(map(hide, change.forced_by)),
        deposed=hide(change.deposed),
    )
    rows = tuple(
        replace(
            each,
            name=hide(each.name),
            before=None if each.before is None else hide(each.before),
            after=None if each.after is None else hide(each.after),
        )
        for each in attributes.changed
    )
    return shown, replace(attributes, changed=rows)


def _change_row(it: PlannedChange) -> list[Any]:
    where = [it.deed.value, it.symbol, it.address, it.module, it.previous_address, it.import_id]
    return [*where, it.reason, list(it.forced_by), it.deposed]


def _read_change(row: Sequence[Any]) -> PlannedChange:
    deed, symbol, address, module, previous, import_id, reason, forced, deposed = row
    return PlannedChange(
        ChangeKind(deed), symbol, address, module, previous, import_id, reason, tuple(forced), deposed
    )


def _attribute_row(it: AttributeChange) -> list[Any]:
    return [it.name, it.before, it.after, it.form.value, it.forces]


def _read_attribute(row: Sequence[Any]) -> AttributeChange:
    name, before, after, form, forces = row
    return AttributeChange(name, before, after, AttributeForm(form), forces)
