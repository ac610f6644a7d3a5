"""Delivers posts to the forges: derived, stored as rows, retried until the forge accepts them (promise 4).

One worker at a time reports a subject, under a lease. The latest content wins: outdated content is never
sent. A comment is never doubled: if an earlier attempt may have written it, it is searched for first.

Posts that tell of progress are spaced, and left out if a later one comes in time. The last word goes out at
once. No worker waits in between: the report is asked for again when something may go out.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import assert_never

from bot.domain.errors import (
    ForgeRefused,
    ForgeUnavailable,
    HeadMoved,
    LeaseLost,
    NotFound,
    NotMergeable,
    NotReady,
)
from bot.domain.events import RepoRef
from bot.domain.reports.posts import CommentPost, LabelsPost, MergePost, ReactionPost, StatusPost, UnknownPost
from bot.services.approvals import shown_plans
from bot.services.metrics.catalogue import LEASES_LOST, POSTS, REPORT_SECONDS
from bot.services.ports import (
    ArtifactKind,
    Clock,
    Dispatch,
    Forge,
    ForgeComment,
    Limits,
    Meter,
    Post,
    Store,
    Transaction,
)
from bot.services.reports.automerge import is_merge
from bot.services.reports.derive import ReportBuilder
from bot.services.reports.doubles import APPEARS_WITHIN, CommentWriter
from bot.services.reports.labels import set_labels
from bot.services.reports.plan_facts import packed_facts
from bot.services.reports.statuses import is_of_commit

log = logging.getLogger(__name__)

_FIRST_WAIT = timedelta(seconds=2)
_LONGEST_WAIT = timedelta(minutes=10)
# A merge may wait for a person's review: check now and then.
_LONGEST_MERGE = timedelta(minutes=30)
# How often a refusal is retried, over some minutes: right after a push a forge may not know the commit
# everywhere yet, and a missing permission may be granted.
_REFUSALS = 8
_ROUNDS = 20
# The shortest time between two versions of a comment or a status that tell of progress.
EDITS_APART = timedelta(seconds=2)
# How long the first version of a comment or of a workspace's status waits for quick plans, so that one call
# tells all. The status of the commit as a whole is set at once.
FIRST_WORDS = timedelta(seconds=1.5)


@dataclass(frozen=True)
class _Answer:
    """A forge's answer to a post: what it sent back, or its error."""

    post: Post
    sent: str | ForgeComment = ""
    error: ForgeUnavailable | ForgeRefused | NotMergeable | NotFound | NotReady | None = None


