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

from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import RepoRef
from bot.services.ports import Clock, Forge, Store, Transaction
from bot.services.ports.failed_deliveries import FailedDelivery, HookNews, HookWatch

log = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)
# After a failure of the forge.
_PAUSE = timedelta(minutes=5)
# After the forge has refused to show its list: somebody may grant it.
_REFUSED = timedelta(hours=1)
# GitLab takes five in a minute for each webhook.
_AT_ONCE = 4
# How long after it was asked for, a delivery is asked for once more. Then never again.
_AGAIN = (timedelta(minutes=1), timedelta(minutes=30), timedelta(hours=12))
# Longer than a forge keeps its deliveries.
_FORGET = timedelta(days=8)
_RECENT = timedelta(days=1)
_KEPT = timedelta(days=3)


@dataclass(frozen=True)
class FailedSummary:
    """The result for the deliveries that failed within a day, on all forges.

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
        what = "1 failed delivery of the last day was" if self.asked == 1 else ""
        what = what or f"{self.asked} failed deliveries of the last day were"
        waiting = self.asked - self.arrived - self.lost
        counts = ((self.arrived, "arrived"), (waiting, "not yet"), (self.lost, "lost"))
        return f"{what} asked for again: {', '.join(f'{count} {word}' for count, word in counts if count)}"


class FailedDeliveryChecks:
    """Reads the forges' lists of deliveries, and asks for those that failed.

    `url_of` returns the address that a forge's webhooks lead to. `every` is how often a list is read.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, Forge],
        url_of: Callable[[str], str],
        every: timedelta,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._url_of = url_of
        self._every = every

    def hurry(self) -> None:
        """Make every list due, and what is to be asked for again: webhooks arrive from now on."""
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
        """Count the deliveries that failed within a day, by their result."""
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
        try:
            news = self._forges[forge].failed_deliveries(hook, self._url_of(forge), watch.mark, begun - _KEPT)
        except (ForgeRefused, NotFound) as error:
            if watch.error != str(error):
                log.info("failed deliveries of %s are not looked for: %s", hook, error)
            later = begun + max(_REFUSED, self._every)
            self._put(replace(watch, error=str(error), refused=True, checked_at=begun, due_at=later))
            return
        except ForgeUnavailable as error:
            log.warning("could not read which deliveries of %s failed: %s", hook, error)
            later = begun + min(self._every, _PAUSE)
            self._put(replace(watch, error=str(error), refused=False, checked_at=begun, due_at=later))
            return
        self._note(watch, news, begun)
        calls, why = self._send_again(hook)
        with self._store.transaction() as tx:
            waiting = tx.failed_deliveries.due(hook, begun + self._every, 1)
            due = max(waiting[0].due_at or begun, begun + _MINUTE) if waiting else begun + self._every
            tx.hook_watches.put(
                HookWatch(
                    hook,
                    due_at=begun + _MINUTE if news.more else due,
                    checked_at=begun,
                    listed_at=begun,
                    mark=news.mark,
                    calls=news.calls + calls,
                    error=why,
                )
            )
            tx.failed_deliveries.forget(begun - _FORGET)

    def _put(self, watch: HookWatch) -> None:
        with self._store.transaction() as tx:
            tx.hook_watches.put(watch)

    def _note(self, watch: HookWatch, news: HookNews, begun: datetime) -> None:
        """Store what failed. What failed first is asked for first."""
        earliest = watch.listed_at or begun
        with self._store.transaction() as tx:
            for number, each in enumerate(news.failed):
                due = begun - timedelta(microseconds=number)
                failed_at = min(each.at or earliest, begun)
                failed = FailedDelivery(watch.repo, each.delivery_id, each.id, each.event, failed_at, due)
                if tx.failed_deliveries.add(failed):
                    log.info("%s: delivery %s (%s) failed", watch.repo, each.delivery_id, each.event)

    def _send_again(self, hook: RepoRef) -> tuple[int, str]:
        """Ask for what is due. Return the requests that it took, and why it had to stop, empty if not."""
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
            except ForgeUnavailable as problem:
                # It was perhaps not asked at all, so this does not count.
                later = self._clock.now() + _PAUSE
                self._keep(replace(each, due_at=later, error=str(problem)))
                return calls, str(problem)
            except (ForgeRefused, NotFound) as problem:
                error = str(problem)
            self._keep(self._asked(each, error))
        return len(due), ""

    def _asked(self, each: FailedDelivery, error: str) -> FailedDelivery:
        now = self._clock.now()
        wait = _AGAIN[each.times] if each.times < len(_AGAIN) else None
        said = f"refused: {error}" if error else "it comes again"
        log.info("%s: asked for delivery %s (%s) again; %s", each.hook, each.id, each.event, said)
        if wait is None:
            log.warning("%s: delivery %s was asked for for the last time", each.hook, each.id)
        due = None if wait is None else now + wait
        return replace(each, times=each.times + 1, asked_at=now, due_at=due, error=error)

    def _keep(self, each: FailedDelivery) -> None:
        with self._store.transaction() as tx:
            tx.failed_deliveries.put(each)
