"""What a forge knows: people, repositories, pull requests and what is said about them.

Nothing here speaks GitHub or GitLab; each of those puts its own shapes on the same objects.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Literal

from bot.playground.forge.flavours import GITHUB

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bot.playground.forge.flavours import Flavour
    from bot.playground.forge.versions import Version
    from bot.playground.git.repositories import GitRepository

PullState = Literal["open", "closed"]
ReviewState = Literal["APPROVED", "CHANGES_REQUESTED", "COMMENTED", "DISMISSED", "PENDING"]

REACTIONS = ("+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes")
MERGE_METHODS = ("merge", "squash", "rebase")
STATUS_STATES = ("error", "failure", "pending", "success")


def now() -> datetime:
    """Give the present moment, in whole seconds as forges do."""
    return datetime.now(UTC).replace(microsecond=0)


class Role(IntEnum):
    """What somebody may do in a repository, in rising order."""

    none = 0
    read = 1
    triage = 2
    write = 3
    maintain = 4
    admin = 5


class ForgeError(Exception):
    """A request that the forge refuses, with the kind of refusal as the forge's APIs tell them apart."""

    def __init__(self, kind: str, message: str, *, field: str = "", code: str = "custom") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.field = field
        self.code = code


def not_found(message: str = "Not Found") -> ForgeError:
    """Say that there is no such thing, or none that the caller may see."""
    return ForgeError("not_found", message)


def forbidden(message: str) -> ForgeError:
    """Say that the caller may see it but not do it."""
    return ForgeError("forbidden", message)


def invalid(message: str, field: str = "", code: str = "custom") -> ForgeError:
    """Say which part of the request makes no sense."""
    return ForgeError("invalid", message, field=field, code=code)


@dataclass(eq=False)
class User:
    """A person, a bot or an organization. `automation`: a person's kind of account that a program uses."""

    id: int
    login: str
    name: str
    email: str
    type: str = "User"
    automation: bool = False
    created_at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class Credential:
    """Whom a token stands for, until when, and for which installation of which app."""

    user: User
    expires_at: datetime | None = None
    installation_id: int | None = None


@dataclass(eq=False)
class Protection:
    """What a branch asks of a pull request before it may be merged into it."""

    contexts: tuple[str, ...] = ()
    approvals: int = 0
    queue: bool = False


@dataclass(eq=False)
class Repo:
    """A repository: its Git side on disk, its people and its numbering."""

    id: int
    owner: User
    name: str
    git: GitRepository
    default_branch: str
    private: bool
    description: str | None
    parent: Repo | None = None
    created_at: datetime = field(default_factory=now)
    pushed_at: datetime = field(default_factory=now)
    roles: dict[str, Role] = field(default_factory=dict)
    pulls: dict[int, Pull] = field(default_factory=dict)
    statuses: dict[str, list[Status]] = field(default_factory=dict)
    protections: dict[str, Protection] = field(default_factory=dict)
    flavour: Flavour = GITHUB
    pipelines: dict[str, int] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    merge_methods: tuple[str, ...] = MERGE_METHODS

    @property
    def full_name(self) -> str:
        """Name it as people write it."""
        return f"{self.owner.login}/{self.name}"

    def latest_statuses(self, sha: str) -> list[Status]:
        """List what each context last said about a commit, the latest first."""
        latest = {status.context: status for status in self.statuses.get(sha, [])}
        return sorted(latest.values(), key=lambda status: -status.id)

    def combined_state(self, sha: str) -> str:
        """Boil a commit's statuses down to one word."""
        states = {status.state for status in self.latest_statuses(sha)}
        if states & {"error", "failure"}:
            return "failure"
        return "success" if states == {"success"} else "pending"


