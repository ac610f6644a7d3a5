"""The stored form of a delivery's decisions: strings by name, without empty ones."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision


def encoded(decision: DeliveryDecision) -> dict[str, str]:
    """Return the form in which a decision is stored."""
    parts = {
        "outcome": decision.kind.value,
        "reason": decision.reason,
        "workspace": decision.workspace,
        "run": decision.run,
    }
    return {name: value for name, value in parts.items() if value}


def decoded(stored: Mapping[str, str]) -> DeliveryDecision:
    """Return a stored decision; if this version does not know its kind, its reason says so."""
    word, reason = stored.get("outcome", ""), stored.get("reason", "")
    try:
        kind = DecisionKind(word)
    except ValueError:
        kind = DecisionKind.UNKNOWN
        reason = ": ".join(filter(None, (f"another version of Plangate stored {word!r}", reason)))
    return DeliveryDecision(kind, reason, stored.get("workspace", ""), stored.get("run", ""))
