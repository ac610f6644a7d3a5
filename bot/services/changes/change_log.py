"""Changes as last fetched: the workspaces they touch, their previews, and their stored record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.changes.decisions import Decision, StartRun, decide_change
from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.changes.requirements import people_needed
from bot.domain.errors import Conflict, NotFound, NotReady
from bot.domain.events import (
    Change,
    ChangeAction,
    ChangeClosed,
    ChangedFiles,
    ChangeUpdated,
    RepoRef,
    ReviewersChanged,
)
from bot.domain.ids import new_id
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.merge_approvals import keep_for_merge, settle_merge
from bot.services.approvals.requirements import RequirementChecker
from bot.services.changes.change_previews import ChangePreviews, decided_by, taken_up
from bot.services.changes.discovery import Discovery
from bot.services.changes.stop_previews import stop_older
from bot.services.changes.used_modules import UsedModules
from bot.services.merging.merge_results import ChangeMerges, MergeSight
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.outbox.ledger import Ledger
from bot.services.outbox.wake import GAP, HeldBack, Wake
from bot.services.policies.set_changes import PolicyChanges
from bot.services.ports import ChangeRecord, Clock, ForgeReader, RunQuery, Store, Transaction
from bot.services.ports.changes import GAVE_UP
from bot.services.runs.cancel import PLANGATE, discarded
from bot.services.runs.change_runs import runs_everywhere
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Transitions

# A forge sends webhooks before its own API knows the same everywhere. This is how long that may take.
SETTLING = timedelta(minutes=1)
FORK_NOTE = "a change from a fork: someone with write access may comment /plan"


@dataclass(frozen=True)
class ChangeFacts:
    """A change's files and directories, fetched from the forge and Git before the transaction.

    `merge` is what it makes in its base, if a workspace plans that.
    """

    files: ChangedFiles
    found: Sequence[Workspace] | None
    merge: MergeSight | None = None


@dataclass(frozen=True)
class LoggedChange:
    """A stored change, and the decision for each workspace from the same transaction."""

    record: ChangeRecord
    decisions: Sequence[Decision]


class ChangeLog:
    """Handles changes that are opened, updated or closed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ledger: Ledger,
        forges: Mapping[str, ForgeReader],
        discovery: Discovery,
        run_factory: RunFactory,
        transitions: Transitions,
        policy_changes: PolicyChanges,
        merges: ChangeMerges,
        used_modules: UsedModules,
        requirement_checker: RequirementChecker,
    ) -> None:
        self._requirement_checker = requirement_checker
        self._used_modules = used_modules
        self._merges = merges
        self._policy_changes = policy_changes
        self._store = store
        self._clock = clock
        self._ledger = ledger
        self._forges = forges
        self._discovery = discovery
        self._run_factory = run_factory
        self._transitions = transitions

    def watches(self, repo: RepoRef) -> bool:
        """Whether the repository has a `discover` rule or a policy set."""
        return self._discovery.looks_at(repo) or self._policy_changes.concern(repo)

    def updated(self, event: ChangeUpdated, delivery_id: str, outcome: DeliveryResult) -> None:
        """Preview a change that was opened, reopened, retargeted or got new commits.

        Uses the current change, not the delivery's: deliveries overtake each other, and are retried.
        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Conflict.
        """
        repo = event.change.repo
        with self._store.reading() as tx:
            configured = repo in tx.overviews.repos()
            known = tx.changes.numbered(repo, event.change.number)
        if not configured and not self.watches(repo):
            return self._nothing(delivery_id, known, outcome, f"no workspace is configured for {repo.path}")
        asked_at = self._clock.now()
        change = self._forges[repo.forge].change(repo, event.change.number)
        if known and change.head_sha == known.change.head_sha != event.change.head_sha:
            self._not_behind(delivery_id, known, f"commit {event.change.head_sha[:10]}")
        if not change.open:
            if known and event.action is ChangeAction.REOPENED:
                self._not_behind(delivery_id, known, f"that change {change.number} was reopened")
            return self._nothing(delivery_id, known, outcome, "the change was closed meanwhile")
        if known is not None and self._is_covered(known, delivery_id):
            return self._leave_to_other(event, delivery_id, outcome)
        sight = self.look(change)
        with HeldBack(self._transitions.wake) as held_back:
            self._preview(event, delivery_id, change, sight, asked_at, outcome, held_back)
        return None

    def _preview(
        self,
        event: ChangeUpdated,
        delivery_id: str,
        change: Change,
        sight: ChangeFacts,
        asked_at: datetime,
        outcome: DeliveryResult,
        held_back: HeldBack,
    ) -> None:
        """Store the change and its previews, in short transactions if there are many."""
        previews: ChangePreviews | None = None
        while previews is None or not previews.all_there:
            if previews is not None:
                self._clock.wait(GAP)
            outcome.wake = Wake()
            with self._store.transaction() as tx:
                if not self._ledger.is_due(tx, delivery_id):
                    return
                if previews is None:
                    pushed_at = event.at if event.change.head_sha == change.head_sha else None
                    kept = self.keep(tx, change, sight, asked_at, _pusher(event), pushed_at)
                    record, previews = kept.record, self._begin(tx, kept, event.sender, outcome)
                    self._policy_changes.noted(tx, record, sight.files, outcome)
                else:
                    record = taken_up(tx, change, delivery_id)
                previews.create_some(tx, record)
                if previews.all_there:
                    self._ledger.done(tx, delivery_id, outcome)
                decided_by(tx, record, "" if previews.all_there else delivery_id)
                self._transitions.report(tx, record.id, outcome.wake)
            held_back.stored(outcome.wake)

    def _begin(self, tx: Transaction, kept: LoggedChange, by: str, outcome: DeliveryResult) -> ChangePreviews:
        change = kept.record.change
        self._stop_older(tx, change, outcome)
        if change.from_fork:
            # Promise 5: changes from forks plan only when a person with write access says so.
            outcome.say(DecisionKind.NOTHING, FORK_NOTE)
            return ChangePreviews(self._run_factory, change, (), by, outcome)
        previews = ChangePreviews(self._run_factory, change, kept.decisions, by, outcome)
        previews.cancel_untouched(tx, kept.record)
        return previews

    def _is_covered(self, known: ChangeRecord, delivery_id: str) -> bool:
        """Whether another delivery is creating the previews, by a look at the change after this webhook."""
        if not known.in_parts or known.deciding == delivery_id:
            return False
        with self._store.reading() as tx:
            try:
                other = tx.deliveries.get(known.deciding)
            except NotFound:
                return False
            return other.handled_at is None and known.seen_at > tx.deliveries.get(delivery_id).received_at

    def _leave_to_other(self, event: ChangeUpdated, delivery_id: str, outcome: DeliveryResult) -> None:
        """Leave the previews to the delivery that creates them. Who pushed counts anyway."""
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery_id):
                return
            record = tx.changes.numbered(event.change.repo, event.change.number, for_update=True)
            if record is None or not record.in_parts:
                raise Conflict(f"the plans of change {event.change.number} are all there meanwhile")
            tx.changes.put(replace(record, pushers=_with_pusher(record, _pusher(event))))
            outcome.say(DecisionKind.NOTHING, "another webhook of this change creates its plans")
            self._ledger.done(tx, delivery_id, outcome)

    def gave_up(self, delivery_id: str) -> None:
        """Report that no more previews are created for a change, if its delivery has created only some."""
        self._end(delivery_id, GAVE_UP)

    def _end(self, delivery_id: str, how: str = "") -> None:
        wake = Wake()
        with self._store.transaction() as tx:
            record = tx.changes.decided_by(delivery_id)
            if record is not None:
                decided_by(tx, record, how)
                self._transitions.report(tx, record.id, wake)
        self._transitions.wake(wake)

    def _nothing(
        self, delivery_id: str, known: ChangeRecord | None, outcome: DeliveryResult, why: str
    ) -> None:
        """Store that a delivery has no effect, or no further one if an attempt has created previews."""
        if known is not None and known.deciding == delivery_id:
            self._end(delivery_id)
        self._ledger.nothing(delivery_id, outcome, why)

    def closed(self, event: ChangeClosed, delivery_id: str, outcome: DeliveryResult) -> None:
        """Stop runs of a closed change: previews, and runs that wait for an answer on the change.

        Raises ForgeUnavailable, ForgeRefused, Conflict.
        """
        change = event.change
        what = "merged" if change.merged else "closed"
        with self._store.reading() as tx:
            known = tx.changes.numbered(change.repo, change.number)
        if known is None:
            why = f"the change was {what}; it was never planned here"
            return self._ledger.nothing(delivery_id, outcome, why)
        asked_at = self._clock.now()
        if self._open_again(change):
            self._not_behind(delivery_id, known, f"that change {change.number} was {what}")
            return self._ledger.nothing(delivery_id, outcome, f"the change was {what}, and is open again")
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery_id):
                return None
            # GitLab's delivery has only the number of the author. The change itself has the login.
            kept = replace(change, author=change.author or known.change.author)
            record = tx.changes.put(replace(known, change=kept, seen_at=asked_at, deciding=""))
            outcome.say(DecisionKind.NOTHING, f"the change was {what}")
            # The commit with which it was closed may be new to us.
            self._stop_older(tx, kept, outcome)
            runs = tx.runs.find(RunQuery(repo=change.repo, change_number=change.number, limit=None))
            for workspace_id in dict.fromkeys([*record.workspace_ids, *(run.workspace_id for run in runs)]):
                workspace = tx.workspaces.get(workspace_id)
                self._run_factory.cancel_previews(
                    tx, workspace, change, f"the change was {what}", outcome.wake
                )
                for run in self._run_factory.of_change(tx, workspace, change):
                    keep_for_merge(tx, workspace, change, run)
                self._discard_waiting(tx, workspace, change, what, outcome)
                settle_merge(tx, workspace, change, self._clock.now(), outcome)
            self._transitions.report(tx, record.id, outcome.wake)
            # Changes that touch the same resources no longer mention this one.
            for other in tx.changes.open_of(change.repo, None):
                if set(other.workspace_ids) & set(record.workspace_ids):
                    self._transitions.report(tx, other.id, outcome.wake)
            self._ledger.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def reviewers(self, event: ReviewersChanged, delivery_id: str, outcome: DeliveryResult) -> None:
        """Keep who is asked for a review now. After a verdict, read what people have approved.

        The comment and the labels say both. Otherwise the forge is asked nothing. Raises ForgeUnavailable.
        """
        with self._store.reading() as tx:
            known = tx.changes.numbered(event.repo, event.number)
            touched = [tx.workspaces.get(each) for each in known.workspace_ids] if known is not None else ()
        needing = [each for each in touched if each.active and people_needed(each)]
        read = known is not None and known.change.open and event.judged and bool(needing)
        if known is not None and read:
            self._requirement_checker.facts(known.change, needing)
        with self._store.transaction() as tx:
            if not self._ledger.is_due(tx, delivery_id):
                return
            known = tx.changes.numbered(event.repo, event.number)
            if known is None:
                why = f"the change {event.number} is not known here"
            elif not known.change.open or not (read or event.asked not in (None, known.change.asked)):
                why = "nothing changes for who is asked for a review"
            else:
                why = "its reviews were read" if read else "others are asked for a review now"
                asked = known.change.asked if event.asked is None else event.asked
                tx.changes.put(replace(known, change=replace(known.change, asked=asked)))
                self._transitions.report(tx, known.id, outcome.wake)
            outcome.say(DecisionKind.NOTHING, why)
            self._ledger.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)

    def _not_behind(self, delivery_id: str, known: ChangeRecord, what: str) -> None:
        """Check that the forge's API knows what its webhook said: it may lag behind for a while.

        If the change was fetched after the webhook, there is nothing to wait for. Raises NotReady.
        """
        with self._store.reading() as tx:
            told_at = tx.deliveries.get(delivery_id).received_at
        if known.seen_at < told_at and self._clock.now() - told_at < SETTLING:
            raise NotReady(f"the forge does not know {what} everywhere yet")

    def _open_again(self, change: Change) -> bool:
        """Whether the change was reopened since. False if the forge no longer has it."""
        try:
            return self._forges[change.repo.forge].change(change.repo, change.number).open
        except NotFound:
            return False

    def look(self, change: Change) -> ChangeFacts:
        """Fetch the files that a change touches, and the directories that `discover` rules need.

        A fork's tree creates no workspaces: its code is not trusted before a person says so (promise 5).
        """
        files = self._forges[change.repo.forge].files_of_change(change.repo, change.number)
        found = None
        if not change.from_fork and change.open:
            found = self._discovery.look(
                change.repo, change.base_branch, change.default_branch, change.head_sha
            )
        merge = self._merges.look(change)
        # Modules are those of the files that are planned, as far as they can be merged.
        merged = merge is not None and not merge.result.conflicting
        commit = merge.result.commit if merge is not None and merged else change.head_sha

        with self._store.reading() as tx:
            known = tx.workspaces.of_repo(change.repo)
        on_branch = (change.base_branch, change.default_branch)
        here = (each for each in (*known, *(found or ())) if each.on_branch(*on_branch))
        files = self._used_modules.look(change.repo, files, commit, here)
        return ChangeFacts(files, found, merge)

    def keep(
        self,
        tx: Transaction,
        change: Change,
        sight: ChangeFacts,
        asked_at: datetime,
        pusher: str = "",
        pushed_at: datetime | None = None,
    ) -> LoggedChange:
        """Store the change as fetched. Decide which workspaces it touches, and why.

        `pusher` pushed to it, and `pushed_at` is when its head became what it is, if that is known.
        Raises Conflict if a later answer of the forge is stored, or a later base: fetch it again.
        """
        if sight.merge is not None:
            self._merges.check_newest(tx, change, sight.merge)
        if sight.found is not None:
            self._discovery.keep(tx, change.repo, sight.found, on_branch=False)
        decisions = decide_change(change, tx.workspaces.of_repo(change.repo), sight.files)
        touched = [d.workspace.id for d in decisions if isinstance(d, StartRun)]
        reasons = tuple(
            (d.workspace.name if isinstance(d, StartRun) else d.workspace_name, d.reason) for d in decisions
        )
        note = FORK_NOTE if change.from_fork and touched else ""
        known = tx.changes.numbered(change.repo, change.number)
        same = known is not None and known.change.head_sha == change.head_sha
        head_at = known.head_at if known is not None and same else pushed_at or asked_at
        edited = known.edited if known is not None else ""
        record = ChangeRecord(
            new_id("chg"),
            change,
            tuple(touched),
            asked_at,
            note,
            reasons,
            _with_pusher(known, pusher),
            head_at,
            edited,
            sight.merge.result if sight.merge is not None else None,
            deciding=known.deciding if known is not None else "",
        )
        kept = tx.changes.put(record)
        if sight.merge is not None:
            self._merges.keep(tx, kept, sight.merge, Wake())
        return LoggedChange(kept, decisions)

    def _stop_older(self, tx: Transaction, change: Change, outcome: DeliveryResult) -> None:
        # An approval is of a plan that was shown: where it is, the change has a run.
        for workspace_id, runs in runs_everywhere(tx, change).items():
            workspace = tx.workspaces.get(workspace_id)
            if workspace.active:
                stop_older(tx, self._transitions, runs, workspace, change, self._clock.now(), outcome)

    def _discard_waiting(
        self, tx: Transaction, workspace: Workspace, change: Change, what: str, outcome: DeliveryResult
    ) -> None:
        for run in self._run_factory.of_change(tx, workspace, change):
            if run.discardable:
                why = f"the change was {what}"
                moves = discarded(self._transitions, run, PLANGATE, why)
                self._transitions.save(tx, run, moves, outcome.wake)
                outcome.say(DecisionKind.DISCARDED, why, workspace.name, run.id)


def _pusher(event: ChangeUpdated) -> str:
    return event.sender if event.action is ChangeAction.NEW_COMMITS else ""


def _with_pusher(known: ChangeRecord | None, pusher: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*(known.pushers if known else ()), *filter(None, (pusher,)))))
