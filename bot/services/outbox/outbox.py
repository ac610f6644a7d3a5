"""Keeps that an apply wants runs in other workspaces, as deliveries of our own; see `following`."""

from __future__ import annotations

import json
from datetime import datetime

from bot.domain.run import Run
from bot.domain.run_triggers import followers, why_circular
from bot.services.ports import Delivery, Transaction

# No forge has an empty name, so nothing that comes from outside can pass for one of these.
OURS = ""
APPLIED = "applied"
# A plan is to be held against an approval that was kept.
PLANNED = "planned"
# What an apply needs is to be asked again, of a run that goes on by itself if nothing is missing.
ASKED = "asked"
# The plans of other changes are outdated.
OUTDATED = "outdated"


def want_followers(tx: Transaction, run: Run, at: datetime) -> list[str]:
    """Keep, in the transaction that marks a run applied, which runs it calls for; return the deliveries."""
    workspaces = tx.workspaces.all()
    source = tx.workspaces.get(run.workspace_id)
    found = followers(source, workspaces)
    circle = why_circular(source, workspaces) if found else ""
    made = []
    for follower in found:
        body = json.dumps({"run": run.id, "workspace": follower.id}).encode()
        delivery = Delivery(
            f"applied:{run.id}:{follower.id}", OURS, APPLIED, {}, body, at, repo=follower.repo.path
        )
        if not tx.deliveries.add(delivery):
            continue
        if circle:
            why = f"run triggers go round in a circle ({circle}): nothing is started"
            line = {"outcome": "nothing", "reason": why, "workspace": follower.name}
            tx.deliveries.handled(delivery.id, at, [line])
        else:
            made.append(delivery.id)
    return made


def want(tx: Transaction, event: str, run: Run, at: datetime) -> list[str]:
    """Keep, in the transaction that changes a run, what is to follow from it; return the deliveries."""
    body = json.dumps({"run": run.id, "workspace": run.workspace_id}).encode()
    repo = tx.workspaces.get(run.workspace_id).repo.path
    delivery = Delivery(f"{event}:{run.id}", OURS, event, {}, body, at, repo=repo)
    return [delivery.id] if tx.deliveries.add(delivery) else []


def is_ours(delivery: Delivery) -> bool:
    """Whether a delivery came from a run and not from a forge."""
    return delivery.forge == OURS and delivery.event in (APPLIED, PLANNED, ASKED, OUTDATED)


def wanted_by(delivery: Delivery) -> tuple[str, str]:
    """Return the run that wants something, and the workspace in which it wants it."""
    said = json.loads(delivery.body)
    return str(said["run"]), str(said["workspace"])
