"""What a merge queue holds of a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bot.playground.model import Pull, User


@dataclass(eq=False)
class Group:
    """The commit that a base branch would be at, and what it is made on; the branch holds it meanwhile."""

    pull: Pull
    by: User
    branch: str
    head_sha: str
    base_sha: str

    @property
    def ref(self) -> str:
        """Where its commit is found."""
        return f"refs/heads/{self.branch}"