class ReportDelivery:
    """Reports subjects to their forges."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        forges: Mapping[str, Forge],
        report_builder: ReportBuilder,
        limits: Limits,
        meter: Meter,
    ) -> None:
        self._meter = meter
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._forges = forges
        self._report_builder = report_builder
        self._limits = limits
        self._comment_writer = CommentWriter(store, clock, forges)
        # Until when this process sends nothing to a forge that limits us.
        self._left_alone: dict[str, datetime] = {}
        # Repositories whose labels this process was refused.
        self._unlabelled: set[RepoRef] = set()

    def report(self, subject: str) -> None:
        """Derive and deliver until no post is due now.

        Returns at once if another worker reports the subject: that one looks again before it ends. A failed
        post is stored with its next attempt.
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
                self._meter.count(LEASES_LOST, of="report")
                return
            finally:
                with self._store.transaction() as tx:
                    tx.leases.release(_lease(subject), fence, self._clock.now())
            # Another worker may have marked it while we held the lease: check once more.
            with self._store.reading() as tx:
                if tx.posts.due_mark(subject) != mark:
                    continue
                soon = _next_edit(tx.posts.undelivered(subject))
            if soon is None:
                return
            if soon > self._clock.now():
                self._later(subject, soon)
                return

    def _later(self, subject: str, moment: datetime) -> None:
        """Have the report asked for again. If that is lost, the sweep finds what is due."""
        try:
            self._dispatch.report_later(subject, moment)
        except ConnectionError as error:
            log.warning("%s: no worker could be asked for later (%s); the sweep will", subject, error)

    def _round(self, subject: str, fence: int) -> int:
        with self._store.reading() as tx:
            mark, since = tx.posts.due_mark(subject), tx.backlog.report_since(subject)
            first = self._clock.now() + FIRST_WORDS
            derived = self._report_builder.derive(tx, subject)
        posts = [_held(post, first) for post in derived.posts]
        facts = [(found.run.id, packed_facts(found)) for found in derived.facts]
        with self._store.transaction() as tx:
            renewed = self._clock.now()
            tx.leases.renew(_lease(subject), fence, renewed, self._limits.report_lease)
            for run_id, data in facts:
                tx.artifacts.put(run_id, ArtifactKind.PLAN_FACTS, data)
            tx.posts.derived(subject, mark, posts)
            due = tx.posts.undelivered(subject)
        away_until: datetime | None = None
        taken = 0
        for batch in self._batches(due):
            ready = self._ready(batch, away_until)
            if not ready:
                continue
            renewed = self._about_to_send(ready, _lease(subject), fence, renewed)
            answers, defect = self._send_all(ready)
            away_until = self._settle(answers) or away_until
            taken += sum(answer.error is None for answer in answers)
            if defect is not None:
                raise defect
        if due and taken == len(due) and since is not None:
            self._meter.observe(REPORT_SECONDS, max((self._clock.now() - since).total_seconds(), 0.0))
        if away_until is None:
            self._comment_writer.remove_doubles(subject)
        return mark

    def _about_to_send(self, posts: Sequence[Post], lease: str, fence: int, renewed: datetime) -> datetime:
        """Renew the lease in time, and note what comments will no longer show. Return when it was renewed."""
        now = self._clock.now()
        old = now - renewed >= self._limits.report_lease / 4
        shown = [post for post in posts if post.shown or post.listed]
        if old or shown:
            with self._store.transaction() as tx:
                tx.leases.renew(lease, fence, now, self._limits.report_lease)
                for post in shown:
                    shown_plans.before_sending(tx, post)
            return now
        return renewed

    def _batches(self, due: Sequence[Post]) -> Iterator[Sequence[Post]]:
        """Yield posts that may be sent side by side: statuses and reactions, then each comment, then merges.

        The first of many goes alone: if the forge is away, or limits us, one call is enough to know.
        """
        now = self._clock.now()
        due = [post for post in due if post.due_at is None or post.due_at <= now]
        simple = [post for post in due if isinstance(post.content, StatusPost | ReactionPost)]
        start = 0
        while start < len(simple):
            size = max(1, self._forges[simple[start].repo.forge].calls_at_once)
            end = start + (1 if start == 0 and len(simple) > size else size)
            yield simple[start:end]
            start = end
        for post in sorted((each for each in due if each not in simple), key=is_merge):
            yield [post]

    def _ready(self, batch: Sequence[Post], away_until: datetime | None) -> list[Post]:
        """Return the posts that may go out now. What the forge does not take now is put off."""
        ready = []
        for post in batch:
            now = self._clock.now()
            left_alone = self._left_alone.get(post.repo.forge, now)
            if left_alone > now:
                self._failed(post, "the forge limits us", left_alone)
            elif away_until is not None:
                self._failed(post, "the forge is away", away_until)
            else:
                ready.append(post)
        return ready

    def _send_all(self, posts: Sequence[Post]) -> tuple[list[_Answer], BaseException | None]:
        """Send posts side by side. Return the forge's answers, and the first of our own errors.

        The threads end before this returns, because a worker may fork later.
        """
        if len(posts) == 1:
            return [self._answer(posts[0])], None
        with ThreadPoolExecutor(len(posts)) as threads:
            # Their lines of the log carry the ids of this one's work.
            sent = [threads.submit(copy_context().run, self._answer, post) for post in posts]
        errors = [error for each in sent if (error := each.exception()) is not None]
        return [each.result() for each in sent if each.exception() is None], next(iter(errors), None)

    def _answer(self, post: Post) -> _Answer:
        try:
            return _Answer(post, self._send(self._forges[post.repo.forge], post))
        except (ForgeUnavailable, ForgeRefused, NotMergeable, NotFound, NotReady) as error:
            return _Answer(post, error=error)
        except Exception:
            # A defect of ours. It must not stop the other posts.
            self._failed(post, "Plangate itself failed", self._clock.now() + _wait(post.attempts, None))
            raise

    def _settle(self, answers: Sequence[_Answer]) -> datetime | None:
        """Store the forge's answers. Return until when to send nothing to it, None if it answered."""
        taken = [answer for answer in answers if answer.error is None]
        if taken:
            with self._store.transaction() as tx:
                for answer in taken:
                    self._delivered(tx, answer.post, answer.sent)
            for answer in taken:
                self._meter.count(POSTS, forge=answer.post.repo.forge, outcome="delivered")
        waits = [self._not_taken(each.post, each.error) for each in answers if each.error is not None]
        return max(filter(None, waits), default=None)

    def _delivered(self, tx: Transaction, post: Post, sent: str | ForgeComment) -> None:
        now = self._clock.now()
        spaced = isinstance(post.content, CommentPost | StatusPost)
        remote_id = sent.id if isinstance(sent, ForgeComment) else sent
        tx.posts.delivered(post, remote_id, now + EDITS_APART if spaced else None)
        if isinstance(sent, ForgeComment):
            shown_plans.acknowledged(tx, post, sent, now)

    def _not_taken(
        self, post: Post, error: ForgeUnavailable | ForgeRefused | NotMergeable | NotFound | NotReady
    ) -> datetime | None:
        """Store why a post was not taken. Return until when to send nothing to the forge, None: go on."""
        now = self._clock.now()
        match error:
            case NotReady():
                self._failed(post, str(error), (post.unsure_since or now) + APPEARS_WITHIN)
            case ForgeUnavailable():
                until = now + _wait(post.attempts, error.retry_after)
                if error.retry_after is not None:
                    self._left_alone[post.repo.forge] = until
                log.warning("%s %s waits until %s: %s", post.repo, post.key, until.isoformat(), error)
                self._failed(post, str(error), until)
                return until
            case ForgeRefused() | NotMergeable() | NotFound():
                self._refused(post, error)
        return None

    def _refused(self, post: Post, error: ForgeRefused | NotMergeable | NotFound) -> None:
        now = self._clock.now()
        if is_merge(post) and not isinstance(error, HeadMoved):
            # Only a review or a setting may be missing: retry, and say so meanwhile.
            self._failed(post, str(error), now + _wait(post.attempts, None, _LONGEST_MERGE))
            self._tell(post, str(error))
            return
        if isinstance(post.content, LabelsPost):
            # Only a help: a missing permission is said once, and only new labels are tried.
            if post.repo not in self._unlabelled:
                self._unlabelled.add(post.repo)
                log.warning("%s: labels can't be set: %s", post.repo, error)
            self._failed(post, str(error), None)
            return
        # New content is always retried.
        over = isinstance(error, HeadMoved) or post.attempts >= _REFUSALS
        log.log(logging.ERROR if over else logging.WARNING, "%s %s: %s", post.repo, post.key, error)
        self._failed(post, str(error), None if over else now + _wait(post.attempts, None))

    def _send(self, forge: Forge, post: Post) -> str | ForgeComment:
        content = post.content
        match content:
            case StatusPost(status):
                forge.set_status(post.repo, status)
                return ""
            case ReactionPost(number, comment_id, reaction):
                forge.react(post.repo, number, comment_id, reaction)
                return ""
            case CommentPost():
                return self._comment_writer.send(post, content)
            case LabelsPost():
                return set_labels(forge, post, content)
            case MergePost():
                return self._merge(forge, post.repo, content)
            case UnknownPost():
                # Handled as a refusal: it is retried for a while and delays no other post.
                raise ForgeRefused(content.why)
        assert_never(content)

    def _merge(self, forge: Forge, repo: RepoRef, merge: MergePost) -> str:
        # An earlier attempt may have merged it without an answer, or a person merged or closed it.
        if not merge.sha or not forge.change(repo, merge.number).open:
            return ""
        return forge.merge(repo, merge.number, merge.sha, merge.method)

    def _tell(self, post: Post, error: str) -> None:
        """Update the change's comment with the reason why it is not merged, if it does not show it yet."""
        if error != post.error:
            with self._store.transaction() as tx:
                tx.posts.mark_due(self._clock.now(), post.subject)

    def _failed(self, post: Post, error: str, not_before: datetime | None) -> None:
        with self._store.transaction() as tx:
            tx.posts.failed(post, error, not_before)
        outcome = "refused" if not_before is None else "retried"
        self._meter.count(POSTS, forge=post.repo.forge, outcome=outcome)


def _held(post: Post, until: datetime) -> Post:
    """Delay the first version of a post that tells of progress. Later ones have their own delay."""
    return replace(post, edit_after=until) if post.progress and not is_of_commit(post) else post


def _next_edit(left: Sequence[Post]) -> datetime | None:
    """Return when the next spaced post may go out, None if there is none."""
    spaced = (post.due_at for post in left if post.edit_after is not None and not post.attempts)
    return min(filter(None, spaced), default=None)


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _lease(subject: str) -> str:
    return f"report:{subject}"


def _wait(attempts: int, retry_after: float | None, longest: timedelta = _LONGEST_WAIT) -> timedelta:
    """Return how long to send nothing to the forge: as it asked, or twice as long each time."""
    patience = min(_FIRST_WAIT * (1 << min(attempts, 10)), longest)
    return max(patience, timedelta(seconds=retry_after)) if retry_after is not None else patience
