"""Workspace discovery: each directory of a repository that matches a `discover` rule becomes a workspace."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.errors import ConfigError, EngineError, NotFound, RemoteUnavailable
from bot.domain.events import Change, RepoRef
from bot.domain.ids import new_id
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Engine, ForgeReader, Transaction
from bot.services.runs.removed_workspaces import remove


class Discovery:
    """Applies the `discover` rules to a repository's tree at a commit."""

    def __init__(
        self, rules: Sequence[DiscoverRule], engine: Engine, forges: Mapping[str, ForgeReader]
    ) -> None:
        self._rules = rules
        self._engine = engine
        self._forges = forges

    def looks_at(self, repo: RepoRef) -> bool:
        """Whether a rule covers the repository."""
        return any(rule.repo == repo for rule in self._rules)

    def repos(self) -> frozenset[RepoRef]:
        """Return the repositories that rules cover."""
        return frozenset(rule.repo for rule in self._rules)

    def likes(self, repo: RepoRef) -> Sequence[Workspace]:
        """Return what the workspaces have that rules find in the repository."""
        return [rule.like for rule in self._rules if rule.repo == repo]

    def look(
        self, repo: RepoRef, branch: str, default_branch: str, commit: str
    ) -> Sequence[Workspace] | None:
        """Return the workspaces that the rules find on a branch at a commit. None if no rule covers it.

        Raises ForgeUnavailable, ForgeRefused, EngineError.
        """
        rules = [r for r in self._rules if r.repo == repo and (r.branch or default_branch) == branch]
        if not rules:
            return None
        directories = self._engine.directories(self._forges[repo.forge].remote(repo), commit)
        return [workspace for rule in rules for workspace in rule.workspaces(directories)]

    @staticmethod
    def keep(tx: Transaction, repo: RepoRef, found: Sequence[Workspace], *, on_branch: bool) -> None:
        """Store the discovered workspaces. A workspace in the configuration wins over a discovered one.

        With `on_branch` they were found on their branch, otherwise in a change into it.
        A name that another repository's workspace has, or had, is not reused: its state belongs to that one.
        Raises ConfigError if `depends_on` forms a cycle among them.
        """
        for workspace in found:
            standing = _named(tx, workspace.name)
            if standing is None or (standing.discovered and standing.repo == repo):
                there = on_branch or (standing is not None and standing.active and not standing.proposed)
                tx.workspaces.put(replace(workspace, id=new_id("ws"), proposed=not there))
        names = {workspace.name for workspace in found}
        together = [each for each in tx.workspaces.of_repo(repo) if not each.discovered or each.name in names]
        if cycle := Order(together).circle():
            way = " -> ".join(cycle)
            raise ConfigError(f"in {repo.path}, `depends_on` forms a cycle: {way}; leave one of these out")

    @staticmethod
    def users(
        tx: Transaction, repo: RepoRef, found: Sequence[Workspace], branch: str, default_branch: str
    ) -> Mapping[str, Sequence[Change]]:
        """Return the open changes that touch workspaces whose directory left the branch, by their names."""
        gone = [each for each in _gone(tx, repo, found, branch, default_branch) if not each.proposed]
        return {each.name: changes for each in gone if (changes := _touching(tx, each))}

    def at_heads(self, users: Mapping[str, Sequence[Change]]) -> frozenset[str]:
        """Return the names of those workspaces that rules find at the head of a change that touches them.

        A head that Git can't read counts as one that has them. Raises ForgeUnavailable, RemoteUnavailable.
        """
        seen: dict[str, frozenset[str] | None] = {}
        for change in (each for changes in users.values() for each in changes):
            if change.head_sha not in seen:
                seen[change.head_sha] = self._names_at(change)

        def has(change: Change, name: str) -> bool:
            names = seen[change.head_sha]
            return names is None or name in names

        return frozenset(name for name, changes in users.items() if any(has(each, name) for each in changes))

    def _names_at(self, change: Change) -> frozenset[str] | None:
        try:
            found = self.look(change.repo, change.base_branch, change.default_branch, change.head_sha)
        except RemoteUnavailable:
            raise
        except EngineError:
            return None
        return frozenset(workspace.name for workspace in found or ())

    @staticmethod
    def retire(
        tx: Transaction,
        repo: RepoRef,
        found: Sequence[Workspace],
        branch: str,
        default_branch: str,
        at_heads: Collection[str],
        at: datetime,
    ) -> None:
        """Retire discovered workspaces whose directory is no longer on their branch. Their state stays.

        One that an open change has stays, as one that is only proposed: a change has brought it, or it is
        `at_heads` of changes.
        """
        for workspace in _gone(tx, repo, found, branch, default_branch):
            if (workspace.proposed or workspace.name in at_heads) and _touching(tx, workspace):
                tx.workspaces.put(replace(workspace, proposed=True))
            else:
                remove(tx, workspace, at)


def _gone(
    tx: Transaction, repo: RepoRef, found: Sequence[Workspace], branch: str, default_branch: str
) -> Sequence[Workspace]:
    """Return the discovered workspaces of a branch whose directory is not on it."""
    names = {workspace.name for workspace in found}
    return [
        each
        for each in tx.workspaces.of_repo(repo)
        if each.discovered and each.name not in names and each.on_branch(branch, default_branch)
    ]


def _touching(tx: Transaction, workspace: Workspace) -> Sequence[Change]:
    """Return the open changes that touch a workspace. A fork's code brings none, and keeps none."""
    records = tx.changes.open_of(workspace.repo, None, touching=workspace.id)
    return [record.change for record in records if not record.change.from_fork]


def _named(tx: Transaction, name: str) -> Workspace | None:
    """Return the workspace of that name, also a retired one: its state still exists."""
    try:
        return tx.workspaces.named(name)
    except NotFound:
        return None
