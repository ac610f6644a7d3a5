"""Changes as the bot sees them: what they touch, what is previewed, and what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain.decisions import Decision, Nothing, Start, decide_change
from bot.domain.errors import NotFound, NotReady
from bot.domain.events import Change, ChangeAction, ChangeClosed, ChangedFiles, ChangeUpdated, RepoRef
from bot.domain.ids import new_id
from bot.domain.lifecycle import RunStatus
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.discovering import Discovery
from bot.services.making import NewRuns
from bot.services.merging import keep_for_merge, settle_merge
from bot.services.neighbours import MOST_NEIGHBOURS
from bot.services.outcome import Outcome
from bot.services.policy_changes import PolicyChanges
from bot.services.ports import ChangeRecord, Clock, ForgeReader, RunQuery, Store, Transaction
from bot.services.stopping import stop_older
from bot.services.transitions import Transitions

# A forge tells of things that its own API does not know everywhere yet: for so long they may be on their way.
SETTLING = timedelta(minutes=1)
FORK_NOTE = "a change from a fork: someone with write access may comment /plan"


@dataclass(frozen=True)
class Sight:
    """What the forge and Git say of a change, fetched before the transaction that decides."""

    files: ChangedFiles
    found: Sequence[Workspace] | None


class Changed:
    """Handles changes: opened, updated, closed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, ForgeReader],
        discovery: Discovery,
        new_runs: NewRuns,
        transitions: Transitions,
        policy_changes: PolicyChanges,
    ) -> None:
        self._policy_changes = policy_changes
        self._store = store
        self._clock = clock
        self._forges = forges
        self._discovery = discovery
        self._new_runs = new_runs
        self._transitions = transitions

    # --- what every kind of delivery needs ------------------------------------------------------------------

    def nothing(self, delivery_id: str, outcome: Outcome, why: str) -> None:
        """Keep that a delivery led to nothing, and why."""
        outcome.say("nothing", why)
        with self._store.transaction() as tx:
            self.done(tx, delivery_id, outcome)

    def is_due(self, tx: Transaction, delivery_id: str) -> bool:
        """Whether nobody has handled the delivery meanwhile (promise 3); waits for one who is at it."""
        return tx.deliveries.get(delivery_id, for_update=True).handled_at is None

    def done(self, tx: Transaction, delivery_id: str, outcome: Outcome) -> None:
        """Keep what was decided, in the transaction that acts on it."""
        tx.deliveries.handled(delivery_id, self._clock.now(), outcome.decisions)

    def now(self) -> datetime:
        """Return the time; a change is kept as of when the forge was asked for it."""
        return self._clock.now()

    def watches(self, repo: RepoRef) -> bool:
        """Whether a `discover` rule looks through the repository, or a policy set is fetched from it."""
        return self._discovery.looks_at(repo) or self._policy_changes.concern(repo)

    # --- changes --------------------------------------------------------------------------------------------

    def updated(self, event: ChangeUpdated, delivery_id: str, outcome: Outcome) -> None:
        """Preview a change that was opened, reopened, retargeted or got new commits.

        As it is now, whatever the delivery says: deliveries overtake each other, and are tried again.
        Raises ForgeUnavailable, ForgeRefused, NotFound, EngineError, Conflict.
        """
        repo = event.change.repo
        with self._store.reading() as tx:
            configured = tx.workspaces.of_repo(repo)
            known = tx.changes.numbered(repo, event.change.number)
        if not configured and not self.watches(repo):
            return self.nothing(delivery_id, outcome, f"no workspace is configured for {repo.path}")
        asked_at = self._clock.now()
        change = self._forges[repo.forge].change(repo, event.change.number)
        if known and change.head_sha == known.change.head_sha != event.change.head_sha:
            self._not_behind(delivery_id, known, f"commit {event.change.head_sha[:10]}")
        if not change.open:
            if known and event.action is ChangeAction.REOPENED:
                self._not_behind(delivery_id, known, f"that change {change.number} was reopened")
            return self.nothing(delivery_id, outcome, "the change was closed meanwhile")
        sight = self.look(change)
        with self._store.transaction() as tx:
            if not self.is_due(tx, delivery_id):
                return None
            record = self.keep(tx, change, sight, asked_at)
            self._stop_older(tx, change, outcome)
            if change.from_fork:
                # Promise 5: changes from forks plan only when a person with write access says so.
                outcome.say("nothing", FORK_NOTE)
            else:
                self._previews(tx, record, event.sender, sight, outcome)
            self._policy_changes.noted(tx, record, sight.files, outcome)
            self._transitions.report(tx, record.id, outcome.wake)
            self.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def closed(self, event: ChangeClosed, delivery_id: str, outcome: Outcome) -> None:
        """Stop what nobody needs any more: previews, and runs that wait for an answer on the change.

        Raises ForgeUnavailable, ForgeRefused, Conflict.
        """
        change = event.change
        what = "merged" if change.merged else "closed"
        with self._store.reading() as tx:
            known = tx.changes.numbered(change.repo, change.number)
        if known is None:
            why = f"the change was {what}; it was never planned here"
            return self.nothing(delivery_id, outcome, why)
        asked_at = self._clock.now()
        if self._open_again(change):
            self._not_behind(delivery_id, known, f"that change {change.number} was {what}")
            return self.nothing(delivery_id, outcome, f"the change was {what}, and is open again")
        with self._store.transaction() as tx:
            if not self.is_due(tx, delivery_id):
                return None
            # GitLab's delivery names the author by number alone; we know the login from the change itself.
            kept = replace(change, author=change.author or known.change.author)
            record = tx.changes.put(replace(known, change=kept, seen_at=asked_at))
            outcome.say("nothing", f"the change was {what}")
            # The commit that it was closed with may not have been told of before.
            self._stop_older(tx, kept, outcome)
            runs = tx.runs.find(RunQuery(repo=change.repo, change_number=change.number, limit=1000))
            for workspace_id in dict.fromkeys([*record.workspace_ids, *(run.workspace_id for run in runs)]):
                workspace = tx.workspaces.get(workspace_id)
                self._new_runs.cancel_previews(tx, workspace, change, f"the change was {what}", outcome.wake)
                for run in self._new_runs.of_change(tx, workspace, change):
                    keep_for_merge(tx, workspace, change, run)
                self._discard_waiting(tx, workspace, change, what, outcome)
                settle_merge(tx, workspace, change, self._clock.now(), outcome)
            self._transitions.report(tx, record.id, outcome.wake)
            # Those that were about the same resources say so no more.
            for other in tx.changes.open_of(change.repo, MOST_NEIGHBOURS):
                if set(other.workspace_ids) & set(record.workspace_ids):
                    self._transitions.report(tx, other.id, outcome.wake)
            self.done(tx, delivery_id, outcome)
        self._transitions.wake(outcome.wake)
        return None

    def _not_behind(self, delivery_id: str, known: ChangeRecord, what: str) -> None:
        """Make sure that the forge's API knows what it told us: for a while it may answer as of before.

        Where somebody has looked since we were told, it is we who are late. Raises NotReady.
        """
        with self._store.reading() as tx:
            told_at = tx.deliveries.get(delivery_id).received_at
        if known.seen_at < told_at and self._clock.now() - told_at < SETTLING:
            raise NotReady(f"the forge does not know {what} everywhere yet")

    def _open_again(self, change: Change) -> bool:
        """Whether the change was reopened since; one that the forge no longer has was not."""
        try:
            return self._forges[change.repo.forge].change(change.repo, change.number).open
        except NotFound:
            return False

    def look(self, change: Change) -> Sight:
        """Ask the forge which files a change touches, and Git which directories it has where rules want that.

        A fork's tree finds no workspaces: its code is not let in before somebody says so (promise 5).
        """
        files = self._forges[change.repo.forge].files_of_change(change.repo, change.number)
        found = None
        if not change.from_fork and change.open:
            found = self._discovery.look(
                change.repo, change.base_branch, change.default_branch, change.head_sha
            )
        return Sight(files, found)

    def keep(self, tx: Transaction, change: Change, sight: Sight, asked_at: datetime) -> ChangeRecord:
        """Keep the change as it was when the forge was asked, which workspaces it touches, and why.

        Raises Conflict where somebody has asked later: look again.
        """
        if sight.found is not None:
            self._discovery.keep(tx, change.repo, sight.found)
        decisions = self._decide(tx, change, sight)
        touched = [d.workspace.id for d in decisions if isinstance(d, Start)]
        reasons = tuple(
            (d.workspace.name if isinstance(d, Start) else d.workspace_name, d.reason) for d in decisions
        )
        note = FORK_NOTE if change.from_fork and touched else ""
        return tx.changes.put(ChangeRecord(new_id("chg"), change, tuple(touched), asked_at, note, reasons))

    def _decide(self, tx: Transaction, change: Change, sight: Sight) -> Sequence[Decision]:
        return decide_change(change, tx.workspaces.of_repo(change.repo), sight.files)

    def _stop_older(self, tx: Transaction, change: Change, outcome: Outcome) -> None:
        for workspace in tx.workspaces.of_repo(change.repo):
            runs = self._new_runs.of_change(tx, workspace, change)
            stop_older(tx, self._transitions, runs, workspace, change, self._clock.now(), outcome)

    def _previews(
        self, tx: Transaction, record: ChangeRecord, by: str, sight: Sight, outcome: Outcome
    ) -> None:
        change = record.change
        for decision in self._decide(tx, change, sight):
            match decision:
                case Start(workspace, reason):
                    if planned := self._planned_before(tx, workspace, change):
                        outcome.say("nothing", f"this commit has a plan: {planned.id}", workspace.name)
                        continue
                    run = self._new_runs.preview(tx, workspace, change, by, reason, outcome.wake)
                    outcome.say("preview", reason, workspace.name, run.id)
                case Nothing(name, reason):
                    outcome.say("nothing", reason, name)
        for workspace in tx.workspaces.of_repo(change.repo):
            if workspace.id not in record.workspace_ids:
                # A newer commit no longer touches it: what runs there is outdated all the same.
                why = "a newer commit no longer touches this workspace"
                self._new_runs.cancel_previews(tx, workspace, change, why, outcome.wake)

    def _planned_before(self, tx: Transaction, workspace: Workspace, change: Change) -> Run | None:
        runs = self._new_runs.of_change(tx, workspace, change)
        return next(
            (r for r in runs if r.commit == change.head_sha and r.status is not RunStatus.CANCELED), None
        )

    def _discard_waiting(
        self, tx: Transaction, workspace: Workspace, change: Change, what: str, outcome: Outcome
    ) -> None:
        for run in self._new_runs.of_change(tx, workspace, change):
            if run.discardable:
                why = f"the change was {what}"
                moved, line = self._transitions.moved(run, RunStatus.DISCARDED, "plangate", why)
                saved = tx.runs.save(moved, line)
                self._transitions.after(tx, run, saved, outcome.wake)
                outcome.say("discarded", why, workspace.name, run.id)
