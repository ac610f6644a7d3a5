"""Variables and sets of variables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from bot.domain.workspaces.variables import StoredVariable, VariableSet


class Variables(Protocol):
    """Stores variables of workspaces and of sets. All values are encrypted at rest.

    The results contain the values. Only two callers may read them: the code that passes them to Terraform,
    and the use cases that leave out sensitive ones (promise 6).
    """

    def of_workspace(self, workspace_id: str) -> Sequence[StoredVariable]:
        """Return a workspace's own variables, by category and key."""
        ...

    def load(self, workspace_ids: Iterable[str]) -> None:
        """Read the variables of many workspaces at once, so that `of_workspace` finds them."""
        ...

    def put(self, kept: StoredVariable, *, workspace_id: str = "", set_id: str = "") -> StoredVariable:
        """Insert or update, by owner, category, key and phase. An existing variable keeps its id.

        The owner is a workspace or a set: one of the two ids. Raises NotFound if the owner does not exist.
        """
        ...

    def remove(self, variable_id: str) -> None:
        """Delete a variable. Does nothing if it does not exist."""
        ...

    def sets(self) -> Sequence[VariableSet]:
        """Return every set with its variables, by name."""
        ...

    def put_set(self, one: VariableSet) -> VariableSet:
        """Insert or update a set by name. An existing set keeps its id and variables. Return the set."""
        ...

    def remove_set(self, set_id: str) -> None:
        """Delete a set and its variables. Does nothing if it does not exist."""
        ...


class VariableIds(Protocol):
    """Variables and sets by their ids alone."""

    def owner_of(self, variable_id: str) -> tuple[str, str]:
        """Return the ids of a variable's workspace and set, one of them empty. Raises NotFound."""
        ...

    def rename_set(self, set_id: str, name: str) -> None:
        """Give a set another name. Raises Conflict if another set has it."""
        ...
