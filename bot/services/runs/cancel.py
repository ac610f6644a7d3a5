"""How a run is stopped: by a person, by a newer commit, or because its change was closed."""

from __future__ import annotations

from dataclasses import replace

from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.services.ports import Transaction
from bot.services.runs.transitions import Moves, Transitions, lease_of

PLANGATE = "plangate"
"""The actor of a stop that no person asked for."""


def discarded(transitions: Transitions, run: Run, by: str, why: str) -> Moves:
    """Return the steps that discard a waiting run. Raises IllegalMove."""
    return [transitions.moved(run, RunStatus.DISCARDED, by, why)]


def canceled(
    tx: Transaction, transitions: Transitions, run: Run, by: str, why: str, last_words: str = ""
) -> Moves:
    """Return the steps that cancel a run: at once if it has no worker, else by a request to its worker."""
    asked = transitions.event(run, "cancel requested", by, why)
    wish = replace(run, cancel_requested_by=by, cancel_requested_at=asked.at)
    idle = run.status is RunStatus.PENDING or not tx.leases.held([lease_of(run.id)], asked.at)
    # An interrupted apply may have left a running Terraform: the sweep ends the run, not a cancel.
    if idle and run.status is not RunStatus.APPLYING:
        return [(wish, asked), transitions.moved(wish, RunStatus.CANCELED, by, last_words)]
    return [(wish, asked)]


def stopped(tx: Transaction, transitions: Transitions, run: Run, why: str) -> Moves:
    """Return the steps that stop a run for Plangate's own reason. None if it can't be stopped any more."""
    if run.discardable:
        return discarded(transitions, run, PLANGATE, why)
    return canceled(tx, transitions, run, PLANGATE, why, last_words=why) if run.cancelable else ()
