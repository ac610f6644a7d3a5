"""What happened on a forge, in our own words: nothing past the forge's parser sees a vendor's payload."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, order=True)
class RepoRef:
    """A repository: the forge's name in the configuration and the path there, such as `acme/infra`."""

    forge: str
    path: str

    def __str__(self) -> str:
        return f"{self.forge}:{self.path}"


@dataclass(frozen=True)
class ChangedFiles:
    """The paths that a push or a change touches, from the repository's root.

    `complete` is False where the forge cut the list short or could not make one: then every workspace counts
    as touched.
    """

    paths: tuple[str, ...]
    complete: bool = True

    @staticmethod
    def unknown() -> ChangedFiles:
        """Nothing is known: every workspace counts as touched."""
        return ChangedFiles((), complete=False)


@dataclass(frozen=True)
class BranchPushed:
    """A branch moved. `before` is empty for a new branch; `message` is the head commit's first line."""

    repo: RepoRef
    branch: str
    before: str
    after: str
    pusher: str
    message: str
    default_branch: str


@dataclass(frozen=True)
class TagPushed:
    """A tag was made or moved."""

    repo: RepoRef
    tag: str
    commit: str
    pusher: str
    message: str
    default_branch: str


class ChangeAction(StrEnum):
    """What became of a change."""

    OPENED = "opened"
    REOPENED = "reopened"
    NEW_COMMITS = "new commits"
    RETARGETED = "retargeted"
    READY = "ready for review"


@dataclass(frozen=True)
class Change:
    """A pull request or merge request, as the forge has it now.

    `default_branch` is the base repository's: workspaces that name no branch follow it. `merge_sha` is the
    branch's commit that a merge has made, empty where it is not merged.
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


@dataclass(frozen=True)
class ChangeUpdated:
    """A change was opened, reopened or got new commits."""

    change: Change
    action: ChangeAction
    sender: str


@dataclass(frozen=True)
class ChangeClosed:
    """A change was merged or closed without."""

    change: Change
    sender: str


@dataclass(frozen=True)
class CommentAdded:
    """Somebody wrote a comment on a change. Carries no commit: the change must be fetched and pinned."""

    repo: RepoRef
    number: int
    comment_id: str
    author: str
    author_is_bot: bool
    body: str


@dataclass(frozen=True)
class GroupQueued:
    """A merge queue asks whether a group of changes may be merged; `number` is the last one of them.

    `head_sha` is what the base branch would be at, `base_sha` what it is, or what the group before makes it;
    `head_branch` holds the commit for as long as it is in the queue.
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
    """A commit is tried for a change, as merge queues do and others too: only the forge knows which it is."""

    repo: RepoRef
    number: int
    head_sha: str
    base_branch: str
    default_branch: str


@dataclass(frozen=True)
class GroupGone:
    """A merge queue has done with a group: merged it, or taken it out."""

    repo: RepoRef
    head_sha: str
    reason: str


@dataclass(frozen=True)
class Ignored:
    """A delivery that leads to nothing, and why."""

    reason: str


ForgeEvent = (
    BranchPushed
    | TagPushed
    | ChangeUpdated
    | ChangeClosed
    | CommentAdded
    | GroupQueued
    | GroupAsked
    | GroupGone
)
