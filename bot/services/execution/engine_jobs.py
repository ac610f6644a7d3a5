"""What a run's Terraform gets: commit, state access, variables, environment; nothing else (promise 5)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from bot.domain.run import Run, RunSource
from bot.domain.workspace import Workspace
from bot.services.ports import Addresses, EngineJob, ForgeReader, StateAccess, Store
from bot.services.snapshot import variables_of
from bot.services.states import StateService


class EngineJobs:
    """Makes the engine's job for a run."""

    def __init__(
        self, store: Store, forges: Mapping[str, ForgeReader], states: StateService, addresses: Addresses
    ) -> None:
        self._store = store
        self._forges = forges
        self._states = states
        self._addresses = addresses

    def for_run(self, run: Run, expires: datetime) -> EngineJob:
        """Return the job; asks the forge where Git fetches from.

        A preview only reads the state; a run that may apply locks and writes it. Raises ForgeUnavailable,
        ForgeRefused, NotFound.
        """
        with self._store.reading() as tx:
            workspace = tx.workspaces.get(run.workspace_id)
            variables = variables_of(tx, run.id)
        remote = self._forges[workspace.repo.forge].remote(workspace.repo)
        token = self._states.token(run.id, workspace.id, not run.plan_only, expires)
        return EngineJob(
            run_id=run.id,
            remote=remote,
            commit=run.commit,
            working_directory=workspace.working_directory,
            engine=workspace.engine,
            version=workspace.engine_version,
            modes=run.modes,
            state=StateAccess(
                address=self._addresses.state(workspace.id),
                username=run.id,
                password=token,
                lock=not run.plan_only,
            ),
            variables=variables,
            environment=_environment(run, workspace),
            secrets=(token,),
            ref=_ref(run),
            fills_cache=run.change_number is None,
        )


def _ref(run: Run) -> str:
    """Where the commit is found, for servers that give out only what a ref points to."""
    if not run.branch:
        return ""
    return f"refs/{'tags' if run.source is RunSource.TAG else 'heads'}/{run.branch}"


def _environment(run: Run, workspace: Workspace) -> dict[str, str]:
    """What Terraform Enterprise tells a run of itself; source: its "Run environment" page."""
    return {
        "TFC_RUN_ID": run.id,
        "TFC_WORKSPACE_NAME": workspace.name,
        "TFC_CONFIGURATION_VERSION_GIT_BRANCH": run.branch,
        "TFC_CONFIGURATION_VERSION_GIT_COMMIT_SHA": run.commit,
    }
