"""Runs: their queue, timeline, files, approvals and leases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

from bot.domain.events import RepoRef
from bot.domain.runs.approval import ApprovalRecord
from bot.domain.runs.run import Run, RunEvent


class RunQueues(Protocol):
    """The unfinished runs that may apply, by workspace."""

    def queue(self, workspace_id: str) -> Sequence[Run]:
        """Return the unfinished runs that may apply, in queue order. The holder of the workspace is first."""
        ...

    def queues(self, workspace_ids: Iterable[str]) -> Mapping[str, Sequence[Run]]:
        """Return the queue of each workspace that has one."""
        ...


class RunLists(Protocol):
    """What lists of runs and of workspaces show, for many at the cost of one."""

    def count(self, query: RunQuery) -> int:
        """Return how many runs match. The query's limit and offset don't matter."""
        ...

    def latest(self, workspace_ids: Iterable[str]) -> Mapping[str, Run]:
        """Return the newest run that may apply of each workspace that has one."""
        ...

    def timelines(self, run_ids: Iterable[str]) -> Mapping[str, Sequence[RunEvent]]:
        """Return the events of each run that has any, oldest first."""
        ...


class Runs(RunQueues, RunLists, Protocol):
    """Stores runs, their queue and their timeline."""

    def add(self, run: Run, event: RunEvent) -> Run:
        """Insert a run at the end of its workspace's queue, and return it with its sequence."""
        ...

    def add_all(self, new: Sequence[tuple[Run, RunEvent]]) -> Sequence[Run]:
        """Insert runs of different workspaces as `add` does, at the cost of a few statements. All or none.

        Raises as `add` does.
        """
        ...

    def get(self, run_id: str) -> Run:
        """Return a run. Raises NotFound."""
        ...

    def save(self, run: Run, event: RunEvent | None = None) -> Run:
        """Update a run and its timeline; return it with its new version.

        Raises Conflict if the stored version is not the run's version.
        """
        ...

    def find(self, query: RunQuery) -> Sequence[Run]:
        """Return the runs that match, newest first."""
        ...

    def timeline(self, run_id: str) -> Sequence[RunEvent]:
        """Return the run's events, oldest first."""
        ...

    def note(self, event: RunEvent) -> None:
        """Add a line to a run's timeline. Does not change the run."""
        ...


@dataclass(frozen=True)
class RunQuery:
    """Which runs to find; None matches all. `active`: whether the workspace is in plangate.yml.

    `telling` is the latest commit of a change. Plans of older commits are then left out: only the runs of
    this commit, the runs that may apply and those of a merge queue matter for its reports. `since` is the
    sequence in the workspace that the runs must have exceeded.
    `uploaded`: whether the run is of an upload.
    `commits` are several, of which a run may have any, and so are `workspace_ids`. `limit` None returns all:
    anything that a person or a decision relies on must be complete.
    """

    workspace_id: str | None = None
    repo: RepoRef | None = None
    commit: str | None = None
    change_number: int | None = None
    plan_only: bool | None = None
    statuses: frozenset[str] | None = None
    active: bool | None = None
    telling: str | None = None
    limit: int | None = 100
    offset: int = 0
    commits: frozenset[str] | None = None
    since: int | None = None
    workspace_ids: frozenset[str] | None = None
    save_plan: bool | None = None
    uploaded: bool | None = None


@dataclass(frozen=True)
class Waiting:
    """Which runs wait for a worker: those in these statuses whose lease nobody holds.

    `without` are concurrency groups whose runs are left out. `group`: only the runs of this one. `pool`: only
    the runs of workspaces of this pool, empty for those of none; None: of all.
    """

    plan_only: bool
    statuses: frozenset[str]
    without: frozenset[str] = frozenset()
    group: str = ""
    pool: str | None = None


@dataclass(frozen=True)
class WorkGroup:
    """The runs of one change, or of one commit if they belong to no change (`number` is 0 then).

    `at_work` is how many have a worker, `waiting` how many wait for one, `since` when the oldest of these was
    created.
    """

    repo: RepoRef
    number: int
    commit: str
    at_work: int
    waiting: int
    since: datetime | None

    @property
    def key(self) -> tuple[RepoRef, int, str]:
        """What tells groups apart."""
        return self.repo, self.number, self.commit


class WaitingRuns(Protocol):
    """Finds the runs that wait for a worker, and those that wait for runs of other workspaces."""

    def groups(self, waiting: Waiting, now: datetime) -> Sequence[WorkGroup]:
        """Return every change and commit with runs that wait or are at work, with how many there are."""
        ...

    def of(self, group: WorkGroup, waiting: Waiting, now: datetime, limit: int) -> Sequence[Run]:
        """Return the runs of a group that wait, oldest first."""
        ...

    def at_work(
        self, group: str, now: datetime | None = None, *, for_update: bool = False
    ) -> Mapping[str, str]:
        """Return the runs that have a place in a concurrency group, each with the name of its workspace.

        A run that only waits for a worker has none unless its lease is held at `now`; without `now`, for
        texts, an expired lease counts too. `for_update`: nobody else may do so until this transaction ends.
        """
        ...

    def workspaces_after(self, run: Run) -> Sequence[str]:
        """Return the workspaces with pending runs that wait for a run, or for one that it follows."""
        ...

    def workspaces_after_any(self, workspace_id: str) -> Sequence[str]:
        """Return the workspaces with pending runs that wait for any run of another workspace."""
        ...

    def awaited(self, workspace_ids: Iterable[str]) -> frozenset[str]:
        """Return those of the workspaces that have a run which a pending run of another one waits for."""
        ...

    def full_groups(self, now: datetime) -> frozenset[str]:
        """Return the concurrency groups that have no free place."""
        ...


