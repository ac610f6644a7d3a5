"""Groups of workspaces of which only some runs are at work at the same time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_NAMED = 5


@dataclass(frozen=True)
class Concurrency:
    """The group of a workspace. At most `limit` of the group's runs are at work at once, over all workers.

    Every run counts from its start to its end: previews, plans, policy checks and applies. A run that waits
    for a person does not count.
    """

    group: str
    limit: int

    def full(self, at_work: int) -> bool:
        """Whether a run has to wait if so many others are at work."""
        return at_work >= self.limit

    @property
    def waits(self) -> str:
        """Say, after `Waiting: `, for what a run waits, in words that stay the same while it does."""
        return f"for a place in the group {self.group} (at most {self.limit} at work)"

    def waits_behind(self, workspaces: Sequence[str]) -> str:
        """Say the same with the names of the workspaces that have runs at work now."""
        names = sorted(workspaces)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        said = f"{', '.join(names[:_NAMED])}{more}"
        return f"for a place in the group {self.group} ({len(names)} of {self.limit} at work: {said})"
