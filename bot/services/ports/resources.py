"""The index of resources: what the current state of each workspace has, without values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.events import RepoRef
from bot.services.ports.states import StateVersion


@dataclass(frozen=True)
class IndexedState:
    """Which version of a workspace's state is indexed. Not `readable`: its resources are not known."""

    workspace_id: str
    version_id: str
    terraform_version: str = ""
    readable: bool = True


@dataclass(frozen=True)
class IndexedResource:
    """A resource of a workspace's current state, by its address without keys.

    `provider_version` is empty if it is not known. `mark` changes with any of its values. `version_id` is
    the state version that changed it last and `run_id` its run. They are empty, and `changed_at` is None, if
    that was before the versions that the index has seen.
    """

    workspace_id: str
    address: str
    type: str
    name: str
    module: str
    provider: str
    provider_version: str
    instances: int
    mark: str
    version_id: str = ""
    run_id: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True)
class ResourceQuery:
    """Which resources to find. Each text must be somewhere in its field; an empty one matches all.

    A `version` is that of the provider, or its beginning. `repos` are those that the person may see, None:
    all.
    """

    address: str = ""
    type: str = ""
    name: str = ""
    module: str = ""
    provider: str = ""
    version: str = ""
    workspace: str = ""
    repos: tuple[RepoRef, ...] | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True)
class FoundResource:
    """A resource, its workspace's name, and the version of the state that is indexed."""

    resource: IndexedResource
    workspace: str
    current_id: str


class IndexedResources(Protocol):
    """Stores the resources of current states."""

    def behind(self, limit: int) -> Sequence[str]:
        """Return ids of workspaces whose current state is not the one that is indexed."""
        ...

    def indexed(self, workspace_id: str) -> IndexedState | None:
        """Return which version is indexed."""
        ...

    def following(self, workspace_id: str, limit: int) -> Sequence[StateVersion]:
        """Return the versions after the indexed one that are or were current, oldest first.

        At most `limit`: the next ones, or the newest ones if none is indexed yet.
        """
        ...

    def of_workspace(self, workspace_id: str) -> Mapping[str, IndexedResource]:
        """Return the resources of a workspace by their addresses."""
        ...

    def put(self, state: IndexedState, changed: Iterable[IndexedResource], removed: Iterable[str]) -> None:
        """Store which version is indexed, resources that are other than before, and delete some."""
        ...


class ResourceSearch(Protocol):
    """Finds resources of active workspaces."""

    def page(self, query: ResourceQuery) -> Sequence[FoundResource]:
        """Return a part of the resources that match, by address and workspace."""
        ...

    def count(self, query: ResourceQuery) -> int:
        """Return how many match, at most MOST_COUNTED + 1."""
        ...

    def types(self, query: ResourceQuery, limit: int) -> Sequence[tuple[str, int]]:
        """Return the commonest types among the resources that match, with their numbers."""
        ...

    def unreadable(self, repos: Sequence[RepoRef] | None) -> int:
        """Return how many workspaces have a state whose resources can't be read."""
        ...
