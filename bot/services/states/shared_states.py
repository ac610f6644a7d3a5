"""States that workspaces share: the runs of others read them, and do nothing else with them.

Terraform's `http` backend takes address and credentials of a `terraform_remote_state` from the environment,
too, and only an address that is written there ends up in plans and states. So a run reads with the token that
it has for its own state: a second one would have to be written into the configuration (promise 6).
"""

from __future__ import annotations

from bot.domain.errors import Forbidden, NotFound
from bot.domain.runs.lifecycle import APPLY_STAGES, PLAN_STAGES, RunStatus
from bot.domain.runs.run import Run, RunSource
from bot.domain.workspaces.sharing import PROPOSED_NOTE, shares_with
from bot.domain.workspaces.workspace import Workspace
from bot.services.ports import Store, Transaction
from bot.services.runs.code_origin import changes_in, was_asked_for
from bot.services.states.backend import Access, Grant, StateService

FORK_NOTE = (
    "shared states can't be read: this change comes from a fork, and nobody with write access had this "
    "commit planned"
)
_PLANNING = PLAN_STAGES - {RunStatus.POLICY_CHECKING}


class SharedStates:
    """Reads the states that other workspaces share with that of a run."""

    def __init__(self, store: Store, states: StateService) -> None:
        self._store = store
        self._states = states

    def admit(self, run_id: str, token: str) -> Grant | None:
        """Return what a run's token permits in its own workspace. None if it is not valid for the run."""
        with self._store.reading() as tx:
            try:
                run = tx.runs.get(run_id)
            except NotFound:
                return None
        return self._states.admit(run.workspace_id, run_id, token)

    def pull(self, reader: Grant, workspace_id: str) -> bytes | None:
        """Return the current state of another workspace, None if there is none yet. Raises Forbidden."""
        with self._store.reading() as tx:
            run = tx.runs.get(reader.run_id)
            self._check(tx, reader, run, workspace_id)
            current = tx.states.current(workspace_id)
            return None if current is None else tx.states.data(current.id)

    @staticmethod
    def _check(tx: Transaction, reader: Grant, run: Run, workspace_id: str) -> None:
        # A run that has ended reads nothing, even if its Terraform still has to store its own state.
        stages = APPLY_STAGES if reader.access is Access.WRITE else _PLANNING
        if run.status not in stages:
            raise Forbidden(f"{run.id} is {run.status.value}: its token reads no state")
        own = tx.workspaces.get(run.workspace_id)
        try:
            source = tx.workspaces.get(workspace_id)
        except NotFound:
            source = None
        if own.proposed:
            raise Forbidden(PROPOSED_NOTE)
        if source is None or not shares_with(source, own):
            # The same words for a workspace that does not exist: nobody finds out which there are.
            raise Forbidden(
                f"no workspace shares this state with {own.name}: `share_state_with` says who may"
            )
        if why := why_unread(tx, run, own):
            raise Forbidden(why)


def why_unread(tx: Transaction, run: Run, workspace: Workspace) -> str:
    """Say why a run may read no shared state at all. Empty if it may.

    A fork's code may only if a person with write access had that very commit planned (promise 5).
    """
    if not run.plan_only or run.source is RunSource.QUEUE:
        return ""
    forks = [code for code in changes_in(tx, run) if code.from_fork]
    return "" if all(was_asked_for(tx, workspace.id, code) for code in forks) else FORK_NOTE
