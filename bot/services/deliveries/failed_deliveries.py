"""Failed deliveries: has a forge send webhooks again that it lists as failed (promise 3).

This finds also what comparing can't: tags, merge queues, edited comments. Nothing in the list is trusted.
What is sent again comes as a webhook, with its signature, and is handled once by its id.

The first look at a list only stores how far it goes: what failed before Plangate was there is not missed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import accumulate

from bot.domain.errors import (
    ForgeRefused,
    ForgeUnavailable,
    NotAuthenticated,
    NotFound,
    NotLetIn,
    NotOffered,
)
from bot.domain.events import RepoRef
from bot.services.ports import Clock, Forge, Store, Transaction
from bot.services.ports.failed_deliveries import FailedDelivery, HookNews, HookWatch

log = logging.getLogger(__name__)

_MINUTE, _HOUR = timedelta(minutes=1), timedelta(hours=1)
# After a failure of the forge, or while it does not accept our token: it may be renewed.
_PAUSE = timedelta(minutes=5)
# After the forge has refused its list, or to send again: somebody may grant it, or update the forge.
_REFUSED = timedelta(hours=6)
# GitLab takes five in a minute for each webhook.
_AT_ONCE = 4
# How long after it was first asked for, a delivery is asked for again. Then never again. By time and not by
# number, so that requests between, after each start of the web, use up none.
_AGAIN = tuple(accumulate((_MINUTE, timedelta(minutes=30), *map(timedelta, (0.25, 0.5, 1, 1)))))
# What failed earlier is not asked for. GitHub sends again for three days, GitLab for a week. It is the same
# on both, and decided here. Source:
# https://docs.github.com/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
_LIMIT = timedelta(days=3)
# All that is asked for, until it is given up and for a day afterwards.
_RECENT = timedelta(days=4)


@dataclass(frozen=True)
class FailedSummary:
    """The result for the deliveries that failed within four days, on all forges.

    `asked` were asked for again; of these `arrived` came, and `lost` did not and are not asked for any more.
    `ids` are the forges and ids of all that were asked for. `trouble` is why lists could not be read.
    """

    asked: int
    arrived: int
    lost: int
    ids: frozenset[tuple[str, str]]
    trouble: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Return this in one line, empty if nothing was asked for again."""
        if not self.asked:
            return ""
        what = "1 failed delivery" if self.asked == 1 else f"{self.asked} failed deliveries"
        waiting = self.asked - self.arrived - self.lost
        counts = ((self.arrived, "arrived"), (waiting, "not yet"), (self.lost, "lost"))
        said = ", ".join(f"{count} {word}" for count, word in counts if count)
        return f"{what} of the last 4 days {'was' if self.asked == 1 else 'were'} asked for again: {said}"


