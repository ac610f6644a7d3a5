"""Checks the requirements again at the moment an apply starts, because a confirmed run may have waited.

The person who confirmed it may have lost access, or a reviewer may have asked for changes. If something is
missing, the run goes back to `planned` and says so. If the forge is down, the run waits (promise 1).

Runs of the same `/apply` share the forge's good answers for a few seconds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import timedelta

from bot.domain.changes.requirements import Requirement, required, unmet
from bot.domain.errors import ForgeRefused, NotFound
from bot.domain.people.permissions import Action, refusal
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.runs.lifecycle import CONFIRMED_ALREADY, RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import fell
from bot.services.approvals.approver import Approvers
from bot.services.approvals.our_comment import OurComments, is_disturbed
from bot.services.approvals.requirements import RequirementChecker
from bot.services.merging.merge_results import ChangeMerges
from bot.services.people.identities import JUST_NOW, Identities
from bot.services.people.recent_answers import RecentAnswers
from bot.services.ports import Clock, ForgeReader, Store, Transaction, Watch
from bot.services.runs.cancel import PLANGATE
from bot.services.runs.freezes import noted
from bot.services.runs.removed_workspaces import why_removed
from bot.services.runs.transitions import Moves, Transitions

# Requirements that depend on the workspace's directory or on the run's own plan.
_OF_ITS_OWN = frozenset({Requirement.CODEOWNERS, Requirement.POLICIES_PASSED})


class _BaseMoved(Exception):
    """The base has another commit. Whether the plan is as good there depends on the files that it reads."""


class BeforeApply:
    """Checks the requirements of a run that is about to apply, and puts the run back if one is unmet."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, ForgeReader],
        requirement_checker: RequirementChecker,
        approvers: Approvers,
        transitions: Transitions,
        our_comments: OurComments,
        identities: Identities,
        merges: ChangeMerges,
    ) -> None:
        self._merges = merges
        self._identities = identities
        self._our_comments = our_comments
        self._store = store
        self._clock = clock
        self._forges = forges
        self._requirement_checker = requirement_checker
        self._approvers = approvers
        self._transitions = transitions
        self._recent = RecentAnswers(store, clock)

    def may_start(self, run: Run, fence: int) -> bool:
        """Whether the run may start, as far as the forge has no say in it. Raises LeaseLost.

        If a freeze is on, notes until when the run waits. A run of a removed workspace ends.
        """
        run = self._transitions.change(run.id, self._held, fence)
        return run.status in CONFIRMED_ALREADY and run.frozen is None

    def start(self, run: Run, fence: int) -> Run:
        """Let the apply begin, unless a freeze has begun or the workspace was removed. Raises LeaseLost.

        What decides is asked in the transaction that starts it: asking the forge took its time.
        """

        def step(tx: Transaction, run: Run) -> Moves:
            moves = list(self._held(tx, run))
            last = moves[-1][0] if moves else run
            if last.status not in CONFIRMED_ALREADY or last.frozen is not None:
                return moves
            for status in (RunStatus.APPLY_QUEUED, RunStatus.APPLYING):
                if status in last.allowed():
                    moves.append(self._transitions.moved(last, status))
                    last = moves[-1][0]
            return moves

        return self._transitions.change(run.id, step, fence)

    def _held(self, tx: Transaction, run: Run) -> Moves:
        """Return the step that notes a freeze or its end, or that ends a run of a removed workspace."""
        if run.status not in CONFIRMED_ALREADY:
            return []
        workspace = tx.workspaces.get(run.workspace_id, for_update=True)
        if not workspace.active:
            return [self._transitions.moved(run, RunStatus.CANCELED, PLANGATE, why_removed(workspace))]
        return noted(tx, self._transitions, run, self._clock.now())

    def missing(self, run: Run, watch: Watch) -> str:
        """Return what the run lacks, empty if nothing. Raises ForgeUnavailable: then ask again later.

        Git may have to fetch the base, which the watch stops: then it raises Interrupted.
        A run that applies automatically needs no role and no review.
        """
        if run.applies_by_itself and run.change_number is None:
            return ""
        with self._store.reading() as tx:
            workspace = tx.workspaces.get(run.workspace_id)
            record = tx.approvals.of_apply(run.id)
        try:
            if shared := self._shared(run, workspace, record):
                with contextlib.suppress(_BaseMoved):
                    return self._recent.once(
                        shared, JUST_NOW, lambda: self._asked(run, workspace, record, watch, shared=True)
                    )
            return self._asked(run, workspace, record, watch)
        except (ForgeRefused, NotFound) as error:
            # A requirement that can't be checked is not met.
            return str(error)

    def put_back(self, tx: Transaction, run: Run, missing: str) -> Moves:
        """Return the moves after which a run that lacks something waits for a person again."""
        if run.status not in CONFIRMED_ALREADY:
            return []
        if (record := tx.approvals.of_apply(run.id)) is not None:
            fell(
                tx, record, f"not applied: when it would have started it lacked {missing}", self._clock.now()
            )
        return [
            self._transitions.moved(
                run,
                RunStatus.PLANNED,
                PLANGATE,
                f"not applied, for it lacks {missing}",
                confirmed_by="",
                lacks=missing,
                # An owner let this approval start during a freeze, not a later one.
                freeze_ignored="",
            )
        ]

    def _shared(self, run: Run, workspace: Workspace, record: ApprovalRecord | None) -> str:
        """Return what the forge's answers depend on, empty if this run has to ask by itself.

        Runs of one change that the same person approved share a good answer. It is as old as JUST_NOW at
        most. What the database knows better already is not hidden by it.
        """
        number = run.change_number or (record.change_number if record is not None else None)
        if number is None or _OF_ITS_OWN & required(workspace).keys():
            return ""
        with self._store.reading() as tx:
            change = tx.changes.numbered(workspace.repo, number)
            if is_disturbed(tx, workspace.repo, number):
                return ""
        if change is None or (run.change_number is not None and change.change.head_sha != run.commit):
            return ""
        newest = change.merge
        if run.merge is not None and newest is not None and not run.merge.holds_on(newest.base):
            return ""
        by = (record.forge, record.by, record.uid) if record is not None else ()
        about = (workspace.repo.forge, workspace.repo.path, number, run.change_number, run.commit)
        # The commits of the base on which the plan is good: it is asked whether the base is one of them.
        good_on = (run.merge.base_branch, run.merge.base, run.merge.same_on) if run.merge is not None else ()
        return repr(("apply", *about, good_on, by, workspace.require))

    def _asked(
        self,
        run: Run,
        workspace: Workspace,
        record: ApprovalRecord | None,
        watch: Watch,
        *,
        shared: bool = False,
    ) -> str:
        """Ask the forge. `shared`: raises _BaseMoved if the answer would be about this run alone."""
        self._identities.check(workspace.repo, timedelta())
        person = self._approvers.now(workspace, record) if record is not None else None
        number = run.change_number or (record.change_number if record is not None else None)
        if number is None:
            # A run of the branch needs its approver's role. A run that applies automatically needs none.
            return "" if person is None or person.may(Action.CONFIRM) else refusal(person, Action.CONFIRM)
        self._our_comments.make_sure(workspace.repo, number)
        change = self._forges[workspace.repo.forge].change(workspace.repo, number)
        if run.merge is not None and change.open:
            base = self._merges.base_now(change)
            if shared and not run.merge.holds_on(base):
                raise _BaseMoved
            if moved := self._merges.why_moved(run, change, base, watch):
                return moved
        facts = self._requirement_checker.facts(change, [workspace])
        with self._store.reading() as tx:
            return unmet(self._requirement_checker.checks(tx, workspace, facts, run, person))
