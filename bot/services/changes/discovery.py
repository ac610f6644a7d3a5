"""Finding workspaces: each directory of a repository that a `discover` rule matches becomes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from bot.domain.discovery import DiscoverRule
from bot.domain.errors import NotFound
from bot.domain.events import RepoRef
from bot.domain.ids import new_id
from bot.domain.workspace import Workspace
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
        """Whether a rule looks through the repository."""
        return any(rule.repo == repo for rule in self._rules)

    def look(
        self, repo: RepoRef, branch: str, default_branch: str, commit: str
    ) -> Sequence[Workspace] | None:
        """Return the workspaces that the rules find on a branch at a commit; None where no rule looks there.

        Raises ForgeUnavailable, ForgeRefused, EngineError.
        """
        rules = [r for r in self._rules if r.repo == repo and (r.branch or default_branch) == branch]
        if not rules:
            return None
        directories = self._engine.directories(self._forges[repo.forge].remote(repo), commit)
        return [workspace for rule in rules for workspace in rule.workspaces(directories)]

    @staticmethod
    def keep(tx: Transaction, repo: RepoRef, found: Sequence[Workspace]) -> None:
        """Keep what was found. A workspace that the configuration names itself wins over a found one.

        A name that another repository's workspace has, or had, is left to it: nobody takes over its state.
        """
        for workspace in found:
            standing = _named(tx, workspace.name)
            if standing is None or (standing.discovered and standing.repo == repo):
                tx.workspaces.put(replace(workspace, id=new_id("ws")))

    @staticmethod
    def retire(
        tx: Transaction, repo: RepoRef, found: Sequence[Workspace], branch: str, default_branch: str
    ) -> None:
        """Put discovered workspaces aside whose directory is no longer on their branch. Their state stays."""
        names = {workspace.name for workspace in found}
        for workspace in tx.workspaces.of_repo(repo):
            if (
                workspace.discovered
                and workspace.name not in names
                and workspace.on_branch(branch, default_branch)
            ):
                tx.workspaces.put(replace(workspace, active=False))


def _named(tx: Transaction, name: str) -> Workspace | None:
    """Return the workspace of that name, also one that was put aside: its state is still there."""
    try:
        return tx.workspaces.named(name)
    except NotFound:
        return None
