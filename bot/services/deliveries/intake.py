"""Handles a delivery: fetches what the decision needs, decides, saves runs, wakes workers.

The webhook's request only calls `accept`. The job calls `handle`. Handling a delivery twice has the effect of
once: its effects and the mark that it is handled are in one transaction (promise 3).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from bot.domain.changes.decisions import Decision, StartRun, decide_push, decide_tag
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
    ChangedFiles,
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
from bot.domain.runs.merge_result import AsApplied
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.our_comment import OurComments
from bot.services.changes.change_log import SETTLING, ChangeLog
from bot.services.changes.discovery import Discovery
from bot.services.changes.merge_queue import MergeQueue
from bot.services.changes.used_modules import UsedModules
from bot.services.comments.dispatch import Comments
from bot.services.deliveries import tags
from bot.services.deliveries.pushed_runs import PushedRuns, PushFacts
from bot.services.deliveries.run_triggers import RunTriggers
from bot.services.merging.applied_before import AppliedBefore
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.outbox import is_ours, want_base_moves
from bot.services.outbox.wake import Wake
from bot.services.people.identities import Identities
from bot.services.ports import Clock, Delivery, Dispatch, ForgeReader, Store, Transaction
from bot.services.ports.deliveries import was_found
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import TRIES, Transitions

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
        forges: Mapping[str, ForgeReader],
        discovery: Discovery,
        run_factory: RunFactory,
        change_log: ChangeLog,
        comments: Comments,
        transitions: Transitions,
        run_triggers: RunTriggers,
        queue: MergeQueue,
        our_comments: OurComments,
        identities: Identities,
        applied_before: AppliedBefore,
        used_modules: UsedModules,
    ) -> None:
        self._used_modules = used_modules
        self._applied_before = applied_before
        self._identities = identities
        self._our_comments = our_comments
        self._queue = queue
        self._store = store
        self._clock = clock
        self._dispatch = dispatch
        self._ledger = ledger
        self._run_triggers = run_triggers
        self._parse = parse
        self._forges = forges
        self._discovery = discovery
        self._run_factory = run_factory
        self._change_log = change_log
        self._comments = comments
        self._transitions = transitions

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
        return self._clock.now() - delivery.received_at < SETTLING

    def _act(self, delivery: Delivery) -> None:
        outcome = DeliveryResult()
        if is_ours(delivery):
            return self._run_triggers.handle(delivery, outcome)
        event = delivery.meaning or self._parsed(delivery)
        if why := self._why_nobody_follows(event):
            return self._ledger.nothing(delivery.id, outcome, why)
        self._check_identity(event)
        match event:
            case Ignored(reason):
                self._ledger.nothing(delivery.id, outcome, reason)
            case BranchPushed() | TagPushed():
                self._pushed(event, delivery, outcome)
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

    def _why_nobody_follows(self, event: ForgeEvent | Ignored) -> str:
        """Return why a push concerns no workspace, empty if it may. Asks only the database."""
        if not isinstance(event, BranchPushed | TagPushed):
            return ""
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(event.repo)
        decisions: tuple[Decision, ...] = ()
        if isinstance(event, TagPushed):
            if not any(workspace.triggers.tag_regex for workspace in configured):
                decisions = decide_tag(event, configured)
        elif not self._is_followed(event, configured):
            decisions = decide_push(event, configured, None)
        return ", ".join(decision.reason for decision in decisions)

    def _is_followed(self, event: BranchPushed, configured: Sequence[Workspace]) -> bool:
        """Whether a workspace or a `discover` rule follows the branch."""
        known = (*configured, *self._discovery.likes(event.repo))
        return any(workspace.on_branch(event.branch, event.default_branch) for workspace in known)

    def _parsed(self, delivery: Delivery) -> ForgeEvent | Ignored:
        """Return the meaning of a delivery that another version of Plangate stored without it."""
        try:
            return self._parse(delivery)
        except Invalid as error:
            return Ignored(f"the body could not be read: {error}")

    def _pushed(self, event: BranchPushed | TagPushed, delivery: Delivery, outcome: DeliveryResult) -> None:
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(event.repo)
            overtaken = tx.deliveries.overtaken(delivery)
            sent_again = tx.failed_deliveries.failed_at(delivery.forge, delivery.id) is not None
            handled = _handled_head(tx, event)
        if why := self._why_outdated(event, delivery, configured):
            return self._ledger.nothing(delivery.id, outcome, why)
        # It does not follow what was handled last: webhooks are missing, or came in another order.
        jumps = isinstance(event, BranchPushed) and handled not in ("", event.before, event.after)
        if isinstance(event, BranchPushed) and self._may_apply(event, configured):
            believed = self._believed(event, delivery)
            if believed is None:
                return self._ledger.nothing(delivery.id, outcome, _NOT_THERE)
            event = believed
        late = overtaken or jumps or sent_again or delivery.attempts or was_found(delivery)
        if isinstance(event, BranchPushed) and late:
            event = self._caught_up(event, handled if jumps else event.before)
        files, found, applied, at_heads = None, None, dict[str, AsApplied](), frozenset[str]()
        if isinstance(event, BranchPushed):
            found = self._discovery.look(event.repo, event.branch, event.default_branch, event.after)
            at_heads = self._at_heads(event, found)
            here = found or [w for w in configured if w.on_branch(event.branch, event.default_branch)]
            if here:
                files = self._files(event, found or ())
                applied.update(self._applied_before.by_workspace(event, configured))
        runs: PushedRuns | None = None
        # Short transactions, so that a push to many workspaces never delays a webhook.
        while runs is None or not runs.all_there:
            outcome.wake = Wake()
            with self._store.transaction() as tx:
                if not self._ledger.is_due(tx, delivery.id):
                    return
                if runs is None:
                    decisions = self._decisions(tx, event, delivery, PushFacts(files, found, at_heads))
                    runs = PushedRuns(self._run_factory, event, decisions, applied, outcome)
                runs.create_some(tx)
                # Only now: later runs in these workspaces wait for ours in the queue.
                if not overtaken and tx.deliveries.overtaken(delivery):
                    raise Conflict("another push arrived meanwhile")
                if _handled_head(tx, event) != handled:
                    raise Conflict("another push of this branch was handled meanwhile")
                if runs.all_there:
                    self._handled(tx, event, delivery, outcome)
            self._transitions.wake(outcome.wake)

    def _decisions(
        self, tx: Transaction, event: BranchPushed | TagPushed, delivery: Delivery, facts: PushFacts
    ) -> Sequence[Decision]:
        """Decide which workspaces run. Keeps those that were found, and retires those that are gone."""
        if isinstance(event, TagPushed):
            return tags.in_time(tx, decide_tag(event, _on_branch(tx, event)), delivery)
        if facts.found is not None:
            self._discovery.keep(tx, event.repo, facts.found, on_branch=True)
            now = self._clock.now()
            branches = event.branch, event.default_branch
            self._discovery.retire(tx, event.repo, facts.found, *branches, facts.at_heads, now)
        return decide_push(event, _on_branch(tx, event), facts.files)

    def _handled(
        self, tx: Transaction, event: BranchPushed | TagPushed, delivery: Delivery, outcome: DeliveryResult
    ) -> None:
        if isinstance(event, BranchPushed):
            now = self._clock.now()
            tx.repo_watches.moved(event.repo, event.branch, event.after, now)
            outcome.wake.deliveries += want_base_moves(tx, delivery, event.repo, event.branch, now)
        self._ledger.done(tx, delivery.id, outcome)

    def _at_heads(self, event: BranchPushed, found: Sequence[Workspace] | None) -> frozenset[str]:
        """Return the workspaces that left the branch, and that open changes still have."""
        if found is None:
            return frozenset()
        with self._store.reading() as tx:
            users = self._discovery.users(tx, event.repo, found, event.branch, event.default_branch)
        return self._discovery.at_heads(users)

    def _why_outdated(
        self, event: BranchPushed | TagPushed, delivery: Delivery, configured: Sequence[Workspace]
    ) -> str:
        """Say why a push of a tag no longer holds. Asks only if a workspace would run."""
        if not isinstance(event, TagPushed):
            return ""
        if not any(isinstance(decision, StartRun) for decision in decide_tag(event, configured)):
            return ""
        forge = self._forges[event.repo.forge]
        return tags.why_outdated(forge, event, settles=self._settles(delivery))

    def _caught_up(self, event: BranchPushed, since: str) -> BranchPushed:
        """Return a late or overtaken push, updated to the current commit of its branch.

        Runs of later pushes may exist already: an older commit must not be applied after them. `since` is the
        commit that was handled last: pushes that nobody told us of lie between, and touched files, too.
        """
        _, head = self._forges[event.repo.forge].branch_head(event.repo, event.branch)
        if head != since:
            event = replace(event, before=since)
        if head == event.after:
            return event
        return replace(event, after=head, message=f"{event.message} (and what was pushed after it)")

    def _may_apply(self, event: BranchPushed, configured: Sequence[Workspace]) -> bool:
        """Whether a push may be applied automatically in a workspace."""
        known = (*configured, *self._discovery.likes(event.repo))
        return any(w.auto_apply and w.on_branch(event.branch, event.default_branch) for w in known)

    def _believed(self, event: BranchPushed, delivery: Delivery) -> BranchPushed | None:
        """Return the push as the forge has it. None if the forge does not have the commit on the branch.

        A delivery proves nothing: an old one can be sent again. Only the branch's head may be applied. Raises
        NotReady while the forge may still be processing the push.
        """
        forge = self._forges[event.repo.forge]
        try:
            _, head = forge.branch_head(event.repo, event.branch)
        except NotFound:
            head = ""
        if head == event.after:
            return event
        if head and forge.is_on_branch(event.repo, event.branch, event.after):
            return replace(event, after=head, message=f"{event.message} (and what was pushed after it)")
        if self._settles(delivery):
            raise NotReady(f"the forge does not have {event.after[:10]} on {event.branch} yet")
        return None

    def _files(self, event: BranchPushed, found: Sequence[Workspace]) -> ChangedFiles:
        if not event.before:
            return ChangedFiles.unknown()
        files = self._forges[event.repo.forge].files_between(event.repo, event.before, event.after)

        def concerned(each: Workspace) -> bool:
            return each.on_branch(event.branch, event.default_branch) and each.merging.apply_when.after

        return self._used_modules.look(event.repo, files, event.after, concerned, found)

    def _later(self, delivery: Delivery, error: str, *, give_up: bool) -> None:
        log.warning("delivery %s: %s%s", delivery.id, error, "" if give_up else "; it will be retried")
        self._ledger.failed(delivery.id, error, give_up=give_up)


def _handled_head(tx: Transaction, event: BranchPushed | TagPushed) -> str:
    """Return the newest handled commit of a push's branch, empty if there is none."""
    if isinstance(event, TagPushed):
        return ""
    head = tx.repo_watches.head(event.repo, event.branch)
    return head.commit if head is not None else ""


def _on_branch(tx: Transaction, event: BranchPushed | TagPushed) -> Sequence[Workspace]:
    """Return the workspaces of a repository without those that only an open change brings."""
    return [each for each in tx.workspaces.of_repo(event.repo) if not each.proposed]
