"""A run and its transitions. A transition returns a new Run; an illegal one raises IllegalMove."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.domain.errors import IllegalMove
from bot.domain.people.permissions import Action
from bot.domain.plans.modes import Modes
from bot.domain.plans.plan import Counts
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus, StageStatus
from bot.domain.runs.merge_result import AsApplied, MergeResult
from bot.domain.workspaces.freeze import Frozen

PLAN_CODE_LENGTH = 7

CUT_OFF = (
    "the worker that applied this was lost, so it is not certain what was applied: "
    "every state that Terraform pushed is kept; look at the state and plan again"
)
"""The error of a run whose apply ended without anybody to see how."""


class RunSource(StrEnum):
    """What started a run."""

    PUSH = "push"
    TAG = "tag"
    CHANGE = "change"
    COMMENT = "comment"
    MANUAL = "manual"
    RETRY = "retry"
    TRIGGER = "trigger"
    QUEUE = "queue"
    FORECAST = "forecast"
    DRIFT = "drift"
    API = "api"


IN_BACKGROUND = frozenset({RunSource.FORECAST, RunSource.DRIFT})
"""The sources of runs that nobody waits for: they give way to all others, and are made again."""


@dataclass(frozen=True)
class Approval:
    """An approval given before the run's own plan existed: the digest of the plan that was shown.

    `id` is the id of its record, empty for approvals from before records existed.
    """

    by: str
    digest: str
    shown_run_id: str
    at: datetime
    id: str = ""


@dataclass(frozen=True)
class AsPlanned:
    """The earlier preview whose plan a preview may reuse. `reused`: it did.

    `commit` is the one that was planned, also if that preview itself has reused a plan.
    """

    run_id: str
    commit: str
    reused: bool = False


@dataclass(frozen=True)
class RestOf:
    """The run whose apply failed half-way, of which a retry may go on with the rest under its approval.

    `words` say how much was left, once the plan was found to be exactly that.
    """

    run_id: str
    words: str = ""


@dataclass(frozen=True)
class Run:
    """One plan, and perhaps apply, in a workspace. Fixed at creation to a commit and variables' values.

    `sequence` orders the runs of one workspace (first in, first out). `version` guards each update.
    `engine_version` is the version that made the plan, such as `1.15.5`.
    `lacks` is what was missing to continue with an approval that was given elsewhere.
    `change_number` is the change that shows the run, None for a run of the branch. `commit` is what the forge
    knows. If there is a `merge`, its commit is planned and applied instead. A forecast belongs to no change.
    `as_applied` is a run that has applied the same files before: then this one may end without Terraform.
    `after` are the ids of the runs of other workspaces that this one waits for (`depends_on`). `rest_of` is
    the run that this one goes on with. `frozen` says until when its apply does not start. `freeze_ignored`
    says who let it start all the same, and why. `configuration_version` is the id of the upload that is
    planned; then there is no commit.

    A run that saves its plan (`save_plan`) is plan-only until a person confirms it. Then it takes its place
    in the queue. With `allow_empty_apply`, a plan without changes is applied too. `client` is the program
    that created the run, such as `Terraform/1.11.4`.
    """

    id: str
    workspace_id: str
    status: RunStatus
    source: RunSource
    plan_only: bool
    commit: str
    branch: str
    message: str
    created_by: str
    created_at: datetime
    status_at: datetime
    auto_apply: bool = False
    change_number: int | None = None
    modes: Modes = field(default_factory=Modes)
    sequence: int = 0
    version: int = 0
    plan_status: StageStatus = StageStatus.PENDING
    apply_status: StageStatus = StageStatus.PENDING
    has_changes: bool | None = None
    counts: Counts | None = None
    digest: str = ""
    engine_version: str = ""
    approval: Approval | None = None
    confirmed_by: str = ""
    delta: str = ""
    lacks: str = ""
    error: str = ""
    cancel_requested_by: str = ""
    cancel_requested_at: datetime | None = None
    force_cancel: bool = False
    merge: MergeResult | None = None
    as_applied: AsApplied | None = None
    as_planned: AsPlanned | None = None
    after: tuple[str, ...] = ()
    rest_of: RestOf | None = None
    frozen: Frozen | None = None
    freeze_ignored: str = ""
    configuration_version: str = ""
    save_plan: bool = False
    allow_empty_apply: bool = False
    client: str = ""

    @property
    def saved(self) -> bool:
        """Whether the run's plan is saved, and nobody has decided about it."""
        return self.status is RunStatus.PLANNED_AND_SAVED

    @property
    def saved_and_confirmed(self) -> bool:
        """Whether a person has confirmed the run's saved plan, and it waits for its turn."""
        return self.save_plan and bool(self.confirmed_by) and self.status is RunStatus.PENDING

    @property
    def speculative(self) -> bool:
        """Whether the run can never apply. A saved plan can."""
        return self.plan_only and not self.save_plan

    @property
    def uploaded(self) -> bool:
        """Whether the configuration is an upload, not a commit."""
        return bool(self.configuration_version)

    @property
    def files_of(self) -> str:
        """The commit whose files are planned and applied, or the id of an upload."""
        if self.uploaded:
            return self.configuration_version
        return self.merge.commit if self.merge is not None else self.commit

    @property
    def planned_commit(self) -> str:
        """The commit that was planned: an earlier one if the run reused a plan."""
        reused = self.as_planned is not None and self.as_planned.reused
        return self.as_planned.commit if self.as_planned is not None and reused else self.commit

    @property
    def final(self) -> bool:
        """Whether the run can't change any more."""
        return self.status in lifecycle.FINAL

    @property
    def has_unmerged_code(self) -> bool:
        """Whether the run has, or may have, files of a change or of two: nobody has merged these."""
        return self.change_number is not None or self.in_background

    @property
    def in_background(self) -> bool:
        """Whether nobody waits for the run: it gives way to all others, and is made again by itself."""
        return self.source in IN_BACKGROUND

    @property
    def in_effect(self) -> bool:
        """Whether the run has applied its files, or found nothing to apply."""
        nothing = self.status is RunStatus.PLANNED_AND_FINISHED and self.has_changes is False
        return not self.plan_only and (self.status is RunStatus.APPLIED or nothing)

    @property
    def cut_off(self) -> bool:
        """Whether the apply's worker was lost, so that nobody saw how the apply ended."""
        return self.status is RunStatus.ERRORED and self.error == CUT_OFF

    @property
    def waits_for_freeze(self) -> bool:
        """Whether the run is confirmed, and its apply waits for the end of a freeze."""
        return self.frozen is not None and self.status in lifecycle.CONFIRMED_ALREADY

    @property
    def holds_workspace(self) -> bool:
        """Whether other runs of the workspace wait for this one. Previews never hold it (promise 2)."""
        return not self.plan_only and self.status in lifecycle.HOLDS_WORKSPACE

    @property
    def applies_by_itself(self) -> bool:
        """Whether the run applies without a confirmation.

        One that destroys everything does so only if the client that created it asked for exactly that.
        """
        return self.auto_apply and (not self.modes.destroy or self.source is RunSource.API)

    @property
    def awaits_confirmation(self) -> bool:
        """Whether a person may confirm the run now."""
        return self.saved or (not self.plan_only and self.status in lifecycle.AWAITS_CONFIRMATION)

    @property
    def discardable(self) -> bool:
        """Whether a person may discard the run now."""
        return self.saved or (not self.plan_only and self.status in lifecycle.DISCARDABLE)

    @property
    def cancelable(self) -> bool:
        """Whether a person may cancel the run now."""
        return self.status in lifecycle.CANCELABLE and self.cancel_requested_at is None

    @property
    def force_cancelable(self) -> bool:
        """Whether a cancel was asked for that has not ended the run; the cool-off is counted elsewhere."""
        return self.cancel_requested_at is not None and not self.final and not self.force_cancel

    @property
    def reported(self) -> bool:
        """Whether the forge gets reports: not of plan-only runs without a change, and not of uploads."""
        return not self.uploaded and (not self.plan_only or self.change_number is not None)

    @property
    def plan_code(self) -> str:
        """The short code by which a comment names the run's plan; empty if it has none."""
        return self.digest[:PLAN_CODE_LENGTH]

    def follows(self, other: Run) -> bool:
        """Whether the run came later in the same workspace, and both are of one change, or of none."""
        same = (self.workspace_id, self.change_number) == (other.workspace_id, other.change_number)
        return same and self.sequence > other.sequence

    def legal(self) -> tuple[Action, ...]:
        """The possible actions on the run now, for people with the role: defined only here."""
        offers = (
            (Action.CONFIRM, self.awaits_confirmation),
            (Action.OVERRIDE_POLICY, self.status is RunStatus.POLICY_OVERRIDE and not self.plan_only),
            (Action.DISCARD, self.discardable),
            (Action.CANCEL, self.cancelable),
            (Action.FORCE_CANCEL, self.force_cancelable),
            # The next forecast is made when its plans change. A retry would be a run of nobody's code.
            (Action.RETRY, self.final and not self.in_background),
        )
        return tuple(action for action, possible in offers if possible)

    def allowed(self) -> frozenset[RunStatus]:
        """The statuses that this run may go to from here."""
        if self.saved:
            return lifecycle.TRANSITIONS[self.status]
        never = lifecycle.NEVER_FOR_PREVIEWS if self.plan_only else lifecycle.NEVER_FOR_APPLYABLE
        if not (self.save_plan and self.plan_only):
            never |= lifecycle.OF_SAVED_PLANS
        if self.status is RunStatus.PENDING:
            # A confirmed saved plan is not planned again. All other runs plan first.
            never |= {RunStatus.FETCHING} if self.saved_and_confirmed else {RunStatus.CONFIRMED}
        return lifecycle.TRANSITIONS[self.status] - never

    def move(self, to: RunStatus, at: datetime, **changes: Any) -> Run:
        """Return the run in its next status. Raises IllegalMove if the table does not allow it."""
        if to not in self.allowed():
            raise IllegalMove(
                f"{self.id} is {self.status.value} and can't become {to.value}; {self.possible()}"
            )
        changes = {**self._stages(to), **changes}
        return replace(self, status=to, status_at=at, **changes)

    def possible(self) -> str:
        """Say what may be done with the run now."""
        if self.final and self.source is RunSource.FORECAST:
            return "it is finished: a forecast is made again if one of its plans changes"
        if self.final and self.source is RunSource.DRIFT:
            return "it is finished: the next drift check comes at its time"
        if self.final:
            return "it is finished: retry it to run the same commit again"
        verbs = [action.value for action in self.legal() if action is not Action.FORCE_CANCEL]
        if verbs:
            return "possible now: " + ", ".join(verbs)
        if self.cancel_requested_at:
            return f"it is stopping, for {self.cancel_requested_by} canceled it"
        return "nothing can be done with it now"

    def _stages(self, to: RunStatus) -> dict[str, StageStatus]:
        """The plan's and the apply's own status, which tell "plan errored" from "apply errored"."""
        applying = self.status in lifecycle.APPLY_STAGES
        stage = "apply_status" if applying else "plan_status"
        planning = self.status in lifecycle.PLAN_STAGES | {RunStatus.PENDING} and not self.saved_and_confirmed
        match to:
            case RunStatus.PLAN_QUEUED:
                return {"plan_status": StageStatus.QUEUED}
            case RunStatus.PLANNING:
                return {"plan_status": StageStatus.RUNNING}
            case RunStatus.PLANNED if applying:
                return {"apply_status": StageStatus.PENDING}
            case RunStatus.PLANNED:
                return {"plan_status": StageStatus.FINISHED}
            case RunStatus.APPLY_QUEUED:
                return {"apply_status": StageStatus.QUEUED}
            case RunStatus.APPLYING:
                return {"apply_status": StageStatus.RUNNING}
            case RunStatus.APPLIED:
                return {"apply_status": StageStatus.FINISHED}
            case RunStatus.ERRORED if self.status is not RunStatus.POLICY_CHECKING:
                return {stage: StageStatus.ERRORED}
            case RunStatus.CANCELED if applying or planning:
                return {stage: StageStatus.CANCELED}
            case _:
                return {}


@dataclass(frozen=True)
class RunEvent:
    """A line of a run's timeline. `kind` is the status reached, or `comment`, `cancel requested`, ..."""

    run_id: str
    at: datetime
    kind: str
    actor: str
    message: str
