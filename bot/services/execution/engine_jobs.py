"""The inputs of a run's Terraform: commit, state access, variables, environment; nothing else (promise 5)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.runs import masking
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.phase import Phase
from bot.domain.workspaces.sharing import PROPOSED_NOTE, allows, readable
from bot.domain.workspaces.variables import held_in
from bot.domain.workspaces.workspace import Workspace
from bot.services.identity.tokens import IdentityTokens
from bot.services.people.identities import JUST_NOW, Identities
from bot.services.plans.snapshot import variables_of
from bot.services.ports import Addresses, EngineJob, ForgeReader, StateAccess, Store, Transaction
from bot.services.runs.merge_results import merged_commit
from bot.services.states.backend import Access, StateService
from bot.services.states.shared_states import why_unread

SHARED_STATES = "plangate_states"
"""The Terraform variable with the addresses of shared states, by the names of their workspaces."""


class EngineJobs:
    """Creates the engine's job for a run."""

    def __init__(
        self,
        store: Store,
        forges: Mapping[str, ForgeReader],
        states: StateService,
        addresses: Addresses,
        identity: IdentityTokens,
        identities: Identities,
    ) -> None:
        self._identities = identities
        self._store = store
        self._forges = forges
        self._states = states
        self._addresses = addresses
        self._identity = identity

    def for_run(self, run: Run, phase: Phase, expires: datetime) -> EngineJob:
        """Return the job of one phase. Asks the forge for the Git remote.

        A preview only reads the state. The plan of a run that may apply locks it too, and only an apply
        writes it. Of the variables a phase gets its own; those of the other one are only masked. Raises
        ForgeUnavailable, ForgeRefused, NotFound.
        """
        with self._store.reading() as tx:
            workspace = tx.workspaces.get(run.workspace_id)
            variables = variables_of(tx, run.id)
            shared, unread = _shared(tx, run, workspace)
            upload = tx.configurations.bytes_of(run.configuration_version) if run.uploaded else None
        # A repository that was created again under its name gets nothing of the old one.
        self._identities.check(workspace.repo, JUST_NOW)
        remote = None if run.uploaded else self._forges[workspace.repo.forge].remote(workspace.repo)
        token = self._states.token(run.id, workspace.id, _access(run, phase), expires)
        addresses = {each.name: self._addresses.state(each.id) for each in shared}
        handed = self._identity.hand(run, workspace, phase)
        return EngineJob(
            run_id=run.id,
            remote=remote,
            commit=run.files_of,
            working_directory=workspace.working_directory,
            engine=workspace.engine,
            version=workspace.engine_version,
            modes=run.modes,
            state=StateAccess(
                address=self._addresses.state(workspace.id),
                username=run.id,
                password=token,
                lock=not run.plan_only,
                shared=tuple(addresses.values()),
            ),
            variables=held_in(phase, variables),
            environment={**_environment(run, workspace), **_named(addresses, phase), **handed.environment},
            secrets=(token, *handed.secrets, *masking.secrets_of(variables)),
            ref=_ref(run),
            fills_cache=not (run.has_unmerged_code or run.uploaded),
            isolation=workspace.isolation,
            own_backend=workspace.own_backend,
            files=handed.files,
            remark="; ".join(filter(None, (handed.remark, unread))),
            merged=merged_commit(run) if run.merge is not None else None,
            upload=upload,
            # Runs of a repository's commits have always seen `default`: their resources are named by it.
            workspace=workspace.name if run.uploaded and workspace.made_by_api else "",
        )


def _shared(tx: Transaction, run: Run, workspace: Workspace) -> tuple[Sequence[Workspace], str]:
    """Return the workspaces whose states a run may read, and why it can read none of them."""
    if workspace.own_backend:
        return (), ""
    sharing = tx.workspaces.all(sharing=True)
    if workspace.proposed:
        return (), PROPOSED_NOTE if any(allows(source, workspace) for source in sharing) else ""
    shared = readable(workspace, sharing)
    return shared, why_unread(tx, run, workspace) if shared else ""


def _named(addresses: Mapping[str, str], phase: Phase) -> dict[str, str]:
    """Return where shared states are, as a Terraform variable.

    A saved plan holds it already, and Terraform takes no other value for its apply.
    """
    wanted = addresses and phase is Phase.PLAN
    return {f"TF_VAR_{SHARED_STATES}": json.dumps(addresses)} if wanted else {}


def _access(run: Run, phase: Phase) -> Access:
    if phase is Phase.APPLY:
        return Access.WRITE
    return Access.READ if run.plan_only else Access.LOCK


def _ref(run: Run) -> str:
    """Return the ref that contains the commit, for servers that serve only refs."""
    if not run.branch:
        return ""
    return f"refs/{'tags' if run.source is RunSource.TAG else 'heads'}/{run.branch}"


def _environment(run: Run, workspace: Workspace) -> dict[str, str]:
    """The variables that Terraform Enterprise sets for a run. Source: its "Run environment" page."""
    return {
        "TFC_RUN_ID": run.id,
        "TFC_WORKSPACE_NAME": workspace.name,
        "TFC_CONFIGURATION_VERSION_GIT_BRANCH": run.branch,
        "TFC_CONFIGURATION_VERSION_GIT_COMMIT_SHA": run.commit,
    }
