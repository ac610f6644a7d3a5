"""A workspace: one configuration directory of one repository and branch, and what makes it run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from operator import itemgetter

from bot.domain.events import NO_REPO, ChangedFiles, RepoRef
from bot.domain.plans.modes import ALLOWED_BY_DEFAULT, Mode
from bot.domain.workspaces.concurrency import Concurrency
from bot.domain.workspaces.drift import DriftSettings
from bot.domain.workspaces.freeze import FreezeWindow
from bot.domain.workspaces.identity import Identity
from bot.domain.workspaces.isolation import Isolation
from bot.domain.workspaces.merge_method import MergeMethod
from bot.domain.workspaces.outputs import Input


class EngineKind(StrEnum):
    """Which program runs the configuration."""

    TERRAFORM = "terraform"
    TOFU = "tofu"


@lru_cache(maxsize=1024)
def pattern_regex(pattern: str) -> re.Pattern[str]:
    """Compile a path pattern: `*` within a folder, `?` exactly one character, `**` over folders.

    Patterns start at the repository's root; a leading slash is allowed. Source: HCP Terraform's glob patterns
    for automatic run triggering.
    """
    out, rest = "", pattern.lstrip("/")
    while rest:
        if rest.startswith("**/"):
            out, rest = out + "(?:[^/]+/)*", rest[3:]
        elif rest.startswith("**"):
            out, rest = out + ".*", rest[2:]
        elif rest[0] == "*":
            out, rest = out + "[^/]*", rest[1:]
        elif rest[0] == "?":
            out, rest = out + "[^/]", rest[1:]
        else:
            out, rest = out + re.escape(rest[0]), rest[1:]
    return re.compile(out + r"\Z", re.DOTALL)  # Git takes a line end in a path


def _first_match(files: ChangedFiles, patterns: Sequence[str]) -> str | None:
    """Say which path is the first that matches a pattern, None if none does."""
    if len(patterns) == 1:
        # Only files below the folder with which it starts: there are many workspaces with a pattern each.
        start = patterns[0].lstrip("/")
        folder = start[: min((start.find(each) for each in "*?" if each in start), default=len(start))]
        paths = files.below(folder.rpartition("/")[0])
    else:
        paths = files.paths
    for path in paths:
        for pattern in patterns:
            if pattern_regex(pattern).match(path):
                return f"{path} matches {pattern}"
    return None


def _inside(path: str, prefix: str) -> bool:
    prefix = prefix.strip("/")
    return prefix in ("", ".") or path == prefix or path.startswith(prefix + "/")


@dataclass(frozen=True)
class Triggers:
    """Which changed files make a workspace run, and which tags.

    `find_modules`: also files of the local modules that the configuration uses.
    """

    file_triggers: bool = True
    prefixes: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    tag_regex: str = ""
    find_modules: bool = True

    @property
    def by_modules(self) -> bool:
        """Whether files of modules count. Patterns say exactly which files do."""
        return self.find_modules and self.file_triggers and not self.patterns

    def reason(self, files: ChangedFiles, working_directory: str) -> str | None:
        """Say why these files touch the workspace, None if they do not.

        File triggers off: every push. Patterns, or prefixes plus the working directory; nothing set: the
        whole repository. A list that is missing or cut short touches every workspace.
        """
        if not self.file_triggers:
            return "file triggers are off, so every push runs"
        if not files.complete:
            return "the list of changed files is incomplete, so every workspace runs"
        if self.patterns:
            return _first_match(files, self.patterns)
        prefixes = (*self.prefixes, working_directory) if working_directory else self.prefixes
        if not prefixes:
            return f"{files.paths[0]} changed" if files.paths else None
        places = [(files.first_inside(prefix), prefix) for prefix in prefixes]
        inside = [(place, prefix) for place, prefix in places if place is not None]
        if inside:
            place, prefix = min(inside, key=itemgetter(0))
            return f"{files.paths[place]} is in {prefix.strip('/') or 'the repository'}"
        return files.used.get(working_directory) if self.by_modules else None

    def names(self, path: str) -> bool:
        """Whether a setting says that a file counts, whatever the configuration can read."""
        if not self.file_triggers:
            return True
        if self.patterns:
            return any(pattern_regex(pattern).match(path) for pattern in self.patterns)
        return any(_inside(path, prefix) for prefix in self.prefixes)

    def watched(self, working_directory: str) -> str:
        """Say in a few words which paths count, for the reason why nothing ran."""
        if self.patterns:
            return ", ".join(self.patterns)
        prefixes = (working_directory, *self.prefixes) if working_directory else self.prefixes
        return ", ".join(p.strip("/") + "/" for p in prefixes) if prefixes else "the whole repository"


@dataclass(frozen=True)
class Lock:
    """Somebody holds the workspace: runs are created but stay pending."""

    by: str
    reason: str
    at: datetime


class WorkspaceOrigin(StrEnum):
    """What made a workspace, and may change its settings."""

    FILE = "plangate.yml"
    DISCOVERY = "discovery"
    API = "API"


class ExecutionMode(StrEnum):
    """Where Terraform runs: here, or at the client, which then only keeps its state here."""

    REMOTE = "remote"
    LOCAL = "local"


@dataclass(frozen=True)
class ApiDetails:
    """What only workspaces made through the API have. `bindings` are tags with values, by their keys."""

    description: str = ""
    execution: ExecutionMode = ExecutionMode.REMOTE
    bindings: tuple[tuple[str, str], ...] = ()
    created_at: datetime | None = None


class ApplyWhen(StrEnum):
    """When a change's plan may be applied: on the change, from the branch once it is merged, or either."""

    BEFORE_MERGE = "before_merge"
    AFTER_MERGE = "after_merge"
    BOTH = "both"

    @property
    def before(self) -> bool:
        """Whether `/apply` on an open change applies."""
        return self is not ApplyWhen.AFTER_MERGE

    @property
    def after(self) -> bool:
        """Whether the branch's own commits are applied."""
        return self is not ApplyWhen.BEFORE_MERGE


