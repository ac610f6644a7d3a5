"""Where variables and sets of them are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bot.domain.variables import KeptVariable, VariableSet


class Variables(Protocol):
    """Variables of workspaces and of sets. Values are encrypted at rest, of those that aren't sensitive too.

    What comes from here has the values in it: only what hands them to Terraform asks, and the use cases that
    leave out the sensitive ones (promise 6).
    """

    def of_workspace(self, workspace_id: str) -> Sequence[KeptVariable]:
        """Return a workspace's own variables, by category and key."""
        ...

    def put(self, kept: KeptVariable, *, workspace_id: str = "", set_id: str = "") -> KeptVariable:
        """Insert or update, by owner, category and key, keeping the id of one that is there.

        The owner is a workspace or a set: one of the two ids. Raises NotFound where there is no such owner.
        """
        ...

    def remove(self, variable_id: str) -> None:
        """Remove a variable; nothing happens where there is none."""
        ...

    def sets(self) -> Sequence[VariableSet]:
        """Return every set with its variables, by name."""
        ...

    def put_set(self, one: VariableSet) -> VariableSet:
        """Insert or update a set by name, keeping its id and its variables; return what stands."""
        ...

    def remove_set(self, set_id: str) -> None:
        """Remove a set and its variables; nothing happens where there is none."""
        ...
