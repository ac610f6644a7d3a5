"""Making runs: of a push, a tag, a change, a comment. A run is fixed to its commit when it is made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.approval import ApprovalRecord, ApprovalState
from bot.domain.auto_apply import auto_applies
from bot.domain.events import BranchPushed, Change, GroupQueued, TagPushed
from bot.domain.ids import new_id
from bot.domain.lifecycle import RunStatus
from bot.domain.modes import NORMAL, Modes
from bot.domain.permissions import Action, Person
from bot.domain.run import Approval, Run, RunSource
from bot.domain.workspace import Workspace
from bot.services.controls import canceled
from bot.services.merging import runs_of_merge
from bot.services.ports import Clock, RunQuery, Transaction
from bot.services.snapshot import add_run
from bot.services.transitions import Transitions, Wake


class NewRuns:
    """Adds runs within a transaction, and notes whom to wake after it."""

    def __init__(self, clock: Clock, transitions: Transitions) -> None:
        self._clock = clock
        self._transitions = transitions

    def of_push(
        self, tx: Transaction, workspace: Workspace, event: BranchPushed | TagPushed, why: str, wake: Wake
    ) -> Run | None:
        """Add a run that may apply; None where this commit has made one in this workspace before."""
        commit = event.after if isinstance(event, BranchPushed) else event.commit
        ref = event.branch if isinstance(event, BranchPushed) else event.tag
        source = RunSource.PUSH if isinstance(event, BranchPushed) else RunSource.TAG
        if self._made_before(tx, workspace, commit):
            return None
        run = self._new(
            workspace,
            source,
            commit,
            ref,
            event.message,
            event.pusher,
            auto_apply=auto_applies(workspace, source),
        )
        return self._add(tx, run, why, wake)

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
    ) -> Run:
        """Add a run that a person asked for; a plan-only one is a preview that no change shows."""
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
        return self._add(tx, run, " ".join(("queued by hand", *modes.flags)), wake)

    def of_trigger(
        self,
        tx: Transaction,
        workspace: Workspace,
        branch: str,
        commit: str,
        cause: Run,
        why: str,
        wake: Wake,
    ) -> Run:
        """Add a run that another workspace's apply has called for."""
        source = RunSource.TRIGGER
        run = self._new(
            workspace,
            source,
            commit,
            branch,
            f"triggered by {cause.id}",
            "plangate",
            auto_apply=auto_applies(workspace, source),
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
        """Add a plan-only run for a change's latest commit, and cancel those that it makes outdated."""
        self.cancel_previews(tx, workspace, change, "a newer plan was asked for", wake)
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
        )
        return self._add(tx, run, why, wake)

    def of_queue(
        self, tx: Transaction, workspace: Workspace, event: GroupQueued, why: str, wake: Wake
    ) -> Run | None:
        """Add a plan-only run of a merge queue's commit; None where there is one."""
        query = RunQuery(workspace_id=workspace.id, commit=event.head_sha, plan_only=True)
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
    ) -> Run:
        """Add a run that goes on by itself if its plan equals the one that the preview shows (promise 1).

        It is planned as the preview was: a destroy plan that was shown is a destroy plan that is applied.
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
        )
        added = self._add(tx, run, f"/apply by {by}, of the plan that {preview.id} shows", wake)
        tx.approvals.save(replace(record, state=ApprovalState.STANDING, run_id=added.id))
        return added

    def cancel_previews(
        self, tx: Transaction, workspace: Workspace, change: Change, why: str, wake: Wake
    ) -> None:
        """Cancel the change's unfinished previews in a workspace."""
        for run in self.of_change(tx, workspace, change):
            if run.plan_only and not run.final and run.cancelable:
                saved = run
                for moved, event in canceled(self._transitions, tx, self._clock, run, "plangate", why):
                    saved = tx.runs.save(replace(moved, version=saved.version), event)
                self._transitions.after(tx, run, saved, wake)

    def of_change(self, tx: Transaction, workspace: Workspace, change: Change) -> Sequence[Run]:
        """Return the change's runs in a workspace, newest first; not those of the merge queue's commits."""
        found = tx.runs.find(RunQuery(workspace_id=workspace.id, change_number=change.number))
        return [run for run in found if run.source is not RunSource.QUEUE]

    def about(self, tx: Transaction, workspace: Workspace, change: Change) -> Sequence[Run]:
        """Return the change's runs in a workspace, and behind its merge the branch's; newest first."""
        return (*runs_of_merge(tx, workspace, change), *self.of_change(tx, workspace, change))

    def _made_before(self, tx: Transaction, workspace: Workspace, commit: str) -> bool:
        same = tx.runs.find(RunQuery(workspace_id=workspace.id, commit=commit, plan_only=False))
        return any(run.source in (RunSource.PUSH, RunSource.TAG) for run in same)

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
    ) -> Run:
        now = self._clock.now()
        return Run(
            id=new_id("run"),
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
        )

    def _add(self, tx: Transaction, run: Run, why: str, wake: Wake) -> Run:
        event = self._transitions.event(run, RunStatus.PENDING.value, run.created_by, why)
        added = add_run(tx, run, event)
        self._transitions.after(tx, None, added, wake)
        if added.plan_only:
            wake.runs.append(added)
        return added
