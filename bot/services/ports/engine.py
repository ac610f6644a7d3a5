"""Terraform or OpenTofu, at work on one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from bot.domain.modes import Modes
from bot.domain.variables import Variable
from bot.domain.workspace import EngineKind
from bot.services.ports.forge import GitRemote


class Stop(Enum):
    """What a watcher wants of the process at work."""

    GO_ON = "go on"
    INTERRUPT = "interrupt"
    KILL = "kill"


class Watch(Protocol):
    """Looks on while a process works: gets its output, and says when to stop.

    The engine calls `tick` about once a second from the thread that called it; output is masked already.
    """

    def output(self, text: str) -> None:
        """Take the next piece of output."""
        ...

    def tick(self) -> Stop:
        """Say whether to go on."""
        ...


class StageWatch(Watch, Protocol):
    """Looks on at a whole stage, which has parts."""

    def initialized(self) -> None:
        """Hear that `init` is done: what follows is the plan, or the apply, itself."""
        ...


@dataclass(frozen=True)
class StateAccess:
    """Where this run's Terraform keeps its state: our `http` backend, with a token good for this run only.

    `lock` is False for previews, which read with a read-only token and `-lock=false`.
    """

    address: str
    username: str
    password: str = field(repr=False)
    lock: bool = True


@dataclass(frozen=True)
class EngineJob:
    """Everything that a child process of one run needs; the same for its plan and its apply.

    `secrets` are masked in all output, `environment` is added to the clean environment. `fills_cache` says
    that what its init downloads may be used by later runs of the repository: never for what a change wrote.
    """

    run_id: str
    remote: GitRemote
    commit: str
    working_directory: str
    engine: EngineKind
    version: str
    modes: Modes
    state: StateAccess | None
    variables: tuple[Variable, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    ref: str = ""
    fills_cache: bool = False


@dataclass(frozen=True)
class PlanResult:
    """What a plan gave: Terraform's saved plan, its JSON, and the dependency lock file that it used.

    `files` is a hash of all that the configuration can read; `state_here` says that the state is kept in
    Plangate.
    """

    saved_plan: bytes = field(repr=False)
    plan_json: bytes = field(repr=False)
    dependency_lock: bytes = field(default=b"", repr=False)
    version: str = ""
    files: str = ""
    state_here: bool = False


@dataclass(frozen=True)
class ApplyResult:
    """How an apply ended. `errored_state` is what Terraform could not push and left in the working tree."""

    succeeded: bool
    summary: str = ""
    interrupted: bool = False
    errored_state: bytes = field(default=b"", repr=False)


class Engine(Protocol):
    """Runs Terraform or OpenTofu on a working tree of its own for each run.

    Raises EngineError (with words for the change), Interrupted, TimedOut.
    """

    def fetch(self, job: EngineJob, watch: Watch) -> None:
        """Bring the commit here and lay out the run's working tree."""
        ...

    def plan(self, job: EngineJob, watch: StageWatch) -> PlanResult:
        """Init, plan and show. Needs `fetch` before, in the same process."""
        ...

    def apply(self, job: EngineJob, plan: PlanResult, watch: StageWatch) -> ApplyResult:
        """Apply exactly the saved plan; lays out the tree and inits first where it is not here.

        Raises only before `terraform apply` has begun, and what the watcher raised.
        """
        ...

    def clean(self, run_id: str) -> None:
        """Remove the run's working tree and whatever else of it lies on this machine."""
        ...

    def left(self, before: datetime) -> Sequence[str]:
        """Return the runs whose working trees lie on this machine and were made before `before`."""
        ...

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        """Return every directory with a `.tf`, `.tf.json` or `.tofu` file at a commit; `""` is the root."""
        ...
