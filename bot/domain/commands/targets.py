"""Which workspaces a command means: by name, by a glob of names, or by directory."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.commands import Command
from bot.domain.workspace import Workspace, pattern_regex


def meant(command: Command, workspaces: Sequence[Workspace]) -> tuple[list[Workspace], list[str]]:
    """Return the workspaces that are meant, each once, and the words that mean none."""
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
