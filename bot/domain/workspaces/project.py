"""Projects: groups of workspaces. plangate.yml names some, others are made through the API.

A workspace has the name of its project. One without a project belongs to the default project.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.domain.workspaces.workspace import Workspace

DEFAULT_ID, DEFAULT_NAME = "prj-default", "Default Project"
LONGEST_NAME, LONGEST_DESCRIPTION = 60, 256
NAME = re.compile(rf"(?=\S)[\w .-]{{1,{LONGEST_NAME}}}(?<=\S)")


@dataclass(frozen=True)
class Project:
    """A project. Without `created_at`, it is there because workspaces name it, or it is the default one."""

    id: str
    name: str
    description: str = ""
    created_at: datetime | None = None

    @property
    def default(self) -> bool:
        """Whether it is the project of all workspaces that name none."""
        return self.id == DEFAULT_ID

    @property
    def named_in(self) -> str:
        """What workspaces of this project have as theirs. Empty for the default project."""
        return "" if self.default else self.name

    def has(self, workspace: Workspace) -> bool:
        """Whether a workspace belongs to it."""
        return workspace.project == self.named_in


DEFAULT = Project(DEFAULT_ID, DEFAULT_NAME)


def of_a_name(name: str) -> Project:
    """Return the project that is there only because workspaces name it."""
    return Project("prj-" + hashlib.sha256(name.encode()).hexdigest()[:16], name) if name else DEFAULT


def all_projects(made: Iterable[Project], workspaces: Iterable[Workspace]) -> tuple[Project, ...]:
    """Return every project, by name: the default one, those that were made, and those that are only named."""
    found = {each.name: each for each in made}
    for name in {each.project for each in workspaces} - found.keys() - {""}:
        found[name] = of_a_name(name)
    return (DEFAULT, *sorted(found.values(), key=lambda each: each.name))
