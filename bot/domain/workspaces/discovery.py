"""Which directories of a repository become workspaces of their own, and how each is named."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.errors import ConfigError
from bot.domain.events import RepoRef
from bot.domain.workspaces.workspace import Triggers, Workspace, pattern_regex

# Source: https://developer.hashicorp.com/terraform/enterprise/workspaces/create (90 characters at most)
NAME_LENGTH = 90
NAME = re.compile(rf"[A-Za-z0-9_-]{{1,{NAME_LENGTH}}}")
PLACEHOLDERS = ("directory", "name", "repo")


@dataclass(frozen=True)
class DiscoverRule:
    """Creates a workspace of each directory with Terraform files that matches `directories`, not `exclude`.

    `name` is a template of `{directory}`, `{name}` and `{repo}`. `like` holds what each found workspace has:
    repository, branch, triggers and so on; its own name and directory are empty.
    """

    like: Workspace
    directories: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    name: str = "{directory}"

    @property
    def repo(self) -> RepoRef:
        """The repository that is looked through."""
        return self.like.repo

    @property
    def branch(self) -> str:
        """The branch that is looked at, empty for the default branch."""
        return self.like.branch

    def matches(self, directory: str) -> bool:
        """Whether a directory (from the repository's root, empty for the root) belongs to the rule."""
        path = _plain(directory)
        # `**/modules/**` is meant to leave out the folder `modules` too, not only what is below it.
        return _any(self.directories, path) and not _any(self.exclude, path, path + "/")

    def name_of(self, directory: str) -> str:
        """Return the workspace's name for a directory; always one that Plangate takes."""
        path = _plain(directory)
        last = self.repo.path.rpartition("/")[2]
        words = {"directory": path or last, "name": path.rpartition("/")[2] or last, "repo": last}
        name = re.sub(r"\{(\w+)\}", lambda found: words.get(found[1], found[0]), self.name)
        name = re.sub(r"[^A-Za-z0-9_-]", "-", name)
        if len(name) > NAME_LENGTH:
            mark = hashlib.sha256(path.encode()).hexdigest()[:8]
            name = f"{name[: NAME_LENGTH - 9]}-{mark}"
        return name

    def workspaces(self, directories: Sequence[str]) -> list[Workspace]:
        """Return the workspaces for the directories that have Terraform files, ordered by directory.

        Raises ConfigError if two directories would share a name: to number them would give one the other's
        state as soon as a third comes.
        """
        found: dict[str, Workspace] = {}
        for path in sorted({_plain(directory) for directory in directories}):
            if not self.matches(path):
                continue
            name = self.name_of(path)
            if other := found.get(name.casefold()):
                raise ConfigError(
                    f"in {self.repo.path}, `{other.working_directory or '.'}` and `{path or '.'}` would both "
                    f"be workspace `{name}`: leave one out with `exclude`, or use another `name` template"
                )
            found[name.casefold()] = replace(
                self.like,
                name=name,
                working_directory=path,
                triggers=_filled(self.like.triggers, path),
                discovered=True,
            )
        return list(found.values())


def _filled(triggers: Triggers, directory: str) -> Triggers:
    def fill(paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(path.replace("{directory}", directory).lstrip("/") for path in paths)

    return replace(triggers, prefixes=fill(triggers.prefixes), patterns=fill(triggers.patterns))


def _plain(path: str) -> str:
    path = path.strip("/")
    return "" if path == "." else path


def _any(patterns: tuple[str, ...], *paths: str) -> bool:
    return any(pattern_regex(_plain(pattern)).match(path) for pattern in patterns for path in paths)
