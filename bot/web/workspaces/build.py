"""Builds the list of workspaces, and what is said of each that stands on its own page too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import request, url_for

from bot.domain.workspace import Lock, Workspace
from bot.services.ports import Overview, OverviewQuery, Show
from bot.web import access, rows, wording
from bot.web.needs import services
from bot.web.output import harmless
from bot.web.pages import Badge, Filter, Link, Tone
from bot.web.workspace_pages import HomePage, Search, Standing, WorkspaceRow

PER_PAGE = 50

LONGEST_SEARCH = 100
"""How many characters of what is searched for count."""

_LABELS = {
    Show.ALL: "All",
    Show.ATTENTION: "Needs attention",
    Show.ERRORED: "Errored",
    Show.RUNNING: "Running",
    Show.HOLD: "On hold",
    Show.APPLIED: "Applied",
}


@dataclass(frozen=True)
class Listed:
    """The part of the list that the address asks for, of what the person may see."""

    query: OverviewQuery
    number: int
    counts: Mapping[Show, int]
    found: tuple[Overview, ...]
    any_workspace: bool

    @property
    def total(self) -> int:
        """How many there are in all parts."""
        return self.counts[self.query.show]


def listed() -> Listed:
    """Find what is asked for."""
    number, asked = rows.page_number(), _asked()
    with services().store.reading() as tx:
        repos = frozenset(tx.overviews.repos())
    readable = access.readable(repos)
    query = OverviewQuery(
        show=asked["show"],
        search=asked["search"],
        repos=None if readable == repos else tuple(sorted(readable)),
        latest_first=asked["latest_first"],
        limit=PER_PAGE,
        offset=(number - 1) * PER_PAGE,
    )
    with services().store.reading() as tx:
        counts, found = tx.overviews.counts(query), tx.overviews.page(query)
    return Listed(query, number, counts, tuple(found), bool(readable))


def home() -> HomePage:
    """Return the list's page."""
    person, part = access.person_asking(), listed()
    query, number, total, found = part.query, part.number, part.total, part.found
    kept = _kept(query)
    live = any(each.run is not None and not each.run.final for each in found)
    return HomePage(
        chrome=rows.chrome("Workspaces", person, "workspaces", live),
        filters=tuple(
            Filter(_LABELS[show], _address(kept | {"show": show}), part.counts[show], show is query.show)
            for show in Show
        ),
        search=Search(query.search, query.show.value, query.latest_first, _address(kept | {"q": None})),
        rows=tuple(_row(each) for each in found),
        any_workspace=part.any_workspace,
        pager=rows.pager(
            number, number * PER_PAGE < total, ".home", where=rows.part(number, PER_PAGE, total), **kept
        ),
    )


def standing(each: Overview) -> Standing:
    """Say what was applied last, and whether the branch has gone on since."""
    run, now = each.applied, services().clock.now()
    applied = Link(wording.short(run.commit), rows.run_url(run.id)) if run else Link("")
    when = wording.moment(run.status_at, now) if run else None
    badge, about = _drift(each)
    return Standing(applied, when, badge, about)


def locked(lock: Lock | None) -> str:
    """Say who holds a workspace and why, empty where nobody does."""
    if lock is None:
        return ""
    return harmless(f"Locked by {lock.by}" + (f": {lock.reason}" if lock.reason else ""))


def place_of(workspace: Workspace) -> str:
    """Return where a workspace's configuration lies: repository and directory."""
    return harmless("/".join(part for part in (workspace.repo.path, workspace.working_directory) if part))


def _asked() -> dict[str, Any]:
    try:
        show = Show(request.args.get("show", ""))
    except ValueError:
        show = Show.ALL
    search = " ".join(request.args.get("q", "").split())[:LONGEST_SEARCH]
    return {"show": show, "search": search, "latest_first": request.args.get("sort") == "latest"}


def _kept(query: OverviewQuery) -> dict[str, Any]:
    """What every link on the page keeps of how the list is asked for."""
    return {
        "show": None if query.show is Show.ALL else query.show,
        "q": query.search or None,
        "sort": "latest" if query.latest_first else None,
    }


def _address(kept: dict[str, Any]) -> str:
    if kept["show"] is Show.ALL:
        kept = kept | {"show": None}
    return url_for("workspaces.home", **kept)


def _row(each: Overview) -> WorkspaceRow:
    workspace, run = each.workspace, each.run
    return WorkspaceRow(
        name=harmless(workspace.name),
        url=rows.workspace_url(workspace.name),
        place=place_of(workspace),
        branch=harmless(workspace.branch) or "default branch",
        locked=locked(workspace.lock),
        run=rows.run_row(run, rows.words_of(workspace.repo)) if run else None,
        standing=standing(each),
    )


def _drift(each: Overview) -> tuple[Badge | None, str]:
    """Hold the commit that stands against the branch, as far as its commits have made runs here."""
    stands = each.in_effect
    if stands is None:
        return (
            (Badge("Never applied", Tone.OFF), "Nothing has been applied here yet.")
            if each.run
            else (None, "")
        )
    branch = harmless(each.workspace.branch) or "the default branch"
    short = wording.short(stands.commit)
    if each.behind:
        behind = "1 commit behind" if each.behind == 1 else f"{each.behind} commits behind"
        made = "1 newer commit" if each.behind == 1 else f"{each.behind} newer commits"
        return Badge(behind, Tone.ASK), (
            f"{short} is in effect; {made} of {branch} made runs here. Commits that touch nothing here "
            "don't count."
        )
    if stands.change_number is not None:
        number = rows.words_of(each.workspace.repo).numbered(stands.change_number)
        return Badge(f"From {number}", Tone.WAIT), (
            f"{short} of {number} is in effect; no newer commit of {branch} made a run here."
        )
    return Badge("Up to date", Tone.GOOD), (
        f"{short} is in effect; no newer commit of {branch} made a run here. Commits that touch nothing here "
        "don't count."
    )
