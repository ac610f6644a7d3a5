"""Restores our comment if somebody else edits or deletes it. No apply starts before it is restored.

People decide by what the comment shows, and everybody with write access can edit it (promise 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.domain.changes.delivery_decisions import ONLY_NEW, OURS, DecisionKind
from bot.domain.errors import ForgeUnavailable, NotFound, NotReady
from bot.domain.events import CommentEdited, RepoRef
from bot.domain.reports.posts import CommentPost
from bot.services.approvals.shown_plans import summary_key, text_hash
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Delivery, ForgeReader, Post, Store, Transaction
from bot.services.runs.transitions import Transitions

NOT_STANDING = (
    "somebody edited Plangate's comment: it is written again first, then look at it and comment again"
)
_SOMEBODY = "somebody"


def is_disturbed(tx: Transaction, repo: RepoRef, number: int) -> bool:
    """Whether the comment that shows a change's plans must be restored."""
    post = tx.shown.get(repo, summary_key(number))
    return post is not None and _is_disturbed(post)


class OurComments:
    """Compares our comments with what we wrote, and restores them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, ForgeReader],
        ledger: Ledger,
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._ledger = ledger
        self._transitions = transitions

    def edited(self, event: CommentEdited, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Restore our comment after somebody edited or deleted it.

        The event of an edit of our own can come after somebody else's edit. It does not say who that was;
        theirs does.

        Raises ForgeUnavailable. Raises NotReady while we write it ourselves.
        """
        with self._store.reading() as tx:
            post = tx.shown.written_as(event.repo, event.comment_id)
            if post is not None and tx.leases.held([f"report:{post.subject}"], self._clock.now()):
                raise NotReady("the comment is being written just now")
        if post is None or not isinstance(post.content, CommentPost):
            return self._ledger.nothing(delivery.id, outcome, ONLY_NEW)
        editor = _SOMEBODY if event.by_author else event.editor
        stands = self._stands(post)
        if stands and (event.by_author or not self._is_unnamed(post)):
            return self._ledger.nothing(delivery.id, outcome, OURS)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery.id):
                return None
            self._restore(tx, post, editor, outcome.wake)
            outcome.say(DecisionKind.NOTHING, f"{editor} edited our comment: it is written again")
            self._ledger.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def make_sure(self, repo: RepoRef, number: int) -> None:
        """Make sure that a change's comment has our text. Raises ForgeUnavailable until it does."""
        with self._store.reading() as tx:
            post = tx.shown.get(repo, summary_key(number))
        if post is None or self._stands(post):
            return
        wake = Wake()
        if not _is_disturbed(post):
            with self._store.transaction() as tx:
                self._restore(tx, post, _SOMEBODY, wake)
            self._transitions.wake(wake)
        raise ForgeUnavailable(NOT_STANDING)

    def _stands(self, post: Post) -> bool:
        if _is_disturbed(post):
            return False
        if not post.text_hash or not post.remote_id or not isinstance(post.content, CommentPost):
            return True
        try:
            found = self._forges[post.repo.forge].comment(post.repo, post.content.number, post.remote_id)
        except NotFound:
            return False
        if text_hash(found.body) == post.text_hash:
            return True
        # We may have written it ourselves in the meantime.
        with self._store.reading() as tx:
            again = tx.shown.get(post.repo, post.key)
            writing = tx.leases.held([f"report:{post.subject}"], self._clock.now())
        return bool(writing) or (again is not None and text_hash(found.body) == again.text_hash)

    def _is_unnamed(self, post: Post) -> bool:
        """Whether a change's comment says that somebody edited it, but not who."""
        if not isinstance(post.content, CommentPost):
            return False
        with self._store.reading() as tx:
            record = tx.changes.numbered(post.repo, post.content.number)
        return record is not None and record.edited.startswith(f"{_SOMEBODY} edited")

    def _restore(self, tx: Transaction, post: Post, editor: str, wake: Wake) -> None:
        tx.shown.disturbed(post)
        if isinstance(post.content, CommentPost):
            record = tx.changes.numbered(post.repo, post.content.number)
            if record is not None:
                at = f"{self._clock.now():%Y-%m-%d %H:%M} UTC"
                tx.changes.put(replace(record, edited=f"{editor} edited or deleted this comment at {at}"))
        self._transitions.report(tx, post.subject, wake)


def _is_disturbed(post: Post) -> bool:
    return bool(post.remote_id) and not post.posted and not post.text_hash
