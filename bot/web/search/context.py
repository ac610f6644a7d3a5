"""View models of the page of all runs."""

from __future__ import annotations

from dataclasses import dataclass

from bot.web.page.layout import Chrome, Filter, Link, Pager, RunRow


@dataclass(frozen=True)
class Fields:
    """The active filter, as the form shows it. `problem` says which field can't be read."""

    state: str
    q: str
    workspace: str
    repo: str
    person: str
    branch: str
    commit: str
    change: str
    since: str
    until: str
    problem: str


@dataclass(frozen=True)
class RunsPage:
    """Runs of all workspaces that the person may see, newest first.

    `total` says how many match. `workspaces` are those whose name matches the text of the search. `more`:
    a filter beyond the text is active, so that the form is open.
    """

    chrome: Chrome
    filters: tuple[Filter, ...]
    fields: Fields
    total: str
    rows: tuple[RunRow, ...]
    pager: Pager
    workspaces: tuple[Link, ...]
    filtered: bool
    more: bool
    clear_url: str
