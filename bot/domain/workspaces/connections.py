"""How workspaces are connected: by their order, shared outputs and states, and run triggers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from bot.domain.workspaces.order import Order
from bot.domain.workspaces.sharing import shares_with
from bot.domain.workspaces.workspace import Workspace

MOST_READERS = 10
"""A state that more workspaces may read connects nothing: it is shared with everybody, more or less."""


class ConnectionKind(StrEnum):
    """Why two workspaces are connected, the closest first."""

    ORDER = "order"
    OUTPUT = "output"
    STATE = "state"
    TRIGGER = "trigger"


@dataclass(frozen=True)
class Connection:
    """Two workspaces, by their ids. What happens in the source matters to the target.

    `what` are the outputs that the target gets, if it gets any.
    """

    source: str
    target: str
    kind: ConnectionKind
    what: tuple[str, ...] = ()


def connections(workspaces: Sequence[Workspace]) -> tuple[Connection, ...]:
    """Return the connections among these workspaces; knows only these."""
    named = {each.name: each for each in workspaces}
    order = Order(workspaces)
    found: list[Connection] = []
    for each in workspaces:
        found += (Connection(one.id, each.id, ConnectionKind.ORDER) for one in order.sources(each))
        outputs: dict[str, list[str]] = {}
        for one in each.inputs:
            if one.workspace in named:
                outputs.setdefault(named[one.workspace].id, []).append(one.output)
        found += (
            Connection(source, each.id, ConnectionKind.OUTPUT, tuple(what))
            for source, what in outputs.items()
        )
        triggers = dict.fromkeys(named[name].id for name in each.run_triggers if name in named)
        found += (Connection(source, each.id, ConnectionKind.TRIGGER) for source in triggers)
    return (*found, *_shared(workspaces))


def groups(
    workspaces: Sequence[Workspace], linked: Iterable[Connection]
) -> tuple[tuple[Workspace, ...], ...]:
    """Return the workspaces that are connected with each other, the largest group first.

    Workspaces without a connection are in none.
    """
    leads = {each.id: each.id for each in workspaces}

    def lead(one: str) -> str:
        while leads[one] != one:
            leads[one] = leads[leads[one]]
            one = leads[one]
        return one

    for each in linked:
        leads[lead(each.source)] = lead(each.target)
    found: dict[str, list[Workspace]] = {}
    for workspace in workspaces:
        found.setdefault(lead(workspace.id), []).append(workspace)
    several = (tuple(group) for group in found.values() if len(group) > 1)
    return tuple(sorted(several, key=lambda group: (-len(group), group[0].name)))


def columns(members: Sequence[Workspace], linked: Iterable[Connection]) -> list[list[Workspace]]:
    """Return the workspaces in steps: each is to the right of its sources, as far as there is no circle."""
    ids = {each.id for each in members}
    sources: dict[str, set[str]] = {each.id: set() for each in members}
    for link in linked:
        if {link.source, link.target} <= ids and link.source != link.target:
            sources[link.target].add(link.source)
    found: list[list[Workspace]] = []
    left = list(members)
    placed: set[str] = set()
    while left:
        free = [each for each in left if sources[each.id] <= placed] or left[:1]
        found.append(free)
        placed |= {each.id for each in free}
        left = [each for each in left if each.id not in placed]
    return found


def without_detours(linked: Sequence[Connection]) -> tuple[Connection, ...]:
    """Return the connections without those of the order that a longer way says as well."""
    after: dict[str, set[str]] = {}
    for each in linked:
        if each.kind is ConnectionKind.ORDER:
            after.setdefault(each.source, set()).add(each.target)

    def reached(starts: Iterable[str]) -> set[str]:
        seen: set[str] = set()
        waiting = list(starts)
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += after.get(one, ())
        return seen

    beyond = {
        source: reached(far for near in targets for far in after.get(near, ()))
        for source, targets in after.items()
    }
    return tuple(
        each
        for each in linked
        if each.kind is not ConnectionKind.ORDER or each.target not in beyond[each.source]
    )


def _shared(workspaces: Sequence[Workspace]) -> Iterator[Connection]:
    names = [each.name for each in workspaces]
    matching: dict[str, list[int]] = {}
    for source in (each for each in workspaces if each.share_state_with):
        for pattern in source.share_state_with:
            if pattern not in matching:
                matching[pattern] = [at for at, name in enumerate(names) if fnmatchcase(name, pattern)]
        places = sorted({at for pattern in source.share_state_with for at in matching[pattern]})
        readers = [workspaces[at] for at in places if shares_with(source, workspaces[at])]
        if len(readers) <= MOST_READERS:
            yield from (Connection(source.id, each.id, ConnectionKind.STATE) for each in readers)
