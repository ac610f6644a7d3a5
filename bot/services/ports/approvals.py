"""Where approvals are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.domain.approval import ApprovalRecord


class Approvals(Protocol):
    """Every approval that was ever given, and what became of it."""

    def add(self, record: ApprovalRecord) -> None:
        """Keep an approval."""
        ...

    def get(self, approval_id: str) -> ApprovalRecord:
        """Return an approval. Raises NotFound."""
        ...

    def save(self, record: ApprovalRecord) -> None:
        """Keep what became of an approval: its state, run, reason and end; the rest never changes."""
        ...

    def of_change(self, workspace_id: str, change_number: int | None) -> Sequence[ApprovalRecord]:
        """Return what was approved in a workspace on a change, or of no change's, newest first."""
        ...
