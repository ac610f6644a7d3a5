"""What a delivery leads to: fetch what deciding needs, decide, save runs, wake workers.

`accept` is all that happens in the webhook's request; `handle` is the job. Handling a delivery twice makes
nothing twice: what it leads to and that it is done with stand in one transaction (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from bot.domain.decisions import Decision, Nothing, Start, decide_push, decide_tag
from bot.domain.errors import (
    ConfigError,
    Conflict,
    EngineError,
    ForgeRefused,
    ForgeUnavailable,
    Invalid,
    NotFound,
    NotReady,
)
from bot.domain.events import (
    BranchPushed,
    ChangeClosed,
    ChangedFiles,
    ChangeUpdated,
    CommentAdded,
    ForgeEvent,
    GroupAsked,
    GroupGone,
    GroupQueued,
    Ignored,
    TagPushed,
)
from bot.domain.ids import new_id
from bot.services.changes import SETTLING, Changed
from bot.services.comments import Comments
from bot.services.discovering import Discovery
from bot.services.following import Following
from bot.services.making import NewRuns
from bot.services.merge_queue import MergeQueue
from bot.services.outcome import Outcome
from bot.services.ports import Clock, Delivery, Dispatch, ForgeReader, Store, Transaction
from bot.services.transitions import TRIES, Transitions
from bot.services.wanting import is_ours

log = logging.getLogger(__name__)

Parse = Callable[[Delivery], ForgeEvent | Ignored]

# While the forge is away a delivery is tried again for a day; for reasons of our own, this many times.
FORGE_PATIENCE = timedelta(hours=24)
MAX_ATTEMPTS = 20
# A job waits this long for it, this often; then it is left to the sweep.
_MOMENT = timedelta(milliseconds=500)
_LOOKS = 6


class Intake:
    """Accepts deliveries and makes runs of them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        dispatch: Dispatch,
        parse: Parse,
        forges: Mapping[str, ForgeReader],
        discovery: Discovery,
        new_runs: NewRuns,
        changed: Changed,
        comments: Comments,
        transitions: Transitions,
        following: Following,
        queue: MergeQueue,
    ) -> None:
        self._queue = queue
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._following = following
        self._parse = parse
        self._forges = forges
        self._discovery = discovery
        self._new_runs = new_runs
        self._changed = changed
        self._comments = comments
        self._transitions = transitions

    def accept(self, delivery: Delivery) -> bool:
        """Store a delivery, then wake a worker; False where its id was here before, and nothing is done.

        The database is written before the webhook is answered; a Redis that is down loses nothing, for the
        sweep finds the delivery (promise 3).
        """
        fresh = self._store.accept(delivery)
        if fresh:
            try:
                self._dispatch.receive(delivery.id)
            except ConnectionError as error:
                log.warning("delivery %s waits for the sweep: %s", delivery.id, error)
        return fresh

    def handle(self, delivery_id: str) -> None:
        """Carry out what a delivery leads to, once. What fails for now stays due: the sweep tries again."""
        with self._store.reading() as tx:
            delivery = tx.deliveries.get(delivery_id)
        if delivery.handled_at is not None:
            return
        try:
            self._act_once_ready(delivery)
        except ForgeUnavailable as error:
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
        """Act; where we are quicker than the forge itself, wait a little for it."""
        for _ in range(_LOOKS - 1):
            try:
                return self._act_on_what_stands(delivery)
            except (NotReady, NotFound) as error:
                if not self._settles(delivery):
                    raise
                log.info("delivery %s is looked at again in a moment: %s", delivery.id, error)
            self._clock.wait(_MOMENT)
        return self._act_on_what_stands(delivery)

    def _act_on_what_stands(self, delivery: Delivery) -> None:
        """Act; where somebody was quicker, look and decide again."""
        for _ in range(TRIES - 1):
            try:
                return self._act(delivery)
            except Conflict as error:
                log.info("delivery %s is looked at again: %s", delivery.id, error)
        return self._act(delivery)

    def _settles(self, delivery: Delivery) -> bool:
        return self._clock.now() - delivery.received_at < SETTLING

    def _act(self, delivery: Delivery) -> None:
        outcome = Outcome()
        if is_ours(delivery):
            return self._following.handle(delivery, outcome)
        try:
            event = self._parse(delivery)
        except Invalid as error:
            event = Ignored(f"the body could not be read: {error}")
        match event:
            case Ignored(reason):
                self._changed.nothing(delivery.id, outcome, reason)
            case BranchPushed() | TagPushed():
                self._pushed(event, delivery, outcome)
            case ChangeUpdated():
                self._changed.updated(event, delivery.id, outcome)
            case ChangeClosed():
                self._changed.closed(event, delivery.id, outcome)
            case GroupQueued():
                self._queue.queued(event, delivery.id, outcome)
            case GroupAsked():
                self._queue.asked(event, delivery.id, outcome)
            case GroupGone():
                self._queue.gone(event, delivery.id, outcome)
            case CommentAdded():
                self._comments.handle(event, delivery, outcome)
            case _:
                assert_never(event)
        return None

    def _pushed(self, event: BranchPushed | TagPushed, delivery: Delivery, outcome: Outcome) -> None:
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(event.repo)
            overtaken = tx.deliveries.overtaken(delivery)
        watched = configured or self._discovery.looks_at(event.repo)
        if watched and isinstance(event, BranchPushed) and (overtaken or delivery.attempts):
            event = self._caught_up(event)
        files, found = None, None
        if isinstance(event, BranchPushed):
            found = self._discovery.look(event.repo, event.branch, event.default_branch, event.after)
            here = found or [w for w in configured if w.on_branch(event.branch, event.default_branch)]
            if here:
                files = self._files(event)
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return
            if found is not None and isinstance(event, BranchPushed):
                self._discovery.keep(tx, event.repo, found)
                self._discovery.retire(tx, event.repo, found, event.branch, event.default_branch)
            workspaces = tx.workspaces.of_repo(event.repo)
            decisions = (
                decide_push(event, workspaces, files)
                if isinstance(event, BranchPushed)
                else decide_tag(event, workspaces)
            )
            self._start(tx, event, decisions, outcome)
            # Only now: whoever makes runs in these workspaces later waits for ours, and comes behind them.
            if not overtaken and tx.deliveries.overtaken(delivery):
                raise Conflict("another push came while this one was looked at")
            self._changed.done(tx, delivery.id, outcome)
        self._transitions.wake(outcome.wake)

    def _caught_up(self, event: BranchPushed) -> BranchPushed:
        """Return a push that is handled late, or beside a later one, up to where its branch is now.

        Later pushes may have made their runs before: an older commit must not be applied after them.
        """
        _, head = self._forges[event.repo.forge].branch_head(event.repo, event.branch)
        if head == event.after:
            return event
        return replace(event, after=head, message=f"{event.message} (and what was pushed after it)")

    def _files(self, event: BranchPushed) -> ChangedFiles:
        if not event.before:
            return ChangedFiles.unknown()
        return self._forges[event.repo.forge].files_between(event.repo, event.before, event.after)

    def _start(
        self,
        tx: Transaction,
        event: BranchPushed | TagPushed,
        decisions: tuple[Decision, ...],
        outcome: Outcome,
    ) -> None:
        for decision in decisions:
            match decision:
                case Nothing(name, reason):
                    outcome.say("nothing", reason, name)
                case Start(workspace, reason):
                    run = self._new_runs.of_push(tx, workspace, event, reason, outcome.wake)
                    if run is None:
                        outcome.say("nothing", "this commit has made a run here before", workspace.name)
                    else:
                        outcome.say("run", reason, workspace.name, run.id)

    def _later(self, delivery: Delivery, error: str, *, give_up: bool) -> None:
        log.warning("delivery %s: %s%s", delivery.id, error, "" if give_up else "; it will be tried again")
        with self._store.transaction() as tx:
            if not self._changed.is_due(tx, delivery.id):
                return
            if give_up:
                outcome = {"outcome": "failed", "reason": error}
                tx.deliveries.handled(delivery.id, self._clock.now(), [outcome], error)
            else:
                tx.deliveries.failed(delivery.id, error)