@dataclass(eq=False)
class Pull:
    """A pull request. `head_repo` turns into None when the fork is deleted."""

    id: int
    number: int
    repo: Repo
    author: User
    title: str
    body: str | None
    base_ref: str
    base_sha: str
    head_repo: Repo | None
    head_owner: User
    head_ref: str
    head_sha: str
    draft: bool = False
    state: PullState = "open"
    created_at: datetime = field(default_factory=now)
    updated_at: datetime = field(default_factory=now)
    closed_at: datetime | None = None
    merged_at: datetime | None = None
    merged_by: User | None = None
    merge_sha: str | None = None
    mergeable: bool | None = None
    comments: list[Comment] = field(default_factory=list)
    reviews: list[Review] = field(default_factory=list)
    asked: list[User] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    merges_later: User | None = None
    # How often it is still looked at before the forge knows what it changes, and whether it can be merged.
    preparing: int = 0
    undecided: int = 0
    # Who had the forge itself do what, by a word of its own in a comment.
    quick_actions: list[tuple[str, str]] = field(default_factory=list)

    @property
    def page(self) -> str:
        """Where people see it, from the server's root."""
        return f"/{self.repo.full_name}/{self.repo.flavour.page}/{self.number}"

    @property
    def from_fork(self) -> bool:
        """Tell whether its commits come from another repository."""
        return self.head_repo is not self.repo

    def looked_at(self) -> None:
        """Have the forge get on with what it finds out only because somebody asks."""
        if self.preparing:
            self.preparing -= 1
        elif self.undecided:
            self.undecided -= 1

    @property
    def label(self) -> str:
        """Name the head as forges do across repositories."""
        return f"{self.head_owner.login}:{self.head_ref}"

    def verdicts(self) -> dict[User, ReviewState]:
        """Give each reviewer's standing verdict; a plain comment does not replace one."""
        weighty = ("APPROVED", "CHANGES_REQUESTED", "DISMISSED")
        return {review.author: review.state for review in self.reviews if review.state in weighty}


@dataclass(eq=False)
class Comment:
    """Something said under a pull request."""

    id: int
    pull: Pull
    author: User
    body: str
    created_at: datetime = field(default_factory=now)
    reactions: list[Reaction] = field(default_factory=list)
    updated_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.updated_at = self.created_at


@dataclass(eq=False)
class Reaction:
    """One person's emoji on a comment."""

    id: int
    user: User
    content: str
    created_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Review:
    """A verdict on a pull request at one commit."""

    id: int
    pull: Pull
    author: User
    body: str
    state: ReviewState
    commit_sha: str
    submitted_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Status:
    """One state that a context gave to a commit. Later ones with the same context supersede it.

    `word` is how it was said, where the forge knows finer words than `state`.
    """

    id: int
    sha: str
    creator: User
    state: str
    context: str
    description: str | None
    target_url: str | None
    word: str = ""
    created_at: datetime = field(default_factory=now)


@dataclass(eq=False)
class Hook:
    """Where events are sent: those of one repository, or of all when `repo` is None."""

    id: int
    url: str
    secret: str
    events: tuple[str, ...]
    repo: Repo | None
    flavour: str = "github"
    created_at: datetime = field(default_factory=now)


@dataclass(frozen=True)
class RefMove:
    """A ref before and after a push; a side that does not exist is all zeroes, as Git writes it."""

    ref: str
    before: str
    after: str

    @property
    def created(self) -> bool:
        """Tell whether the ref is new."""
        return not self.before.strip("0")

    @property
    def deleted(self) -> bool:
        """Tell whether the ref is gone."""
        return not self.after.strip("0")


@dataclass(frozen=True)
class Event:
    """An event, for the senders of webhooks. Its objects change later: read them at once."""

    kind: str
    repo: Repo
    actor: User
    action: str = ""
    pull: Pull | None = None
    comment: Comment | None = None
    review: Review | None = None
    move: RefMove | None = None
    hook: Hook | None = None
    group: Group | None = None
    before: str = ""
    changes: Mapping[str, object] = field(default_factory=dict)


@dataclass(eq=False)
class Group:
    """What a merge queue holds of a pull request.

    It is the commit that the base branch would be at, and what it is made on; `ref` holds it in the meantime.
    """

    pull: Pull
    by: User
    ref: str
    head_sha: str
    base_sha: str
    id: int
    created_at: datetime = field(default_factory=now)

    @property
    def branch(self) -> str:
        """Name the branch that its commit is on, if it is on one."""
        return self.ref.removeprefix("refs/heads/")
