"""Changes as the forge last reported them, and the posts that the bot writes to the forges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from bot.domain.events import Change, RepoRef
from bot.domain.reports.posts import PostContent
from bot.domain.reports.report import StatusReport
from bot.domain.runs.merge_result import MergeResult

# In place of a delivery that has created some of a change's previews, and could not create the others.
GAVE_UP = "given up"


@dataclass(frozen=True)
class KnownApprovals:
    """Which requirements people met when the forge was asked last, for this commit on this base.

    `met` maps ids of workspaces to entries of their `require`. Other workspaces were not asked about.
    """

    commit: str
    base_branch: str
    met: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class ChangeRecord:
    """A change as last fetched, and the workspaces that it touches. `seen_at` is when the forge was asked.

    `reasons` say why a workspace runs for it or not: pairs of a name (empty: all workspaces) and a sentence.
    `pushers` are the logins of the people who pushed to it, as far as the forge told. `head_at` is the time
    since which its head is this commit, by the forge's clock if that is known. `edited` is the login of the
    person who edited our comment, empty if nobody did. `merge` is what its head makes in its base, None if no
    workspace plans that. `approvals` are as last read. `deciding` is the delivery that still creates its
    previews, empty if all are there.
    """

    id: str
    change: Change
    workspace_ids: tuple[str, ...]
    seen_at: datetime
    note: str = ""
    reasons: tuple[tuple[str, str], ...] = ()
    pushers: tuple[str, ...] = ()
    head_at: datetime | None = None
    edited: str = ""
    merge: MergeResult | None = None
    approvals: KnownApprovals | None = None
    deciding: str = ""

    def approved(self, workspace_id: str) -> tuple[str, ...]:
        """Return the entries of a workspace's `require` that people had met, as far as that is known."""
        known, change = self.approvals, self.change
        if known is None or (known.commit, known.base_branch) != (change.head_sha, change.base_branch):
            return ()
        return tuple(known.met.get(workspace_id, ()))

    @property
    def in_parts(self) -> bool:
        """Whether a delivery is still creating its previews."""
        return self.deciding not in ("", GAVE_UP)


@dataclass(frozen=True)
class OpenChange:
    """The little of an open change that a search among many needs."""

    number: int
    head_sha: str
    workspace_ids: tuple[str, ...]


class ChangeListing(Protocol):
    """Lists the open changes of a repository."""

    def open_of(self, repo: RepoRef, limit: int | None, touching: str = "") -> Sequence[ChangeRecord]:
        """Return the open changes of a repository, the highest number first.

        `touching` is the id of a workspace: only changes that touch it are returned.
        """
        ...

    def open_heads(self, repo: RepoRef) -> Sequence[OpenChange]:
        """Return all open changes of a repository, the highest number first."""
        ...


class Changes(ChangeListing, Protocol):
    """Stores changes as last fetched."""

    def put(self, record: ChangeRecord) -> ChangeRecord:
        """Insert or update by repository and number. An existing change keeps its id.

        Does not store `approvals`. Raises Conflict if a later answer of the forge is stored: fetch the change
        again.
        """
        ...

    def keep_approvals(self, change_id: str, approvals: KnownApprovals) -> None:
        """Store what people have approved, in place of what was known."""
        ...

    def get(self, change_id: str) -> ChangeRecord:
        """Return a change. Raises NotFound."""
        ...

    def numbered(self, repo: RepoRef, number: int, *, for_update: bool = False) -> ChangeRecord | None:
        """Return a change by its number, None if it is unknown. `for_update` locks it."""
        ...

    def id_of(self, repo: RepoRef, number: int) -> str | None:
        """Return the id of a change by its number, None if it is unknown."""
        ...

    def decided_by(self, delivery_id: str) -> ChangeRecord | None:
        """Return the change whose previews a delivery still creates, None if there is none. Locks it."""
        ...

    def merged_as(self, repo: RepoRef, commit: str) -> ChangeRecord | None:
        """Return the change whose merge created a commit of the branch, None if there is none."""
        ...


# How long a comment whose answer was lost may still appear on the forge.
DOUBTS_LAST = timedelta(minutes=2)


