"""Which workspaces an apply starts runs in, and the circles that this must not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.domain.workspaces.workspace import Workspace


def find_cycle(sources: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return a circle of names, such as `(a, b, a)`, empty if there is none.

    `sources` holds, for each workspace, those whose applies start a run in it.
    """
    done: set[str] = set()
    for start in sources:
        path: list[str] = []
        # Each entry: a name, and those of its sources that are not looked at yet.
        stack = [(start, iter(sources.get(start, ())))]
        if start in done:
            continue
        path.append(start)
        while stack:
            name, rest = stack[-1]
            following = next((each for each in rest if each not in done), None)
            if following is None:
                done.add(name)
                stack.pop()
                path.pop()
            elif following in path:
                # From the one that applies to the one that it starts: the other way round than we looked.
                return tuple(reversed([*path[path.index(following) :], following]))
            else:
                path.append(following)
                stack.append((following, iter(sources.get(following, ()))))
    return ()


def followers(applied: Workspace, workspaces: Sequence[Workspace]) -> tuple[Workspace, ...]:
    """Return the workspaces that name the applied one as their run trigger, or get an output of it."""
    return tuple(w for w in workspaces if w.id != applied.id and _follows(w, applied.name))


def _follows(workspace: Workspace, name: str) -> bool:
    return name in workspace.run_triggers or any(each.workspace == name for each in workspace.inputs)


def why_circular(applied: Workspace, workspaces: Sequence[Workspace]) -> str:
    """Say through which circle this apply would lead to itself, empty if through none.

    The configuration refuses circles between the workspaces that it names; this is for discovered ones.
    """
    reached: dict[str, tuple[str, ...]] = {applied.name: (applied.name,)}
    waiting = [applied]
    while waiting:
        current = waiting.pop(0)
        for follower in followers(current, workspaces):
            if follower.name == applied.name:
                return " -> ".join((*reached[current.name], applied.name))
            if follower.name not in reached:
                reached[follower.name] = (*reached[current.name], follower.name)
                waiting.append(follower)
    return ""
