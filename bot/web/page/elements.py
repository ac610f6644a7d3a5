"""Builds elements that several pages share: the frame, a run as a line of a list, links, the pager."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from flask import request, url_for
from markupsafe import Markup, escape

from bot.domain.errors import Invalid
from bot.domain.events import RepoRef
from bot.domain.people.permissions import Person
from bot.domain.runs.run import Run
from bot.domain.terms import PULL_REQUESTS, ForgeWords
from bot.domain.workspaces.workspace import Workspace
from bot.web.page import wording
from bot.web.page.layout import Chrome, Link, PageLink, Pager, RunRow, Tab
from bot.web.page.output import harmless
from bot.web.request.access import form_token
from bot.web.request.services import services


def chrome(title: str, person: Person, here: str, live: bool = False) -> Chrome:
    """Return a page's frame. `here` is the menu's entry; `live` makes the page refresh itself."""
    return Chrome(harmless(title), person.login, here, live, form_token(person))


def words_of(repo: RepoRef) -> ForgeWords:
    """Return the words of the repository's forge; GitHub's words if it is no longer configured."""
    hook = services().hooks.get(repo.forge)
    return hook.words if hook else PULL_REQUESTS


def run_row(
    run: Run, words: ForgeWords, waits: str = "", of: Workspace | None = None, *, named: bool = False
) -> RunRow:
    """Return a run as one line. With its workspace (`of`), it leads to its change too; `named` names both."""
    change = Link("")
    if of is not None and run.change_number is not None:
        change = Link(f"All of {words.numbered(run.change_number)}", change_url(of, run.change_number))
    return RunRow(
        id=run.id,
        url=run_url(run.id),
        message=message_of(run),
        badge=wording.badge_of(run),
        preview=run.plan_only,
        how=harmless(wording.how_started(run, words)),
        commit=wording.short(run.commit),
        when=wording.moment(run.created_at, services().clock.now()),
        counts=wording.chips(run.counts),
        waits=harmless(waits),
        change=change,
        workspace=Link(harmless(of.name), workspace_url(of.name)) if named and of else Link(""),
    )


def message_of(run: Run) -> str:
    """Return a run's title: the first line of its message, or its kind."""
    return harmless(wording.first_line(run.message)) or wording.kind_of(run)


def page_number() -> int:
    """Return which part of a long list is asked for, the first being 1."""
    asked = request.args.get("page", "1")[:5]
    return max(1, int(asked)) if asked.isascii() and asked.isdigit() else 1


def pager(number: int, more: bool, endpoint: str, *, where: str = "", **values: Any) -> Pager:
    """Return the ways from one part of a long list to the next."""
    return Pager(
        newer_url=url_for(endpoint, page=number - 1, **values) if number > 1 else "",
        older_url=url_for(endpoint, page=number + 1, **values) if more else "",
        where=where,
    )


def numbered(number: int, per_page: int, total: int, endpoint: str, **values: Any) -> Pager:
    """Return the numbered pages of a list: the first, the last, and those around this one."""
    last = max(1, -(-total // per_page))
    near = sorted({1, last, *range(max(1, number - 2), min(last, number + 2) + 1)})
    pages: list[PageLink] = []
    for before, each in zip([0, *near], near, strict=False):
        if each > before + 1:
            pages.append(PageLink("…"))
        pages.append(PageLink(f"{each:,}", url_for(endpoint, page=each, **values), each == number))
    found = pager(number, number < last, endpoint, where=part(number, per_page, total), **values)
    return replace(found, pages=tuple(pages) if last > 1 else ())


def day(text: str) -> datetime | None:
    """Return the day that a field names, None if it is empty. Raises Invalid."""
    if not text:
        return None
    try:
        found = date.fromisoformat(text)
        return datetime(found.year, found.month, found.day, tzinfo=UTC) if found.year < 9999 else None
    except ValueError:
        raise Invalid("a day is written as 2026-01-31") from None


def part(number: int, per_page: int, total: int) -> str:
    """Say which part of a list is shown: "51 to 100 of 312"; empty if it is all of it."""
    first, last = (number - 1) * per_page + 1, min(number * per_page, total)
    return f"{first} to {last} of {total}" if total > per_page and first <= last else ""


def web_address(url: str) -> str:
    """Return an address that a browser may follow, empty for any other: payloads bring them (promise 5)."""
    return url if url.startswith(("https://", "http://")) else ""


def commit_link(repo: RepoRef, sha: str) -> Link:
    """Return a commit, with its page on the forge if that is known."""
    hook = services().hooks.get(repo.forge)
    return Link(wording.short(sha), web_address(hook.commit_url(repo, sha)) if hook else "")


def change_url(workspace: Workspace, number: int) -> str:
    """Return the path of the page of a change of the workspace's repository."""
    return url_for("changes.of_workspace", name=workspace.name, number=number)


# The ids that domain/ids creates, and the ids of retries.
_RUN_ID = re.compile(r"\brun-[A-Za-z0-9]{16,24}\b")
_TABS = (
    ("runs", "Runs", "workspaces.show"),
    ("variables", "Variables", "variables.of_workspace"),
    ("states", "States", "state_versions.listing"),
    ("forecasts", "Forecasts", "workspaces.forecasts"),
    ("drift", "Drift", "drift.show"),
    ("settings", "Settings", "workspaces.settings"),
)


def tabs(name: str, here: str) -> tuple[Tab, ...]:
    """Return the pages of a workspace; `here` is the one that is shown."""
    return tuple(Tab(label, url_for(endpoint, name=name), key == here) for key, label, endpoint in _TABS)


def run_url(run_id: str) -> str:
    """Return the path of a run's page."""
    return url_for("runs.show", run_id=run_id)


def linked(text: str) -> Markup:
    """Return text for a page in which each run that it names by its id is a link to that run."""
    found = _RUN_ID.sub(lambda named: f'<a href="{run_url(named[0])}">{named[0]}</a>', escape(text))
    return Markup(found)  # noqa: S704 -- escaped before, and an id is letters and digits


def loud(text: str, parts: Sequence[str]) -> Markup:
    """Return text for a page in which the parts that must not be missed stand out."""
    found = escape(text)
    for part in parts:
        found = found.replace(escape(part), Markup('<strong class="loud">{}</strong>').format(part))
    return found


def workspace_url(name: str) -> str:
    """Return the path of a workspace's page."""
    return url_for("workspaces.show", name=name)
