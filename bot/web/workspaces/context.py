"""What the list of workspaces and the page of one are given, typed."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.pages import Badge, Button, Chrome, Fact, Filter, Link, Moment, Pager, RunRow, Tab


@dataclass(frozen=True)
class Standing:
    """What of the branch is real: the last apply, and whether newer commits wait behind it."""

    applied: Link
    when: Moment | None
    badge: Badge | None
    about: str


@dataclass(frozen=True)
class WorkspaceRow:
    """One line of the list of workspaces."""

    name: str
    url: str
    place: str
    branch: str
    locked: str
    run: RunRow | None
    standing: Standing


@dataclass(frozen=True)
class Search:
    """What is looked for in the list, and how it is sorted; `show` is the filter that stays."""

    text: str
    show: str
    latest_first: bool
    clear_url: str


@dataclass(frozen=True)
class HomePage:
    """The list of workspaces."""

    chrome: Chrome
    filters: tuple[Filter, ...]
    search: Search
    rows: tuple[WorkspaceRow, ...]
    any_workspace: bool
    pager: Pager


@dataclass(frozen=True)
class WorkspaceControls:
    """What this person may do with the workspace now.

    `lock_url` is empty where it may not be locked, and `why_not` says why where they otherwise could.
    `buttons` let go of a lock: the person's own, another's by force, or Terraform's on the state.
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

    `queue` are those that wait behind the current run, and `queue_rest` those behind them.
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


@dataclass(frozen=True)
class SettingRow:
    """A setting, what it is here, and where that comes from."""

    name: str
    value: str
    source: str


@dataclass(frozen=True)
class SettingsPage:
    """What a workspace is set to; it is changed in plangate.yml alone.

    `after_from` is where it says what a run here comes `after`.
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
