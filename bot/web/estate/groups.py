"""Builds the drawings of the workspaces that are connected with each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from bot.domain.runs.run import Run
from bot.domain.workspaces.connections import (
    Connection,
    ConnectionKind,
    columns,
    connections,
    groups,
    without_detours,
)
from bot.domain.workspaces.workspace import Workspace
from bot.web.estate.context import Connected, GroupCard
from bot.web.page import elements, graph, wording
from bot.web.page.layout import Badge, Link, Tone
from bot.web.page.output import harmless

MOST_IN_A_GROUP = 40
"""How many workspaces of a group are drawn."""

MOST_DRAWN = 160
"""How many workspaces the page draws, over all groups."""

_TALLEST = 10
_NAMED = 5
_URGENT = (Tone.BAD, Tone.ASK, Tone.WORK)
_VERBS = {
    ConnectionKind.ORDER: "applied after",
    ConnectionKind.OUTPUT: "gets outputs of",
    ConnectionKind.STATE: "may read the state of",
    ConnectionKind.TRIGGER: "runs after",
}


def build(
    workspaces: Sequence[Workspace], runs: Mapping[str, Run], text: str
) -> tuple[tuple[GroupCard, ...], tuple[str, ...]]:
    """Return the drawings, the largest group first, and sentences about what is not drawn.

    With a `text`, only groups in which a workspace's name or repository contains it.
    """
    linked = connections(workspaces)
    found = groups(workspaces, linked)
    matching = [group for group in found if _matches(group, text)]
    chosen: list[Sequence[Workspace]] = []
    room = MOST_DRAWN
    for group in matching:
        size = min(len(group), MOST_IN_A_GROUP)
        if size > room:
            break
        chosen.append(group)
        room -= size
    in_groups = {each.id: number for number, group in enumerate(chosen) for each in group}
    of_group: list[list[Connection]] = [[] for _ in chosen]
    for link in linked:
        if link.target in in_groups:
            of_group[in_groups[link.target]].append(link)
    cards = tuple(_card(group, links, runs) for group, links in zip(chosen, of_group, strict=True))
    connected = sum(map(len, found))
    return cards, tuple(_rest(len(workspaces) - connected, matching[len(chosen) :], text))


def _matches(group: Sequence[Workspace], text: str) -> bool:
    wanted = text.lower()
    return any(wanted in each.name.lower() or wanted in each.repo.path.lower() for each in group)


def _rest(apart: int, left: Sequence[Sequence[Workspace]], text: str) -> Iterable[str]:
    if left:
        count, workspaces = len(left), sum(map(len, left))
        yield f"{count:,} more {_plural('group', count)} of {workspaces:,} workspaces: search to see them."
    if apart and not text:
        verb = "is" if apart == 1 else "are"
        yield f"{apart:,} {_plural('workspace', apart)} {verb} connected with no other."


def _card(group: Sequence[Workspace], links: Sequence[Connection], runs: Mapping[str, Run]) -> GroupCard:
    shown = _first(group, links, runs)
    ids = {each.id for each in shown}
    seen = without_detours([link for link in links if {link.source, link.target} <= ids])
    names = {each.id: harmless(each.name) for each in group}
    repos = Counter(each.repo.path for each in group)
    more = f" and {len(repos) - 2} more" if len(repos) > 2 else ""
    leads = Counter(link.source for link in links)
    hub = max(group, key=lambda each: leads[each.id])
    title = f"{names[hub.id]} and {len(group) - 1:,} connected with it"
    steps = [
        [graph.box(each.id, each.name, elements.workspace_url(each.name), runs.get(each.id)) for each in step]
        for step in columns(shown, seen)
    ]
    return GroupCard(
        title=title,
        repos=", ".join(harmless(path) for path, _ in repos.most_common(2)) + more,
        graph=graph.draw(
            steps,
            [(link.source, link.target, link.kind.value) for link in seen],
            words=title,
            more=len(group) - len(shown),
            tallest=_TALLEST,
        ),
        members=tuple(_connected(each, links, runs.get(each.id), names) for each in shown),
    )


def _first(
    group: Sequence[Workspace], links: Iterable[Connection], runs: Mapping[str, Run]
) -> Sequence[Workspace]:
    """Return the workspaces of a group to draw: first those that many depend on, then the urgent ones."""
    if len(group) <= MOST_IN_A_GROUP:
        return group
    leads = Counter(link.source for link in links)
    busy = {each.id for each in group if (run := runs.get(each.id)) and wording.badge_of(run).tone in _URGENT}
    hubs = sorted((each for each in group if leads[each.id]), key=lambda each: -leads[each.id])
    half = hubs[: MOST_IN_A_GROUP // 2]
    ranked = [*half, *(each for each in group if each.id in busy), *hubs, *group]
    chosen = set(list(dict.fromkeys(each.id for each in ranked))[:MOST_IN_A_GROUP])
    return [each for each in group if each.id in chosen]


def _connected(
    workspace: Workspace, links: Iterable[Connection], run: Run | None, names: Mapping[str, str]
) -> Connected:
    said: dict[ConnectionKind, list[str]] = {}
    for link in links:
        if link.target == workspace.id:
            what = [harmless(f"{names[link.source]}.{output}") for output in link.what]
            said.setdefault(link.kind, []).extend(what or [names[link.source]])
    return Connected(
        name=Link(names[workspace.id], elements.workspace_url(workspace.name)),
        badge=wording.badge_of(run) if run else Badge("No run yet", Tone.OFF),
        words=tuple(f"{_VERBS[kind]} {_listed(said[kind])}" for kind in ConnectionKind if kind in said),
    )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
