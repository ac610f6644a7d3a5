"""Builds the list of workspaces, and the parts that a workspace's own page shares with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import request, url_for

from bot.domain.workspaces.workspace import Lock, Workspace
from bot.services.ports import Overview, OverviewFilter, OverviewGroup, OverviewQuery
from bot.web.page import elements, wording
from bot.web.page.layout import Badge, Filter, Link, Tone
from bot.web.page.output import harmless
from bot.web.request import access, bodies
from bot.web.request.services import services
from bot.web.workspaces.context import HomePage, Search, Standing, WorkspaceGroup, WorkspaceRow

PER_PAGE = 50

LONGEST_SEARCH = 100
"""How many characters of what is searched for count."""

_LABELS = {
    OverviewFilter.ALL: "All",
    OverviewFilter.ATTENTION: "Needs attention",
    OverviewFilter.ERRORED: "Errored",
    OverviewFilter.RUNNING: "Running",
    OverviewFilter.HOLD: "On hold",
    OverviewFilter.APPLIED: "Applied",
}


@dataclass(frozen=True)
class Listed:
    """The requested page of the list, limited to what the person may see."""

    query: OverviewQuery
    number: int
    counts: Mapping[OverviewFilter, int]
    found: tuple[Overview, ...]
    any_workspace: bool
    drifted: frozenset[str]

    @property
    def total(self) -> int:
        """How many there are in all parts."""
        return self.counts[self.query.show]


def listed() -> Listed:
    """Find the requested workspaces."""
    number, asked = elements.page_number(), _asked()
    with services().store.reading() as tx:
        repos = frozenset(tx.overviews.repos())
    readable = access.readable(repos)
    query = OverviewQuery(
        show=asked["show"],
        search=asked["search"],
        repos=None if readable == repos else tuple(sorted(readable)),
        names=_names(),
        latest_first=asked["latest_first"],
        by=asked["by"],
        only=asked["only"],
        limit=PER_PAGE,
        offset=(number - 1) * PER_PAGE,
    )
    with services().store.reading() as tx:
        counts, found = tx.overviews.counts(query), tx.overviews.page(query)
        drifted = tx.drifts.drifted([each.workspace.id for each in found])
    return Listed(query, number, counts, tuple(found), bool(readable), drifted)


def _names() -> tuple[str, ...] | None:
    """Return the workspaces that a program's token is limited to; None if it is not limited."""
    token = access.asker().token
    if token is None or not token.workspaces:
        return None
    with services().store.reading() as tx:
        return tuple(workspace.name for workspace in tx.workspaces.all() if token.reaches(workspace.name))


def home() -> HomePage:
    """Return the list's page."""
    person, part = access.person_asking(), listed()
    query, number, total, found = part.query, part.number, part.total, part.found
    kept = _kept(query)
    live = any(each.run is not None and not each.run.final for each in found)
    return HomePage(
        chrome=elements.chrome("Workspaces", person, "workspaces", live),
        filters=tuple(
            Filter(_LABELS[show], _address(kept | {"show": show}), part.counts[show], show is query.show)
            for show in OverviewFilter
        ),
        search=Search(
            query.search,
            query.show.value,
            query.latest_first,
            _address(kept | {"q": None, "only": None}),
            query.by.value if query.by else "",
            harmless(query.only),
        ),
        groups=tuple(_groups(query, found, part.drifted)),
        any_workspace=part.any_workspace,
        create_url=url_for("new_workspace.show") if access.may_create_workspaces() else "",
        pager=elements.pager(
            number, number * PER_PAGE < total, ".home", where=elements.part(number, PER_PAGE, total), **kept
        ),
    )


def _groups(
    query: OverviewQuery, found: Sequence[Overview], drifted: frozenset[str]
) -> Iterator[WorkspaceGroup]:
    """Split the list where the group changes. Without groups it is one, which has no title."""
    for name, members in groupby(found, lambda each: _group_of(query, each.workspace)):
        url = _address(_kept(query) | {"only": name}) if name and not query.only else ""
        title = harmless(name) or f"No {query.by}" if query.by else ""
        rows = tuple(_row(each, drifted=each.workspace.id in drifted) for each in members)
        yield WorkspaceGroup(Link(title, url), rows)


