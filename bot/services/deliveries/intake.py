"""Handles a delivery: fetches what the decision needs, decides, saves runs, wakes workers.

The webhook's request only calls `accept`. The job calls `handle`. Handling a delivery twice has the effect of
once: its effects and the mark that it is handled are in one transaction (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import assert_never

from bot.domain.errors import (
    ConfigError,
    Conflict,
    EngineError,
    ForgeRefused,
    ForgeUnavailable,
    Invalid,
    NotFound,
    NotLetIn,
    NotReady,
)
from bot.domain.events import (
    BranchPushed,
    ChangeClosed,
    ChangeUpdated,
    CommentAdded,
    CommentEdited,
    ForgeEvent,
    GroupAsked,
    GroupGone,
    GroupQueued,
    Ignored,
    ReviewersChanged,
    TagPushed,
)
from bot.domain.ids import new_id
from bot.services.approvals.our_comment import OurComments
from bot.services.changes.change_log import ChangeLog
from bot.services.changes.merge_queue import MergeQueue
from bot.services.comments.dispatch import Comments
from bot.services.deliveries.pushes import Pushes, still_settles
from bot.services.deliveries.run_triggers import RunTriggers
from bot.services.metrics.catalogue import DELIVERIES
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.outbox import is_ours
from bot.services.people.identities import Identities
from bot.services.ports import Clock, Delivery, Dispatch, Meter, Store
from bot.services.runs.transitions import TRIES

log = logging.getLogger(__name__)

Parse = Callable[[Delivery], ForgeEvent | Ignored]

# A delivery is retried for a day while the forge is down. Other failures are retried this many times.
FORGE_PATIENCE = timedelta(hours=24)
MAX_ATTEMPTS = 20
_NOT_THERE = "the forge does not have this commit on the branch, so nothing is applied automatically"
# A job waits this long, this often. After that, the sweep retries.
_MOMENT = timedelta(milliseconds=500)
_LOOKS = 6


class Intake:
    """Accepts deliveries and handles them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        ledger: Ledger,
        parse: Parse,
        change_log: ChangeLog,
        pushes: Pushes,
        comments: Comments,
        run_triggers: RunTriggers,
        queue: MergeQueue,
        our_comments: OurComments,
        identities: Identities,
        meter: Meter,
    ) -> None:
        self._meter = meter
        self._pushes = pushes
        self._identities = identities
        self._our_comments = our_comments
        self._queue = queue
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._ledger = ledger
        self._run_triggers = run_triggers
        self._parse = parse
        self._change_log = change_log
        self._comments = comments

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery, then wake a worker. False if its id was stored before: then nothing is done.

        The database is written before the webhook is answered. If Redis is down, nothing is lost: the sweep
        finds the delivery (promise 3).
        """
        fresh = self._store.accept(delivery)
        if fresh:
            try:
                self._dispatch.receive(delivery.id)
            except ConnectionError as error:
                log.warning("delivery %s waits for the sweep: %s", delivery.id, error)
        return fresh

    def handle(self, delivery_id: str) -> None:
        """Handle a delivery, once. After a temporary failure it stays due, and the sweep retries it."""
        with self._store.reading() as tx:
            delivery = tx.deliveries.get(delivery_id)
        if delivery.handled_at is not None:
            return
        try:
            self._act_once_ready(delivery)
            self._meter.count(DELIVERIES, forge=delivery.forge, outcome="handled")
        except (ForgeUnavailable, NotLetIn) as error:
            # A revoked token or a removed App is fixed by somebody within a day, as an outage is.
            self._later(
                delivery, str(error), give_up=self._clock.now() - delivery.received_at > FORGE_PATIENCE
            )
        except NotFound as error:
            self._later(delivery, str(error), give_up=not self._settles(delivery))
        except (ForgeRefused, ConfigError) as error:
            self._later(delivery, str(error), give_up=True)
        except (EngineError, Conflict) as error:
            self._later(delivery, str(error), give_up=delivery.attempts + 1 >= MAX_ATTEMPTS)
        except Exception:
            reference = new_id("err")
            log.exception("delivery %s: %s", delivery_id, reference)
            words = f"Plangate itself failed; the log has it as {reference}"
            self._later(delivery, words, give_up=delivery.attempts + 1 >= MAX_ATTEMPTS)

    def _act_once_ready(self, delivery: Delivery) -> None:
        """Act. If the forge's API does not know the change yet, wait a little."""
        for _ in range(_LOOKS - 1):
            try:
                return self._act_on_what_stands(delivery)
            except (NotReady, NotFound) as error:
                if not self._settles(delivery):
                    raise
                log.info("delivery %s is retried in a moment: %s", delivery.id, error)
            self._clock.wait(_MOMENT)
        return self._act_on_what_stands(delivery)

    def _act_on_what_stands(self, delivery: Delivery) -> None:
        """Act. If a concurrent change was quicker, fetch and decide again."""
        for _ in range(TRIES - 1):
            try:
                return self._act(delivery)
            except Conflict as error:
                log.info("delivery %s is retried: %s", delivery.id, error)
        return self._act(delivery)

    def _settles(self, delivery: Delivery) -> bool:
        return still_settles(delivery, self._clock.now())

    def _act(self, delivery: Delivery) -> None:
        outcome = DeliveryResult()
        if is_ours(delivery):
            return self._run_triggers.handle(delivery, outcome)
        event = delivery.meaning or self._parsed(delivery)
        if isinstance(event, BranchPushed | TagPushed):
            return self._pushes.handle(event, delivery, outcome)
        self._check_identity(event)
        match event:
            case Ignored(reason):
                self._ledger.nothing(delivery.id, outcome, reason)
            case ChangeUpdated():
                self._change_log.updated(event, delivery.id, outcome)
            case ChangeClosed():
                self._change_log.closed(event, delivery.id, outcome)
            case ReviewersChanged():
                self._change_log.reviewers(event, delivery.id, outcome)
            case GroupQueued():
                self._queue.queued(event, delivery.id, outcome)
            case GroupAsked():
                self._queue.asked(event, delivery.id, outcome)
            case GroupGone():
                self._queue.gone(event, delivery.id, outcome)
            case CommentAdded():
                self._comments.handle(event, delivery, outcome)
            case CommentEdited():
                self._our_comments.edited(event, delivery, outcome)
            case _:
                assert_never(event)
        return None

    def _check_identity(self, event: ForgeEvent | Ignored) -> None:
        """Refuse events of a repository that was created again under its name. Raises ForgeRefused."""
        if isinstance(event, Ignored):
            return
        repo = event.change.repo if isinstance(event, ChangeUpdated | ChangeClosed) else event.repo
        with self._store.reading() as tx:
            configured = repo in tx.overviews.repos()
        if configured or self._change_log.watches(repo):
            self._identities.check(repo)

    def _parsed(self, delivery: Delivery) -> ForgeEvent | Ignored:
        """Return the meaning of a delivery that another version of Plangate stored without it."""
        try:
            return self._parse(delivery)
        except Invalid as error:
            return Ignored(f"the body could not be read: {error}")

    def _later(self, delivery: Delivery, error: str, *, give_up: bool) -> None:
        if give_up:
            self._change_log.gave_up(delivery.id)
        log.warning("delivery %s: %s%s", delivery.id, error, "" if give_up else "; it will be retried")
        self._ledger.failed(delivery.id, error, give_up=give_up)
        outcome = "failed" if give_up else "retried"
        self._meter.count(DELIVERIES, forge=delivery.forge, outcome=outcome)
