"""What the list of workspaces asks of the database: a part of it at a time, and how many there are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.run import Run
from bot.domain.workspace import Workspace


class Show(StrEnum):
    """How the list may be narrowed, by the run that a workspace is shown with or by its lock."""

    ALL = "all"
    ATTENTION = "attention"
    ERRORED = "errored"
    RUNNING = "running"
    HOLD = "hold"
    APPLIED = "applied"


@dataclass(frozen=True)
class OverviewQuery:
    """Which workspaces to list. `search` is looked for in name, repository, directory and branch.

    `repos` are those whose workspaces the person may see, None: all. `latest_first` puts first what moved
    last instead of sorting by name.
    """

    show: Show = Show.ALL
    search: str = ""
    repos: tuple[RepoRef, ...] | None = None
    latest_first: bool = False
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class Overview:
    """One workspace of the list.

    `run` is the one in progress, else the latest that may apply, else the latest preview. `applied` is the
    latest that was applied. `in_effect` is the latest after which its commit stood: applied, or planned
    without changes. `behind` counts the branch's commits that came after it, as far as they made runs here.
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
        """Return a part of the list."""
        ...

    def counts(self, query: OverviewQuery) -> Mapping[Show, int]:
        """Return how many workspaces each way to narrow the list leaves of those that match the search."""
        ...

    def of(self, workspace: Workspace) -> Overview:
        """Return one workspace as the list would have it, active or not."""
        ...
