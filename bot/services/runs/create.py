"""Creates runs: for a push, a tag, a change, a comment. A run is fixed to its commit at creation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.errors import IllegalMove, Invalid
from bot.domain.events import BranchPushed, Change, GroupQueued, TagPushed
from bot.domain.ids import new_id
from bot.domain.people.permissions import Action, Person
from bot.domain.plans.modes import NORMAL, Modes
from bot.domain.runs.approval import ApprovalRecord, ApprovalState
from bot.domain.runs.auto_apply import auto_applies
from bot.domain.runs.configuration_version import ConfigurationVersion
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.merge_result import AsApplied, MergeResult
from bot.domain.runs.run import Approval, AsPlanned, Run, RunEvent, RunSource
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.wake import Wake
from bot.services.plans.snapshot import own_variables_of
from bot.services.ports import Clock, RunQuery, Transaction
from bot.services.runs.cancel import PLANGATE, canceled
from bot.services.runs.change_runs import runs_of_change
from bot.services.runs.half_done import approval_of_failed_apply, going_on
from bot.services.runs.merge_results import merge_of
from bot.services.runs.transitions import Transitions

NEWER_PLAN = "a newer plan was asked for"


def commit_of(event: BranchPushed | TagPushed) -> str:
    """Return the commit that was pushed."""
    return event.after if isinstance(event, BranchPushed) else event.commit


class RunFactory:
    """Adds runs within a transaction, and notes which workers to wake after it."""

    def __init__(self, clock: Clock, transitions: Transitions) -> None:
        self._clock = clock
        self._transitions = transitions

    def of_push(
        self,
        workspace: Workspace,
        event: BranchPushed | TagPushed,
        as_applied: AsApplied | None = None,
        after: Sequence[str] = (),
    ) -> Run:
        """Return a new run that may apply, for `add_all`. A commit has only one in a workspace.

        `as_applied` is the run that has applied the same files before, if one has. `after` are the runs of
        other workspaces that it waits for.
        """
        ref = event.branch if isinstance(event, BranchPushed) else event.tag
        source = RunSource.PUSH if isinstance(event, BranchPushed) else RunSource.TAG
        return self._new(
            workspace,
            source,
            commit_of(event),
            ref,
            event.message,
            event.pusher,
            auto_apply=auto_applies(workspace, source),
            as_applied=as_applied,
            after=after,
        )

    def add_all(self, tx: Transaction, new: Sequence[tuple[Run, str]], wake: Wake) -> Sequence[Run]:
        """Add new runs of different workspaces, each with why it is created. All or none.

        Raises Conflict if one is there already.
        """
        return self._transitions.add_all(tx, [(run, self._created(run, why)) for run, why in new], wake)

    def by_hand(
        self,
        tx: Transaction,
        workspace: Workspace,
        branch: str,
        commit: str,
        person: Person,
        *,
        message: str,
        plan_only: bool,
        modes: Modes,
        wake: Wake,
        own: Sequence[Variable] = (),
    ) -> Run:
        """Add a run that a person asked for, with its own variables. A plan-only one is on no change."""
        may_apply = person.may(Action.CONFIRM)
        run = self._new(
            workspace,
            RunSource.MANUAL,
            commit,
            branch,
            message,
            person.login,
            plan_only=plan_only,
            auto_apply=auto_applies(
                workspace, RunSource.MANUAL, may_apply=may_apply, plan_only=plan_only, modes=modes
            ),
            modes=modes,
        )
        return self._add(tx, run, " ".join(("queued by hand", *modes.flags)), wake, own)

    def of_upload(
        self,
        tx: Transaction,
        workspace: Workspace,
        version: ConfigurationVersion,
        by: str,
        *,
        message: str,
        plan_only: bool,
        auto_apply: bool,
        modes: Modes,
        wake: Wake,
        why: str,
        save_plan: bool = False,
        allow_empty_apply: bool = False,
        client: str = "",
        own: Sequence[Variable] = (),
    ) -> Run:
        """Add a run of an uploaded configuration. Raises Invalid if the workspace takes none.

        `own` are variables of this run alone.
        A run that saves its plan never applies by itself: it is plan-only until a person confirms it.
        """
        if refused := workspace.why_no_upload(plan_only=plan_only):
            raise Invalid(refused)
        run = self._new(
            workspace,
            RunSource.API,
            "",
            "",
            message,
            by,
            plan_only=plan_only or save_plan,
            auto_apply=auto_apply and not (plan_only or save_plan),
            modes=modes,
        )
        run = replace(
            run,
            configuration_version=version.id,
            save_plan=save_plan and not plan_only,
            allow_empty_apply=allow_empty_apply,
            client=client,
        )
        return self._add(tx, run, " ".join((why, *modes.flags)), wake, own)

    def of_trigger(
        self,
        tx: Transaction,
        workspace: Workspace,
        branch: str,
        commit: str,
        cause: Run,
        why: str,
        wake: Wake,
        after: Sequence[str] = (),
    ) -> Run:
        """Add a run for the run trigger of another workspace's apply."""
        source = RunSource.TRIGGER
        run = self._new(
            workspace,
            source,
            commit,
            branch,
            f"triggered by {cause.id}",
            "plangate",
            auto_apply=auto_applies(workspace, source),
            after=after,
        )
        return self._add(tx, run, why, wake)

    def preview(
        self,
        tx: Transaction,
        workspace: Workspace,
        change: Change,
        by: str,
        why: str,
        wake: Wake,
        modes: Modes = NORMAL,
    ) -> Run:
        """Add a plan-only run for a change's latest commit, and cancel the runs that it outdates.

        As `new_preview`.
        """
        self.cancel_previews(tx, workspace, change, NEWER_PLAN, wake)
        return self._add(tx, self.new_preview(tx, workspace, change, by, modes), why, wake)

    def new_preview(
        self,
        tx: Transaction,
        workspace: Workspace,
        change: Change,
        by: str,
        modes: Modes = NORMAL,
        reusing: Run | None = None,
    ) -> Run:
        """Return a new plan-only run for a change's latest commit, for `add_all`.

        It is of the merge of the change, if the workspace plans that. Raises IllegalMove if there is none.
        `reusing` is an earlier preview whose plan is taken if nothing that it depends on has changed.
        """
        merge = merge_of(tx, workspace, change)
        if merge is not None and merge.conflicting:
            raise IllegalMove(merge.why_conflicting)
        run = self._new(
            workspace,
            RunSource.CHANGE,
            change.head_sha,
            change.head_branch,
            change.title,
            by,
            plan_only=True,
            change_number=change.number,
            modes=modes,
            merge=merge,
        )
        if reusing is not None:
            run = replace(run, as_planned=AsPlanned(reusing.id, reusing.planned_commit))
        return run

    def forecast(
        self,
        tx: Transaction,
        workspace: Workspace,
        changes: tuple[Change, Change],
        merge: MergeResult,
        wake: Wake,
    ) -> Run:
        """Add a plan-only run of two changes together. It is not a change's preview: no change shows it.

        `merge` is that of the second one's head into the first one's, and into their base.
        """
        first, second = changes
        run = self._new(
            workspace,
            RunSource.FORECAST,
            second.head_sha,
            second.head_branch,
            f"changes {first.number} and {second.number} together",
            PLANGATE,
            plan_only=True,
            merge=merge,
        )
        return self._add(tx, run, "no run waits for a worker", wake)

    def of_queue(
        self, tx: Transaction, workspace: Workspace, event: GroupQueued, why: str, wake: Wake
    ) -> Run | None:
        """Add a plan-only run of a merge queue's commit. None if it exists already."""
        query = RunQuery(workspace_id=workspace.id, commit=event.head_sha, plan_only=True, limit=None)
        if any(run.source is RunSource.QUEUE for run in tx.runs.find(query)):
            return None
        run = self._new(
            workspace,
            RunSource.QUEUE,
            event.head_sha,
            event.head_branch,
            f"change {event.number} in the merge queue",
            "plangate",
            plan_only=True,
            change_number=event.number,
        )
        return self._add(tx, run, why, wake)

    def of_approval(
        self,
        tx: Transaction,
        workspace: Workspace,
        change: Change,
        preview: Run,
        record: ApprovalRecord,
        wake: Wake,
        after: Sequence[str] = (),
    ) -> Run:
        """Add a run that applies without asking if the approval covers its plan (promise 1).

        It waits for the runs of other workspaces that `after` names, and plans on what they made. It has the
        plan modes of the preview: an approved destroy plan is applied as a destroy plan.
        """
        by = record.by
        approval = Approval(by, preview.digest, preview.id, record.at, record.id)
        run = self._new(
            workspace,
            RunSource.COMMENT,
            preview.commit,
            change.head_branch,
            change.title,
            by,
            change_number=change.number,
            approval=approval,
            modes=preview.modes,
            merge=preview.merge,
            after=after,
        )
        added = self._add(tx, run, f"/apply by {by}, of the plan that {preview.id} shows", wake)
        tx.approvals.save(replace(record, state=ApprovalState.STANDING, run_id=added.id))
        return added

    def of_retry(self, tx: Transaction, old: Run, by: str, why: str, wake: Wake, as_id: str = "") -> Run:
        """Add a run of the same kind on the same commit. `as_id` is the id of the new run.

        If the apply of the old one failed, the run goes on under its approval if its plan is exactly the rest
        (promise 1).
        """
        record = approval_of_failed_apply(tx, old)
        run = self._new(
            tx.workspaces.get(old.workspace_id),
            RunSource.RETRY,
            old.commit,
            old.branch,
            old.message,
            by,
            plan_only=old.plan_only,
            change_number=old.change_number,
            modes=old.modes,
            run_id=as_id,
            merge=old.merge,
            after=old.after,
        )
        run = replace(run, configuration_version=old.configuration_version)
        if record is not None:
            run = going_on(tx, run, old, record)
        return self._add(tx, run, why, wake, own_variables_of(tx, old.id))

    def cancel_previews(
        self,
        tx: Transaction,
        workspace: Workspace,
        change: Change,
        why: str,
        wake: Wake,
        runs: Sequence[Run] | None = None,
    ) -> None:
        """Cancel the change's unfinished previews in a workspace.

        `runs` are the change's runs there if the caller has read them in this transaction.
        """
        for run in self.of_change(tx, workspace, change) if runs is None else runs:
            if run.plan_only and not run.final and run.cancelable:
                moves = canceled(tx, self._transitions, run, PLANGATE, why)
                self._transitions.save(tx, run, moves, wake)

    def of_change(self, tx: Transaction, workspace: Workspace, change: Change) -> Sequence[Run]:
        """Return the change's runs in a workspace, newest first. Leaves out the merge queue's runs."""
        return runs_of_change(tx, workspace, change)

    def _new(
        self,
        workspace: Workspace,
        source: RunSource,
        commit: str,
        branch: str,
        message: str,
        by: str,
        *,
        plan_only: bool = False,
        auto_apply: bool = False,
        change_number: int | None = None,
        approval: Approval | None = None,
        modes: Modes = NORMAL,
        run_id: str = "",
        merge: MergeResult | None = None,
        as_applied: AsApplied | None = None,
        after: Sequence[str] = (),
    ) -> Run:
        now = self._clock.now()
        return Run(
            id=run_id or new_id("run"),
            workspace_id=workspace.id,
            status=RunStatus.PENDING,
            source=source,
            plan_only=plan_only,
            commit=commit,
            branch=branch,
            message=message,
            created_by=by,
            created_at=now,
            status_at=now,
            auto_apply=auto_apply,
            change_number=change_number,
            approval=approval,
            modes=modes,
            merge=merge,
            as_applied=as_applied,
            after=tuple(after),
        )

    def _add(self, tx: Transaction, run: Run, why: str, wake: Wake, own: Sequence[Variable] = ()) -> Run:
        return self._transitions.add(tx, run, self._created(run, why), wake, own)

    def _created(self, run: Run, why: str) -> RunEvent:
        return self._transitions.event(run, RunStatus.PENDING.value, run.created_by, why)
