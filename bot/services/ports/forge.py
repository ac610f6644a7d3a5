"""What a forge knows and what is written to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from bot.domain.events import Change, ChangedFiles, RepoRef
from bot.domain.permissions import Role
from bot.domain.report import StatusReport
from bot.domain.words import ForgeWords
from bot.services.ports.merging import ForgeMerging
from bot.services.ports.reviews import ForgeReviews


@dataclass(frozen=True)
class GitRemote:
    """Where Git fetches a repository from. The header is a secret: it goes by the environment alone."""

    repo: RepoRef
    url: str
    auth_header: str = field(default="", repr=False)


class Reaction(StrEnum):
    """How the bot answers a comment at once; each forge spells it in its own words."""

    SEEN = "eyes"
    DONE = "+1"
    CONFUSED = "confused"


class ForgeReader(Protocol):
    """What the forge knows. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def change(self, repo: RepoRef, number: int) -> Change:
        """Return a pull or merge request as it is now."""
        ...

    def files_of_change(self, repo: RepoRef, number: int) -> ChangedFiles:
        """Return the paths that a change touches, both names of a renamed file; paged."""
        ...

    def files_between(self, repo: RepoRef, before: str, after: str) -> ChangedFiles:
        """Return the paths that differ from one commit to another; incomplete where it is cut short."""
        ...

    def branch_head(self, repo: RepoRef, branch: str) -> tuple[str, str]:
        """Return a branch's name and commit; an empty name means the default branch."""
        ...

    def role(self, repo: RepoRef, login: str) -> Role:
        """Return what a person may do in a repository; Role.NONE for a stranger."""
        ...

    def remote(self, repo: RepoRef) -> GitRemote:
        """Return where and how Git fetches the repository."""
        ...


class ForgeWriter(Protocol):
    """What is written to the forge. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def set_status(self, repo: RepoRef, status: StatusReport) -> None:
        """Set a commit status; its description is shortened to the forge's limit."""
        ...

    def find_comment(self, repo: RepoRef, number: int, marker: str) -> str | None:
        """Return the id of the bot's own comment that carries the marker, if there is one."""
        ...

    def create_comment(self, repo: RepoRef, number: int, body: str) -> str:
        """Write a comment on a change and return its id. Never tried again by itself."""
        ...

    def update_comment(self, repo: RepoRef, number: int, comment_id: str, body: str) -> None:
        """Replace a comment's text. Raises NotFound where somebody has deleted it."""
        ...

    def react(self, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> None:
        """Put a reaction on a comment; the same one twice is one."""
        ...


class Forge(ForgeReader, ForgeWriter, ForgeReviews, ForgeMerging, Protocol):
    """A forge: GitHub, GitLab, or the fake."""

    @property
    def comment_limit(self) -> int:
        """How many characters a comment may have."""
        ...

    @property
    def words(self) -> ForgeWords:
        """How the forge names things."""
        ...


@dataclass(frozen=True)
class HookRead:
    """What a webhook call's headers say. `kept_headers` are those that reading it again needs, no secrets."""

    delivery_id: str
    event: str
    kept_headers: Mapping[str, str]


@dataclass(frozen=True)
class HookChecked:
    """What a look into a call's body says: the repository that it tells of, and why it leads to nothing.

    `repo` is empty where it tells of none, `ignored` where it may lead to something.
    """

    repo: str = ""
    ignored: str = ""


class Hook(Protocol):
    """How one configured forge calls us. Pure: nothing is fetched. Headers go by their lower-case names."""

    @property
    def name(self) -> str:
        """The forge's name in the configuration and in `/hooks/<name>`."""
        ...

    @property
    def kind(self) -> str:
        """What the forge runs: `github` or `gitlab`."""
        ...

    @property
    def words(self) -> ForgeWords:
        """How the forge names things."""
        ...

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether one of our secrets vouches for the call; compares in constant time."""
        ...

    def read(self, headers: Mapping[str, str], body: bytes) -> HookRead:
        """Return what the headers say. Raises Invalid where one is missing or malformed.

        The body stands in for an id where the forge sends none.
        """
        ...

    def check(self, read: HookRead, body: bytes) -> HookChecked:
        """Look into the body, before a worker does: may it lead to something?

        Raises Invalid where the body is not what its event promises.
        """
        ...

    def commit_url(self, repo: RepoRef, sha: str) -> str:
        """Return the page of a commit, empty where it is not known."""
        ...
