"""The order of workspaces: which of them are applied before which, as `depends_on` says.

Only workspaces of one repository have an order, because only they can be touched by the same commit.
"""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Iterable, Sequence

from bot.domain.events import RepoRef
from bot.domain.workspaces.run_triggers import find_cycle
from bot.domain.workspaces.workspace import Workspace, pattern_regex

_GLOB = frozenset("*?")


def matches(entry: str, workspace: Workspace, other: Workspace) -> bool:
    """Whether an entry of a workspace's `depends_on` means another workspace, or itself.

    The entry is a name, a directory, or a pattern of either. `./` and `../` start at the workspace's own
    directory. Another repository's workspace is never meant, nor one that follows another branch.
    """
    if workspace.repo != other.repo or not _on_one_branch(workspace, other):
        return False
    return _is_meant(other, *_meaning(entry, workspace))


class Order:
    """The order of some workspaces, such as those that a change touches. Knows only these."""

    def __init__(self, workspaces: Iterable[Workspace]) -> None:
        self.workspaces = tuple(workspaces)
        self._sources = _all_sources(self.workspaces)

    def sources(self, workspace: Workspace) -> tuple[Workspace, ...]:
        """Return the workspaces that this one names in `depends_on`, without itself."""
        return self._sources.get(workspace.id, ())

    def before(self, workspace: Workspace) -> tuple[Workspace, ...]:
        """Return the workspaces that are applied before this one: what it depends on, and so on.

        Those that it names come first.
        """
        found: dict[str, Workspace] = {}
        waiting = deque(self.sources(workspace))
        while waiting:
            source = waiting.popleft()
            if source.id not in found and source.id != workspace.id:
                found[source.id] = source
                waiting += self.sources(source)
        return tuple(found.values())

    def nearest(self, workspace: Workspace) -> tuple[Workspace, ...]:
        """Return the sources of a workspace, without those that another of its sources depends on anyway."""
        found = self.sources(workspace)
        earlier = {each.id for source in found for each in self.before(source)}
        return tuple(each for each in found if each.id not in earlier)

    def sorted(self, workspaces: Iterable[Workspace] | None = None) -> list[Workspace]:
        """Return all or some of the workspaces, each after those that it depends on.

        Otherwise they keep their places. In a circle, which no configuration may have, the first is first.
        """
        placed: dict[str, Workspace] = {}
        left = list(self.workspaces if workspaces is None else workspaces)
        named = {each.id: {source.id for source in self.before(each)} for each in left}
        while left:
            open_ids = {each.id for each in left}
            free = [each for each in left if named[each.id].isdisjoint(open_ids)] or left[:1]
            placed |= {each.id: each for each in free}
            left = [each for each in left if each.id not in placed]
        return list(placed.values())

    def levels(self) -> list[list[Workspace]]:
        """Return the linked workspaces in steps: those of a step depend only on those of earlier ones."""
        found: list[list[Workspace]] = []
        level: dict[str, int] = {}
        for workspace in self.sorted(self.linked()):
            step = 1 + max((level.get(each.id, -1) for each in self.sources(workspace)), default=-1)
            level[workspace.id] = step
            found += [[] for _ in range(step + 1 - len(found))]
            found[step].append(workspace)
        return found

    def linked(self) -> list[Workspace]:
        """Return the workspaces that depend on another one here, or that another one depends on."""
        ids = {source.id for found in self._sources.values() for source in found}
        return [each for each in self.workspaces if each.id in ids or self.sources(each)]

    def circle(self) -> tuple[str, ...]:
        """Return a circle of names, empty if there is none: each depends on the next, as in `(a, b, a)`."""
        names = {each.name: [source.name for source in self.sources(each)] for each in self.workspaces}
        return tuple(reversed(find_cycle(names)))


def _all_sources(workspaces: Sequence[Workspace]) -> dict[str, tuple[Workspace, ...]]:
    """Return for each workspace those that it names, by its id. Compares each pattern only once."""
    place = {each.id: number for number, each in enumerate(workspaces)}
    index: dict[tuple[RepoRef, str, str], list[Workspace]] = {}
    for each in workspaces:
        index.setdefault((each.repo, "name", each.name), []).append(each)
        index.setdefault((each.repo, "directory", each.working_directory), []).append(each)
    meant: dict[tuple[RepoRef, str, str], list[Workspace]] = {}
    found: dict[str, tuple[Workspace, ...]] = {}
    for workspace in (each for each in workspaces if each.depends_on):
        mine: dict[str, Workspace] = {}
        for name, directory in (_meaning(entry, workspace) for entry in workspace.depends_on):
            key = (workspace.repo, name, directory)
            if key not in meant and _GLOB.isdisjoint(name + directory):
                exact = (("name", name), ("directory", directory))
                meant[key] = [e for what, text in exact for e in index.get((workspace.repo, what, text), ())]
            elif key not in meant:
                here = [each for each in workspaces if each.repo == workspace.repo]
                meant[key] = [each for each in here if _is_meant(each, name, directory)]
            mine |= {each.id: each for each in meant[key] if _on_one_branch(workspace, each)}
        mine.pop(workspace.id, None)
        found[workspace.id] = tuple(sorted(mine.values(), key=lambda each: place[each.id]))
    return found


def _meaning(entry: str, workspace: Workspace) -> tuple[str, str]:
    """Return the pattern of names that an entry means, empty if none, and the pattern of directories."""
    name = entry
    if entry.startswith(("./", "../")):
        name, entry = "", posixpath.normpath(posixpath.join(workspace.working_directory, entry))
    directory = entry.strip("/")
    return name, "" if directory == "." else directory


def _is_meant(other: Workspace, name: str, directory: str) -> bool:
    if name and pattern_regex(name).match(other.name):
        return True
    return bool(pattern_regex(directory).match(other.working_directory))


def _on_one_branch(workspace: Workspace, other: Workspace) -> bool:
    return not (workspace.branch and other.branch) or workspace.branch == other.branch