class PlanOf(StrEnum):
    """What a change's plan is made of: its head alone, or its head merged into its base."""

    HEAD = "head"
    MERGE = "merge"


@dataclass(frozen=True)
class Merging:
    """What becomes of approvals and other changes when a change moves on.

    `keep_approval`: an approval outlives a new commit whose plan is the same. `replan_siblings`: an apply has
    the other open changes of the workspace planned again. `automerge`: a change is merged once it is applied,
    by `merge_method`, or if that is None by one that the repository allows. `plan_of`: what it plans.
    `forecast`: it is planned together with other open changes when workers are idle.
    """

    apply_when: ApplyWhen = ApplyWhen.BOTH
    keep_approval: bool = False
    replan_siblings: bool = True
    automerge: bool = False
    merge_method: MergeMethod | None = None
    plan_of: PlanOf = PlanOf.HEAD
    forecast: bool = True

    @property
    def plans_merges(self) -> bool:
        """Whether a change's plan is made of its head merged into its base."""
        return self.plan_of is PlanOf.MERGE


@dataclass(frozen=True)
class Workspace:
    """One configuration directory of one repository and branch, with its state, variables and queue.

    One made through the API (`made_by_api`) has no repository: its configuration is uploaded.

    `branch` is empty for the repository's default branch. `working_directory` is empty for the root.
    `run_triggers` names the workspaces whose applies start a run here. `depends_on` says which of the
    repository's workspaces are applied before this one (domain/workspaces/order). `share_state_with` has
    patterns of the workspaces that may read its state, and `inputs` the outputs of others that it gets
    (domain/workspaces/sharing). Policy sets choose by `tags`. `require` is what an apply of a change
    needs (domain/requirements). `proposed`: it was discovered, and so far only in an open change.
    `own_backend` says that the configuration keeps its state itself. `identity` names the audiences that
    runs get tokens for. `concurrency` is the group of which only some runs are at work at once. `freeze`
    are the windows in which no apply starts. `drift` says when it is checked for drift. `labels`: it
    counts for the labels of a change.
    People find it by its `project` and `team`, too. `pool` are the workers that run it, empty:
    those of no pool.
    """

    id: str
    name: str
    repo: RepoRef
    branch: str = ""
    working_directory: str = ""
    triggers: Triggers = field(default_factory=Triggers)
    auto_apply: bool = False
    engine: EngineKind = EngineKind.TERRAFORM
    engine_version: str = ""
    discovered: bool = False
    proposed: bool = False
    active: bool = True
    lock: Lock | None = None
    allowed_modes: tuple[Mode, ...] = ALLOWED_BY_DEFAULT
    run_triggers: tuple[str, ...] = ()
    auto_apply_run_triggers: bool = False
    depends_on: tuple[str, ...] = ()
    share_state_with: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = ()
    tags: tuple[str, ...] = ()
    require: tuple[str, ...] = ()
    merging: Merging = field(default_factory=Merging)
    isolation: Isolation = field(default_factory=Isolation)
    own_backend: bool = False
    identity: Identity = field(default_factory=Identity)
    concurrency: Concurrency | None = None
    freeze: tuple[FreezeWindow, ...] = ()
    drift: DriftSettings = field(default_factory=DriftSettings)
    labels: bool = False
    project: str = ""
    team: str = ""
    pool: str = ""
    made_by_api: bool = False
    details: ApiDetails = field(default_factory=ApiDetails)

    @property
    def origin(self) -> WorkspaceOrigin:
        """What made the workspace."""
        if self.made_by_api:
            return WorkspaceOrigin.API
        return WorkspaceOrigin.DISCOVERY if self.discovered else WorkspaceOrigin.FILE

    @property
    def has_repo(self) -> bool:
        """Whether it belongs to a repository. Otherwise its configuration is uploaded."""
        return self.repo != NO_REPO

    @property
    def shares_with_all(self) -> bool:
        """Whether the runs of every workspace may read its state."""
        return "*" in self.share_state_with

    def why_no_upload(self, *, plan_only: bool) -> str:
        """Return why no run of an upload may start here, empty if one may.

        Promise 1: what applies in a workspace of a repository is on its branch, or was shown on a change.
        """
        if self.details.execution is ExecutionMode.LOCAL:
            return f"{self.name} has the execution mode local: Terraform runs at the client"
        if self.has_repo and not plan_only:
            return f"{self.name} belongs to {self.repo.path}: uploads are only planned there (`speculative`)"
        return ""

    def on_branch(self, branch: str, default_branch: str) -> bool:
        """Whether a push to `branch` is a push to this workspace's branch."""
        return branch == (self.branch or default_branch)
