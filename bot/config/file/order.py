"""Checks the order of workspaces in plangate.yml: `depends_on` must mean workspaces, and form no cycle."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bot.config.file.marked_yaml import Loc
from bot.config.file.names import split_repo
from bot.config.problems import did_you_mean, shown
from bot.domain.events import RepoRef
from bot.domain.workspaces.order import Order, matches
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.workspace import Workspace

_GLOB = frozenset("*?")


def across_order(data: Mapping[str, Any], forges: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    """Check `depends_on` over all workspaces. Takes raw data, so that it speaks even if the form is wrong."""
    places = dict(named_workspaces(data, forges))
    there = list(places.values())
    discovered = {repo_of(entry, forges) for entry in entries(data, "discover")}
    clean = True
    for index, workspace in places.items():
        for position, pattern in enumerate(workspace.depends_on):
            if wrong := _wrong(pattern, workspace, there, finds=workspace.repo in discovered):
                clean = False
                yield ("workspaces", index, "depends_on", position), wrong
    ordered = [replace(w, depends_on=(*w.depends_on, *(i.workspace for i in w.inputs))) for w in there]
    if clean and (cycle := Order(ordered).circle()):
        first = next(index for index, each in places.items() if each.name == cycle[0])
        key = "depends_on" if places[first].depends_on else "inputs"
        yield ("workspaces", first, key), f"forms a cycle: {' -> '.join(cycle)}; leave one of these out"


def _wrong(pattern: str, workspace: Workspace, there: Sequence[Workspace], *, finds: bool) -> str:
    if not _GLOB & set(pattern) and matches(pattern, workspace, workspace):
        return f"{shown(pattern)} is this workspace itself: leave it out"
    others = [each for each in there if each.id != workspace.id]
    if any(matches(pattern, workspace, other) for other in others) or finds:
        # A rule may find a workspace of that name, or in that directory, later.
        return ""
    elsewhere = next((each for each in others if each.name == pattern), None)
    if elsewhere is not None and elsewhere.repo != workspace.repo:
        return (
            f"{shown(pattern)} belongs to another repository ({elsewhere.repo.path}), and only workspaces "
            "of one repository have an order: use `run_triggers`"
        )
    if elsewhere is not None:
        return f"{shown(pattern)} follows another branch, so no change touches both: leave it out"
    known = [each.name for each in others if each.repo == workspace.repo]
    hint = did_you_mean(pattern, known) if known else "it has no other workspace"
    return f"no workspace of {workspace.repo.path} has this name or directory: {shown(pattern)}; {hint}"


def named_workspaces(data: Mapping[str, Any], forges: Sequence[str]) -> Iterator[tuple[int, Workspace]]:
    """Yield what counts here of the workspaces that have a name, with their places in the list."""
    defaults = data.get("defaults")
    branch = defaults.get("branch") if isinstance(defaults, dict) else None
    for index, entry in enumerate(entries(data, "workspaces")):
        name = entry.get("name")
        if not isinstance(name, str):
            continue
        yield (
            index,
            Workspace(
                id=name,
                name=name,
                repo=repo_of(entry, forges),
                branch=str(entry.get("branch") or branch or ""),
                working_directory=str(entry.get("working_directory") or "").strip("/").removeprefix("./"),
                depends_on=_texts(entry.get("depends_on")),
                share_state_with=_texts(entry.get("share_state_with")),
                inputs=_inputs(entry.get("inputs")),
            ),
        )


def entries(data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list of the file, empty ones for those of a wrong form."""
    found = data.get(key)
    # The place of an entry counts, so those of a wrong form stay.
    return [each if isinstance(each, dict) else {} for each in found] if isinstance(found, list) else []


def repo_of(entry: Mapping[str, Any], forges: Sequence[str]) -> RepoRef:
    """Return the repository of an entry."""
    forge, path = split_repo(str(entry.get("repo") or ""))
    return RepoRef(forge or forges[0], path.lower())


def _texts(written: object) -> tuple[str, ...]:
    return tuple(map(str, written)) if isinstance(written, list) else ()


def _inputs(written: object) -> tuple[Input, ...]:
    pairs = written.items() if isinstance(written, dict) else ()
    split = ((str(key), *str(source).partition(".")) for key, source in pairs)
    return tuple(Input(key, workspace, output) for key, workspace, dot, output in split if dot)
