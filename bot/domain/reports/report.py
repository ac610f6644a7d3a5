"""What should stand on the forge about a commit or a change, derived from its runs (promise 4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.delta import DeltaRow
from bot.domain.plan import Counts, ResourceChange
from bot.domain.policy import PolicyCheck
from bot.domain.run import Run
from bot.domain.workspace import Workspace


class StatusState(StrEnum):
    """A commit status's state; each forge spells it in its own words."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILURE = "failure"
    ERROR = "error"


@dataclass(frozen=True)
class StatusReport:
    """One commit status. `description` may be longer than the forge's limit: the client shortens it."""

    sha: str
    context: str
    state: StatusState
    description: str
    target_url: str


@dataclass(frozen=True)
class Section:
    """What a change's comment says of one workspace.

    `notes` are sentences that are to be read beside the table.
    `plan_text` is Terraform's own text of the plan, without colours; it is hostile and must be fenced.
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


@dataclass(frozen=True)
class ChangeReport:
    """Everything that a change's comment says; `merging` is why it is not merged by itself.

    `url` is the page with all of its runs.
    """

    sha: str
    sections: tuple[Section, ...]
    none_affected: str = ""
    merging: str = ""
    url: str = ""


@dataclass(frozen=True)
class OutcomeReport:
    """The comment that tells how an apply ended; outdated once a later one of the workspace has."""

    workspace: Workspace
    run: Run
    run_url: str
    output_tail: str
    superseded_by: str = ""
