"""Where what comes from the forges and what goes to them is kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.events import Change, RepoRef


@dataclass(frozen=True)
class Delivery:
    """One webhook call as it came. `headers` are those that matter; `decisions` say what was made of it.

    `repo` is the path of the repository that it tells of, empty where it tells of none.
    """

    id: str
    forge: str
    event: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    handled_at: datetime | None = None
    decisions: tuple[Mapping[str, str], ...] = ()
    error: str = ""
    attempts: int = 0
    repo: str = ""


class Came(StrEnum):
    """What came of a delivery."""

    ANY = ""
    RUN = "run"
    NOTHING = "nothing"
    FAILED = "failed"
    WAITING = "waiting"


@dataclass(frozen=True)
class DeliveryQuery:
    """Which deliveries to find; what is empty does not matter.

    `event` and `repo` are parts of them. Each word of `text` stands in the reasons, the error or the id.
    """

    event: str = ""
    repo: str = ""
    outcome: Came = Came.ANY
    text: str = ""


EVERY_DELIVERY = DeliveryQuery()


@dataclass(frozen=True)
class DeliveryRecord:
    """What a list says of a delivery: all but its headers and its body, which may be 25 MB."""

    id: str
    forge: str
    event: str
    received_at: datetime
    handled_at: datetime | None
    decisions: tuple[Mapping[str, str], ...]
    error: str
    attempts: int
    repo: str = ""


class Deliveries(Protocol):
    """Webhook calls, each accepted once (promise 3)."""

    def add(self, delivery: Delivery) -> bool:
        """Store a delivery; False where its id is there already."""
        ...

    def get(self, delivery_id: str, *, for_update: bool = False) -> Delivery:
        """Return a delivery; with `for_update` others who do so wait for our end. Raises NotFound."""
        ...

    def handled(
        self, delivery_id: str, at: datetime, decisions: Sequence[Mapping[str, str]], error: str = ""
    ) -> None:
        """Keep what was decided of it, and that it is done with."""
        ...

    def failed(self, delivery_id: str, error: str) -> None:
        """Keep why this try failed; the delivery stays due."""
        ...

    def due(self, before: datetime, limit: int) -> Sequence[str]:
        """Return the ids of deliveries received before `before` and not handled, oldest first."""
        ...

    def overtaken(self, delivery: Delivery) -> bool:
        """Say whether the forge has called with the same kind of event since."""
        ...

    def recent(
        self, limit: int, offset: int = 0, query: DeliveryQuery = EVERY_DELIVERY
    ) -> Sequence[DeliveryRecord]:
        """Return what is known of the deliveries that match, newest first, behind the first `offset`."""
        ...


class Redeliveries(Protocol):
    """Deliveries that are to be handled once more."""

    def reopen(self, delivery_id: str) -> bool:
        """Have a delivery that failed be due again; False where it is none."""
        ...


@dataclass(frozen=True)
class ChangeRecord:
    """A change as last seen, and which workspaces it touches. `seen_at` is when the forge was asked.

    `reasons` are why each workspace of the repository runs for it or does not: a name (empty: all) and words.
    """

    id: str
    change: Change
    workspace_ids: tuple[str, ...]
    seen_at: datetime
    note: str = ""
    reasons: tuple[tuple[str, str], ...] = ()


class Changes(Protocol):
    """Changes as last seen."""

    def put(self, record: ChangeRecord) -> ChangeRecord:
        """Insert or update by repository and number, keeping the id of one that is there.

        Raises Conflict where somebody has asked the forge later: look again.
        """
        ...

    def get(self, change_id: str) -> ChangeRecord:
        """Return a change. Raises NotFound."""
        ...

    def numbered(self, repo: RepoRef, number: int) -> ChangeRecord | None:
        """Return a change by its number, None where it was never seen."""
        ...

    def merged_as(self, repo: RepoRef, commit: str) -> ChangeRecord | None:
        """Return the change whose merge made a commit of the branch, None where none did."""
        ...

    def open_of(self, repo: RepoRef, limit: int) -> Sequence[ChangeRecord]:
        """Return the open changes of a repository, the highest number first."""
        ...


@dataclass(frozen=True)
class Post:
    """Something that should stand on a forge: a status, a comment, a reaction.

    `key` is unique within the repository and found again after a crash: `status:<sha>:<context>`,
    `comment:<number>:<marker>`, `reaction:<number>:<comment id>:<name>`. `payload` is what should stand,
    `posted` what stood when we last looked (its hash); `remote_id` is the comment's id on the forge.
    """

    subject: str
    repo: RepoRef
    key: str
    payload: Mapping[str, str]
    posted: str = ""
    remote_id: str = ""
    attempts: int = 0
    not_before: datetime | None = None
    error: str = ""


class Posts(Protocol):
    """What should stand on the forges, and what does (promise 4)."""

    def mark_due(self, at: datetime, *marked: str) -> None:
        """Remember, with the change that causes it, that subjects (change or commit) must be reported."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the subjects with something to derive or to deliver at `now`, longest waiting first."""
        ...

    def due_mark(self, subject: str) -> int:
        """Return a number that grows with each `mark_due`; 0 where the subject was never marked."""
        ...

    def derived(self, subject: str, mark: int, posts: Sequence[Post]) -> None:
        """Keep what should stand as of a mark: insert or update by repository and key."""
        ...

    def undelivered(self, subject: str) -> Sequence[Post]:
        """Return the subject's posts whose payload is not what stands, whatever their `not_before`."""
        ...

    def delivered(self, post: Post, remote_id: str, next_after: datetime | None = None) -> None:
        """Keep that this payload stands, and from when on another one may follow it."""
        ...

    def failed(self, post: Post, error: str, not_before: datetime | None) -> None:
        """Keep why, and when to try again; None: never, trying again does not help."""
        ...