def _group_of(query: OverviewQuery, workspace: Workspace) -> str:
    match query.by:
        case None:
            return ""
        case _ if query.only:
            return query.only
        case OverviewGroup.REPOSITORY:
            return workspace.repo.path
        case OverviewGroup.PROJECT:
            return workspace.project
        case OverviewGroup.TEAM:
            return workspace.team
        case OverviewGroup.TAG:
            return workspace.tags[0] if workspace.tags else ""


def standing(each: Overview, *, drifted: bool = False) -> Standing:
    """Say what was applied last, and whether it drifted or the branch has gone on since."""
    run, now = each.applied, services().clock.now()
    applied = Link(wording.short(run.commit), elements.run_url(run.id)) if run else Link("")
    when = wording.moment(run.status_at, now) if run else None
    badge, about = _DRIFTED if drifted else _drift(each)
    return Standing(applied, when, badge, about)


def locked(lock: Lock | None) -> str:
    """Say who holds a workspace and why, empty if nobody does."""
    if lock is None:
        return ""
    return harmless(f"Locked by {lock.by}" + (f": {lock.reason}" if lock.reason else ""))


def place_of(workspace: Workspace) -> str:
    """Return the place of a workspace's configuration: repository and directory."""
    return harmless("/".join(part for part in (workspace.repo.path, workspace.working_directory) if part))


def _asked() -> dict[str, Any]:
    try:
        show = OverviewFilter(request.args.get("show", ""))
    except ValueError:
        show = OverviewFilter.ALL
    search = " ".join(request.args.get("q", "").split())[:LONGEST_SEARCH]
    try:
        by = OverviewGroup(request.args.get("by", ""))
    except ValueError:
        by = None
    latest = request.args.get("sort") == "latest"
    only = bodies.cleaned(request.args.get("only", "")) if by else ""
    return {"show": show, "search": search, "latest_first": latest, "by": by, "only": only}


def _kept(query: OverviewQuery) -> dict[str, Any]:
    """What every link on the page keeps of how the list is asked for."""
    return {
        "show": None if query.show is OverviewFilter.ALL else query.show,
        "q": query.search or None,
        "sort": "latest" if query.latest_first else None,
        "by": query.by,
        "only": query.only or None,
    }


def _address(kept: dict[str, Any]) -> str:
    if kept["show"] is OverviewFilter.ALL:
        kept = kept | {"show": None}
    return url_for("workspaces.home", **kept)


def _row(each: Overview, *, drifted: bool) -> WorkspaceRow:
    workspace, run = each.workspace, each.run
    return WorkspaceRow(
        name=harmless(workspace.name),
        url=elements.workspace_url(workspace.name),
        place=place_of(workspace),
        branch=harmless(workspace.branch) or "default branch",
        marks=tuple(map(harmless, filter(None, (workspace.project, workspace.team, *workspace.tags)))),
        locked=locked(workspace.lock),
        run=elements.run_row(run, elements.words_of(workspace.repo)) if run else None,
        standing=standing(each, drifted=drifted),
    )


_DRIFTED = (
    Badge("Drifted", Tone.BAD),
    "Something here is not as it was applied: the tab Drift of the workspace says what.",
)


def _drift(each: Overview) -> tuple[Badge | None, str]:
    """Compare the applied commit with the branch, as far as its commits have runs here."""
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
        number = elements.words_of(each.workspace.repo).numbered(stands.change_number)
        return Badge(f"From {number}", Tone.WAIT), (
            f"{short} of {number} is in effect; no newer commit of {branch} made a run here."
        )
    return Badge("Up to date", Tone.GOOD), (
        f"{short} is in effect; no newer commit of {branch} made a run here. Commits that touch nothing here "
        "don't count."
    )
