"""Search of runs over all workspaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace

MOST_COUNTED = 10_000
"""No search counts further than this."""


class RunState(StrEnum):
    """The filters of a list of runs by their state. ATTENTION: a person must decide, or the run errored."""

    ALL = "all"
    ATTENTION = "attention"
    RUNNING = "running"
    WAITING = "waiting"
    PLANNED = "planned"
    APPLIED = "applied"
    ERRORED = "errored"
    STOPPED = "stopped"


@dataclass(frozen=True)
class RunSearchQuery:
    """Which runs to find, newest first. An empty field matches all.

    `repos` are the repositories that the person may see, `names` the workspaces that their token reaches,
    None: all. `person` started or confirmed the run.
    `commit` is the beginning of a commit id, in lower case. `words` must each be in the message, the branch
    or the workspace's name. `since` and `until` limit the time of creation: from `since`, to before `until`.
    """

    state: RunState = RunState.ALL
    repos: tuple[RepoRef, ...] | None = None
    workspace: str = ""
    repo: str = ""
    person: str = ""
    branch: str = ""
    commit: str = ""
    change_number: int | None = None
    words: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 50
    offset: int = 0
    statuses: frozenset[str] = frozenset()
    names: tuple[str, ...] | None = None


class RunSearch(Protocol):
    """Finds runs."""

    def page(self, query: RunSearchQuery) -> Sequence[tuple[Run, Workspace]]:
        """Return a part of the runs that match, newest first, each with its workspace."""
        ...

    def count(self, query: RunSearchQuery) -> int:
        """Return how many runs match, at most MOST_COUNTED + 1."""
        ...