class ArtifactKind(StrEnum):
    """The kinds of files of a run. They are stored encrypted."""

    SAVED_PLAN = "saved plan"
    PLAN_JSON = "plan json"
    DEPENDENCY_LOCK = "dependency lock"
    VARIABLES = "variables"
    # Those that a client gave this run alone (`-var`), as it gave them.
    OWN_VARIABLES = "own variables"
    ERRORED_STATE = "errored state"
    BASIS = "basis"
    # The view of the plan that pages show: created from the JSON once, masked, and quick to search.
    PLAN_VIEW = "plan view"
    # What comments and pages print of the plan: rendered from its JSON once, masked.
    PLAN_TEXT = "plan text"
    # What reports tell of the plan: derived once, masked.
    PLAN_FACTS = "plan facts"


@dataclass(frozen=True)
class OutputEnd:
    """The end of an output: `text` begins at character `offset`, before which `lines` lines end."""

    offset: int
    lines: int
    text: str = field(repr=False)


class RunFiles(Protocol):
    """Stores a run's files, encrypted at rest."""

    def put(self, run_id: str, kind: ArtifactKind, data: bytes) -> None:
        """Store a file of a run. Replaces an earlier one."""
        ...

    def put_all(self, kind: ArtifactKind, files: Mapping[str, bytes]) -> None:
        """Store a file of each of many new runs, by the runs' ids. There must be none of the kind yet."""
        ...

    def get(self, run_id: str, kind: ArtifactKind) -> bytes | None:
        """Return a file of a run, None if it does not exist."""
        ...

    def of_runs(self, run_ids: Iterable[str], kind: ArtifactKind) -> Mapping[str, bytes]:
        """Return a file of each run that has it."""
        ...


class Artifacts(RunFiles, Protocol):
    """Stores a run's files and its output (already masked), encrypted at rest."""

    def append_output(self, run_id: str, stage: str, text: str) -> None:
        """Append to the output of a stage (`plan` or `apply`)."""
        ...

    def output(self, run_id: str, stage: str, offset: int = 0, most: int | None = None) -> str:
        """Return a stage's output from a character offset: at most so many characters, None for all."""
        ...

    def output_end(self, run_id: str, stage: str, lines: int) -> OutputEnd:
        """Return the end of a stage's output with so many lines, or a little more; all if it has fewer."""
        ...

    def clear_output(self, run_id: str, stage: str) -> None:
        """Delete a stage's output, because the stage starts again."""
        ...


class Leases(Protocol):
    """Leases on runs and other work, each with a fencing number that only grows (promise 3)."""

    def take(self, name: str, owner: str, now: datetime, ttl: timedelta) -> int | None:
        """Take a lease that is free at `now`. Return its fencing number, None if it is taken."""
        ...

    def renew(self, name: str, fence: int, now: datetime, ttl: timedelta) -> None:
        """Renew a lease. Raises LeaseLost if another worker has taken it."""
        ...

    def check(self, name: str, fence: int) -> None:
        """Check, within this transaction, that we still hold the lease. Raises LeaseLost."""
        ...

    def release(self, name: str, fence: int, now: datetime) -> None:
        """Release a lease. Does nothing if another worker has it."""
        ...

    def held(self, names: Sequence[str], now: datetime) -> frozenset[str]:
        """Return the names of the leases that are held at `now`."""
        ...

    def expired(self, name: str, now: datetime) -> bool:
        """Return whether a lease has expired that its holder has not released."""
        ...


class Approvals(Protocol):
    """Stores all approvals and their results."""

    def add(self, record: ApprovalRecord) -> None:
        """Store an approval."""
        ...

    def get(self, approval_id: str) -> ApprovalRecord:
        """Return an approval. Raises NotFound."""
        ...

    def save(self, record: ApprovalRecord) -> None:
        """Store the state, run, reason and end of an approval. Its other fields never change."""
        ...

    def of_apply(self, run_id: str) -> ApprovalRecord | None:
        """Return the approval by which a run applies. None: it applies without one."""
        ...

    def of_runs(self, run_ids: Iterable[str]) -> Mapping[str, ApprovalRecord]:
        """Return the newest approval of each run that was approved."""
        ...

    def of_workspaces(self, workspace_ids: Iterable[str], change_number: int) -> Sequence[ApprovalRecord]:
        """Return the approvals of a change in several workspaces, newest first."""
        ...

    def of_change(self, workspace_id: str, change_number: int | None) -> Sequence[ApprovalRecord]:
        """Return the approvals of a change in a workspace, newest first. None: those without a change."""
        ...
