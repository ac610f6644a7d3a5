"""The differences between two versions of a state, without secrets (promise 6)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from bot.domain.errors import EngineError
from bot.domain.plans.attributes import Attributes
from bot.domain.plans.plan import load_plan_json
from bot.domain.runs.lifecycle import StageStatus
from bot.domain.runs.masking import TextMasker
from bot.domain.states.diff import Marks, StateChangeKind, compare, marks_of, together
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import ArtifactKind, RunQuery, StateVersion, Transaction

# How many of the latest runs are searched for one with a plan.
_LOOKED_AT = 10


@dataclass(frozen=True)
class StateDifference:
    """A resource or an output that differs. `untold` says that its values are hidden in any case."""

    kind: StateChangeKind
    address: str
    attributes: Attributes
    untold: bool = False


@dataclass(frozen=True)
class StateComparison:
    """Two versions and their differences: all outputs, one page of resources. `counts` cover everything."""

    before: StateVersion
    now: StateVersion
    counts: Mapping[StateChangeKind, int]
    same: int
    outputs: tuple[StateDifference, ...]
    resources: tuple[StateDifference, ...]


def compared(
    tx: Transaction, before: StateVersion, now: StateVersion, *, offset: int, limit: int
) -> StateComparison:
    """Compare two versions of one workspace, and return the resources from `offset` on."""
    runs = tuple(dict.fromkeys(_runs(tx, before, now)))
    found = compare(tx.states.data(before.id), tx.states.data(now.id), together(_marks(tx, runs)))
    hider = _hider(tx, runs)
    return StateComparison(
        before,
        now,
        counts=Counter(each.kind for each in found.resources),
        same=found.same,
        outputs=tuple(
            _hidden(hider, StateDifference(each.kind, each.name, each.attributes)) for each in found.outputs
        ),
        resources=tuple(
            _hidden(hider, StateDifference(each.kind, each.address, each.attributes(), each.told is None))
            for each in found.resources[offset : offset + limit]
        ),
    )


@dataclass(frozen=True)
class StateInstances:
    """The instances of a resource in a version: one page of them, and how many there are."""

    version: StateVersion
    total: int
    instances: tuple[StateDifference, ...]


def instances_of(
    tx: Transaction, version: StateVersion, address: str, *, offset: int, limit: int
) -> StateInstances:
    """Return the instances of a resource from `offset` on, without secrets: compared with nothing."""
    runs = tuple(dict.fromkeys(_runs(tx, version, version)))
    found = compare(b"", tx.states.data(version.id), together(_marks(tx, runs))).resources
    mine = [
        each
        for each in found
        if each.address == address or each.address.startswith((f"{address}[", f"{address} (deposed"))
    ]
    hider = _hider(tx, runs)
    shown = (
        StateDifference(each.kind, each.address, each.attributes(), each.told is None)
        for each in mine[offset : offset + limit]
    )
    return StateInstances(version, len(mine), tuple(_hidden(hider, each) for each in shown))


def _hider(tx: Transaction, runs: tuple[str, ...]) -> TextMasker:
    return TextMasker(
        tuple(dict.fromkeys(secret for run_id in runs for secret in secrets_of_run(tx, run_id)))
    )


def _runs(tx: Transaction, before: StateVersion, now: StateVersion) -> Iterator[str]:
    """The runs whose plans say which values are sensitive: those of the versions, and the latest."""
    yield from (version.run_id for version in (before, now) if version.run_id)
    for run in tx.runs.find(RunQuery(workspace_id=now.workspace_id, limit=_LOOKED_AT)):
        if run.plan_status is StageStatus.FINISHED:
            yield run.id
            return


def _marks(tx: Transaction, runs: tuple[str, ...]) -> Iterator[Marks]:
    for run_id in runs:
        raw = tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON)
        try:
            if raw:
                yield marks_of(load_plan_json(raw))
        except EngineError:
            continue


def _hidden(hider: TextMasker, each: StateDifference) -> StateDifference:
    rows = each.attributes.changed
    texts = [text for row in rows for text in (row.name, row.before or "", row.after or "")]
    if not hider.finds([each.address, *texts]):
        return each
    hide = hider.hide
    changed = tuple(
        replace(
            row,
            name=hide(row.name),
            before=None if row.before is None else hide(row.before),
            after=None if row.after is None else hide(row.after),
        )
        for row in rows
    )
    return replace(each, address=hide(each.address), attributes=replace(each.attributes, changed=changed))
