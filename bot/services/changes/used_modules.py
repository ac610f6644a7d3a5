"""Files of local modules touch the workspaces whose configurations use them.

Which ones do is read from the files of the commit, before the transaction that decides. Git is asked only if
a workspace could be touched that is not touched anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from bot.domain.errors import EngineError, RemoteUnavailable, TimedOut
from bot.domain.events import ChangedFiles, RepoRef
from bot.domain.workspaces.modules import users_of
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Engine, ForgeReader

log = logging.getLogger(__name__)


class UsedModules:
    """Adds to changed files why they touch modules that directories use."""

    def __init__(self, engine: Engine, forges: Mapping[str, ForgeReader]) -> None:
        self._engine = engine
        self._forges = forges

    def look(
        self,
        repo: RepoRef,
        files: ChangedFiles,
        commit: str,
        here: Iterable[Workspace],
    ) -> ChangedFiles:
        """Return the files with what uses them at a commit.

        `here` are the workspaces on the branch, also those that rules find there.

        Raises ForgeUnavailable, and EngineError if a later try may succeed. If Git can never
        read the commit, any file may be one that they use: their runs then say what is wrong.
        """
        if not files.complete or not files.paths:
            return files
        users = [each for each in here if each.triggers.by_modules]
        if all(each.triggers.reason(files, each.working_directory) for each in users):
            return files
        try:
            calls = self._engine.module_calls(self._forges[repo.forge].remote(repo), commit)
        except (RemoteUnavailable, TimedOut):
            raise
        except EngineError as error:
            log.warning("the modules of %s at %s are unknown: %s", repo.path, commit[:10], error)
            why = f"{files.paths[0]} may be in a module that it uses: the commit's modules can't be read"
            return replace(files, used={each.working_directory: why for each in users})
        return replace(files, used=users_of(calls, files.paths))
