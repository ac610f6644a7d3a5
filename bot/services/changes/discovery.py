"""Workspace discovery: each directory of a repository that matches a `discover` rule becomes a workspace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.errors import ConfigError, NotFound
from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.workspaces.discovery import DiscoverRule
from bot.domain.workspaces.order import Order
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Engine, ForgeReader, Transaction


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
    def retire(
        tx: Transaction, repo: RepoRef, found: Sequence[Workspace], branch: str, default_branch: str
    ) -> None:
        """Retire discovered workspaces whose directory is no longer on their branch. Their state stays."""
        names = {workspace.name for workspace in found}
        for workspace in tx.workspaces.of_repo(repo):
            if (
                workspace.discovered
                and workspace.name not in names
                and workspace.on_branch(branch, default_branch)
            ):
                tx.workspaces.put(replace(workspace, active=False))


def _named(tx: Transaction, name: str) -> Workspace | None:
    """Return the workspace of that name, also a retired one: its state still exists."""
    try:
        return tx.workspaces.named(name)
    except NotFound:
        return None
