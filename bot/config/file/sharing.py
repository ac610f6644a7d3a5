"""Checks `share_state_with` and `inputs` in plangate.yml: who reads which state, and whose outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bot.config.file.marked_yaml import Loc
from bot.config.file.order import entries, named_workspaces, repo_of
from bot.config.problems import did_you_mean, shown
from bot.domain.workspaces.order import matches
from bot.domain.workspaces.outputs import Input
from bot.domain.workspaces.sharing import shares_with
from bot.domain.workspaces.workspace import Workspace


def read_inputs(written: Mapping[str, str]) -> tuple[Input, ...]:
    """Return checked `inputs` as the domain's, in the order of the variables."""
    return tuple(Input(key, *source.split(".", 1)) for key, source in sorted(written.items()))


def across_sharing(data: Mapping[str, Any], forges: Sequence[str]) -> Iterator[tuple[Loc, str]]:
    """Check both over all workspaces. Takes raw data, so that it speaks even if the form is wrong."""
    places = dict(named_workspaces(data, forges))
    there = list(places.values())
    discovered = {repo_of(entry, forges) for entry in entries(data, "discover")}
    for index, workspace in places.items():
        loc = ("workspaces", index)
        entry = entries(data, "workspaces")[index]
        yield from _shares(loc, workspace, there, entry, finds=bool(discovered))
        own = _own_variables(entry.get("variables"))
        for each in workspace.inputs:
            wrong = _wrong(each, workspace, there, finds=workspace.repo in discovered)
            if not wrong and each.variable in own:
                wrong = f"{each.variable} is under `variables`, too: keep one of them"
            if wrong:
                yield (*loc, "inputs", each.variable), wrong


def _shares(
    loc: Loc, workspace: Workspace, there: Sequence[Workspace], entry: Mapping[str, Any], *, finds: bool
) -> Iterator[tuple[Loc, str]]:
    if workspace.share_state_with and entry.get("own_backend") is True:
        yield (
            (*loc, "share_state_with"),
            "is for states that Plangate keeps, and `own_backend` says that this one is elsewhere",
        )
        return
    for position, pattern in enumerate(workspace.share_state_with):
        one = Workspace(workspace.id, workspace.name, workspace.repo, share_state_with=(pattern,))
        # A rule may find a workspace of that name later.
        if not finds and not any(shares_with(one, other) for other in there):
            known = [each.name for each in there if each.id != workspace.id]
            hint = did_you_mean(pattern, known) if known else "there is no other workspace"
            yield (
                (*loc, "share_state_with", position),
                f"no other workspace has this name: {shown(pattern)}; {hint}",
            )


def _wrong(each: Input, workspace: Workspace, there: Sequence[Workspace], *, finds: bool) -> str:
    source = next((other for other in there if other.name == each.workspace), None)
    if source is None:
        known = [other.name for other in there if other.id != workspace.id]
        hint = did_you_mean(each.workspace, known) if known else "there is no other one"
        return "" if finds else f"there is no workspace {shown(each.workspace)}; {hint}"
    if source.id == workspace.id:
        return f"{shown(each.source)} is an output of this workspace itself"
    if not matches(source.name, workspace, source):
        return (
            f"{shown(source.name)} is not a workspace of the same repository and branch, so it can't be "
            'applied before this one: read its state with `data "terraform_remote_state"`'
        )
    if not shares_with(source, workspace):
        return (
            f"{shown(source.name)} does not share its state with this workspace: write "
            f"`share_state_with: [{workspace.name}]` there"
        )
    return ""


def _own_variables(written: object) -> set[str]:
    if isinstance(written, dict):
        return set(map(str, written))
    found = [each for each in written if isinstance(each, dict)] if isinstance(written, list) else []
    return {str(each.get("key")) for each in found if each.get("category", "terraform") == "terraform"}
