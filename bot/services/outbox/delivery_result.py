"""The result of a delivery: its decisions, and the workers to wake."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.domain.changes.delivery_decisions import DecisionKind, DeliveryDecision
from bot.services.outbox.wake import Wake


@dataclass
class DeliveryResult:
    """Collects decisions while a delivery is handled. Each has its reason (promise 7)."""

    decisions: list[DeliveryDecision] = field(default_factory=list)
    wake: Wake = field(default_factory=Wake)

    def say(self, kind: DecisionKind, reason: str, workspace: str = "", run: str = "") -> None:
        """Add a decision."""
        self.decisions.append(DeliveryDecision(kind, reason, workspace, run))
