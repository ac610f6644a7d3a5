"""What Plangate reads from a forge and writes to it, and how it reads a webhook."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import ApprovalRule, Review
from bot.domain.events import Change, ChangedFiles, ForgeEvent, Ignored, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.reports.posts import Reaction
from bot.domain.reports.report import StatusReport
from bot.domain.terms import ForgeWords
from bot.domain.workspaces.merge_method import MergeMethod
from bot.services.ports.catching_up import ForgeHistory
from bot.services.ports.failed_deliveries import ForgeHookLog


@dataclass(frozen=True)
class GitRemote:
    """The address from which Git fetches a repository. The header is a secret: pass it by the environment.

    `renew` is for a header that the forge refuses: it returns the same remote with a new one. None if the
    credentials can't be renewed.
    """

    repo: RepoRef
    url: str
    auth_header: str = field(default="", repr=False)
    renew: Callable[[], GitRemote | None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class ForgeComment:
    """A comment as the forge has it. Its times are by the forge's clock, None if unknown."""

    id: str
    body: str
    created_at: datetime | None = None
    updated_at: datetime | None = None


class ForgeFacts(Protocol):
    """Facts that are asked of the forge itself, whatever a delivery says. Raises as ForgeReader does."""

    def repo_id(self, repo: RepoRef) -> str:
        """Return the forge's own number of a repository. It changes if the repository is created again."""
        ...

    def account_id(self, repo: RepoRef, login: str) -> str:
        """Return the number of the account that has a login now. Raises NotFound."""
        ...

    def is_on_branch(self, repo: RepoRef, branch: str, sha: str) -> bool:
        """Whether a commit is on a branch: its head, or one that the head descends from."""
        ...

    def tag_commit(self, repo: RepoRef, tag: str) -> str:
        """Return the commit that a tag points at now, through annotated tags. Raises NotFound."""
        ...

    def comment(self, repo: RepoRef, number: int, comment_id: str) -> ForgeComment:
        """Return a comment on a change as it is now. Raises NotFound if it was deleted."""
        ...


class ForgeReader(ForgeFacts, Protocol):
    """Reads from the forge. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def change(self, repo: RepoRef, number: int) -> Change:
        """Return the current state of a pull or merge request."""
        ...

    def files_of_change(self, repo: RepoRef, number: int) -> ChangedFiles:
        """Return the paths that a change touches, with both names of a renamed file. Reads all pages."""
        ...

    def files_between(self, repo: RepoRef, before: str, after: str) -> ChangedFiles:
        """Return the paths that differ between two commits. Incomplete if the forge cut the list short."""
        ...

    def branch_head(self, repo: RepoRef, branch: str) -> tuple[str, str]:
        """Return a branch's name and commit; an empty name means the default branch."""
        ...

    def role(self, repo: RepoRef, login: str) -> Role:
        """Return a person's role in a repository. Role.NONE for strangers."""
        ...

    def remote(self, repo: RepoRef) -> GitRemote:
        """Return the address and credentials with which Git fetches the repository."""
        ...


