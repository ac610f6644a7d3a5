"""Workspaces, and the list of them that pages show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Lock, Workspace


class ChangedWorkspaces(Protocol):
    """Changes a workspace in place."""

    def save(self, workspace: Workspace) -> Workspace:
        """Update by id, also the name; keeps the lock. Raises NotFound, Conflict if the name is taken."""
        ...


class Workspaces(ChangedWorkspaces, Protocol):
    """Stores workspaces, from the configuration or found by discovery."""

    def get(self, workspace_id: str, *, for_update: bool = False) -> Workspace:
        """Return a workspace. `for_update` locks it until the transaction ends. Raises NotFound."""
        ...

    def load(self, workspace_ids: Iterable[str]) -> None:
        """Read many workspaces at once, so that `get` finds them. Only in a transaction that reads."""
        ...

    def named(self, name: str) -> Workspace:
        """Return a workspace by its name. Raises NotFound."""
        ...

    def of_repo(self, repo: RepoRef) -> Sequence[Workspace]:
        """Return the active workspaces of a repository, by name."""
        ...

    def all(self, *, sharing: bool = False, checked: bool = False) -> Sequence[Workspace]:
        """Return every active workspace, by name. With `sharing`, only those that share their states.

        With `checked`, only those that are checked for drift.
        """
        ...

    def put(self, workspace: Workspace) -> Workspace:
        """Insert or update by name. An existing workspace keeps its id and lock. Return the workspace."""
        ...

    def set_lock(self, workspace_id: str, lock: Lock | None) -> None:
        """Lock or unlock. Raises NotFound."""
        ...


class OverviewFilter(StrEnum):
    """The filters of the list: by the run that the list shows for a workspace, or by its lock."""

    ALL = "all"
    ATTENTION = "attention"
    ERRORED = "errored"
    RUNNING = "running"
    HOLD = "hold"
    APPLIED = "applied"


class OverviewGroup(StrEnum):
    """What the list can be grouped by. A workspace stands under its first tag."""

    REPOSITORY = "repository"
    PROJECT = "project"
    TEAM = "team"
    TAG = "tag"


@dataclass(frozen=True)
class OverviewQuery:
    """Which workspaces to list.

    `search` matches name, repository, directory, branch, project, team and tags. `by` sorts by groups first,
    and `only` leaves one group: with a tag every workspace that has it.
    `repos` are the repositories that the person may see, None: all; `names` likewise. `latest_first` sorts by
    the last activity instead of by name.
    """

    show: OverviewFilter = OverviewFilter.ALL
    search: str = ""
    repos: tuple[RepoRef, ...] | None = None
    names: tuple[str, ...] | None = None
    latest_first: bool = False
    by: OverviewGroup | None = None
    only: str = ""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class Overview:
    """One workspace of the list.

    `run` is the one in progress, else the latest that may apply, else the latest preview. `applied` is the
    latest that was applied. `in_effect` is the latest after which its commit stood: applied, or planned
    without changes. `behind` counts later commits of the branch that created runs here.
    """

    workspace: Workspace
    run: Run | None = None
    applied: Run | None = None
    in_effect: Run | None = None
    behind: int = 0


class Overviews(Protocol):
    """The list of active workspaces."""

    def repos(self) -> Sequence[RepoRef]:
        """Return every repository that has an active workspace."""
        ...

    def page(self, query: OverviewQuery) -> Sequence[Overview]:
        """Return one page of the list."""
        ...

    def counts(self, query: OverviewQuery) -> Mapping[OverviewFilter, int]:
        """Return how many workspaces each filter shows, of those that match the search."""
        ...

    def runs(self, query: OverviewQuery) -> Mapping[str, Run]:
        """Return the run that the list shows for each matching workspace, by the workspace's id.

        `show`, `limit` and `offset` of the query don't matter.
        """
        ...

    def of(self, workspace: Workspace) -> Overview:
        """Return one workspace as in the list, active or not."""
        ...
