"""Applies that wait for the end of a freeze: the moment at which an apply would start decides.

The words are stored with the run, so that statuses, comments and pages say the same. A window that was added
to plangate.yml, or removed, counts from the next sweep on.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from bot.domain.runs.lifecycle import CONFIRMED_ALREADY
from bot.domain.runs.run import Run
from bot.domain.workspaces.freeze import Frozen, frozen
from bot.services.ports import Transaction
from bot.services.runs.transitions import Moves, Transitions


def freeze_of(tx: Transaction, run: Run, now: datetime) -> Frozen | None:
    """Return the freeze for which a confirmed run waits now. None if its apply may start."""
    if run.status not in CONFIRMED_ALREADY or run.freeze_ignored:
        return None
    return frozen(tx.workspaces.get(run.workspace_id).freeze, now)


def noted(tx: Transaction, transitions: Transitions, run: Run, now: datetime) -> Moves:
    """Return the step that notes until when a run waits, or that it does not wait any more."""
    found = freeze_of(tx, run, now)
    if run.status not in CONFIRMED_ALREADY or found == run.frozen:
        return []
    if found is not None:
        return [(replace(run, frozen=found), transitions.event(run, "frozen", message=found.words))]
    # Time that a run has waited must not count as time that the forge was away.
    thawed = replace(run, frozen=None, status_at=now)
    return [(thawed, transitions.event(run, "freeze over", message=run.freeze_ignored))]


def ignoring(transitions: Transitions, run: Run, by: str, reason: str) -> Moves:
    """Return the step by which a person lets a run apply during a freeze."""
    words = f"{by}: {reason}"
    return [(replace(run, freeze_ignored=words), transitions.event(run, "freeze ignored", by, reason))]
