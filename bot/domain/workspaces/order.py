"""The order of workspaces: which of them are applied before which, as `depends_on` says.

Only workspaces of one repository have an order, because only they can be touched by the same commit.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

from bot.domain.workspaces.run_triggers import find_cycle
from bot.domain.workspaces.workspace import Workspace, pattern_regex


def matches(pattern: str, workspace: Workspace, other: Workspace) -> bool:
    """Whether an entry of a workspace's `depends_on` means another workspace, or itself.

    The entry is a name, a directory, or a pattern of either. `./` and `../` start at the workspace's own
    directory. Another repository's workspace is never meant, nor one that follows another branch.
    """
    if workspace.repo != other.repo:
        return False
    if workspace.branch and other.branch and workspace.branch != other.branch:
        return False
    if pattern.startswith(("./", "../")):
        pattern = posixpath.normpath(posixpath.join(workspace.working_directory, pattern))
    elif pattern_regex(pattern).match(other.name):
        return True
    directory = pattern.strip("/")
    return bool(pattern_regex("" if directory == "." else directory).match(other.working_directory))


def sources(workspace: Workspace, workspaces: Sequence[Workspace]) -> tuple[Workspace, ...]:
    """Return those of the workspaces that this one names in `depends_on`, without itself."""
    return tuple(
        other
        for other in workspaces
        if other.id != workspace.id
        and any(matches(pattern, workspace, other) for pattern in workspace.depends_on)
    )


def before(workspace: Workspace, workspaces: Sequence[Workspace]) -> tuple[Workspace, ...]:
    """Return those of the workspaces that are applied before this one: what it depends on, and so on.

    Those that it names come first.
    """
    found: dict[str, Workspace] = {}
    waiting = list(sources(workspace, workspaces))
    while waiting:
        source = waiting.pop(0)
        if source.id not in found and source.id != workspace.id:
            found[source.id] = source
            waiting += sources(source, workspaces)
    return tuple(found.values())


def nearest(workspace: Workspace, workspaces: Sequence[Workspace]) -> tuple[Workspace, ...]:
    """Return the sources of a workspace, without those that another of its sources depends on anyway."""
    found = sources(workspace, workspaces)
    earlier = {each.id for source in found for each in before(source, workspaces)}
    return tuple(each for each in found if each.id not in earlier)


def in_order(workspaces: Sequence[Workspace]) -> list[Workspace]:
    """Return the workspaces, each after those that it depends on. Otherwise they keep their places.

    In a circle, which no configuration may have, the first one comes first.
    """
    placed: dict[str, Workspace] = {}
    left = list(workspaces)
    while left:
        open_ids = {each.id for each in left}
        free = [w for w in left if not any(s.id in open_ids for s in sources(w, workspaces))] or left[:1]
        placed |= {each.id: each for each in free}
        left = [each for each in left if each.id not in placed]
    return list(placed.values())


def levels(workspaces: Sequence[Workspace]) -> list[list[Workspace]]:
    """Return the workspaces in steps: those of a step depend only on those of earlier ones."""
    found: list[list[Workspace]] = []
    level: dict[str, int] = {}
    for workspace in in_order(workspaces):
        step = 1 + max((level.get(each.id, -1) for each in sources(workspace, workspaces)), default=-1)
        level[workspace.id] = step
        found += [[] for _ in range(step + 1 - len(found))]
        found[step].append(workspace)
    return found


def linked(workspaces: Sequence[Workspace]) -> list[Workspace]:
    """Return those of the workspaces that depend on another of them, or that another depends on."""
    ids = {each.id for workspace in workspaces for each in sources(workspace, workspaces)}
    return [each for each in workspaces if each.id in ids or sources(each, workspaces)]


def circle(workspaces: Sequence[Workspace]) -> tuple[str, ...]:
    """Return a circle of names in `depends_on`, such as `(a, b, a)`, empty if there is none."""
    return find_cycle({each.name: [s.name for s in sources(each, workspaces)] for each in workspaces})
