"""A run's plan as it may be shown: a sensitive value in a resource's address is hidden there too (promise 6).

Terraform writes a `for_each` key into the address, and what it prints is masked; the plan's JSON is not, for
the digest and the policies need it as it is.
"""

from __future__ import annotations

from dataclasses import replace

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
    return replace(plan, resources=tuple(_hidden(each, secrets) for each in plan.resources))


def _hidden(resource: ResourceChange, secrets: tuple[str, ...]) -> ResourceChange:
    return replace(
        resource,
        address=mask(resource.address, secrets),
        previous_address=mask(resource.previous_address, secrets),
    )
