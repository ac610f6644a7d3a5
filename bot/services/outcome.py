"""What a delivery led to: a line for each decision, and whom to wake."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.services.transitions import Wake


@dataclass
class Outcome:
    """Gathers decisions while a delivery is handled; each has its reason (promise 7)."""

    decisions: list[Mapping[str, str]] = field(default_factory=list)
    wake: Wake = field(default_factory=Wake)

    def say(self, outcome: str, reason: str, workspace: str = "", run: str = "") -> None:
        """Keep a decision."""
        line = {"outcome": outcome, "reason": reason, "workspace": workspace, "run": run}
        self.decisions.append({key: value for key, value in line.items() if value})
