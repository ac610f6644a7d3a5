"""What reports tell of a run's plan, derived once and kept beside it: reports read it, and no plan again.

It comes from the plan's JSON and its text (promise 1), masked (promise 6). A report renders it, and escapes
all of it, each time (promise 5).
"""

from __future__ import annotations

import json
import zlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.domain.plans.at_apply import AtApply, RunsAtApply
from bot.domain.plans.delta import AttributeDelta, DeltaKind, DeltaRow
from bot.domain.plans.diagnostics import apply_text, errors_text, tail, warnings_text
from bot.domain.plans.likeness import likeness
from bot.domain.plans.plan import ResourceChange, load_plan_json
from bot.domain.runs.run import Run
from bot.services.plans.plan_inputs import saved_inputs
from bot.services.plans.plan_text import kept_text
from bot.services.plans.shown_plan import shown_plan_of
from bot.services.ports import ArtifactKind, Transaction

# Raise it whenever other facts are derived, or are derived in another way: then all are derived again.
_FORM = 3
# Characters that a process keeps in memory.
_MOST_KEPT = 8_000_000
# Bytes of a plan's JSON that is compared with those of other workspaces: a longer one has a fold of its own.
_MOST_COMPARED = 4_000_000


@dataclass(frozen=True)
class PlanFacts:
    """What a finished plan says. `diff` is its text; `errors` and `warnings` are Terraform's own, hostile.

    `state` names the version of the state that it read, and `addresses` the resources that it concerns.
    `applied` are the end of the apply's output and its errors, hostile too; None if they were not read.
    `overlaps` are, by the run of another change, the resources that both plan to change, in words.
    `deltas` are, by the run whose plan was approved, what differs from that plan.
    `likeness` is the same for plans of other workspaces that are the same but for names; empty if unknown.
    """

    resources: tuple[ResourceChange, ...] = ()
    drift: tuple[ResourceChange, ...] = ()
    diff: str = ""
    at_apply: tuple[RunsAtApply, ...] = ()
    warnings: str = ""
    errors: str = ""
    state: str = ""
    backend: str = ""
    addresses: tuple[str, ...] = ()
    overlaps: Mapping[str, str] = field(default_factory=dict)
    deltas: Mapping[str, tuple[DeltaRow, ...]] = field(default_factory=dict)
    applied: tuple[str, str] | None = None
    likeness: str = ""

    @property
    def size(self) -> int:
        """About how many characters it has."""
        texts = (self.diff, self.warnings, self.errors, *(self.applied or ()))
        return sum(map(len, texts)) + 200 * len(self.addresses) + 2000


NOTHING = PlanFacts()


def has_facts(run: Run) -> bool:
    """Whether a run's plan has ended, so that its facts stay as they are."""
    return bool(run.has_changes) or run.final


def facts_key(run: Run) -> str:
    """Return what a run's facts are derived from: another plan of the run has another key."""
    return f"{_FORM} {run.plan_status.value} {run.has_changes} {run.digest}"


def derived_facts(tx: Transaction, run: Run) -> PlanFacts:
    """Read a run's plan, its text and its output. Raises EngineError if the plan can't be read."""
    output = tx.artifacts.output(run.id, "plan")
    basis = saved_inputs(tx, run.id)
    raw = tx.artifacts.get(run.id, ArtifactKind.PLAN_JSON) if run.has_changes else None
    document = load_plan_json(raw) if raw else None
    plan = shown_plan_of(tx, run.id, document) if document is not None else None
    text = kept_text(tx, run.id) if run.has_changes else None
    return PlanFacts(
        resources=plan.resources if plan else (),
        drift=plan.drift if plan else (),
        diff=text.diff() if text else "",
        at_apply=text.at_apply if text else (),
        warnings=warnings_text(output),
        errors=errors_text(output),
        state=basis.state if basis else "",
        backend=basis.backend if basis else "",
        addresses=basis.addresses if basis else (),
        likeness=_likeness(tx, run, raw) if raw and len(raw) <= _MOST_COMPARED else "",
    )


def _likeness(tx: Transaction, run: Run, raw: bytes) -> str:
    workspace = tx.workspaces.get(run.workspace_id)
    return likeness(load_plan_json(raw, exact=True), workspace.name, workspace.working_directory)


