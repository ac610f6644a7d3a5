"""Delivers notifications from the outbox: each attempt is logged, and what fails is tried again.

One worker at a time serves a destination, under a lease. A message is sent at least once: a worker that dies
between the receiver's answer and our note sends it again, with the same id.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.errors import Forbidden, LeaseLost, NotFound, ReceiverAway, ReceiverError, ReceiverRefused
from bot.domain.notifications.destinations import Destination, DestinationKind
from bot.domain.notifications.messages import NotificationState
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Person, Role
from bot.services.notifications.compose import compose
from bot.services.notifications.events import asked_test
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.wake import Wake, wake_workers
from bot.services.ports import (
    Addresses,
    Clock,
    DeliveryAttempt,
    Dispatch,
    Limits,
    Messengers,
    Notification,
    Store,
)

log = logging.getLogger(__name__)

_AT_ONCE = 20
_FIRST_WAIT = timedelta(seconds=5)
_LONGEST_WAIT = timedelta(minutes=10)
# How long a receiver may ask us to stay away.
_MOST_PATIENCE = timedelta(hours=1)
TRIED_FOR = timedelta(hours=24)
"""How long a message is tried while its receiver does not answer."""

REFUSALS = 5
"""How often a message is tried that its receiver refuses: an address may be corrected meanwhile."""


class NotificationDelivery:
    """Sends what the outbox has for destinations, and tests for people."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        messengers: Messengers,
        addresses: Addresses,
        limits: Limits,
        destinations: Sequence[Destination],
    ) -> None:
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._messengers = messengers
        self._addresses = addresses
        self._limits = limits
        self._destinations: Mapping[str, Destination] = {each.name: each for each in destinations}

    @property
    def destinations(self) -> Sequence[Destination]:
        """The destinations of plangate.yml, in its order."""
        return tuple(self._destinations.values())

    def wake(self) -> int:
        """Wake workers for each destination with something due. Return for how many."""
        with self._store.reading() as tx:
            due = sorted(tx.notices.due_destinations(self._clock.now()))
        for name in due:
            self._dispatch.notify(name, swept=True)
        return len(due)

    def deliver(self, name: str) -> None:
        """Compose and send what is due for a destination. Does nothing if another worker serves it."""
        lease = f"notify:{name}"
        with self._store.transaction() as tx:
            fence = tx.leases.take(lease, _owner(), self._clock.now(), self._limits.report_lease)
        if fence is None:
            return
        try:
            more = self._serve(name, lease, fence)
        except LeaseLost:
            log.warning("%s: another worker serves it; this one lets it be", name)
            return
        finally:
            with self._store.transaction() as tx:
                tx.leases.release(lease, fence, self._clock.now())
        if more:
            wake_workers(self._dispatch, Wake(destinations=[name]))

    @audited(AuditAction.TEST_NOTIFICATION)
    def test(self, name: str, person: Person) -> None:
        """Put a test for a destination into the outbox and wake its sender. Raises Forbidden, NotFound."""
        if person.role < Role.OWNER:
            raise Forbidden(f"{person.login} may not send tests of notifications: only an owner may")
        if name not in self._destinations:
            raise NotFound(f"there is no destination {name} under `notifications:` in plangate.yml")
        with self._store.transaction() as tx:
            tx.notices.want([asked_test(self._destinations[name], person.login, self._clock.now())])
            done(tx, self._clock, person, AuditAction.TEST_NOTIFICATION, name)
        wake_workers(self._dispatch, Wake(destinations=[name]))

    def _serve(self, name: str, lease: str, fence: int) -> bool:
        """Return whether more is due."""
        # One that was removed from plangate.yml: what waits for it is given up, and the log says so.
        destination = self._destinations.get(name) or Destination(name, DestinationKind.WEBHOOK)
        with self._store.transaction() as tx:
            tx.leases.renew(lease, fence, self._clock.now(), self._limits.report_lease)
            more = compose(tx, destination, self._addresses, self._clock.now())
            due = tx.notices.due(name, self._clock.now(), _AT_ONCE)
        for notification in due:
            with self._store.transaction() as tx:
                tx.leases.renew(lease, fence, self._clock.now(), self._limits.report_lease)
            error = self._attempt(destination, notification)
            if isinstance(error, ReceiverAway):
                return False  # the sweep asks again when the next attempt is due
        return more or len(due) == _AT_ONCE

    def _attempt(self, destination: Destination, notification: Notification) -> ReceiverError | None:
        error: ReceiverError | None = None
        answer = ""
        try:
            if destination.name not in self._destinations:
                raise ReceiverRefused("plangate.yml does not name this destination any more")
            answer = self._messengers.send(destination, notification.message)
        except ReceiverError as failure:
            error, answer = failure, str(failure)
        now = self._clock.now()
        after = self._after(notification, error, now)
        with self._store.transaction() as tx:
            tx.notices.attempted(after, DeliveryAttempt(notification.id, now, error is None, answer[:500]))
        if error is not None:
            level = logging.ERROR if after.state is NotificationState.FAILED else logging.WARNING
            log.log(level, "%s to %s: %s", notification.id, destination.name, answer)
        return error

    def _after(self, notification: Notification, error: ReceiverError | None, now: datetime) -> Notification:
        """Return where a message stands after an attempt."""
        tried = replace(notification, attempts=notification.attempts + 1, error=str(error or "")[:500])
        if error is None:
            return replace(tried, state=NotificationState.SENT, next_at=None)
        over = notification.destination not in self._destinations
        if isinstance(error, ReceiverAway):
            over = over or now - notification.created_at >= TRIED_FOR
        else:
            over = over or tried.attempts >= REFUSALS
        if over:
            return replace(tried, state=NotificationState.FAILED, next_at=None)
        return replace(tried, next_at=now + _wait(tried.attempts, error))


def _wait(attempts: int, error: ReceiverError) -> timedelta:
    wait: timedelta = min(_FIRST_WAIT * 2 ** min(attempts - 1, 10), _LONGEST_WAIT)
    asked = error.retry_after if isinstance(error, ReceiverAway) else None
    return max(wait, min(timedelta(seconds=asked), _MOST_PATIENCE)) if asked else wait


def _owner() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
