"""Every port: what the use cases need of the world, declared by them. Adapters live in their own rooms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, StrEnum
from pathlib import Path
from typing import Protocol

from bot.domain.events import Change, ChangedFiles, RepoRef
from bot.domain.permissions import Role
from bot.domain.report import ChangeReport, OutcomeReport, StatusReport
from bot.domain.run import Modes, Run, RunEvent
from bot.domain.workspace import EngineKind, Lock, Workspace

# --- time, secrets ------------------------------------------------------------------------------------------


class Clock(Protocol):
    """The time, always in UTC and aware."""

    def now(self) -> datetime:
        """Return the time now."""
        ...


class Vault(Protocol):
    """Encryption at rest, and keyed hashes (promise 6)."""

    def encrypt(self, data: bytes) -> bytes:
        """Return a token that only this vault's keys open."""
        ...

    def decrypt(self, token: bytes) -> bytes:
        """Open a token. Raises PlangateError where no key fits."""
        ...

    def key(self, purpose: str) -> bytes:
        """Return a 32-byte key derived for one purpose, the same on every machine."""
        ...


# --- the forge ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class GitRemote:
    """Where Git fetches a repository from. The header is a secret: it goes by the environment alone."""

    repo: RepoRef
    url: str
    auth_header: str = field(default="", repr=False)


class Reaction(StrEnum):
    """How the bot answers a comment at once; each forge spells it in its own words."""

    SEEN = "eyes"
    DONE = "+1"
    CONFUSED = "confused"


class ForgeReader(Protocol):
    """What the forge knows. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def change(self, repo: RepoRef, number: int) -> Change:
        """Return a pull request as it is now."""
        ...

    def files_of_change(self, repo: RepoRef, number: int) -> ChangedFiles:
        """Return the paths that a pull request touches, both names of a renamed file; paged."""
        ...

    def files_between(self, repo: RepoRef, before: str, after: str) -> ChangedFiles:
        """Return the paths that differ from one commit to another; incomplete where the forge cuts it short."""
        ...

    def branch_head(self, repo: RepoRef, branch: str) -> tuple[str, str]:
        """Return a branch's name and commit; an empty name means the default branch."""
        ...

    def role(self, repo: RepoRef, login: str) -> Role:
        """Return what a person may do in a repository; Role.NONE for a stranger."""
        ...

    def remote(self, repo: RepoRef) -> GitRemote:
        """Return where and how Git fetches the repository."""
        ...


