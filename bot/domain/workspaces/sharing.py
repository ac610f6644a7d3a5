"""Which workspaces may read which states, as `share_state_with` says, and whose outputs they get."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from bot.domain.workspaces.workspace import Workspace

PROPOSED_NOTE = (
    "shared states can't be read: the directory of this workspace was found only in a change; merge it "
    "first, or push to the branch if the directory is there"
)


def shares_with(source: Workspace, reader: Workspace) -> bool:
    """Whether a workspace lets the runs of another one read its state now.

    A reader that only an open change has brought reads nothing, whatever its name: everybody who can open a
    change in a repository with `discover` rules could bring one (promise 5).
    """
    return not reader.proposed and allows(source, reader)


def allows(source: Workspace, reader: Workspace) -> bool:
    """Whether `share_state_with` of a workspace names another one."""
    if source.id == reader.id or not source.active or source.own_backend:
        return False
    return any(fnmatchcase(reader.name, pattern) for pattern in source.share_state_with)


def readable(reader: Workspace, workspaces: Sequence[Workspace]) -> tuple[Workspace, ...]:
    """Return the workspaces whose states the runs of one may read, in the order of their names."""
    found = (source for source in workspaces if shares_with(source, reader))
    return tuple(sorted(found, key=lambda source: source.name))
