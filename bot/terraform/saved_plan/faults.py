"""What can be wrong with a saved plan as a file."""

from __future__ import annotations

from bot.domain.errors import EngineError


class UnreadablePlan(EngineError):
    """The file is damaged, too large, encrypted, or was not written by Terraform or OpenTofu."""


class UnknownPlanFormat(UnreadablePlan):
    """The plan has a format version or a field that this reader does not know."""
