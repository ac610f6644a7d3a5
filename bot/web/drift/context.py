"""View models of the pages of drift."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, Fact, Link, Tab, Timestamp


@dataclass(frozen=True)
class DriftLine:
    """A resource that drifted. `last` is who wrote it into the state last, if that is known."""

    address: str
    words: str
    last: Link


@dataclass(frozen=True)
class PastDrift:
    """A drift of the history: when it began, how many resources it had, and what ended it."""

    began: Timestamp
    ended: Timestamp | None
    words: str
    ended_by: str
    run: Link


@dataclass(frozen=True)
class DriftPage:
    """The drift of a workspace. `rest` counts the resources that are not listed.

    `since` says who else wrote the state after the last apply. `check_url` and `queue_url` are empty if the
    person may not plan, and `refresh_url` also if the workspace does not allow refresh-only plans.
    """

    chrome: Chrome
    name: str
    tabs: tuple[Tab, ...]
    badge: Badge
    facts: tuple[Fact, ...]
    error: str
    drifted: bool
    rows: tuple[DriftLine, ...]
    rest: int
    since: tuple[str, ...]
    branch: str
    check_url: str
    queue_url: str
    refresh_url: str
    history: tuple[PastDrift, ...]


@dataclass(frozen=True)
class DriftedWorkspace:
    """A line of the list: a workspace that drifted."""

    workspace: Link
    began: Timestamp
    seen: Timestamp
    words: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class DriftListPage:
    """Every workspace that the person may see and that drifted. `checked` counts those that are checked."""

    chrome: Chrome
    rows: tuple[DriftedWorkspace, ...]
    checked: int
