"""Events of a forge, in our own terms. Only the forge's parser sees its payloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property


@dataclass(frozen=True, order=True)
class RepoRef:
    """A repository: the forge's name in the configuration and the path there, such as `acme/infra`."""

    forge: str
    path: str

    def __str__(self) -> str:
        return f"{self.forge}:{self.path}" if self.forge else ""


NO_REPO = RepoRef("", "")
"""The repository of a workspace that has none: its configuration is uploaded."""


@dataclass(frozen=True)
class ChangedFiles:
    """The paths that a push or a change touches, from the repository's root.

    `complete` is False if the forge cut the list short or could not make one: then every workspace counts
    as touched. `used` says of directories why the files touch modules that they use.
    """

    paths: tuple[str, ...]
    complete: bool = True
    used: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def _below(self) -> Mapping[str, Sequence[int]]:
        """The places of the paths that are in each directory, or are that path, in order."""
        found: dict[str, list[int]] = {}
        for number, path in enumerate(self.paths):
            end = len(path)
            while end > 0:
                found.setdefault(path[:end], []).append(number)
                end = path.rfind("/", 0, end)
        return found

    def first_inside(self, directory: str) -> int | None:
        """Return the place of the first path that is in a directory, or is that path. None if none is."""
        directory = directory.strip("/")
        if directory in ("", "."):
            return 0 if self.paths else None
        return next(iter(self._below.get(directory, ())), None)

    def below(self, directory: str) -> Iterable[str]:
        """Return the paths in a directory, in order. An empty one is the repository's root."""
        return (self.paths[each] for each in self._below.get(directory, ())) if directory else self.paths

    @staticmethod
    def unknown() -> ChangedFiles:
        """Nothing is known: every workspace counts as touched."""
        return ChangedFiles((), complete=False)


@dataclass(frozen=True)
class BranchPushed:
    """A branch moved. `before` is empty for a new branch. `message` is the head commit's first line."""

    repo: RepoRef
    branch: str
    before: str
    after: str
    pusher: str
    message: str
    default_branch: str


@dataclass(frozen=True)
class TagPushed:
    """A tag was created or moved."""

    repo: RepoRef
    tag: str
    commit: str
    pusher: str
    message: str
    default_branch: str


class ChangeAction(StrEnum):
    """The kinds of updates of a change."""

    OPENED = "opened"
    REOPENED = "reopened"
    NEW_COMMITS = "new commits"
    RETARGETED = "retargeted"
    READY = "ready for review"


@dataclass(frozen=True)
class Change:
    """A pull request or merge request, as last fetched.

    `default_branch` is the base repository's: workspaces without a branch follow it. `merge_sha` is the
    branch's commit that the merge created, empty if it is not merged. `asked` are the people (`ben`) and the
    teams (`acme/platform`) who were asked for a review, as far as the forge tells.
    """

    repo: RepoRef
    number: int
    title: str
    author: str
    head_sha: str
    head_branch: str
    base_branch: str
    from_fork: bool
    url: str
    open: bool = True
    merged: bool = False
    draft: bool = False
    mergeable: bool | None = None
    default_branch: str = ""
    merge_sha: str = ""
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeUpdated:
    """A change was opened, reopened or got new commits. `at` is when, by the forge's clock."""

    change: Change
    action: ChangeAction
    sender: str
    at: datetime | None = None


@dataclass(frozen=True)
class ChangeClosed:
    """A change was merged, or closed without a merge."""

    change: Change
    sender: str


@dataclass(frozen=True)
class ReviewersChanged:
    """Others are asked for a review of a change now, or somebody gave a verdict. Nothing else of it changed.

    `asked` is None if the forge does not say. `judged`: somebody approved it, asked for changes, or took
    that back.
    """

    repo: RepoRef
    number: int
    asked: tuple[str, ...] | None
    judged: bool = False


@dataclass(frozen=True)
class CommentAdded:
    """A new comment on a change. Carries no commit: fetch the change and use its head.

    `created_at` is by the forge's clock, None if the delivery does not say. `author_id` is the account's own
    number, empty if it is not told.
    """

    repo: RepoRef
    number: int
    comment_id: str
    author: str
    author_is_bot: bool
    body: str
    created_at: datetime | None = None
    author_id: str = ""


@dataclass(frozen=True)
class CommentEdited:
    """Somebody edited or deleted a comment on a change; perhaps one of ours.

    `by_author` says that the author of the comment did it.
    """

    repo: RepoRef
    number: int
    comment_id: str
    editor: str
    deleted: bool = False
    by_author: bool = False


@dataclass(frozen=True)
class GroupQueued:
    """A merge queue asks whether a group of changes may be merged. `number` is the last one of them.

    `head_sha` is the commit of the base branch after the merge, `base_sha` the one before it;
    `head_branch` contains the commit while it is in the queue.
    """

    repo: RepoRef
    number: int
    head_sha: str
    head_branch: str
    base_sha: str
    base_branch: str
    default_branch: str


@dataclass(frozen=True)
class GroupAsked:
    """A commit is tested for a change, by a merge queue or for another reason: only the forge knows."""

    repo: RepoRef
    number: int
    head_sha: str
    base_branch: str
    default_branch: str


@dataclass(frozen=True)
class GroupGone:
    """A merge queue has merged or removed a group."""

    repo: RepoRef
    head_sha: str
    reason: str


@dataclass(frozen=True)
class Ignored:
    """A delivery without effect, and why."""

    reason: str


ForgeEvent = (
    BranchPushed
    | TagPushed
    | ChangeUpdated
    | ChangeClosed
    | ReviewersChanged
    | CommentAdded
    | CommentEdited
    | GroupQueued
    | GroupAsked
    | GroupGone
)
