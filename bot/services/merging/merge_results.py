"""What changes make in their bases: asked of the forge and of Git before a transaction, kept within it.

A plan stays good on a newer commit of the base if no file that it can read has changed there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from bot.domain.errors import Conflict
from bot.domain.events import Change, RepoRef
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.merge_result import MergedCommit, MergeResult, why_outdated
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.wake import Wake
from bot.services.plans.plan_inputs import may_have_read, saved_inputs
from bot.services.ports import (
    ChangeRecord,
    ForgeReader,
    MergeCommits,
    RunQuery,
    Store,
    Transaction,
    Watch,
)
from bot.services.runs.merge_results import merged_commit
from bot.services.runs.transitions import Transitions

STILL_GOOD = "base moved"
"""The line of the timeline of a run whose plan is as good on a newer commit of its base."""


@dataclass(frozen=True)
class MergeSight:
    """What a change makes in its base now.

    `differs` has the paths in which that differs from the merges that runs were made of, by their commits.
    `known` are the commits of the base that were known before it was asked for.
    """

    result: MergeResult
    differs: Mapping[str, frozenset[str]]
    known: frozenset[str] = frozenset()


class ChangeMerges:
    """Merges changes into the current commits of their bases.

    `likes` returns what the workspaces have that `discover` rules find in a repository.
    """

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, ForgeReader],
        merges: MergeCommits,
        likes: Callable[[RepoRef], Sequence[Workspace]],
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._forges = forges
        self._merges = merges
        self._likes = likes
        self._transitions = transitions

    def look(self, change: Change, base: str = "") -> MergeSight | None:
        """Merge an open change into its base. None if no workspace plans that.

        `base` is the commit of its base now, if the caller has asked for it. Raises ForgeUnavailable,
        ForgeRefused, NotFound, EngineError.
        """
        if not change.open or not self._are_planned(change):
            return None
        with self._store.reading() as tx:
            known = _known_bases(tx, change)
        if not base:
            _, base = self._forges[change.repo.forge].branch_head(change.repo, change.base_branch)
        return replace(self._sight(change, base), known=known)

    def check_newest(self, tx: Transaction, change: Change, sight: MergeSight) -> None:
        """Check that nobody has seen another commit of the base while we looked. Raises Conflict: look again.

        Git may take minutes. By then the branch may have moved, and its changes were looked at.
        """
        if _known_bases(tx, change) - sight.known - {sight.result.base}:
            raise Conflict(f"{change.base_branch} has moved while change {change.number} was looked at")

    def base_now(self, change: Change) -> str:
        """Ask the forge which commit the base of a change has, whatever webhooks told.

        Raises ForgeUnavailable, ForgeRefused, NotFound.
        """
        return self._forges[change.repo.forge].branch_head(change.repo, change.base_branch)[1]

    def why_moved(self, run: Run, change: Change, base: str, watch: Watch) -> str:
        """Say why a run's plan is not as good as one on that commit of its base. Empty if it is.

        Raises as `look` does, and Interrupted.
        """
        if run.merge is None or run.merge.holds_on(base):
            return ""
        sight = self._sight(change, base, watch)
        with self._store.reading() as tx:
            return "" if _holds(tx, run, sight) else why_outdated(run.merge, sight.result)

    def keep(self, tx: Transaction, record: ChangeRecord, sight: MergeSight, wake: Wake) -> None:
        """Note on the runs of a change's latest commit which plans are as good on the newer base."""
        for run in _runs(tx, record.change):
            if run.merge is None or run.merge.holds_on(sight.result.base) or not _holds(tx, run, sight):
                continue
            why = f"{sight.result.top}: no file that the plan can read is another one there"
            held = replace(run, merge=run.merge.held_on(sight.result.base))
            self._transitions.save(tx, run, [(held, self._transitions.event(run, STILL_GOOD, "", why))], wake)

    def _are_planned(self, change: Change) -> bool:
        with self._store.reading() as tx:
            known = tx.workspaces.of_repo(change.repo)
        here = (*known, *self._likes(change.repo))
        return any(
            each.merging.plans_merges and each.on_branch(change.base_branch, change.default_branch)
            for each in here
        )

    def _sight(self, change: Change, base: str, watch: Watch | None = None) -> MergeSight:
        remote = self._forges[change.repo.forge].remote(change.repo)
        result = self._merges.merge(remote, change.head_sha, base, change.base_branch, watch)
        if result.conflicting:
            return MergeSight(result, {})
        with self._store.reading() as tx:
            runs = _runs(tx, change)
        now = MergedCommit(result.commit, change.head_sha, base)
        others = {
            run.merge.commit: merged_commit(run) for run in runs if run.merge and not run.merge.holds_on(base)
        }
        differs = {
            commit: self._merges.differing(remote, each, now, watch) for commit, each in others.items()
        }
        return MergeSight(result, differs)


def _known_bases(tx: Transaction, change: Change) -> frozenset[str]:
    """Return the commits of a change's base that pushes and the last look at the change have told of."""
    head, record = (
        tx.repo_watches.head(change.repo, change.base_branch),
        tx.changes.numbered(change.repo, change.number),
    )
    merge = record.merge if record is not None else None
    return frozenset([*([head.commit] if head else []), *([merge.base] if merge else [])])


def _runs(tx: Transaction, change: Change) -> list[Run]:
    """Return the runs of the change's latest commit whose plans matter: each workspace's newest preview, and
    those that have not been applied yet.
    """
    query = RunQuery(repo=change.repo, change_number=change.number, commit=change.head_sha, limit=None)
    found, previewed = [], set()
    for run in tx.runs.find(query):
        if run.merge is None or run.status is RunStatus.CANCELED:
            continue
        if not run.final or (run.plan_only and run.workspace_id not in previewed):
            found.append(run)
        if run.plan_only:
            previewed.add(run.workspace_id)
    return found


def _holds(tx: Transaction, run: Run, sight: MergeSight) -> bool:
    """Whether a run's plan can read no file that is another one in the newer merge."""
    differs = sight.differs.get(run.merge.commit) if run.merge is not None else None
    if differs is None:
        return False
    # A run that waits for its turn takes over the plan that was shown, or makes the same again.
    planned_by = run.id if run.digest or run.approval is None else run.approval.shown_run_id
    triggers = tx.workspaces.get(run.workspace_id).triggers
    return not may_have_read(saved_inputs(tx, planned_by), differs, triggers)
