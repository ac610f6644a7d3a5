"""Comments that may be doubled: a call whose answer was lost may still be carried out by the forge.

Before a comment is written, the database says so. If its answer is lost, or the worker is killed, the comment
is searched for before it is written again. Later all comments with its marker are searched for once more,
and doubles are deleted.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound, NotReady
from bot.domain.reports.posts import CommentPost
from bot.services.approvals.shown_plans import text_hash
from bot.services.ports import DOUBTS_LAST, Clock, Forge, ForgeComment, Post, Store

log = logging.getLogger(__name__)

# How long a comment whose answer was lost is waited for before it is written again.
APPEARS_WITHIN = timedelta(seconds=10)


class CommentWriter:
    """Writes comments so that none is doubled, as far as the forge allows."""

    def __init__(self, store: Store, clock: Clock, forges: Mapping[str, Forge]) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges

    def send(self, post: Post, comment: CommentPost) -> ForgeComment:
        """Write or edit a comment.

        Raises NotReady if an earlier call may still be carried out; ForgeUnavailable, ForgeRefused, NotFound.
        """
        forge, number = self._forges[post.repo.forge], comment.number
        if post.remote_id:
            try:
                return forge.update_comment(post.repo, number, post.remote_id, comment.body)
            except NotFound:
                log.info("%s %s: somebody deleted the comment; it is written again", post.repo, post.key)
        # An earlier attempt may have written it, with this or an older text, without an answer.
        if found := forge.find_comments(post.repo, number, comment.marker):
            self._delete(forge, post, number, found[1:])
            return self._adopted(forge, post, comment, found[0])
        return self._created(forge, post, comment)

    def _adopted(self, forge: Forge, post: Post, comment: CommentPost, found: str) -> ForgeComment:
        """Return a comment that we wrote without an answer. With the same text, people have seen it since."""
        stands = forge.comment(post.repo, comment.number, found)
        if text_hash(stands.body) == text_hash(comment.body):
            return stands
        return forge.update_comment(post.repo, comment.number, found, comment.body)

    def _created(self, forge: Forge, post: Post, comment: CommentPost) -> ForgeComment:
        before, now = post.unsure_since, self._clock.now()
        if before is not None and now - before < APPEARS_WITHIN:
            raise NotReady("the comment may still appear: its first answer was lost")
        self._unsure(post, now)
        try:
            made = forge.create_comment(post.repo, comment.number, comment.body)
        except ForgeUnavailable as error:
            if error.retry_after is not None:
                self._unsure(post, before)  # a limit: the forge has not done it
            raise
        except (ForgeRefused, NotFound):
            self._unsure(post, before)
            raise
        # With a doubt from before, the doubles are searched for some time after this call.
        self._unsure(post, now if before is not None else None)
        return made

    def remove_doubles(self, subject: str) -> None:
        """Delete the doubles of the subject's comments whose answer was lost a while ago."""
        now = self._clock.now()
        with self._store.reading() as tx:
            doubtful = tx.shown.doubtful(subject, now - DOUBTS_LAST)
        for post in doubtful:
            forge, comment = self._forges[post.repo.forge], post.content
            again = None
            if isinstance(comment, CommentPost):
                try:
                    found = forge.find_comments(post.repo, comment.number, comment.marker)
                    kept = post.remote_id if post.remote_id in found else "".join(found[:1])
                    self._delete(forge, post, comment.number, [each for each in found if each != kept])
                except ForgeUnavailable as error:
                    log.warning("%s %s: doubles are searched for later: %s", post.repo, post.key, error)
                    again = now
                except (ForgeRefused, NotFound) as error:
                    log.warning("%s %s: doubles can't be removed: %s", post.repo, post.key, error)
            self._unsure(post, again)

    def _delete(self, forge: Forge, post: Post, number: int, doubles: tuple[str, ...] | list[str]) -> None:
        for double in doubles:
            log.warning("%s %s: a double of the comment is deleted", post.repo, post.key)
            forge.delete_comment(post.repo, number, double)

    def _unsure(self, post: Post, since: datetime | None) -> None:
        with self._store.transaction() as tx:
            tx.shown.unsure(post, since)
