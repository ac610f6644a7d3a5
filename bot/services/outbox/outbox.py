"""Outbox: records the runs and checks that should follow from a run, as internal deliveries."""

from __future__ import annotations

import json
from datetime import datetime

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.domain.events import RepoRef
from bot.domain.runs.run import Run
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.run_triggers import followers, why_circular
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Delivery, Transaction

# No forge has an empty name, so nothing from outside can pass for an internal delivery.
OURS = ""
APPLIED = "applied"
# Compare a plan with an approval that waits for it.
PLANNED = "planned"
# Check the requirements of a run again, which continues if they are met.
ASKED = "asked"
# Plan other changes again: their plans are outdated.
OUTDATED = "outdated"
# Look at the changes into a branch, which has moved.
BASE_MOVED = "base-moved"


def want_followers(tx: Transaction, run: Run, at: datetime) -> list[str]:
    """Record, in the transaction that marks a run applied, the runs it triggers. Return the deliveries."""
    workspaces = tx.workspaces.all()
    source = tx.workspaces.get(run.workspace_id)
    found = followers(source, workspaces)
    circle = why_circular(source, workspaces) if found else ""
    made = []
    for follower in Order(found).sorted():
        body = json.dumps({"run": run.id, "workspace": follower.id}).encode()
        delivery = Delivery(applied_id(run, follower), OURS, APPLIED, {}, body, at, repo=follower.repo.path)
        if not tx.deliveries.add(delivery):
            continue
        if circle:
            why = f"run triggers form a circle ({circle}): no run is started"
            decision = DeliveryDecision(DecisionKind.NOTHING, why, follower.name)
            tx.deliveries.handled(delivery.id, at, [decision])
        else:
            made.append(delivery.id)
    return made


def applied_id(run: Run, follower: Workspace) -> str:
    """Return the id of the delivery that creates a follower's run after an apply."""
    return f"{APPLIED}:{run.id}:{follower.id}"


def want(tx: Transaction, event: str, run: Run, at: datetime) -> list[str]:
    """Record, in the transaction that changes a run, what should follow from it. Return the deliveries."""
    body = json.dumps({"run": run.id, "workspace": run.workspace_id}).encode()
    repo = tx.workspaces.get(run.workspace_id).repo.path
    delivery = Delivery(f"{event}:{run.id}", OURS, event, {}, body, at, repo=repo)
    return [delivery.id] if tx.deliveries.add(delivery) else []


def want_base_moves(tx: Transaction, cause: Delivery, repo: RepoRef, branch: str, at: datetime) -> list[str]:
    """Record, in the transaction that handles a push, that changes into the branch are looked at."""
    if not any(each.change.base_branch == branch for each in tx.changes.open_of(repo, None)):
        return []
    if not any(workspace.merging.plans_merges for workspace in tx.workspaces.of_repo(repo)):
        return []
    body = json.dumps({"forge": repo.forge, "repo": repo.path, "branch": branch}).encode()
    delivery = Delivery(f"{BASE_MOVED}:{cause.id}", OURS, BASE_MOVED, {}, body, at, repo=repo.path)
    return [delivery.id] if tx.deliveries.add(delivery) else []


def is_ours(delivery: Delivery) -> bool:
    """Whether a delivery is internal, and not from a forge."""
    return delivery.forge == OURS and delivery.event in (
        APPLIED,
        PLANNED,
        ASKED,
        OUTDATED,
        BASE_MOVED,
    )


def wanted_by(delivery: Delivery) -> tuple[str, str]:
    """Return the run that an internal delivery comes from, and the workspace that it is for."""
    said = json.loads(delivery.body)
    return str(said["run"]), str(said["workspace"])
