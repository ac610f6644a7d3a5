"""Which workspaces a command means, by name, by a glob of names or by directory; and which plan or commit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.domain.commands.grammar import CommentCommand, Verb
from bot.domain.workspaces.workspace import Workspace, pattern_regex

_CODE = re.compile(r"[0-9a-f]{7,64}")


@dataclass(frozen=True)
class Coded:
    """A command without its codes. `codes` are those of plans, by the workspace's id.

    `commit` is that of `/plan COMMIT`. `problem` says what is wrong with a code.
    """

    command: CommentCommand
    codes: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    problem: str = ""


def coded(command: CommentCommand, workspaces: Sequence[Workspace]) -> Coded:
    """Take plan codes out of `/apply name CODE`, and the commit out of `/plan COMMIT`.

    A word that is the name of a workspace is its name, whatever it looks like.
    """
    names = {workspace.name for workspace in workspaces}
    if command.verb not in (Verb.APPLY, Verb.PLAN) or not any(map(_CODE.fullmatch, command.targets)):
        return Coded(command)
    kept: list[str] = []
    codes: dict[str, str] = {}
    commit = ""
    for word in command.targets:
        if word in names or not _CODE.fullmatch(word):
            kept.append(word)
        elif command.verb is Verb.PLAN:
            if commit and commit != word:
                return Coded(command, problem="name one commit")
            commit = word
        else:
            before = replace(command, targets=tuple(kept[-1:]))
            chosen, _ = find_targets(before, workspaces)
            if len(chosen) != 1:
                return Coded(command, problem=f"write the name of one workspace before the plan code {word}")
            codes[chosen[0].id] = word
    return Coded(replace(command, targets=tuple(kept)), codes, commit)


def find_targets(
    command: CommentCommand, workspaces: Sequence[Workspace]
) -> tuple[list[Workspace], list[str]]:
    """Return the workspaces that are meant, each once, and the words that match none."""
    if not command.named:
        return list(workspaces), []
    chosen: dict[str, Workspace] = {}
    unknown: list[str] = []
    for glob in command.targets:
        _take(glob, [w for w in workspaces if pattern_regex(glob).match(w.name)], chosen, unknown)
    for directory in command.directories:
        glob = "" if directory == "." else directory
        here = [w for w in workspaces if pattern_regex(glob).match(w.working_directory)]
        _take(f"-d {directory}", here, chosen, unknown)
    return list(chosen.values()), unknown


def _take(word: str, found: Sequence[Workspace], chosen: dict[str, Workspace], unknown: list[str]) -> None:
    chosen.update((workspace.id, workspace) for workspace in found)
    if not found and word not in unknown:
        unknown.append(word)
