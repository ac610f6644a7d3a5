"""What the commands about records ask for: of the database here, or of a server elsewhere.

Both answer with the same documents. The commands print those, as JSON or as lines.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.domain.errors import PlangateError
from bot.domain.plans.modes import Modes

Document = Mapping[str, Any]


@dataclass(frozen=True)
class PlanWish:
    """How a plan is to be made."""

    modes: Modes
    plan_only: bool = False
    message: str = ""


@dataclass(frozen=True)
class VariableWish:
    """The wanted fields of a variable. None keeps the current value."""

    key: str
    category: str
    value: str | None = field(repr=False)
    hcl: bool | None
    sensitive: bool
    description: str | None
    phase: str


@dataclass(frozen=True)
class VariablePlace:
    """The owner of variables: a workspace, or a set. One of the two is empty."""

    workspace: str = ""
    set_name: str = ""

    def __str__(self) -> str:
        return f"the set {self.set_name}" if self.set_name else f"the workspace {self.workspace}"


class Away(PlangateError):
    """The server does not answer now. The same can be asked again."""


class Records(Protocol):
    """Runs, workspaces, variables and states. Each method raises PlangateError, which says why."""

    def queue_plan(self, workspace: str, wish: PlanWish) -> Document:
        """Queue a plan; return its run."""
        ...

    def runs(self, workspace: str, statuses: Sequence[str], limit: int) -> Sequence[Document]:
        """Return the newest runs of a workspace; of all without a name."""
        ...

    def run(self, run_id: str) -> Document:
        """Return a run with its `timeline`."""
        ...

    def plan_text(self, run_id: str) -> str:
        """Return a run's plan as text, empty if it has none."""
        ...

    def act(self, run_id: str, verb: str, comment: str) -> Document:
        """Confirm, discard, cancel, force-cancel or retry a run; return the run, of a retry the new one."""
        ...

    def output(self, run_id: str, stage: str, after: str) -> Document:
        """Return a piece of a stage's output: `text`, `anew`, `after` and `complete`."""
        ...

    def workspaces(self) -> Sequence[Document]:
        """Return all workspaces, by name."""
        ...

    def lock(self, workspace: str, reason: str) -> Document:
        """Lock a workspace, and return it."""
        ...

    def unlock(self, workspace: str, *, force: bool) -> Document:
        """Unlock a workspace, and return it."""
        ...

    def release_state(self, workspace: str) -> Document:
        """Release Terraform's lock on a workspace's state, and return the workspace."""
        ...

    def variables(self, place: VariablePlace) -> Sequence[Document]:
        """Return the variables that reach a workspace, or those of a set."""
        ...

    def set_variable(self, place: VariablePlace, wish: VariableWish) -> Document:
        """Set a variable, and return it."""
        ...

    def unset_variable(self, place: VariablePlace, category: str, key: str, phase: str) -> None:
        """Remove a variable."""
        ...

    def states(self, workspace: str, limit: int) -> Sequence[Document]:
        """Return the newest versions of a workspace's state."""
        ...

    def state(self, workspace: str, version: str) -> Document:
        """Return a version with its outputs and resources; without an id, the current one."""
        ...

    def state_data(self, workspace: str, version: str) -> tuple[Document, bytes]:
        """Return the `id` and the `serial` of a version, and the state with its secrets."""
        ...

    def why(self, about: str) -> Document:
        """Say why a run or a change is where it is."""
        ...
