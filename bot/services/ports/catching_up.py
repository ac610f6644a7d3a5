"""What a forge says happened, and what was handled of it: for events whose webhook never came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.domain.events import Change, CommentAdded, RepoRef


@dataclass(frozen=True)
class BranchHead:
    """A branch as the forge has it. `author` and `message` are those of its newest commit."""

    branch: str
    commit: str
    author: str
    message: str


@dataclass(frozen=True)
class ForgeNews:
    """What a forge has that is new in a repository.

    `heads` are the branches that may have moved. `changes` were updated; from a list, so `mergeable` is
    unknown. `comments` are new and were never edited. `until` is the time of the newest of these, by the
    forge's clock, None if there are none. `marks` let the next call skip what has not changed. `calls` is the
    number of requests that this took.
    """

    default_branch: str
    heads: tuple[BranchHead, ...] = ()
    changes: tuple[Change, ...] = ()
    comments: tuple[CommentAdded, ...] = ()
    until: datetime | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0


class ForgeHistory(Protocol):
    """Lists what happened in a repository. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def news(
        self, repo: RepoRef, branches: Sequence[str], since: datetime | None, marks: Mapping[str, str]
    ) -> ForgeNews:
        """Return the heads of branches, and the changes and comments since a time by the forge's clock.

        An empty branch is the default one; branches that do not exist are left out. Without `since`, returns
        all open changes and no comments. `marks` are those of the last call, empty for the first one.
        """
        ...


@dataclass(frozen=True)
class RepoWatch:
    """The state of catching up with one repository.

    `since` is the time up to which the forge's changes and comments are known, None before the first check.
    `checked_at` is when the last check began, `due_at` when the next one is due. `error` says why the last
    check failed, empty if it did not.
    """

    repo: RepoRef
    due_at: datetime
    checked_at: datetime
    since: datetime | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    calls: int = 0
    error: str = ""


@dataclass(frozen=True)
class HandledHead:
    """The newest commit of a branch that was handled, and when."""

    commit: str
    at: datetime


class RepoWatches(Protocol):
    """Stores how far each repository is known."""

    def all(self) -> Sequence[RepoWatch]:
        """Return the repositories that were checked, or are to be."""
        ...

    def get(self, repo: RepoRef) -> RepoWatch | None:
        """Return a repository's state, None before its first check."""
        ...

    def put(self, watch: RepoWatch) -> None:
        """Insert or update."""
        ...

    def all_due(self, at: datetime) -> None:
        """Make every repository due."""
        ...

    def waits(self, repo: RepoRef, before: datetime) -> bool:
        """Return whether a delivery of a repository from before then waits for its first attempt."""
        ...

    def head(self, repo: RepoRef, branch: str) -> HandledHead | None:
        """Return a branch's newest handled commit, None if none was handled."""
        ...

    def moved(self, repo: RepoRef, branch: str, commit: str, at: datetime) -> None:
        """Store that a branch's commit was handled."""
        ...
