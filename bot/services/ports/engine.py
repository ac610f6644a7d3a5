"""The engine: Terraform or OpenTofu, working on one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Protocol

from bot.domain.plans.modes import Modes
from bot.domain.runs.merge_result import MergedCommit
from bot.domain.workspaces.isolation import Isolation
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import EngineKind
from bot.services.ports.forge import GitRemote


class WatchSignal(Enum):
    """What the watcher wants the process to do."""

    GO_ON = "go on"
    INTERRUPT = "interrupt"
    KILL = "kill"


class Watch(Protocol):
    """Watches a process: takes its output, and says when to stop.

    The engine calls `tick` about once a second, from the thread that called it. Output is masked already.
    """

    def output(self, text: str) -> None:
        """Take the next part of the output."""
        ...

    def tick(self) -> WatchSignal:
        """Return whether the process may continue."""
        ...


class StageWatch(Watch, Protocol):
    """Watches a stage, which has an `init` and a main part."""

    def initialized(self) -> None:
        """Note that `init` is done and the plan or apply itself starts."""
        ...


@dataclass(frozen=True)
class StateAccess:
    """How this run's Terraform accesses its state: the `http` backend, with a token for this run only.

    `lock` is False for previews, which read with a read-only token and `-lock=false`. `shared` are the
    addresses of other states that the run may read with the same token.
    """

    address: str
    username: str
    password: str = field(repr=False)
    lock: bool = True
    shared: tuple[str, ...] = ()


HERE = "<folder>"
"""What stands in a RunFile for the folder that it lies in, as the run's processes see it."""


@dataclass(frozen=True)
class RunFile:
    """A private file that the processes of one phase may read; `variables` of theirs hold its path."""

    name: str
    text: str = field(repr=False)
    variables: tuple[str, ...] = ()


@dataclass(frozen=True)
class EngineJob:
    """Everything that the child processes of one run need, in its plan or in its apply.

    `variables` are those of the phase. `secrets` are masked in all output. `environment` is added to the
    clean environment. `fills_cache` says that later runs of the repository may use the downloads of its
    init: never set it for code of a change. `isolation` is the workspace's. `own_backend` says that the
    configuration keeps its state itself: without it, a backend is refused. `files` are there for this phase
    only. `remark` is shown in its output. `upload` is the archive of a configuration that was uploaded,
    whose id is `commit` then; it has no remote. `workspace` is what `terraform.workspace` is in it. If the
    commit is a merge of our own, `merged` says of what.
    """

    run_id: str
    remote: GitRemote | None
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
    isolation: Isolation = field(default_factory=Isolation)
    own_backend: bool = False
    files: tuple[RunFile, ...] = ()
    remark: str = ""
    merged: MergedCommit | None = None
    upload: bytes | None = field(default=None, repr=False)
    workspace: str = ""

    @property
    def git(self) -> GitRemote:
        """The repository that the commit is fetched from; not for uploads."""
        assert self.remote is not None, "an upload is fetched from nowhere"
        return self.remote


@dataclass(frozen=True)
class PlanResult:
    """The result of a plan: Terraform's saved plan, its JSON, and the dependency lock file that it used.

    The JSON is held against the saved plan. `configuration` is a hash of the modules in the saved plan, which
    the apply uses; `files` is a hash of everything that the configuration can read, and `places` are the
    folders of the repository where that lies; None: all of it, or unknown. `modules` is a hash of the modules
    that were downloaded, empty for none, None if unknown: an apply with other ones is refused. `state_here`
    says that Plangate stores the state, `backend` is the type of its backend. `refused` is where the run's
    code wanted to go and was not let.
    """

    saved_plan: bytes = field(repr=False)
    plan_json: bytes = field(repr=False)
    dependency_lock: bytes = field(default=b"", repr=False)
    version: str = ""
    files: str = ""
    state_here: bool = False
    refused: tuple[str, ...] = ()
    configuration: str = ""
    backend: str = ""
    places: tuple[str, ...] | None = None
    modules: str | None = None


@dataclass(frozen=True)
class ApplyResult:
    """The result of an apply. `errored_state` is a state that Terraform could not push.

    `only_unsaved` says that this is all that failed: everything was applied. `refused` is where the run's
    code wanted to go and was not let.
    """

    succeeded: bool
    summary: str = ""
    interrupted: bool = False
    errored_state: bytes = field(default=b"", repr=False)
    refused: tuple[str, ...] = ()
    only_unsaved: bool = False


class WorkerDisk(Protocol):
    """What lies on this machine of runs, also of those whose workers were lost."""

    def lost_apply(self, run_id: str, watch: Watch) -> ApplyResult | None:
        """Wait until an apply whose worker was lost has ended on this machine; return how it ended.

        None if it was not on this machine. An apply that nobody saw end has not succeeded.
        """
        ...

    def left_state(self, run_id: str) -> bytes | None:
        """Return the state that an apply could not push and left here, empty if there is none.

        None while its Terraform is at work.
        """
        ...

    def state_stored(self, run_id: str) -> None:
        """Note that the state that was left here is stored: `clean` may delete it."""
        ...

    def clean(self, run_id: str) -> None:
        """Delete the run's working tree and its other files on this machine.

        Keeps them while an apply is at work in them, or if they have a state that is not stored.
        """
        ...

    def left(self, before: datetime) -> Sequence[str]:
        """Return the runs that have a working tree on this machine from before `before`."""
        ...

    def tidy(self) -> None:
        """Delete what is kept on this machine for later runs, as far as it is more than may be kept."""
        ...

    def no_room(self) -> str:
        """Say why no run can start on this machine: its disk is full. Empty if one can."""
        ...


class Engine(WorkerDisk, Protocol):
    """Runs Terraform or OpenTofu. Each run has its own working tree.

    Raises EngineError (with a message for the change), Interrupted, TimedOut.
    """

    def fetch(self, job: EngineJob, watch: Watch) -> None:
        """Fetch the commit and create the run's working tree."""
        ...

    def plan(self, job: EngineJob, watch: StageWatch) -> PlanResult:
        """Init, plan and show. Needs `fetch` before, in the same process."""
        ...

    def apply(self, job: EngineJob, plan: PlanResult, watch: StageWatch) -> ApplyResult:
        """Apply exactly the saved plan. Creates the working tree and runs init if they are missing.

        Raises only before `terraform apply` begins, and what the watcher raises.
        """
        ...

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        """Return every directory with a `.tf`, `.tf.json` or `.tofu` file at a commit; `""` is the root."""
        ...

    def module_calls(self, remote: GitRemote, commit: str) -> Mapping[str, frozenset[str]]:
        """Return which directories and files each directory of a commit uses, besides its own files.

        These are local modules, and what symbolic links lead to; not what those use in turn. A path with a
        slash at its end is any module below it, `/` any file: what is used is not known.
        """
        ...