class ForgeWriter(Protocol):
    """Writes to the forge. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def set_status(self, repo: RepoRef, status: StatusReport) -> None:
        """Set a commit status. The description is cut to the forge's limit."""
        ...

    def find_comments(self, repo: RepoRef, number: int, marker: str) -> tuple[str, ...]:
        """Return the ids of the bot's own comments with the marker, oldest first."""
        ...

    def create_comment(self, repo: RepoRef, number: int, body: str) -> ForgeComment:
        """Write a comment on a change and return it as the forge has it. Not retried automatically."""
        ...

    def update_comment(self, repo: RepoRef, number: int, comment_id: str, body: str) -> ForgeComment:
        """Replace a comment's text and return it as the forge has it. Raises NotFound if it was deleted."""
        ...

    def delete_comment(self, repo: RepoRef, number: int, comment_id: str) -> None:
        """Delete a comment of the bot. Deleting it twice changes nothing."""
        ...

    def react(self, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> None:
        """Add a reaction to a comment. Adding the same one twice changes nothing."""
        ...

    def set_labels(self, repo: RepoRef, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and remove labels of a change. What is so already stays so; other labels are not touched."""
        ...


class ForgeReviews(Protocol):
    """Reads reviews and the rules for them. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def reviews(self, repo: RepoRef, number: int) -> tuple[Review, ...]:
        """Return the reviews of a change, oldest first."""
        ...

    def approval_rules(self, repo: RepoRef, number: int) -> tuple[ApprovalRule, ...]:
        """Return the forge's approval rules for a change, as far as the forge shows them."""
        ...

    def commits_behind(self, change: Change) -> int:
        """Return how many commits of the base branch the change does not have."""
        ...

    def commit_authors(self, change: Change) -> frozenset[str]:
        """Return the logins of authors and committers of the change's commits, in lower case.

        As far as the forge tells: Git lets everybody write any name into a commit.
        """
        ...

    def code_owners(self, repo: RepoRef, branch: str) -> CodeOwners | None:
        """Return CODEOWNERS on a branch, None if there is none."""
        ...

    def team_members(self, repo: RepoRef, team: str) -> frozenset[str]:
        """Return the logins of a team as CODEOWNERS names it (`acme/ops`), in lower case."""
        ...


class ForgeMerging(Protocol):
    """Merges changes. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def merge(self, repo: RepoRef, number: int, head_sha: str, method: MergeMethod | None = None) -> str:
        """Merge a change at this commit and no other. Return the branch's new commit.

        Without a method, uses one that the repository allows. Not retried automatically: if the answer is
        lost, read the change. Raises HeadMoved if the change has another commit now, NotMergeable if the
        forge does not allow the merge now: a conflict, a check, a review, the method, or because
        the change is closed or merged.
        """
        ...

    def queue_base(self, repo: RepoRef, number: int, sha: str) -> str | None:
        """Return the base commit of a merge queue's commit for a change, None if it is not a queue's commit.

        Empty if the base is unknown.
        """
        ...


class Forge(ForgeReader, ForgeWriter, ForgeReviews, ForgeMerging, ForgeHistory, ForgeHookLog, Protocol):
    """A forge: GitHub, GitLab, or the tests' fake."""

    @property
    def comment_limit(self) -> int:
        """The longest comment, in characters."""
        ...

    @property
    def calls_at_once(self) -> int:
        """How many statuses and reactions may be written side by side, each from a thread of its own."""
        ...

    @property
    def words(self) -> ForgeWords:
        """The forge's own terms."""
        ...


@dataclass(frozen=True)
class HookHeaders:
    """The headers of a webhook call. `kept_headers` are needed to parse it again; they contain no secrets."""

    delivery_id: str
    event: str
    kept_headers: Mapping[str, str]


@dataclass(frozen=True)
class HookEvent:
    """The parsed body of a webhook call: its repository (empty if there is none) and its event."""

    repo: str
    meaning: ForgeEvent | Ignored

    @property
    def ignored(self) -> str:
        """Why the call is ignored, empty if it is not."""
        return self.meaning.reason if isinstance(self.meaning, Ignored) else ""


class Hook(Protocol):
    """Reads the webhook calls of one configured forge. No I/O. Names of headers are in lower case."""

    @property
    def name(self) -> str:
        """The forge's name in the configuration and in `/hooks/<name>`."""
        ...

    @property
    def kind(self) -> str:
        """The kind of the forge: `github` or `gitlab`."""
        ...

    @property
    def words(self) -> ForgeWords:
        """The forge's own terms."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the call is signed with one of our secrets. Compares in constant time."""
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> HookHeaders:
        """Return the relevant headers. Raises Invalid if one is missing or malformed.

        If the forge sends no id, the id is derived from the body.
        """
        ...

    def check(self, read: HookHeaders, body: bytes) -> HookEvent:
        """Parse the body, once. The result is stored with the delivery.

        Raises Invalid if the body does not fit its event.
        """
        ...

    def commit_url(self, repo: RepoRef, sha: str) -> str:
        """Return the web page of a commit, empty if it is unknown."""
        ...
