"""Catching up: finds on the forges what no webhook told us, and makes up for it (promise 3).

Compares branch heads, changes and comments with what was handled. What is missing becomes a delivery, as if
the webhook had come: it has the same path, is handled once, and is listed with the others.

What comparing can't find, `failed_deliveries` finds. It shares our limit of requests.

The first check of a repository only stores how things are, except for changes that we know: plans for all the
old changes of a repository would be a surprise.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.commands.grammar import near_misses, parse_commands
from bot.domain.errors import ForgeError, NotFound
from bot.domain.events import (
    BranchPushed,
    Change,
    ChangeAction,
    ChangeClosed,
    ChangeUpdated,
    CommentAdded,
    ForgeEvent,
    RepoRef,
)
from bot.services.changes.discovery import Discovery
from bot.services.deliveries.failed_deliveries import FailedDeliveryChecks
from bot.services.policies.set_changes import PolicyChanges
from bot.services.ports import ChangeRecord, Clock, Delivery, Dispatch, Forge, Store, Transaction
from bot.services.ports.catching_up import BranchHead, ForgeNews, RepoWatch
from bot.services.ports.deliveries import FOUND_CHANGE, FOUND_COMMENT, FOUND_PUSH
from bot.services.ports.failed_deliveries import HookWatch
from bot.services.reports.posts import MARKER_PREFIX

log = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)
# After a failure.
_PAUSE = timedelta(minutes=5)
# What happens while the forge lists is listed again the next time. So is what our clock, which tells
# when the first check was, may have been ahead of.
_OVERLAP = timedelta(minutes=5)
# Deliveries that wait longer than this are a backlog: what they bring is not missing.
_BACKLOG = timedelta(seconds=5)
# For what was not checked yet: the requests that a check needs at least.
_USUAL_CALLS = 4
_MOST_ENDED = 200


@dataclass(frozen=True)
class CatchUpSettings:
    """How often each repository is compared with its forge, and the requests for that.

    `calls` is the limit per minute, for all repositories and processes together. With zero, none is compared.
    The lists of failed deliveries are read as often, and their requests count too.
    """

    every: timedelta = timedelta(minutes=5)
    calls: int = 60


class CatchUp:
    """Compares repositories with their forges."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        forges: Mapping[str, Forge],
        discovery: Discovery,
        policy_changes: PolicyChanges,
        failed_deliveries: FailedDeliveryChecks,
        settings: CatchUpSettings,
    ) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._forges = forges
        self._discovery = discovery
        self._policy_changes = policy_changes
        self._failed_deliveries = failed_deliveries
        self._settings = settings

    def hurry(self) -> None:
        """Make every repository due: webhooks may have been missed, because we start."""
        with self._store.transaction() as tx:
            tx.repo_watches.all_due(self._clock.now())

    def wake(self) -> int:
        """Wake workers for the repositories and lists that are due, within the limit. Return how many."""
        chosen = self._choose() if self._settings.calls else []
        for watch in chosen:
            if isinstance(watch, HookWatch):
                self._dispatch.check_hook(str(watch.repo), swept=True)
            else:
                self._dispatch.catch_up(str(watch.repo), swept=True)
        return len(chosen)

    def watches(self) -> Sequence[RepoWatch]:
        """Return the state of each repository that somebody follows."""
        now = self._clock.now()
        with self._store.reading() as tx:
            known = {watch.repo: watch for watch in tx.repo_watches.all()}
            return [known.get(repo) or RepoWatch(repo, now, now) for repo in self._repos(tx)]

    def hooks(self) -> Sequence[HookWatch]:
        """Return the state of each list of failed deliveries that is of use."""
        with self._store.reading() as tx:
            return self._failed_deliveries.watches(tx, self._repos(tx))

    def _choose(self) -> list[RepoWatch | HookWatch]:
        watches: list[RepoWatch | HookWatch] = [*self.watches(), *self.hooks()]
        now = self._clock.now()
        spent = sum(watch.calls for watch in watches if now - watch.checked_at < _MINUTE)
        chosen: list[RepoWatch | HookWatch] = []
        for watch in sorted(watches, key=lambda each: (each.due_at, each.repo)):
            calls = watch.calls or _USUAL_CALLS
            if watch.due_at > now or (spent and spent + calls > self._settings.calls):
                break
            spent += calls
            # If its job is lost, it is due again in a minute.
            chosen.append(replace(watch, due_at=now + _MINUTE, checked_at=now, calls=calls))
        if chosen:
            with self._store.transaction() as tx:
                for watch in chosen:
                    if isinstance(watch, HookWatch):
                        tx.hook_watches.put(watch)
                    else:
                        tx.repo_watches.put(watch)
        return chosen

    def _repos(self, tx: Transaction) -> set[RepoRef]:
        """Return the repositories that somebody follows on a forge that is configured."""
        found = {workspace.repo for workspace in tx.workspaces.all() if workspace.active}
        found |= self._discovery.repos() | self._policy_changes.repos()
        return {repo for repo in found if repo.forge in self._forges}

    def check(self, subject: str) -> None:
        """Compare a repository with its forge, and store deliveries for what is missing.

        Waits for deliveries that are not handled yet. Stores a failure, and tries again later.
        """
        forge, _, path = subject.partition(":")
        repo = RepoRef(forge, path)
        with self._store.reading() as tx:
            followed = repo in self._repos(tx)
            waits = tx.repo_watches.waits(repo, self._clock.now() - _BACKLOG)
            branches = self._branches(tx, repo)
            watch = tx.repo_watches.get(repo) or RepoWatch(repo, self._clock.now(), self._clock.now())
        if not followed or waits:
            return
        begun = self._clock.now()
        since = watch.since - _OVERLAP if watch.since else None
        try:
            news = self._forges[forge].news(repo, branches, since, watch.marks)
            if since is None:
                news = replace(news, changes=(*news.changes, *self._ended(repo, news.changes)))
        except (ForgeError, NotFound) as error:
            log.warning("could not compare %s with its forge: %s", repo, error)
            again = begun + min(self._settings.every, _PAUSE)
            failed = replace(watch, error=str(error), checked_at=begun, due_at=again)
            with self._store.transaction() as tx:
                tx.repo_watches.put(failed)
            return
        with self._store.transaction() as tx:
            found = [each for each in self._missed(tx, watch, news, begun) if tx.deliveries.add(each)]
            tx.repo_watches.put(
                RepoWatch(
                    repo,
                    due_at=begun + self._settings.every,
                    checked_at=begun,
                    since=max(filter(None, (watch.since or begun, news.until))),
                    marks=news.marks,
                    calls=news.calls,
                )
            )
        self._wake(found)

    def _ended(self, repo: RepoRef, listed: Sequence[Change]) -> Iterator[Change]:
        """Yield changes that we know as open, but that a list of all open changes does not have."""
        with self._store.reading() as tx:
            known = {record.change.number for record in tx.changes.open_of(repo, _MOST_ENDED)}
        for number in sorted(known - {change.number for change in listed}):
            try:
                yield self._forges[repo.forge].change(repo, number)
            except NotFound:
                log.warning("%s no longer has change %d", repo, number)

    def _wake(self, found: Sequence[Delivery]) -> None:
        try:
            for delivery in found:
                log.info("%s: no webhook told of %s", delivery.repo, delivery.id)
                self._dispatch.receive(delivery.id)
        except ConnectionError as error:
            log.warning("what was found waits for the sweep: %s", error)

    def _branches(self, tx: Transaction, repo: RepoRef) -> Sequence[str]:
        """Return the followed branches of a repository; an empty one is the default branch."""
        likes = (*tx.workspaces.of_repo(repo), *self._discovery.likes(repo))
        return sorted({workspace.branch for workspace in likes})

    def _missed(
        self, tx: Transaction, watch: RepoWatch, news: ForgeNews, begun: datetime
    ) -> Iterator[Delivery]:
        """Yield a delivery for each thing that was not handled. Changes first: pushes may be their merges."""
        for change in news.changes:
            record = tx.changes.numbered(watch.repo, change.number)
            if record is not None and record.seen_at >= begun:
                continue
            event = _change_event(record, change, first=watch.since is None)
            if event is not None:
                told = record.seen_at.isoformat() if record else ""
                facts = (change.number, told, change.head_sha, change.base_branch, change.open, change.draft)
                yield self._delivery(FOUND_CHANGE, event, facts)
        for head in news.heads:
            if push := self._push(tx, watch.repo, head, news.default_branch, begun):
                yield push
        for comment in news.comments:
            if self._is_for_us(tx, comment):
                yield self._delivery(FOUND_COMMENT, comment, (comment.comment_id,))

    def _push(
        self, tx: Transaction, repo: RepoRef, head: BranchHead, default_branch: str, begun: datetime
    ) -> Delivery | None:
        known = tx.repo_watches.head(repo, head.branch)
        if known is None:
            tx.repo_watches.moved(repo, head.branch, head.commit, begun)
            return None
        if known.commit == head.commit or known.at >= begun:
            return None
        event = BranchPushed(
            repo, head.branch, known.commit, head.commit, head.author, head.message, default_branch
        )
        facts = (head.branch, known.commit, known.at.isoformat(), head.commit)
        return self._delivery(FOUND_PUSH, event, facts)

    @staticmethod
    def _is_for_us(tx: Transaction, comment: CommentAdded) -> bool:
        """Whether a comment has a command that was not handled. Most comments have none."""
        if comment.author_is_bot or MARKER_PREFIX in comment.body:
            return False
        if not (parse_commands(comment.body) or near_misses(comment.body)):
            return False
        return not tx.heard.has(comment.repo, comment.comment_id)

    def _delivery(self, kind: str, event: ForgeEvent, facts: Sequence[object]) -> Delivery:
        """Return the delivery of an event. Its id says what it was compared with: it is found once."""
        repo = event.change.repo if isinstance(event, ChangeUpdated | ChangeClosed) else event.repo
        body = json.dumps([str(repo), kind, *facts]).encode()
        return Delivery(
            id=f"found-{hashlib.sha256(body).hexdigest()[:32]}",
            forge=repo.forge,
            event=kind,
            headers={},
            body=body,
            received_at=self._clock.now(),
            repo=repo.path,
            meaning=event,
        )


def _change_event(
    record: ChangeRecord | None, change: Change, *, first: bool
) -> ChangeUpdated | ChangeClosed | None:
    """Return what must have happened to a change since it was handled, None if nothing that matters."""
    if record is None:
        return (
            ChangeUpdated(change, ChangeAction.OPENED, change.author) if change.open and not first else None
        )
    known = record.change
    if not change.open:
        return ChangeClosed(change, change.author) if known.open else None
    action = None
    if not known.open:
        action = ChangeAction.REOPENED
    elif known.head_sha != change.head_sha:
        action = ChangeAction.NEW_COMMITS
    elif known.base_branch != change.base_branch:
        action = ChangeAction.RETARGETED
    elif known.draft and not change.draft:
        action = ChangeAction.READY
    return ChangeUpdated(change, action, change.author) if action else None