@dataclass(frozen=True)
class Post:
    """Something that the bot writes to a forge: a status, a comment, a reaction, a merge.

    `key` is unique within the repository, and finds the post again after a crash: `status:<sha>:<context>`,
    `comment:<number>:<marker>`, `reaction:<number>:<comment id>:<name>`. `content` is the wanted content,
    `posted` the hash of the content that was delivered. `remote_id` is the comment's id on the forge.
    `shown` maps each run whose plan a comment shows whole to the time since which it does, by the forge's
    clock; `listed` each run whose plan did not fit.
    Posts are delivered after `not_before`, which the forge or an earlier failure asks for, and after
    `edit_after`, which spaces the edits that tell of progress. A derived post says if it is `progress`.
    `text_hash` is the hash of the comment's text as the forge has it. `unsure_since` is when a comment was
    written whose answer is not known: it may appear later, beside another one.
    """

    subject: str
    repo: RepoRef
    key: str
    content: PostContent
    posted: str = ""
    remote_id: str = ""
    attempts: int = 0
    not_before: datetime | None = None
    error: str = ""
    shown: Mapping[str, datetime] = field(default_factory=dict)
    text_hash: str = ""
    listed: Mapping[str, datetime] = field(default_factory=dict)
    unsure_since: datetime | None = None
    edit_after: datetime | None = None
    progress: bool = False

    @property
    def due_at(self) -> datetime | None:
        """When it may be delivered; None: at once."""
        return max(filter(None, (self.not_before, self.edit_after)), default=None)


class DueReports(Protocol):
    """Stores which changes and commits have to be reported."""

    def mark_due(self, at: datetime, *marked: str) -> None:
        """Mark subjects (changes or commits) to be reported, in the transaction that changed them."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the subjects with posts to derive, deliver or search for doubles, longest waiting first."""
        ...

    def due_mark(self, subject: str) -> int:
        """Return a number that grows with each `mark_due`; 0 if the subject was never marked."""
        ...


class Posts(DueReports, Protocol):
    """Stores what the forges should show, and what was delivered (promise 4)."""

    def derived(self, subject: str, mark: int, posts: Sequence[Post]) -> None:
        """Store the wanted posts as of a mark: insert or update by repository and key.

        Only a post that tells of progress waits for its `edit_after`.
        """
        ...

    def undelivered(self, subject: str) -> Sequence[Post]:
        """Return the subject's posts that are not delivered yet, whatever they wait for."""
        ...

    def delivered(self, post: Post, remote_id: str, next_after: datetime | None = None) -> None:
        """Store that this content is delivered, and when the next one that tells of progress may follow."""
        ...

    def failed(self, post: Post, error: str, not_before: datetime | None) -> None:
        """Store the error and the time of the next attempt. None: no further attempt, it would fail again."""
        ...


class Shown(Protocol):
    """Stores what the forges show: which plans, as they acknowledged; pending statuses; doubtful comments."""

    def unsettled(self, subject: str) -> Sequence[StatusReport]:
        """Return the subject's commit statuses that are pending or running, on any commit."""
        ...

    def comment_names(self, subject: str, prefix: str) -> Sequence[str]:
        """Return the names of the subject's comments that begin so."""
        ...

    def unsure(self, post: Post, since: datetime | None) -> None:
        """Store that a comment is being written, before the forge is asked; None: its answer is known."""
        ...

    def doubtful(self, subject: str, before: datetime) -> Sequence[Post]:
        """Return the delivered comments that may be doubled, by a call from before that time."""
        ...

    def keep(
        self, post: Post, shown: Mapping[str, datetime], listed: Mapping[str, datetime], text_hash: str
    ) -> None:
        """Store which plans a comment shows or lists, since when, and the hash of its text on the forge."""
        ...

    def get(self, repo: RepoRef, key: str) -> Post | None:
        """Return a post, None if it is unknown."""
        ...

    def written_as(self, repo: RepoRef, comment_id: str) -> Post | None:
        """Return the post that we wrote as this comment. None if we did not write it."""
        ...

    def disturbed(self, post: Post) -> None:
        """Store that a comment no longer has our text: it shows nothing, and has to be written again."""
        ...
