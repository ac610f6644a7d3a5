"""The posts on a forge: a status, a comment, a reaction, labels, a merge. A closed union."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.reports.report import StatusReport
from bot.domain.workspaces.merge_method import MergeMethod


class Reaction(StrEnum):
    """How the bot answers a comment at once; each forge spells it in its own words."""

    SEEN = "eyes"
    DONE = "+1"
    CONFUSED = "confused"


@dataclass(frozen=True)
class StatusPost:
    """A commit status. `shows` are the ids of the runs whose plans it shows."""

    status: StatusReport
    shows: tuple[str, ...] = ()


@dataclass(frozen=True)
class CommentPost:
    """A comment on a change, found again by its `marker`, which its `body` contains.

    `settled` says that no run in it is in progress, so it need not wait. If one is, its first
    version may wait. None: it never waits. `shows` are the ids of the runs whose plans are in it, whole;
    `lists` of those whose plans did not fit.
    """

    number: int
    marker: str
    body: str
    settled: bool | None = None
    shows: tuple[str, ...] = ()
    lists: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReactionPost:
    """A reaction to a comment."""

    number: int
    comment_id: str
    reaction: Reaction


@dataclass(frozen=True)
class LabelsPost:
    """The labels of ours that a change should have. Labels of others are not touched."""

    number: int
    labels: tuple[str, ...]


@dataclass(frozen=True)
class MergePost:
    """A merge of a change at the commit `sha`. Empty if it must not be merged any more.

    `method` is None if the forge's own setting decides.
    """

    number: int
    sha: str
    method: MergeMethod | None = None


@dataclass(frozen=True)
class UnknownPost:
    """A stored post that this version can't read, because another version wrote it."""

    stored: Mapping[str, str] = field(default_factory=dict)

    @property
    def why(self) -> str:
        """Say what is wrong, and what to do."""
        kind = str(self.stored.get("kind", ""))[:40]
        return (
            f"this version of Plangate cannot read the stored post of kind {kind!r}: "
            "run the same version on all workers"
        )


PostContent = StatusPost | CommentPost | ReactionPost | LabelsPost | MergePost | UnknownPost
