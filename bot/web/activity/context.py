"""View models of the activity page."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Badge, Chrome, Filter, Link, Pager, Timestamp


@dataclass(frozen=True)
class ActivityRow:
    """One line: who did what to what, or could not, and why."""

    badge: Badge
    who: str
    role: str
    deed: str
    workspace: Link
    subject: Link
    detail: str
    why: str
    origin: str
    when: Timestamp


@dataclass(frozen=True)
class ActivityFilter:
    """The active filter. `actions` are the choices."""

    person: str
    action: str
    actions: tuple[str, ...]
    workspace: str
    since: str
    until: str


@dataclass(frozen=True)
class ActivityPage:
    """What people did, newest first. Owners find the notifications from here."""

    chrome: Chrome
    rows: tuple[ActivityRow, ...]
    pager: Pager
    filter: ActivityFilter
    csv_url: str
    json_url: str
    filtered: bool
    ranges: tuple[Filter, ...]
    notifications_url: str = ""
