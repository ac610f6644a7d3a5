"""The list of workspaces: the Overviews port. A few statements for each part of it, however long it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.domain.runs import lifecycle
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import IN_BACKGROUND, Run, RunSource
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports.workspaces import Overview, OverviewFilter, OverviewGroup, OverviewQuery
from bot.store.repositories.run_rows import read_run
from bot.store.repositories.workspaces import read_workspace
from bot.store.schema.runs import IN_EFFECT, UNFINISHED, runs
from bot.store.schema.workspaces import workspaces

# Runs of the branch's commit; a retry repeats an older one.
_OF_BRANCH = [source.value for source in (RunSource.PUSH, RunSource.TAG, RunSource.MANUAL, RunSource.TRIGGER)]

_RUNS = ("run_id", "applied_id", "in_effect_id")


class SqlOverviews:
    """The list, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def repos(self) -> Sequence[RepoRef]:
        """Return every repository that has an active workspace."""
        statement = (
            sa.select(workspaces.c.forge, workspaces.c.repo_path).where(workspaces.c.active).distinct()
        )
        return [RepoRef(*row) for row in self._connection.execute(statement)]

    def page(self, query: OverviewQuery) -> Sequence[Overview]:
        """Return a part of the list."""
        shown = _shown(query)
        statement = (
            sa.select(shown.c.id)
            .outerjoin_from(shown, runs, runs.c.id == shown.c.run_id)
            .where(_narrowed(query.show, shown))
            .order_by(*self._order(query, shown))
            .limit(query.limit)
            .offset(query.offset)
        )
        ids = list(self._connection.execute(statement).scalars())
        found = self._read(ids)
        return [found[workspace_id] for workspace_id in ids]

    def counts(self, query: OverviewQuery) -> Mapping[OverviewFilter, int]:
        """Return how many of the matching workspaces each filter leaves."""
        shown = _shown(query)
        sums = [
            sa.func.coalesce(sa.func.sum(sa.case((_narrowed(show, shown), 1), else_=0)), 0)
            for show in OverviewFilter
        ]
        joined = sa.select(*sums).outerjoin_from(shown, runs, runs.c.id == shown.c.run_id)
        return dict(zip(OverviewFilter, map(int, self._connection.execute(joined).one()), strict=True))

    def runs(self, query: OverviewQuery) -> Mapping[str, Run]:
        """Return the run that the list shows for each matching workspace, by the workspace's id."""
        shown = _shown(query)
        statement = sa.select(runs).join_from(shown, runs, runs.c.id == shown.c.run_id)
        found = map(read_run, self._connection.execute(statement).mappings())
        return {run.workspace_id: run for run in found}

    def of(self, workspace: Workspace) -> Overview:
        """Return one workspace as the list would have it, active or not."""
        return self._read([workspace.id])[workspace.id]

    def _order(self, query: OverviewQuery, shown: sa.CTE) -> list[sa.ColumnElement[Any]]:
        # By code points on either database: PostgreSQL would sort names as its locale has it.
        in_c = self._connection.dialect.name == "postgresql"
        name, group = ((sa.collate(it, "C") if in_c else it) for it in (shown.c.name, shown.c.in_group))
        order: list[sa.ColumnElement[Any]] = [name]
        if query.latest_first:
            order = [runs.c.status_at.desc().nulls_last(), name]
        # Those in no group come last.
        return [sa.case((shown.c.in_group == "", 1), else_=0), group, *order] if query.by else order

    def _read(self, ids: Sequence[str]) -> dict[str, Overview]:
        if not ids:
            return {}
        statement = sa.select(workspaces, *_further()).where(workspaces.c.id.in_(ids))
        found = list(self._connection.execute(statement).mappings())
        runs_of = self._runs({row[key] for row in found for key in _RUNS if row[key]})
        return {
            row["id"]: Overview(
                workspace=read_workspace(row),
                run=runs_of.get(row["run_id"]),
                applied=runs_of.get(row["applied_id"]),
                in_effect=runs_of.get(row["in_effect_id"]),
                behind=row["behind"],
            )
            for row in found
        }

    def _runs(self, ids: set[str]) -> dict[str, Run]:
        if not ids:
            return {}
        statement = sa.select(runs).where(runs.c.id.in_(sorted(ids)))
        return {row["id"]: read_run(row) for row in self._connection.execute(statement).mappings()}


