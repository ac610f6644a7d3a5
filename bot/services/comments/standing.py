"""Whether a comment that is handled late still stands on the forge as its author wrote it.

A webhook that failed is sent again with its old body. The comment may be edited or deleted since.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bot.domain.commands.grammar import CommentCommand
from bot.domain.errors import NotFound
from bot.domain.events import CommentAdded
from bot.services.comments.audit import DEEDS
from bot.services.ports import Clock, Delivery, Forge, ForgeComment, Store

DELETED = "the comment came late and was deleted, so nothing was done"
EDITED = "your comment reached Plangate late, and was edited since: comment again"
# Webhooks come within seconds. Who takes a comment back later than this may be too late anyway.
_PROMPT = timedelta(minutes=1)


class StandingComments:
    """Asks the forge for comments again."""

    def __init__(self, store: Store, clock: Clock, forges: Mapping[str, Forge]) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges

    def written_at(self, event: CommentAdded) -> datetime:
        """Ask the forge when a comment was written whose delivery does not say; if nobody knows: long ago.

        If it was deleted, nobody knows. Raises ForgeUnavailable, ForgeRefused.
        """
        found = self._found(event) if event.created_at is None else None
        return event.created_at or (found and found.created_at) or datetime.min.replace(tzinfo=UTC)

    def why_not(
        self,
        event: CommentAdded,
        written_at: datetime,
        delivery: Delivery,
        commands: Sequence[CommentCommand],
    ) -> str:
        """Say why commands that come late are not carried out: DELETED or EDITED. Empty if they are.

        Asks only about commands that change something. Raises ForgeUnavailable, ForgeRefused.
        """
        changing = any(command.verb in DEEDS for command in commands)
        if not changing or not self._is_late(written_at, delivery):
            return ""
        found = self._found(event)
        if found is None:
            return DELETED
        return "" if _lines(found.body) == _lines(event.body) else EDITED

    def _is_late(self, written_at: datetime, delivery: Delivery) -> bool:
        """Whether the forge was asked to send the delivery again, or the comment is some time old.

        Retries and replays are covered by the time: it is the time of now.
        """
        if self._clock.now() - written_at >= _PROMPT:
            return True
        with self._store.reading() as tx:
            return tx.failed_deliveries.failed_at(delivery.forge, delivery.id) is not None

    def _found(self, event: CommentAdded) -> ForgeComment | None:
        try:
            return self._forges[event.repo.forge].comment(event.repo, event.number, event.comment_id)
        except NotFound:
            return None


def _lines(body: str) -> list[str]:
    """Return the lines of a comment. Webhooks and the API may end them in different ways."""
    return [line.rstrip() for line in body.replace("\r\n", "\n").strip().split("\n")]
