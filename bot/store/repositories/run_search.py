"""Search of runs: the RunSearch port. It reads ids by an index first, and whole rows only of one page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sa

from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports.run_search import MOST_COUNTED, RunSearchQuery, RunState
from bot.store.repositories.run_rows import read_run
from bot.store.repositories.workspaces import read_workspace
from bot.store.schema.runs import runs
from bot.store.schema.workspaces import workspaces

_STATUSES: dict[RunState, frozenset[RunStatus]] = {
    RunState.RUNNING: lifecycle.WORKING,
    RunState.WAITING: frozenset({RunStatus.PENDING}),
    RunState.PLANNED: frozenset({RunStatus.PLANNED_AND_FINISHED}),
    RunState.APPLIED: frozenset({RunStatus.APPLIED}),
    RunState.ERRORED: frozenset({RunStatus.ERRORED, RunStatus.POLICY_SOFT_FAILED}),
    RunState.STOPPED: frozenset({RunStatus.CANCELED, RunStatus.DISCARDED}),
    RunState.ATTENTION: lifecycle.AWAITS_PERSON | {RunStatus.ERRORED, RunStatus.POLICY_SOFT_FAILED},
}
_WHOLE = 40
_MOST_WORDS = 5


class SqlRunSearch:
    """The search, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def page(self, query: RunSearchQuery) -> Sequence[tuple[Run, Workspace]]:
        """Return a part of the runs that match, newest first, each with its workspace."""
        newest = (runs.c.created_at.desc(), runs.c.sequence.desc(), runs.c.id.desc())
        wanted = sa.select(runs.c.id).where(*_conditions(query)).order_by(*newest)
        ids = list(self._connection.execute(wanted.limit(query.limit).offset(query.offset)).scalars())
        if not ids:
            return ()
        found = self._connection.execute(sa.select(runs).where(runs.c.id.in_(ids))).mappings()
        by_id = {row["id"]: read_run(row) for row in found}
        places = self._workspaces({run.workspace_id for run in by_id.values()})
        return [(by_id[run_id], places[by_id[run_id].workspace_id]) for run_id in ids]

    def count(self, query: RunSearchQuery) -> int:
        """Return how many runs match, at most MOST_COUNTED + 1."""
        some = sa.select(runs.c.id).where(*_conditions(query)).limit(MOST_COUNTED + 1).subquery()
        return int(self._connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())

    def _workspaces(self, ids: Iterable[str]) -> dict[str, Workspace]:
        statement = sa.select(workspaces).where(workspaces.c.id.in_(sorted(ids)))
        return {row["id"]: read_workspace(row) for row in self._connection.execute(statement).mappings()}


def _conditions(query: RunSearchQuery) -> list[sa.ColumnElement[bool]]:
    found: list[sa.ColumnElement[bool]] = []
    if query.state is not RunState.ALL:
        found.append(runs.c.status.in_(sorted(_STATUSES[query.state])))
    if query.statuses:
        found.append(runs.c.status.in_(sorted(query.statuses)))
    if query.person:
        found.append(sa.or_(runs.c.created_by == query.person, runs.c.confirmed_by == query.person))
    if query.branch:
        found.append(runs.c.branch == query.branch)
    if len(query.commit) >= _WHOLE:
        found.append(runs.c.commit_sha == query.commit)
    elif query.commit:
        # A range uses the index. After the digits and letters of a commit id comes `g`.
        found += [runs.c.commit_sha >= query.commit, runs.c.commit_sha < f"{query.commit}g"]
    if query.change_number is not None:
        found.append(runs.c.change_number == query.change_number)
    if query.since is not None:
        found.append(runs.c.created_at >= query.since)
    if query.until is not None:
        found.append(runs.c.created_at < query.until)
    if places := _places(query):
        found.append(runs.c.workspace_id.in_(sa.select(workspaces.c.id).where(*places)))
    for word in query.words[:_MOST_WORDS]:
        named = sa.select(workspaces.c.id).where(workspaces.c.name.icontains(word, autoescape=True))
        texts = (field.icontains(word, autoescape=True) for field in (runs.c.message, runs.c.branch))
        found.append(sa.or_(*texts, runs.c.workspace_id.in_(named)))
    return found


def _places(query: RunSearchQuery) -> list[sa.ColumnElement[bool]]:
    """Return the conditions on the workspace."""
    found: list[sa.ColumnElement[bool]] = []
    if query.workspace:
        found.append(workspaces.c.name == query.workspace)
    if query.names is not None:
        found.append(workspaces.c.name.in_(query.names))
    if query.repo:
        found.append(workspaces.c.repo_path == query.repo)
    if query.repos is not None:
        place = sa.tuple_(workspaces.c.forge, workspaces.c.repo_path)
        found.append(place.in_([(repo.forge, repo.path) for repo in query.repos]))
    return found