def _shown(query: OverviewQuery) -> sa.CTE:
    """The workspaces that match, each with the run that it is shown with."""
    conditions: list[sa.ColumnElement[bool]] = [workspaces.c.active]
    for word in query.search.split()[:5]:
        fields = (
            workspaces.c.name, workspaces.c.repo_path, workspaces.c.working_directory, workspaces.c.branch,
            workspaces.c.project, workspaces.c.team, sa.cast(workspaces.c.tags, sa.Text),
        )  # fmt: skip
        conditions.append(sa.or_(*(field.icontains(word, autoescape=True) for field in fields)))
    if query.repos is not None:
        place = sa.tuple_(workspaces.c.forge, workspaces.c.repo_path)
        conditions.append(place.in_([(repo.forge, repo.path) for repo in query.repos]))
    if query.names is not None:
        conditions.append(workspaces.c.name.in_(query.names))
    if query.by is OverviewGroup.TAG and query.only:
        tags = sa.cast(workspaces.c.tags, sa.Text)
        conditions.append(tags.contains(json.dumps(query.only), autoescape=True))
    elif query.by is not None and query.only:
        conditions.append(_group(query.by) == query.only)
    columns = (
        workspaces.c.id,
        workspaces.c.name,
        workspaces.c.lock_at,
        _group(query.by).label("in_group"),
        _run_id().label("run_id"),
    )
    return sa.select(*columns).where(*conditions).cte("shown")


def _group(by: OverviewGroup | None) -> sa.ColumnElement[str]:
    match by:
        case OverviewGroup.REPOSITORY:
            return workspaces.c.repo_path
        case OverviewGroup.PROJECT:
            return workspaces.c.project
        case OverviewGroup.TEAM:
            return workspaces.c.team
        case OverviewGroup.TAG:
            return sa.func.coalesce(workspaces.c.tags[0].as_string(), "")
        case None:
            return sa.literal("")


def _run_id() -> sa.ColumnElement[str]:
    """The run in progress, else the latest that may apply, else the latest preview."""
    mine = sa.select(runs.c.id).where(runs.c.workspace_id == workspaces.c.id).correlate(workspaces).limit(1)
    waits = sa.case((runs.c.status == RunStatus.PENDING.value, 1), else_=0)
    latest = runs.c.sequence.desc()
    return sa.func.coalesce(
        mine.where(runs.c.plan_only.is_(False), UNFINISHED)
        .order_by(waits, runs.c.sequence)
        .scalar_subquery(),
        mine.where(runs.c.plan_only.is_(False)).order_by(latest).scalar_subquery(),
        mine.where(runs.c.plan_only.is_(True), runs.c.source.not_in(sorted(IN_BACKGROUND)))
        .order_by(latest)
        .scalar_subquery(),
    )


def _further() -> list[sa.ColumnElement[Any]]:
    """The shown run, the latest apply, the run whose commit is in effect, and the number of later commits."""
    mine = sa.select(runs.c.id).where(runs.c.workspace_id == workspaces.c.id).correlate(workspaces).limit(1)
    in_effect = mine.where(IN_EFFECT).order_by(runs.c.sequence.desc())
    applied = in_effect.where(runs.c.status == RunStatus.APPLIED.value)
    stands, later = runs.alias("stands"), runs.alias("later")
    behind = (
        sa.select(sa.func.count(sa.distinct(later.c.commit_sha)))
        .join_from(stands, later, later.c.workspace_id == stands.c.workspace_id)
        .where(
            stands.c.id == in_effect.scalar_subquery(),
            later.c.sequence > stands.c.sequence,
            later.c.commit_sha != stands.c.commit_sha,
            later.c.plan_only.is_(False),
            later.c.source.in_(_OF_BRANCH),
        )
        .correlate(workspaces)
    )
    return [
        _run_id().label("run_id"),
        applied.scalar_subquery().label("applied_id"),
        in_effect.scalar_subquery().label("in_effect_id"),
        behind.scalar_subquery().label("behind"),
    ]


def _narrowed(show: OverviewFilter, shown: sa.CTE) -> sa.ColumnElement[bool]:
    match show:
        case OverviewFilter.ALL:
            return sa.true()
        case OverviewFilter.HOLD:
            return shown.c.lock_at.is_not(None)
        case OverviewFilter.ATTENTION:
            # Somebody must decide about it, or fix it.
            asks = sa.and_(runs.c.status.in_(sorted(lifecycle.AWAITS_PERSON)), runs.c.plan_only.is_(False))
            return sa.or_(asks, runs.c.status == RunStatus.ERRORED.value)
        case OverviewFilter.RUNNING:
            return runs.c.status.in_(sorted(lifecycle.WORKING))
        case OverviewFilter.ERRORED:
            return runs.c.status == RunStatus.ERRORED.value
        case OverviewFilter.APPLIED:
            return runs.c.status == RunStatus.APPLIED.value