class ForgeWriter(Protocol):
    """What is written to the forge. Raises ForgeUnavailable, ForgeRefused, NotFound."""

    def set_status(self, repo: RepoRef, status: StatusReport) -> None:
        """Set a commit status; its description is shortened to the forge's limit."""
        ...

    def find_comment(self, repo: RepoRef, number: int, marker: str) -> str | None:
        """Return the id of the bot's own comment that carries the marker, if there is one."""
        ...

    def create_comment(self, repo: RepoRef, number: int, body: str) -> str:
        """Write a comment on a change and return its id. Never tried again by itself."""
        ...

    def update_comment(self, repo: RepoRef, number: int, comment_id: str, body: str) -> None:
        """Replace a comment's text. Raises NotFound where somebody has deleted it."""
        ...

    def react(self, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> None:
        """Put a reaction on a comment; the same one twice is one."""
        ...


class Forge(ForgeReader, ForgeWriter, Protocol):
    """A forge: GitHub, or later GitLab, or the fake."""

    @property
    def comment_limit(self) -> int:
        """How many characters a comment may have."""
        ...


# --- Terraform ----------------------------------------------------------------------------------------------


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
class Variable:
    """One value handed to Terraform. `terraform` variables with `hcl` are parsed as expressions."""

    key: str
    value: str = field(repr=False)
    category: str = "terraform"
    hcl: bool = False
    sensitive: bool = False


@dataclass(frozen=True)
class EngineJob:
    """Everything that a child process of one run needs; the same for its plan and its apply.

    `secrets` are masked in all output, `environment` is added to the clean environment.
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


@dataclass(frozen=True)
class PlanResult:
    """What a plan gave: Terraform's saved plan, its JSON, and the dependency lock file that it used."""

    saved_plan: bytes = field(repr=False)
    plan_json: bytes = field(repr=False)
    dependency_lock: bytes = field(default=b"", repr=False)
    version: str = ""


@dataclass(frozen=True)
class ApplyResult:
    """How an apply ended. `errored_state` is what Terraform could not push and left in the working tree."""

    succeeded: bool
    summary: str = ""
    errored_state: bytes = field(default=b"", repr=False)


class Engine(Protocol):
    """Runs Terraform or OpenTofu on a working tree of its own for each run.

    Raises EngineError (with words for the change), Interrupted, TimedOut.
    """

    def fetch(self, job: EngineJob, watch: Watch) -> None:
        """Bring the commit here and lay out the run's working tree."""
        ...

    def plan(self, job: EngineJob, watch: Watch) -> PlanResult:
        """Init, plan and show. Needs `fetch` before, in the same process."""
        ...

    def apply(self, job: EngineJob, plan: PlanResult, watch: Watch) -> ApplyResult:
        """Apply exactly the saved plan; lays out the tree and inits first where it is not here."""
        ...

    def clean(self, run_id: str) -> None:
        """Remove the run's working tree and whatever else of it lies on this machine."""
        ...

    def directories(self, remote: GitRemote, commit: str) -> tuple[str, ...]:
        """Return every directory with a `.tf`, `.tf.json` or `.tofu` file at a commit; `""` is the root."""
        ...


# --- the store ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Delivery:
    """One webhook call as it came. `headers` are those that matter; `decisions` say what was made of it."""

    id: str
    forge: str
    event: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    received_at: datetime
    handled_at: datetime | None = None
    decisions: tuple[Mapping[str, str], ...] = ()
    error: str = ""
    attempts: int = 0


class Deliveries(Protocol):
    """Webhook calls, each accepted once (promise 3)."""

    def add(self, delivery: Delivery) -> bool:
        """Store a delivery; False where its id is there already."""
        ...

    def get(self, delivery_id: str) -> Delivery:
        """Return a delivery. Raises NotFound."""
        ...

    def handled(
        self, delivery_id: str, at: datetime, decisions: Sequence[Mapping[str, str]], error: str = ""
    ) -> None:
        """Keep what was decided of it, and that it is done with."""
        ...

    def failed(self, delivery_id: str, error: str) -> None:
        """Keep why this try failed; the delivery stays due."""
        ...

    def due(self, before: datetime, limit: int) -> Sequence[str]:
        """Return the ids of deliveries received before `before` and not handled, oldest first."""
        ...

    def recent(self, limit: int) -> Sequence[Delivery]:
        """Return the newest deliveries, newest first."""
        ...


class Workspaces(Protocol):
    """Workspaces, as the configuration names them or discovery found them."""

    def get(self, workspace_id: str, *, for_update: bool = False) -> Workspace:
        """Return a workspace; `for_update` makes others wait until this transaction ends. Raises NotFound."""
        ...

    def named(self, name: str) -> Workspace:
        """Return a workspace by its name. Raises NotFound."""
        ...

    def of_repo(self, repo: RepoRef) -> Sequence[Workspace]:
        """Return the active workspaces of a repository, by name."""
        ...

    def all(self) -> Sequence[Workspace]:
        """Return every active workspace, by name."""
        ...

    def put(self, workspace: Workspace) -> Workspace:
        """Insert or update by name, keeping the id and the lock of one that is there; return what stands."""
        ...

    def set_lock(self, workspace_id: str, lock: Lock | None) -> None:
        """Lock or unlock. Raises NotFound."""
        ...


class Runs(Protocol):
    """Runs, their queue and their timeline."""

    def add(self, run: Run, event: RunEvent) -> Run:
        """Insert a run at the end of its workspace's queue, and return it with its sequence."""
        ...

    def get(self, run_id: str) -> Run:
        """Return a run. Raises NotFound."""
        ...

    def save(self, run: Run, event: RunEvent | None = None) -> Run:
        """Update a run and its timeline; return it with its new version.

        Raises Conflict where the row's version is not the run's.
        """
        ...

    def find(self, query: RunQuery) -> Sequence[Run]:
        """Return the runs that match, newest first."""
        ...

    def queue(self, workspace_id: str) -> Sequence[Run]:
        """Return the unfinished runs that may apply, in the order of the queue; a holder comes first."""
        ...

    def timeline(self, run_id: str) -> Sequence[RunEvent]:
        """Return the run's events, oldest first."""
        ...

    def note(self, event: RunEvent) -> None:
        """Add a line to a run's timeline without changing the run."""
        ...


@dataclass(frozen=True)
class RunQuery:
    """Which runs to find; what is None does not matter."""

    workspace_id: str | None = None
    repo: RepoRef | None = None
    commit: str | None = None
    change_number: int | None = None
    plan_only: bool | None = None
    statuses: frozenset[str] | None = None
    limit: int = 100
    offset: int = 0


class ArtifactKind(StrEnum):
    """What is kept of a run, encrypted."""

    SAVED_PLAN = "saved plan"
    PLAN_JSON = "plan json"
    DEPENDENCY_LOCK = "dependency lock"
    VARIABLES = "variables"
    ERRORED_STATE = "errored state"


class Artifacts(Protocol):
    """A run's files (encrypted at rest) and its output (masked before it gets here)."""

    def put(self, run_id: str, kind: ArtifactKind, data: bytes) -> None:
        """Keep a file of a run, in place of an earlier one."""
        ...

    def get(self, run_id: str, kind: ArtifactKind) -> bytes | None:
        """Return a file of a run, None where there is none."""
        ...

    def append_output(self, run_id: str, stage: str, text: str) -> None:
        """Add to the output of a stage (`plan` or `apply`)."""
        ...

    def output(self, run_id: str, stage: str, offset: int = 0) -> str:
        """Return a stage's output from a character offset."""
        ...

    def clear_output(self, run_id: str, stage: str) -> None:
        """Forget a stage's output: the stage starts again."""
        ...


class Leases(Protocol):
    """Who works on what, with a fencing number that only grows (promise 3)."""

    def take(self, name: str, owner: str, now: datetime, ttl: timedelta) -> int | None:
        """Take a lease that nobody holds at `now`; return its fencing number, None where somebody does."""
        ...

    def renew(self, name: str, fence: int, now: datetime, ttl: timedelta) -> None:
        """Hold on. Raises LeaseLost where another has taken it since."""
        ...

    def check(self, name: str, fence: int) -> None:
        """Make sure, within this transaction, that the lease is still ours. Raises LeaseLost."""
        ...

    def release(self, name: str, fence: int) -> None:
        """Let go; nothing happens where another has it."""
        ...

    def held(self, names: Sequence[str], now: datetime) -> frozenset[str]:
        """Return those of the names that somebody holds at `now`."""
        ...


@dataclass(frozen=True)
class ChangeRecord:
    """A change as last seen, and which workspaces it touches."""

    id: str
    change: Change
    workspace_ids: tuple[str, ...]
    seen_at: datetime
    note: str = ""


class Changes(Protocol):
    """Changes as last seen."""

    def put(self, record: ChangeRecord) -> ChangeRecord:
        """Insert or update by repository and number, keeping the id of one that is there."""
        ...

    def get(self, change_id: str) -> ChangeRecord:
        """Return a change. Raises NotFound."""
        ...

    def numbered(self, repo: RepoRef, number: int) -> ChangeRecord | None:
        """Return a change by its number, None where it was never seen."""
        ...


@dataclass(frozen=True)
class Post:
    """Something that should stand on a forge: a status, a comment, a reaction.

    `key` is unique within the repository and found again after a crash: `status:<sha>:<context>`,
    `comment:<number>:<marker>`, `reaction:<number>:<comment id>:<name>`. `payload` is what should stand,
    `posted` what stood when we last looked (its hash); `remote_id` is the comment's id on the forge.
    """

    subject: str
    repo: RepoRef
    key: str
    payload: Mapping[str, str]
    posted: str = ""
    remote_id: str = ""
    attempts: int = 0
    not_before: datetime | None = None
    error: str = ""


class Posts(Protocol):
    """What should stand on the forges, and what does (promise 4)."""

    def mark_due(self, subject: str, at: datetime) -> None:
        """Remember, with the change that causes it, that a subject (run or change id) must be reported."""
        ...

    def due(self, now: datetime, limit: int) -> Sequence[str]:
        """Return the subjects with something to derive or to deliver at `now`, longest waiting first."""
        ...

    def due_mark(self, subject: str) -> int:
        """Return a number that grows with each `mark_due`; 0 where the subject was never marked."""
        ...

    def derived(self, subject: str, mark: int, posts: Sequence[Post]) -> None:
        """Keep what should stand as of a mark: insert or update by repository and key, keeping what was posted."""
        ...

    def undelivered(self, subject: str) -> Sequence[Post]:
        """Return the subject's posts whose payload is not what stands, whatever their `not_before`."""
        ...

    def delivered(self, post: Post, remote_id: str) -> None:
        """Keep that this payload stands."""
        ...

    def failed(self, post: Post, error: str, not_before: datetime | None) -> None:
        """Keep why, and when to try again; None: never, trying again does not help."""
        ...


@dataclass(frozen=True)
class StateVersion:
    """One version of a workspace's state. `refused` says why it was kept aside instead of becoming current."""

    id: str
    workspace_id: str
    run_id: str
    serial: int
    lineage: str
    md5: str
    created_at: datetime
    size: int
    refused: str = ""


@dataclass(frozen=True)
class StateLock:
    """Terraform's lock on a state: its own lock info as JSON, and the run that holds it."""

    workspace_id: str
    lock_id: str
    run_id: str
    info: str
    at: datetime


class States(Protocol):
    """Every version of every state (encrypted), and Terraform's locks on them."""

    def current(self, workspace_id: str) -> StateVersion | None:
        """Return the newest version that was not refused."""
        ...

    def add(self, version: StateVersion, data: bytes) -> None:
        """Keep a version."""
        ...

    def data(self, version_id: str) -> bytes:
        """Return a version's state. Raises NotFound."""
        ...

    def versions(self, workspace_id: str, limit: int = 100) -> Sequence[StateVersion]:
        """Return the versions, newest first, refused ones too."""
        ...

    def lock(self, lock: StateLock) -> StateLock | None:
        """Lock the state; return the lock that is in the way, None where this one now stands."""
        ...

    def locked(self, workspace_id: str) -> StateLock | None:
        """Return the lock that stands."""
        ...

    def unlock(self, workspace_id: str, lock_id: str | None) -> bool:
        """Unlock; without an id whatever stands. False where another lock stands."""
        ...


class Transaction(Protocol):
    """One transaction over every repository; commits when its block ends, rolls back when it raises."""

    @property
    def deliveries(self) -> Deliveries:
        """Webhook calls."""
        ...

    @property
    def workspaces(self) -> Workspaces:
        """Workspaces."""
        ...

    @property
    def runs(self) -> Runs:
        """Runs."""
        ...

    @property
    def artifacts(self) -> Artifacts:
        """Files and output of runs."""
        ...

    @property
    def leases(self) -> Leases:
        """Who works on what."""
        ...

    @property
    def changes(self) -> Changes:
        """Changes as last seen."""
        ...

    @property
    def posts(self) -> Posts:
        """What should stand on the forges."""
        ...

    @property
    def states(self) -> States:
        """States."""
        ...


class Store(Protocol):
    """The database: the truth."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that may write; on SQLite writers wait for each other from its start."""
        ...

    def reading(self) -> AbstractContextManager[Transaction]:
        """Begin a transaction that only reads one moment's data and makes nobody wait."""
        ...


# --- jobs, texts --------------------------------------------------------------------------------------------


class Dispatch(Protocol):
    """Wakes a worker. Carries ids alone; losing one loses nothing, for the sweep looks in the database."""

    def receive(self, delivery_id: str) -> None:
        """Have a delivery handled."""
        ...

    def advance(self, run: Run) -> None:
        """Have a run carried on, in the queue that its status asks for: apply, plan or preview."""
        ...

    def report(self, subject: str) -> None:
        """Have a subject reported to its forge."""
        ...


class Texts(Protocol):
    """Turns reports into the forge's Markdown, within a limit in characters."""

    def change_comment(self, report: ChangeReport, limit: int) -> str:
        """Return the one comment that a change has, without its marker."""
        ...

    def outcome_comment(self, report: OutcomeReport, limit: int) -> str:
        """Return the comment that tells how an apply ended."""
        ...

    def refusal_comment(self, login: str, lines: Sequence[tuple[str, str]], limit: int) -> str:
        """Return the short answer to a command that was refused: a workspace (or command) and why, a line each."""
        ...


@dataclass(frozen=True)
class Limits:
    """How long things may take."""

    plan: timedelta = timedelta(hours=2)
    apply: timedelta = timedelta(hours=24)
    lease: timedelta = timedelta(seconds=60)
    report_lease: timedelta = timedelta(seconds=120)


@dataclass(frozen=True)
class Addresses:
    """Where people and Terraform find this server; no trailing slash."""

    public: str
    internal: str
    data: Path

    def run(self, run_id: str) -> str:
        """Return the address of a run's page."""
        return f"{self.public}/runs/{run_id}"

    def state(self, workspace_id: str) -> str:
        """Return the address of a workspace's state, stable because saved plans hold it."""
        return f"{self.internal}/state/{workspace_id}"
