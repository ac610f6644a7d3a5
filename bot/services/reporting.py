"""Bringing to the forge what should stand there: derived, kept as rows, delivered with patience (promise 4).

One worker at a time reports a subject, under a lease. The latest state wins: whatever became outdated while
it waited is never sent. A comment is never doubled: one that may have been written is looked for first.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.errors import (
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    HeadMoved,
    LeaseLost,
    NotFound,
    NotMergeable,
)
from bot.domain.merging import MergeMethod
from bot.domain.report import StatusReport, StatusState
from bot.services import shown_plans
from bot.services.automerging import is_merge
from bot.services.deriving import Deriving
from bot.services.ports import Clock, Forge, Limits, Post, Reaction, Store

log = logging.getLogger(__name__)

_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=10)
# A merge may wait for a person's review: that is worth a question now and then.
_LONGEST_MERGE = timedelta(minutes=30)
# A refusal is tried again this often, which takes some minutes: right after a push a forge may not know the
# commit everywhere yet, and a permission that was missing may be granted.
_REFUSALS = 8
_ROUNDS = 20
# A comment is edited at most once in this time; whatever came meanwhile goes out together.
EDITS_APART = timedelta(seconds=2)
# So long its first words wait for plans that take a moment only: then one comment tells all.
FIRST_WORDS = timedelta(seconds=1.5)


class Reporting:
    """Reports subjects to their forges."""

    def __init__(
        self, store: Store, clock: Clock, forges: Mapping[str, Forge], deriving: Deriving, limits: Limits
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._deriving = deriving
        self._limits = limits
        # Until when each forge that limits us is left alone, whatever is to be sent; what this process knows.
        self._left_alone: dict[str, datetime] = {}

    def report(self, subject: str) -> None:
        """Derive and deliver until nothing is left that can be delivered now.

        Returns at once where another worker reports the subject; what fails is kept with when to try again.
        """
        for _ in range(_ROUNDS):
            with self._store.transaction() as tx:
                now = self._clock.now()
                fence = tx.leases.take(_lease(subject), _owner(), now, self._limits.report_lease)
            if fence is None:
                return
            try:
                mark = self._round(subject, fence)
            except LeaseLost:
                log.warning("%s: another worker reports it; this one lets it be", subject)
                return
            finally:
                with self._store.transaction() as tx:
                    tx.leases.release(_lease(subject), fence, self._clock.now())
            # Whoever marked it since may have found the lease held and gone away: look once more.
            with self._store.reading() as tx:
                if tx.posts.due_mark(subject) != mark:
                    continue
                soon = self._soon(tx.posts.undelivered(subject))
            if soon is None or not self._wait_for(subject, soon):
                return

    def _soon(self, left: Sequence[Post]) -> datetime | None:
        """Return when the next edit that was only held back may go out, None where there is none."""
        latest = self._clock.now() + EDITS_APART
        held = [until for post in left if (until := _until(post)) is not None and not post.attempts]
        return min((until for until in held if until <= latest), default=None)

    def _wait_for(self, subject: str, moment: datetime) -> bool:
        """Wait for an edit's turn; False where another worker waits for it already.

        A worker that is killed meanwhile loses nothing: the post is due in the database, for the sweep.
        """
        lease = f"report-wait:{subject}"
        with self._store.transaction() as tx:
            now = self._clock.now()
            fence = tx.leases.take(lease, _owner(), now, self._limits.report_lease)
        if fence is None:
            return False
        self._clock.wait(max(timedelta(), moment - now))
        with self._store.transaction() as tx:
            tx.leases.release(lease, fence, self._clock.now())
        return True

    def _round(self, subject: str, fence: int) -> int:
        with self._store.reading() as tx:
            mark = tx.posts.due_mark(subject)
            first = self._clock.now() + FIRST_WORDS
            posts = [_held(post, first) for post in self._deriving.posts(tx, subject)]
        with self._store.transaction() as tx:
            tx.leases.check(_lease(subject), fence)
            tx.posts.derived(subject, mark, posts)
            due = sorted(tx.posts.undelivered(subject), key=is_merge)
        away_until: datetime | None = None
        for post in due:
            now = self._clock.now()
            until = _until(post)
            if until is not None and until > now:
                continue
            left_alone = self._left_alone.get(post.repo.forge, now)
            if left_alone > now:
                self._failed(post, "the forge limits us", left_alone)
                continue
            if away_until is not None:
                self._failed(post, "the forge is away", away_until)
                continue
            with self._store.transaction() as tx:
                tx.leases.renew(_lease(subject), fence, now, self._limits.report_lease)
                shown_plans.note(tx, post, now)
            away_until = self._deliver(post, now)
        return mark

    def _deliver(self, post: Post, now: datetime) -> datetime | None:
        """Deliver one post; return until when the forge is to be left alone, None where it answered."""
        try:
            remote_id = self._tried(post, now)
        except ForgeUnavailable as error:
            wait = _wait(post.attempts, error.retry_after)
            until = self._clock.now() + wait
            if error.retry_after is not None:
                self._left_alone[post.repo.forge] = until
            log.warning("%s %s waits until %s: %s", post.repo, post.key, until.isoformat(), error)
            self._failed(post, str(error), until)
            return until
        except (ForgeRefused, NotMergeable, NotFound) as error:
            if is_merge(post) and not isinstance(error, HeadMoved):
                # A review or a setting may be all that is missing: asked for again, and said meanwhile.
                self._failed(post, str(error), self._clock.now() + _wait(post.attempts, None, _LONGEST_MERGE))
                self._tell(post, str(error))
                return None
            # A payload that changes is tried anew in any case.
            over = isinstance(error, HeadMoved) or post.attempts >= _REFUSALS
            log.log(logging.ERROR if over else logging.WARNING, "%s %s: %s", post.repo, post.key, error)
            self._failed(post, str(error), None if over else self._clock.now() + _wait(post.attempts, None))
            return None
        except Exception:
            # Ours to mend; until then this one must not keep the others from being sent.
            self._failed(post, "Plangate itself failed", self._clock.now() + _wait(post.attempts, None))
            raise
        # Several workspaces finish one after another: the comment fills as they do, not at each single step.
        edited = post.payload["kind"] == "comment"
        next_after = self._clock.now() + EDITS_APART if edited else None
        with self._store.transaction() as tx:
            tx.posts.delivered(post, remote_id, next_after)
        return None

    def _tried(self, post: Post, now: datetime) -> str:
        sent = False
        try:
            remote_id = self._send(self._forges[post.repo.forge], post)
            sent = True
        finally:
            if not sent:
                with self._store.transaction() as tx:
                    shown_plans.take_back(tx, post, now)
        return remote_id

    def _send(self, forge: Forge, post: Post) -> str:
        payload = post.payload
        match payload["kind"]:
            case "status":
                forge.set_status(post.repo, _status(payload))
                return ""
            case "reaction":
                number, comment_id = int(payload["number"]), payload["comment_id"]
                forge.react(post.repo, number, comment_id, Reaction(payload["reaction"]))
                return ""
            case "comment":
                return self._send_comment(forge, post)
            case "merge":
                return self._merge(forge, post)
            case kind:
                raise ForgeError(f"nobody knows how to deliver a {kind}")

    def _send_comment(self, forge: Forge, post: Post) -> str:
        number, body = int(post.payload["number"]), post.payload["body"]
        if post.remote_id:
            try:
                forge.update_comment(post.repo, number, post.remote_id, body)
                return post.remote_id
            except NotFound:
                log.info("%s %s: somebody deleted the comment; it is written anew", post.repo, post.key)
        # An earlier try may have written it, with this text or an older one, though its answer never came.
        if found := forge.find_comment(post.repo, number, post.payload["marker"]):
            forge.update_comment(post.repo, number, found, body)
            return found
        return forge.create_comment(post.repo, number, body)

    def _merge(self, forge: Forge, post: Post) -> str:
        number, sha, method = int(post.payload["number"]), post.payload["sha"], post.payload["method"]
        # An earlier try may have merged it, though its answer never came; or somebody has, or closed it.
        if not sha or not forge.change(post.repo, number).open:
            return ""
        return forge.merge(post.repo, number, sha, MergeMethod(method) if method else None)

    def _tell(self, post: Post, error: str) -> None:
        """Have the change say why it is not merged, where it does not say so yet."""
        if error != post.error:
            with self._store.transaction() as tx:
                tx.posts.mark_due(self._clock.now(), post.subject)

    def _failed(self, post: Post, error: str, not_before: datetime | None) -> None:
        with self._store.transaction() as tx:
            tx.posts.failed(post, error, not_before)


def _held(post: Post, until: datetime) -> Post:
    """Have a comment that tells of what is under way wait with its first words; an edit has its own wait."""
    return replace(post, not_before=until) if post.payload.get("settled") == "no" else post


def _until(post: Post) -> datetime | None:
    """Return until when a post waits: a comment's first words no longer than until all is settled."""
    first = not post.remote_id and not post.attempts
    return None if first and post.payload.get("settled") == "yes" else post.not_before


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _lease(subject: str) -> str:
    return f"report:{subject}"


def _wait(attempts: int, retry_after: float | None, longest: timedelta = _LONGEST_WAIT) -> timedelta:
    """How long to leave the forge alone: what it asked for, else twice as long each time."""
    patience = min(_FIRST_WAIT * (1 << min(attempts, 10)), longest)
    return max(patience, timedelta(seconds=retry_after)) if retry_after is not None else patience


def _status(payload: Mapping[str, str]) -> StatusReport:
    return StatusReport(
        sha=payload["sha"],
        context=payload["context"],
        state=StatusState(payload["state"]),
        description=payload["description"],
        target_url=payload["target_url"],
    )
