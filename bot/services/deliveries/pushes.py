"""Handles pushes of branches and tags: decides which workspaces run, and creates their runs a part at a time.

Transactions are short, so that a push to many workspaces never delays a webhook. Each of them checks that the
delivery is still due and that no other push of the branch was handled meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.changes.decisions import Decision, StartRun, decide_push, decide_tag
from bot.domain.errors import Conflict, NotFound, NotReady
from bot.domain.events import BranchPushed, ChangedFiles, TagPushed
from bot.domain.runs.merge_result import AsApplied
from bot.domain.workspaces.workspace import Workspace
from bot.services.changes.change_log import SETTLING
from bot.services.changes.discovery import Discovery
from bot.services.changes.used_modules import UsedModules
from bot.services.deliveries import tags
from bot.services.deliveries.pushed_runs import PushedRuns
from bot.services.merging.applied_before import AppliedBefore
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.outbox import want_base_moves
from bot.services.outbox.wake import GAP, HeldBack, Wake
from bot.services.people.identities import Identities
from bot.services.ports import Clock, Delivery, ForgeReader, Store, Transaction
from bot.services.ports.deliveries import was_found
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Transitions

_NOT_THERE = "the forge does not have this commit on the branch, so nothing is applied automatically"


def still_settles(delivery: Delivery, now: datetime) -> bool:
    """Whether the forge may not know everywhere yet what a delivery tells of."""
    return now - delivery.received_at < SETTLING


@dataclass(frozen=True)
class _Seen:
    """What was so before the transactions: if a later push had arrived, and the newest handled head."""

    overtaken: bool
    handled: str


class Pushes:
    """Handles the deliveries of pushes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledger: Ledger,
        forges: Mapping[str, ForgeReader],
        discovery: Discovery,
        run_factory: RunFactory,
        transitions: Transitions,
        identities: Identities,
        applied_before: AppliedBefore,
        used_modules: UsedModules,
    ) -> None:
        self._used_modules = used_modules
        self._applied_before = applied_before
        self._identities = identities
        self._store = store
        self._clock = clock
        self._ledger = ledger
        self._forges = forges
        self._discovery = discovery
        self._run_factory = run_factory
        self._transitions = transitions

    def handle(self, event: BranchPushed | TagPushed, delivery: Delivery, outcome: DeliveryResult) -> None:
        """Create the runs of a push.

        Raises ForgeUnavailable, ForgeRefused, NotFound, NotReady, EngineError, ConfigError, Conflict.
        """
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(event.repo)
        if why := self._why_nobody_follows(event, configured):
            return self._ledger.nothing(delivery.id, outcome, why)
        self._identities.check(event.repo)
        with self._store.reading() as tx:
            seen = _Seen(tx.deliveries.overtaken(delivery), _handled_head(tx, event))
            sent_again = tx.failed_deliveries.failed_at(delivery.forge, delivery.id) is not None
        if isinstance(event, TagPushed):
            if why := self._why_outdated(event, delivery, configured):
                return self._ledger.nothing(delivery.id, outcome, why)
            with self._store.reading() as tx:
                decisions = tags.in_time(tx, decide_tag(event, _not_proposed(configured)), delivery)
            return self._create(PushedRuns(self._run_factory, event, decisions, {}, outcome), delivery, seen)
        # It does not follow what was handled last: webhooks are missing, or came in another order.
        jumps = seen.handled not in ("", event.before, event.after)
        if self._may_apply(event, configured):
            believed = self._believed(event, delivery)
            if believed is None:
                return self._ledger.nothing(delivery.id, outcome, _NOT_THERE)
            event = believed
        if seen.overtaken or jumps or sent_again or delivery.attempts or was_found(delivery):
            event = self._caught_up(event, seen.handled if jumps else event.before)
        return self._branch(event, configured, delivery, seen, outcome)

    def _branch(
        self,
        event: BranchPushed,
        configured: Sequence[Workspace],
        delivery: Delivery,
        seen: _Seen,
        outcome: DeliveryResult,
    ) -> None:
        found = self._discovery.look(event.repo, event.branch, event.default_branch, event.after)
        at_heads = self._at_heads(event, found)
        here = found or [w for w in configured if w.on_branch(event.branch, event.default_branch)]
        files, applied = None, dict[str, AsApplied]()
        if here:
            files = self._files(event, configured, found or ())
            applied.update(self._applied_before.by_workspace(event, configured))
        if found is not None:
            with self._store.transaction() as tx:
                if not self._is_due(tx, event, delivery, seen):
                    return
                self._discovery.keep(tx, event.repo, found, on_branch=True)
                now, branches = self._clock.now(), (event.branch, event.default_branch)
                self._discovery.retire(tx, event.repo, found, *branches, at_heads, now)
                configured = tx.workspaces.of_repo(event.repo)
        decisions: Sequence[Decision] = decide_push(event, _not_proposed(configured), files)
        self._create(PushedRuns(self._run_factory, event, decisions, applied, outcome), delivery, seen)

    def _create(self, runs: PushedRuns, delivery: Delivery, seen: _Seen) -> None:
        """Create the runs, and mark the delivery as handled with the last of them."""
        with HeldBack(self._transitions.wake) as held_back:
            self._create_in_parts(runs, delivery, seen, held_back)

    def _create_in_parts(
        self, runs: PushedRuns, delivery: Delivery, seen: _Seen, held_back: HeldBack
    ) -> None:
        event, outcome = runs.event, runs.outcome
        while True:
            outcome.wake = Wake()
            with self._store.transaction() as tx:
                if not self._ledger.is_due(tx, delivery.id):
                    return
                runs.create_some(tx)
                # Only now: later runs in these workspaces wait for ours in the queue.
                self._check_newest(tx, event, delivery, seen)
                if runs.all_there:
                    self._handled(tx, event, delivery, outcome)
            held_back.stored(outcome.wake)
            if runs.all_there:
                return
            self._clock.wait(GAP)

    def _is_due(self, tx: Transaction, event: BranchPushed, delivery: Delivery, seen: _Seen) -> bool:
        if not self._ledger.is_due(tx, delivery.id):
            return False
        self._check_newest(tx, event, delivery, seen)
        return True

    def _check_newest(
        self, tx: Transaction, event: BranchPushed | TagPushed, delivery: Delivery, seen: _Seen
    ) -> None:
        """Raise Conflict if another push of the branch has arrived, or was handled, since we looked."""
        if not seen.overtaken and tx.deliveries.overtaken(delivery):
            raise Conflict("another push arrived meanwhile")
        if _handled_head(tx, event) != seen.handled:
            raise Conflict("another push of this branch was handled meanwhile")

    def _handled(
        self, tx: Transaction, event: BranchPushed | TagPushed, delivery: Delivery, outcome: DeliveryResult
    ) -> None:
        if isinstance(event, BranchPushed):
            now = self._clock.now()
            tx.repo_watches.moved(event.repo, event.branch, event.after, now)
            outcome.wake.deliveries += want_base_moves(tx, delivery, event.repo, event.branch, now)
        self._ledger.done(tx, delivery.id, outcome)

    def _why_nobody_follows(self, event: BranchPushed | TagPushed, configured: Sequence[Workspace]) -> str:
        """Return why a push concerns no workspace, empty if it may."""
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

    def _at_heads(self, event: BranchPushed, found: Sequence[Workspace] | None) -> frozenset[str]:
        """Return the workspaces that left the branch, and that open changes still have."""
        if found is None:
            return frozenset()
        with self._store.reading() as tx:
            users = self._discovery.users(tx, event.repo, found, event.branch, event.default_branch)
        return self._discovery.at_heads(users)

    def _why_outdated(self, event: TagPushed, delivery: Delivery, configured: Sequence[Workspace]) -> str:
        """Say why a push of a tag no longer holds. Asks only if a workspace would run."""
        if not any(isinstance(decision, StartRun) for decision in decide_tag(event, configured)):
            return ""
        forge = self._forges[event.repo.forge]
        return tags.why_outdated(forge, event, settles=still_settles(delivery, self._clock.now()))

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
        if still_settles(delivery, self._clock.now()):
            raise NotReady(f"the forge does not have {event.after[:10]} on {event.branch} yet")
        return None

    def _files(
        self, event: BranchPushed, configured: Sequence[Workspace], found: Sequence[Workspace]
    ) -> ChangedFiles:
        if not event.before:
            return ChangedFiles.unknown()
        files = self._forges[event.repo.forge].files_between(event.repo, event.before, event.after)

        def concerned(each: Workspace) -> bool:
            return each.on_branch(event.branch, event.default_branch) and each.merging.apply_when.after

        return self._used_modules.look(
            event.repo, files, event.after, filter(concerned, (*configured, *found))
        )


def _handled_head(tx: Transaction, event: BranchPushed | TagPushed) -> str:
    """Return the newest handled commit of a push's branch, empty if there is none."""
    if isinstance(event, TagPushed):
        return ""
    head = tx.repo_watches.head(event.repo, event.branch)
    return head.commit if head is not None else ""


def _not_proposed(workspaces: Sequence[Workspace]) -> Sequence[Workspace]:
    """Return the workspaces without those that only an open change brings."""
    return [each for each in workspaces if not each.proposed]
