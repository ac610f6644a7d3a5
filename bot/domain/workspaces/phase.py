"""The phases of a run, as far as credentials go: each holds only what is meant for it."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """Which part of a run holds a variable: its plan, its apply, or both. A preview only has a plan."""

    PLAN = "plan"
    APPLY = "apply"
    BOTH = "both"

    def covers(self, phase: Phase) -> bool:
        """Whether a variable of this phase is held in that one."""
        return self is Phase.BOTH or self is phase


PHASES = (Phase.PLAN, Phase.APPLY)
"""What a run has; `both` is only a way to say so."""
