"""What a merge queue, or a merge train, holds of a pull request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bot.playground.model import now

if TYPE_CHECKING:
    from datetime import datetime

    from bot.playground.model import Pull, User


@dataclass(eq=False)
class Group:
    """The commit that a base branch would be at, and what it is made on; `ref` holds it meanwhile."""

    pull: Pull
    by: User
    ref: str
    head_sha: str
    base_sha: str
    id: int
    created_at: datetime = field(default_factory=now)

    @property
    def branch(self) -> str:
        """Name the branch that its commit is on, where it is on one."""
        return self.ref.removeprefix("refs/heads/")
