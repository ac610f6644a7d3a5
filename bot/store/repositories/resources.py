"""The index of resources: the ports IndexedResources and ResourceSearch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from bot.domain.events import RepoRef
from bot.services.ports.resources import FoundResource, IndexedResource, IndexedState, ResourceQuery
from bot.services.ports.run_search import MOST_COUNTED
from bot.services.ports.states import StateVersion
from bot.store.connection.in_parts import in_parts
from bot.store.connection.upserts import insert_or_update
from bot.store.repositories.states import ABOUT_VERSION, read_version
from bot.store.schema.resources import indexed_states, resources
from bot.store.schema.states import state_versions
from bot.store.schema.workspaces import workspaces

_KEY = ("workspace_id", "address")
_AT_ONCE = 200
_ACCEPTED = state_versions.c.refused == ""


class SqlIndexedResources:
    """The index, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def behind(self, limit: int) -> Sequence[str]:
        """Return ids of workspaces whose current state is not the one that is indexed."""
        current = (
            sa.select(state_versions.c.position)
            .where(state_versions.c.workspace_id == workspaces.c.id, _ACCEPTED)
            .order_by(state_versions.c.position.desc())
            .limit(1)
            .correlate(workspaces)
            .scalar_subquery()
        )
        joined = workspaces.outerjoin(indexed_states, indexed_states.c.workspace_id == workspaces.c.id)
        statement = (
            sa.select(workspaces.c.id)
            .select_from(joined)
            .where(workspaces.c.active, current > sa.func.coalesce(indexed_states.c.position, 0))
            .order_by(workspaces.c.id)
            .limit(limit)
        )
        return list(self._connection.execute(statement).scalars())

    def indexed(self, workspace_id: str) -> IndexedState | None:
        """Return which version is indexed."""
        query = sa.select(indexed_states).where(indexed_states.c.workspace_id == workspace_id)
        row = self._connection.execute(query).mappings().first()
        if row is None:
            return None
        return IndexedState(workspace_id, row["version_id"], row["terraform_version"], row["readable"])

    def following(self, workspace_id: str, limit: int) -> Sequence[StateVersion]:
        """Return the versions after the indexed one that are or were current, oldest first."""
        query = sa.select(*ABOUT_VERSION).where(state_versions.c.workspace_id == workspace_id, _ACCEPTED)
        position = sa.select(indexed_states.c.position).where(indexed_states.c.workspace_id == workspace_id)
        after = self._connection.execute(position).scalar_one_or_none()
        order = state_versions.c.position
        if after is None:
            newest = self._connection.execute(query.order_by(order.desc()).limit(limit)).mappings()
            return [read_version(row) for row in newest][::-1]
        later = query.where(order > after).order_by(order).limit(limit)
        return [read_version(row) for row in self._connection.execute(later).mappings()]

    def of_workspace(self, workspace_id: str) -> Mapping[str, IndexedResource]:
        """Return the resources of a workspace by their addresses."""
        query = sa.select(resources).where(resources.c.workspace_id == workspace_id)
        rows = self._connection.execute(query).mappings()
        return {row["address"]: IndexedResource(**row) for row in rows}

    def put(self, state: IndexedState, changed: Iterable[IndexedResource], removed: Iterable[str]) -> None:
        """Store which version is indexed, resources that are other than before, and delete some."""
        for part in in_parts(removed):
            gone = (resources.c.workspace_id == state.workspace_id, resources.c.address.in_(part))
            self._connection.execute(sa.delete(resources).where(*gone))
        rows = [asdict(each) for each in changed]
        for first in range(0, len(rows), _AT_ONCE):
            some = rows[first : first + _AT_ONCE]
            values: dict[str, Any] = {
                name: sa.literal_column(f"excluded.{name}") for name in some[0] if name not in _KEY
            }
            insert_or_update(self._connection, resources, _KEY, some, values)
        position = sa.select(state_versions.c.position).where(state_versions.c.id == state.version_id)
        row = asdict(state) | {"position": self._connection.execute(position).scalar_one()}
        insert_or_update(self._connection, indexed_states, ["workspace_id"], row, row)


class SqlResourceSearch:
    """The search in the index, in one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def page(self, query: ResourceQuery) -> Sequence[FoundResource]:
        """Return a part of the resources that match, by address and workspace."""
        statement = (
            sa.select(
                resources, workspaces.c.name.label("place"), indexed_states.c.version_id.label("current")
            )
            .select_from(_JOINED.join(indexed_states, indexed_states.c.workspace_id == workspaces.c.id))
            .where(*_conditions(query))
            .order_by(resources.c.address, resources.c.workspace_id)
            .limit(query.limit)
            .offset(query.offset)
        )
        found = []
        for row in self._connection.execute(statement).mappings():
            fields = {column.name: row[column.name] for column in resources.c}
            found.append(FoundResource(IndexedResource(**fields), row["place"], row["current"]))
        return found

    def count(self, query: ResourceQuery) -> int:
        """Return how many match, at most MOST_COUNTED + 1."""
        some = (
            sa.select(sa.literal(1)).select_from(_JOINED).where(*_conditions(query)).limit(MOST_COUNTED + 1)
        )
        counted = sa.select(sa.func.count()).select_from(some.subquery())
        return int(self._connection.execute(counted).scalar_one())

    def types(self, query: ResourceQuery, limit: int) -> Sequence[tuple[str, int]]:
        """Return the commonest types among the resources that match, with their numbers."""
        number = sa.func.count()
        statement = (
            sa.select(resources.c.type, number)
            .select_from(_JOINED)
            .where(*_conditions(query))
            .group_by(resources.c.type)
            .order_by(number.desc(), resources.c.type)
            .limit(limit)
        )
        return [(kind, count) for kind, count in self._connection.execute(statement)]

    def unreadable(self, repos: Sequence[RepoRef] | None) -> int:
        """Return how many workspaces have a state whose resources can't be read."""
        statement = (
            sa.select(sa.func.count())
            .select_from(workspaces.join(indexed_states, indexed_states.c.workspace_id == workspaces.c.id))
            .where(~indexed_states.c.readable, *_places(repos))
        )
        return int(self._connection.execute(statement).scalar_one())


_JOINED = resources.join(workspaces, workspaces.c.id == resources.c.workspace_id)


def _conditions(query: ResourceQuery) -> list[Any]:
    found = _places(query.repos)
    for name in ("address", "type", "name", "module", "provider"):
        if text := getattr(query, name):
            found.append(resources.c[name].icontains(text, autoescape=True))
    if query.version:
        found.append(resources.c.provider_version.startswith(query.version, autoescape=True))
    if query.workspace:
        found.append(workspaces.c.name == query.workspace)
    return found


def _places(repos: Sequence[RepoRef] | None) -> list[Any]:
    found: list[Any] = [workspaces.c.active]
    if repos is not None:
        place = sa.tuple_(workspaces.c.forge, workspaces.c.repo_path)
        found.append(place.in_([(repo.forge, repo.path) for repo in repos]))
    return found
