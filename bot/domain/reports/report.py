"""The content of statuses and comments on a commit or a change, derived from its runs (promise 4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.plans.at_apply import RunsAtApply
from bot.domain.plans.delta import DeltaRow
from bot.domain.plans.plan import Counts, ResourceChange
from bot.domain.policies.policy import PolicyCheck
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace


class StatusState(StrEnum):
    """A commit status's state; each forge spells it in its own words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True)
class StatusReport:
    """One commit status. `description` may exceed the forge's limit: the client shortens it."""

    sha: str
    context: str
    state: StatusState
    description: str
    target_url: str


@dataclass(frozen=True)
class WorkspaceSection:
    """The section of a change's comment for one workspace.

    `code` names its plan. `notes` are sentences beside the table.
    `plan_text` is the plan as a diff, rendered from its JSON: nothing in it can end a line, and it must be
    fenced. `errors` and `warnings` are Terraform's own, each whole, and hostile. `at_apply` is what runs
    only at apply. `likeness` is the same for plans that are the same but for the workspaces' names, empty if
    nothing is known. `requires` is what an apply needs, `met` the part of it that people
    have met; `unapproved` says that people still have to approve it.
    """

    workspace: Workspace
    run: Run
    headline: str
    next_step: str
    run_url: str
    resources: tuple[ResourceChange, ...] = ()
    counts: Counts | None = None
    plan_text: str = ""
    policies: tuple[PolicyCheck, ...] = ()
    delta: tuple[DeltaRow, ...] = ()
    notes: tuple[str, ...] = ()
    drift: tuple[ResourceChange, ...] = ()
    warnings: str = ""
    errors: str = ""
    at_apply: tuple[RunsAtApply, ...] = ()
    code: str = ""
    likeness: str = ""
    requires: tuple[str, ...] = ()
    met: tuple[str, ...] = ()
    unapproved: bool = False


@dataclass(frozen=True)
class ChangeReport:
    """The content of a change's comment. `merging` says why it is not merged automatically.

    `url` is the page with all its runs. `edited` says who edited the comment. `top` is the commit of the base
    that plans are on top of, such as `main at 1a2b3c4`. `conflict` says why the change can't be merged, and
    `conflicts` are the files: hostile text. `alerts`: the forge renders GitHub's alerts.
    `asked` are the people and teams who were asked for a review.
    """

    sha: str
    sections: tuple[WorkspaceSection, ...]
    none_affected: str = ""
    merging: str = ""
    url: str = ""
    edited: str = ""
    top: str = ""
    conflict: str = ""
    conflicts: tuple[str, ...] = ()
    alerts: bool = True
    asked: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChangeText:
    """A change's comment as text. `whole` are the ids of the runs whose plans it shows whole.

    A plan that is shown for several workspaces counts for each of them that is named beside it. `/apply`
    without a name applies only those: nobody saw the others there.
    """

    text: str
    whole: tuple[str, ...] = ()


@dataclass(frozen=True)
class ApplyReport:
    """A workspace's part of the comment on an `/apply`. Outdated after a later apply of the workspace.

    `headline` says where the run stands: it may be in progress. `may_go_on` says that a retry of a failed one
    goes on under its approval.
    """

    workspace: Workspace
    run: Run
    run_url: str
    output_tail: str
    errors: str = ""
    superseded_by: str = ""
    headline: str = ""
    may_go_on: bool = False

    @property
    def again(self) -> str:
        """The command after an apply that failed."""
        return f"/{'retry' if self.may_go_on else 'plan'} {self.workspace.name}"
