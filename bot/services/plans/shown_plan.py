"""A run's plan as it may be shown: a sensitive value in a resource's address is hidden there too (promise 6).

Terraform writes a `for_each` key into the address, and what it prints is masked; the plan's JSON is not, for
the digest and the policies need it as it is.
"""

from __future__ import annotations

from dataclasses import replace

from bot.domain.delta import DeltaRow, delta
from bot.domain.masking import mask
from bot.domain.plan import Plan, ResourceChange, load_plan_json, read_plan
from bot.services.ports import ArtifactKind, Transaction
from bot.services.snapshot import secrets_of_run


def shown_plan(tx: Transaction, run_id: str) -> Plan | None:
    """Return what a run's plan changes, None where it has none. Raises EngineError where it is unreadable."""
    raw = tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON)
    if not raw:
        return None
    plan, secrets = read_plan(load_plan_json(raw)), secrets_of_run(tx, run_id)
    if not secrets:
        return plan
    return replace(
        plan,
        resources=tuple(_hidden(each, secrets) for each in plan.resources),
        drift=tuple(_hidden(each, secrets) for each in plan.drift),
    )


def shown_delta(tx: Transaction, before: str, now: str) -> tuple[DeltaRow, ...] | None:
    """Return what a run's plan does that another's did not, None where one of them has none."""
    plans = [tx.artifacts.get(run_id, ArtifactKind.PLAN_JSON) for run_id in (before, now)]
    if not all(plans):
        return None
    rows = delta(*(load_plan_json(raw or b"") for raw in plans))
    secrets = tuple(dict.fromkeys((*secrets_of_run(tx, before), *secrets_of_run(tx, now))))
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