class FailedDeliveryChecks:
    """Reads the forges' lists of deliveries, and asks for those that failed.

    `url_of` returns the address that a forge's webhooks lead to. `every` is how often a list is read. `kept`
    is how long deliveries are kept: what failed earlier may have arrived without our knowing.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, Forge],
        url_of: Callable[[str], str],
        every: timedelta,
        kept: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._url_of = url_of
        self._every = every
        # The clocks of forges may differ from ours.
        self._limit = min(_LIMIT, kept - _HOUR)

    def hurry(self) -> None:
        """Make every list due, and what is to be asked for again: webhooks arrive from now on.

        What is asked for now is asked for at its times nevertheless.
        """
        now = self._clock.now()
        with self._store.transaction() as tx:
            tx.hook_watches.all_due(now)
            # Each process of the web calls this. What was asked for just now is on its way.
            tx.failed_deliveries.all_due(now, asked_before=now - _MINUTE)

    def watches(self, tx: Transaction, repos: set[RepoRef]) -> Sequence[HookWatch]:
        """Return the state of the webhooks that bring the events of repositories."""
        now = self._clock.now()
        hooks = {self._forges[repo.forge].hook_of(repo) for repo in repos}
        known = {watch.repo: watch for watch in tx.hook_watches.all()}
        return [known.get(hook) or HookWatch(hook, now, now) for hook in hooks if hook is not None]

    def summary(self) -> FailedSummary:
        """Count the deliveries that failed within four days, by their result."""
        recent = self._clock.now() - _RECENT
        with self._store.reading() as tx:
            found = [each for each in tx.failed_deliveries.since(recent) if each.times]
            watches = [each for each in tx.hook_watches.all() if each.checked_at >= recent]
        arrived = sum(each.arrived for each in found)
        lost = sum(each.due_at is None and not each.arrived for each in found)
        # Comparing finds most of what a list that we are not shown would have.
        trouble = tuple(each.error for each in watches if each.error and not each.refused)
        return FailedSummary(
            len(found), arrived, lost, frozenset((each.hook.forge, each.id) for each in found), trouble
        )

    def check(self, subject: str) -> None:
        """Read the list of a webhook's deliveries, and have the forge send again what failed.

        Stores a failure, and tries again later.
        """
        forge, _, path = subject.partition(":")
        hook = RepoRef(forge, path)
        with self._store.reading() as tx:
            watch = next((each for each in tx.hook_watches.all() if each.repo == hook), None)
        if watch is None or forge not in self._forges:
            return
        begun = self._clock.now()
        oldest = begun - self._limit
        try:
            news = self._forges[forge].failed_deliveries(hook, self._url_of(forge), watch.mark, oldest)
        except (ForgeUnavailable, NotAuthenticated) as error:
            log.warning("could not read which deliveries of %s failed: %s", hook, error)
            later = begun + min(self._every, _PAUSE)
            self._put(replace(watch, error=str(error), refused=False, checked_at=begun, due_at=later))
            return
        except (ForgeRefused, NotFound) as error:
            if watch.error != str(error):
                log.info("failed deliveries of %s are not looked for: %s", hook, error)
            later = begun + max(_REFUSED, self._every)
            self._put(replace(watch, error=str(error), refused=True, checked_at=begun, due_at=later))
            return
        self._note(watch, news, begun)
        sent = self._send_again(watch)
        # A long list is known as far as its first part was when it was read.
        reading = watch.begun_at or begun
        with self._store.transaction() as tx:
            tx.hook_watches.put(
                HookWatch(
                    hook,
                    due_at=begun + _MINUTE if news.more else self._due(tx, hook, begun, sent),
                    checked_at=begun,
                    listed_at=watch.listed_at if news.more else reading,
                    mark=news.mark,
                    calls=news.calls + sent.calls,
                    error=sent.error,
                    refused=sent.refused,
                    begun_at=reading if news.more else None,
                )
            )

    def _due(self, tx: Transaction, hook: RepoRef, begun: datetime, sent: _Sent) -> datetime:
        """Return when the list is read next, or something is asked for next."""
        if sent.refused:
            return begun + max(_REFUSED, self._every)
        waiting = tx.failed_deliveries.due(hook, begun + self._every, 1)
        return max(waiting[0].due_at or begun, begun + _MINUTE) if waiting else begun + self._every

    def _put(self, watch: HookWatch) -> None:
        with self._store.transaction() as tx:
            tx.hook_watches.put(watch)

    def _note(self, watch: HookWatch, news: HookNews, begun: datetime) -> None:
        """Store what failed. What failed first is asked for first. What failed too long ago is left out."""
        earliest = watch.listed_at or begun
        with self._store.transaction() as tx:
            for number, each in enumerate(news.failed):
                due = begun - timedelta(microseconds=number)
                failed_at = min(each.at or earliest, begun)
                failed = FailedDelivery(watch.repo, each.delivery_id, each.id, each.event, failed_at, due)
                if failed_at >= begun - self._limit and tx.failed_deliveries.add(failed):
                    log.info("%s: delivery %s (%s) failed", watch.repo, each.delivery_id, each.event)
            if late := tx.failed_deliveries.give_up(begun - self._limit):
                what = "1 failed delivery" if late == 1 else f"{late} failed deliveries"
                log.warning("%s did not arrive, and %s asked for no more", what, "is" if late == 1 else "are")

    def _send_again(self, watch: HookWatch) -> _Sent:
        """Ask for what is due."""
        hook = watch.repo
        with self._store.transaction() as tx:
            now = self._clock.now()
            due = tx.failed_deliveries.due(hook, now, _AT_ONCE)
            for each in due:
                # So that nobody else asks for it meanwhile. If we are killed, it is due again then.
                tx.failed_deliveries.put(replace(each, due_at=now + _PAUSE))
        for calls, each in enumerate(due, start=1):
            try:
                self._forges[hook.forge].send_again(hook, each.attempt_id)
                error = ""
            except (ForgeUnavailable, NotAuthenticated) as problem:
                return self._not_asked(each, calls, str(problem))
            except (NotLetIn, NotOffered) as problem:
                if watch.error != str(problem):
                    log.info("failed deliveries of %s are not asked for: %s", hook, problem)
                return self._not_asked(each, calls, str(problem), refused=True)
            except (ForgeRefused, NotFound) as problem:
                error = str(problem)
            self._keep(self._asked(each, error))
        return _Sent(len(due))

    def _not_asked(self, each: FailedDelivery, calls: int, error: str, *, refused: bool = False) -> _Sent:
        """Store that it was perhaps not asked for at all, so this does not count."""
        self._keep(replace(each, due_at=self._clock.now() + _PAUSE, error=error))
        return _Sent(calls, error, refused)

    def _asked(self, each: FailedDelivery, error: str) -> FailedDelivery:
        now = self._clock.now()
        first = each.first_asked_at or now
        last = each.failed_at + self._limit
        due = next((at for at in (first + wait for wait in _AGAIN) if at >= now + _MINUTE), last)
        said = f"refused: {error}" if error else "it comes again"
        log.info("%s: asked for delivery %s (%s) again; %s", each.hook, each.id, each.event, said)
        if due >= last:
            log.warning("%s: delivery %s was asked for for the last time", each.hook, each.id)
        return replace(
            each,
            times=each.times + 1,
            first_asked_at=first,
            asked_at=now,
            due_at=None if due >= last else due,
            error=error,
        )

    def _keep(self, each: FailedDelivery) -> None:
        with self._store.transaction() as tx:
            tx.failed_deliveries.put(each)


@dataclass(frozen=True)
class _Sent:
    """The requests that asking took, and why it had to stop, empty if it did not.

    `refused`: the forge does not send again for us.
    """

    calls: int
    error: str = ""
    refused: bool = False
