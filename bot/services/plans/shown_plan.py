"""A run's plan as people may see it: sensitive values in resource addresses are hidden too (promise 6).

Terraform writes a `for_each` key into the address. Its output is masked. The plan's JSON is not, because the
digest and the policies need it unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.domain.plans.delta import DeltaRow, delta
from bot.domain.plans.plan import Plan, ResourceChange, load_plan_json, read_plan
from bot.domain.runs.masking import TextMasker, mask
from bot.services.plans.snapshot import secrets_of_run
from bot.services.ports import ArtifactKind, Transaction


def shown_plan(tx: Transaction, run_id: str) -> Plan | None:
    """Return the changes in a run's plan. None if it has no plan. Raises EngineError if it is unreadable."""
    raw = tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON)
    return shown_plan_of(tx, run_id, load_plan_json(raw)) if raw else None


def shown_plan_of(tx: Transaction, run_id: str, document: Mapping[str, Any]) -> Plan:
    """Return the changes in the decoded JSON of a run's plan."""
    plan, secrets = read_plan(document), secrets_of_run(tx, run_id)
    if not secrets:
        return plan
    return replace(
        plan,
        resources=tuple(_hidden(each, secrets) for each in plan.resources),
        drift=tuple(_hidden(each, secrets) for each in plan.drift),
    )


def shown_delta(tx: Transaction, before: str, now: str) -> tuple[DeltaRow, ...] | None:
    """Return the difference between two runs' plans. None if one of them has no plan."""
    plans = [tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON) for run_id in (before, now)]
    if not all(plans):
        return None
    secrets = tuple(dict.fromkeys((*secrets_of_run(tx, before), *secrets_of_run(tx, now))))
    hide = TextMasker(secrets).hide if secrets else None
    old, new = (load_plan_json(raw or b"") for raw in plans)
    rows = delta(old, new, hide)
    return tuple(_hidden_row(row, secrets) for row in rows) if secrets else rows


def _hidden_row(row: DeltaRow, secrets: tuple[str, ...]) -> DeltaRow:
    attributes = tuple(
        replace(each, before=mask(each.before, secrets), after=mask(each.after, secrets))
        for each in row.attributes
    )
    return replace(row, address=mask(row.address, secrets), attributes=attributes)


def _hidden(resource: ResourceChange, secrets: tuple[str, ...]) -> ResourceChange:
    return replace(
        resource,
        address=mask(resource.address, secrets),
        previous_address=mask(resource.previous_address, secrets),
    )