def applied_facts(tx: Transaction, run: Run) -> tuple[str, str]:
    """Read the output of a run's apply that has ended: its last lines, and Terraform's errors in it."""
    output = tx.artifacts.output(run.id, "apply")
    return tail(apply_text(output)), errors_text(output)


class FactsMemory:
    """The facts that this process has read lately: the workers of reports need not decrypt them again."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        self._most = most
        self._size = 0
        self._found: OrderedDict[str, tuple[str, PlanFacts]] = OrderedDict()

    def get(self, run: Run) -> PlanFacts | None:
        """Return a run's facts, None if they are not here."""
        key, facts = self._found.get(run.id, ("", None))
        if facts is None or key != facts_key(run):
            return None
        self._found.move_to_end(run.id)
        return facts

    def put(self, run: Run, facts: PlanFacts) -> None:
        """Keep a run's facts. Those that were used the longest time ago make room."""
        _, before = self._found.pop(run.id, ("", None))
        self._size += facts.size - (before.size if before else 0)
        self._found[run.id] = (facts_key(run), facts)
        while self._size > self._most:
            _, (_, oldest) = self._found.popitem(last=False)
            self._size -= oldest.size


@dataclass(frozen=True)
class KeptFacts:
    """Facts that are not stored yet."""

    run: Run
    facts: PlanFacts


def packed_facts(found: KeptFacts) -> bytes:
    """Return facts as they are stored beside their plan, encrypted as it is."""
    document = [facts_key(found.run), _packed(found.facts)]
    return zlib.compress(json.dumps(document, separators=(",", ":")).encode(), 1)


def kept_facts(run: Run, data: bytes) -> PlanFacts | None:
    """Read stored facts. None if they are those of another plan, or of another version of Plangate."""
    key, document = json.loads(zlib.decompress(data))
    return _unpacked(document) if key == facts_key(run) else None


def _packed(facts: PlanFacts) -> dict[str, Any]:
    return {
        "resources": [_of_resource(each) for each in facts.resources],
        "drift": [_of_resource(each) for each in facts.drift],
        "diff": facts.diff,
        "at_apply": [[each.kind.value, each.address, each.detail] for each in facts.at_apply],
        "warnings": facts.warnings,
        "errors": facts.errors,
        "state": facts.state,
        "backend": facts.backend,
        "addresses": facts.addresses,
        "overlaps": dict(facts.overlaps),
        "applied": facts.applied,
        "likeness": facts.likeness,
        "deltas": {run_id: [_of_row(row) for row in rows] for run_id, rows in facts.deltas.items()},
    }


def _unpacked(document: Mapping[str, Any]) -> PlanFacts:
    return PlanFacts(
        resources=tuple(map(_resource, document["resources"])),
        drift=tuple(map(_resource, document["drift"])),
        diff=document["diff"],
        at_apply=tuple(RunsAtApply(AtApply(kind), *rest) for kind, *rest in document["at_apply"]),
        warnings=document["warnings"],
        errors=document["errors"],
        state=document["state"],
        backend=document["backend"],
        addresses=tuple(document["addresses"]),
        overlaps=document["overlaps"],
        applied=tuple(document["applied"]) if document["applied"] else None,
        deltas={run_id: tuple(map(_row, rows)) for run_id, rows in document["deltas"].items()},
        likeness=document["likeness"],
    )


def _of_resource(each: ResourceChange) -> list[Any]:
    return [each.address, each.actions, each.previous_address, each.importing]


def _resource(stored: Sequence[Any]) -> ResourceChange:
    address, actions, previous, importing = stored
    return ResourceChange(address, tuple(actions), previous, importing)


def _of_row(row: DeltaRow) -> list[Any]:
    attributes = [[each.name, each.before, each.after] for each in row.attributes]
    return [row.kind.value, row.symbol, row.address, attributes, row.more]


def _row(stored: Sequence[Any]) -> DeltaRow:
    kind, symbol, address, attributes, more = stored
    return DeltaRow(
        DeltaKind(kind), symbol, address, tuple(AttributeDelta(*each) for each in attributes), more
    )
