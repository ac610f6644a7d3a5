"""What the page of people's activity is given, typed."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.pages import Badge, Chrome, Link, Moment, Pager


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
    when: Moment


@dataclass(frozen=True)
class ActivityFilter:
    """What the list is narrowed to; `actions` are those that may be chosen."""

    person: str
    action: str
    actions: tuple[str, ...]
    workspace: str
    since: str
    until: str


@dataclass(frozen=True)
class ActivityPage:
    """What people did, newest first."""

    chrome: Chrome
    rows: tuple[ActivityRow, ...]
    pager: Pager
    filter: ActivityFilter
    csv_url: str
    json_url: str
    filtered: bool
