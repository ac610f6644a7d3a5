"""View models of the list of workspaces and of a workspace's page."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Button, Chrome, Fact, Filter, Link, Pager, RunRow, Tab, Timestamp


@dataclass(frozen=True)
class Standing:
    """What was applied last, and whether the branch has newer commits."""

    applied: Link
    when: Timestamp | None
    badge: Badge | None
    about: str


@dataclass(frozen=True)
class WorkspaceRow:
    """One line of the list of workspaces. `marks` are its project, team and tags."""

    name: str
    url: str
    place: str
    branch: str
    marks: tuple[str, ...]
    locked: str
    run: RunRow | None
    standing: Standing


@dataclass(frozen=True)
class WorkspaceGroup:
    """Workspaces of the list under a title, which leads to the group alone. Without groups, no title."""

    title: Link
    rows: tuple[WorkspaceRow, ...]


@dataclass(frozen=True)
class Search:
    """The search in the list and its order; `show` is the active filter.

    `by` is what it is grouped by, and `only` the one group that is shown; both may be empty.
    """

    text: str
    show: str
    latest_first: bool
    clear_url: str
    by: str
    only: str


@dataclass(frozen=True)
class HomePage:
    """The list of workspaces. `create_url` is empty for those who may create none."""

    chrome: Chrome
    filters: tuple[Filter, ...]
    search: Search
    groups: tuple[WorkspaceGroup, ...]
    any_workspace: bool
    pager: Pager
    create_url: str


@dataclass(frozen=True)
class NewWorkspacePage:
    """The form that creates a workspace without a repository, with what was sent if it was refused."""

    chrome: Chrome
    problem: str
    name: str
    description: str
    project: str
    projects: tuple[str, ...]
    auto_apply: bool


@dataclass(frozen=True)
class WorkspaceControls:
    """The actions that this person may take on the workspace now.

    `lock_url` is empty if it may not be locked, and `why_not` says why where they otherwise could.
    `buttons` release a lock: the person's own, another's by force, or Terraform's on the state.
    """

    token: str
    queue_url: str
    lock_url: str
    why_not: str
    buttons: tuple[Button, ...]
    state_locked: str


@dataclass(frozen=True)
class WorkspacePage:
    """One workspace: what it follows, who holds it, and its runs. `change` is what its forge calls one.

    `queue` are the first runs that wait in the queue, `queue_rest` the others.
    """

    chrome: Chrome
    name: str
    change: str
    tabs: tuple[Tab, ...]
    facts: tuple[Fact, ...]
    standing: Standing
    badge: Badge | None
    current: RunRow | None
    current_url: str
    latest: RunRow | None
    latest_url: str
    locked: str
    controls: WorkspaceControls
    queue: tuple[RunRow, ...]
    queue_rest: tuple[RunRow, ...]
    rows: tuple[RunRow, ...]
    pager: Pager
    filters: tuple[Filter, ...]
    q: str
    state: str
    total: str


@dataclass(frozen=True)
class SettingRow:
    """A setting, its value here, and the origin of the value. `keys` of plangate.yml set it."""

    name: str
    value: str
    source: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class SettingsPage:
    """A workspace's settings, which are changed only in plangate.yml.

    `after_from` is the place that says what a run here comes `after`.
    """

    chrome: Chrome
    name: str
    tabs: tuple[Tab, ...]
    about: str
    rows: tuple[SettingRow, ...]
    after: tuple[Link, ...]
    after_from: str
    before: tuple[Link, ...]
    policy_sets: tuple[SettingRow, ...]
