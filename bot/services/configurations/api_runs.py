"""Runs that clients of the API create: of an upload, or of the newest commit of a workspace's branch."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.errors import Invalid, NotFound
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, require
from bot.domain.plans.modes import NORMAL, Modes, why_not_allowed
from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import Variable, check
from bot.domain.workspaces.workspace import Workspace
from bot.services.configurations.uploads import usable
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, Store
from bot.services.runs.create import RunFactory
from bot.services.runs.queue_plan import LONGEST_MESSAGE, ManualRuns, PlanOptions
from bot.services.runs.transitions import Transitions

LONGEST_CLIENT = 100


@dataclass(frozen=True)
class RunWishes:
    """What a client wants of a run. `auto_apply` None: as the workspace says. `client` is its name."""

    configuration_version: str = ""
    message: str = ""
    plan_only: bool = False
    auto_apply: bool | None = None
    modes: Modes = NORMAL
    save_plan: bool = False
    allow_empty_apply: bool = False
    client: str = ""
    variables: tuple[Variable, ...] = ()


class ApiRuns:
    """Creates runs for clients of the API."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        run_factory: RunFactory,
        transitions: Transitions,
        manual_runs: ManualRuns,
    ) -> None:
        self._store = store
        self._clock = clock
        self._run_factory = run_factory
        self._transitions = transitions
        self._manual_runs = manual_runs

    def create(self, workspace: Workspace, person: Person, wishes: RunWishes) -> Run:
        """Create a run. `person` has their role in the workspace.

        Raises Forbidden, Invalid, NotFound, Conflict, and ForgeUnavailable for a workspace of a repository.
        """
        for variable in wishes.variables:
            check(variable)
        if workspace.has_repo and not wishes.configuration_version:
            if wishes.save_plan or wishes.allow_empty_apply:
                raise Invalid(
                    "only runs of an uploaded configuration can save their plan, or apply no changes"
                )
            options = PlanOptions(wishes.modes, wishes.plan_only, wishes.message, wishes.variables)
            return self._manual_runs.queue_plan(workspace.name, person, options)
        return self._of_upload(workspace.name, person, wishes)

    @audited(AuditAction.PLAN)
    def _of_upload(self, name: str, person: Person, wishes: RunWishes) -> Run:
        require(person, Action.PLAN)
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = tx.workspaces.named(name)
            if not workspace.active:
                raise NotFound(f"there is no workspace {name}")
            if why := why_not_allowed(wishes.modes, workspace.allowed_modes, name):
                raise Invalid(why)
            version = usable(tx, workspace, wishes.configuration_version)
            asked = wishes.auto_apply
            if asked is None:
                # What destroys everything is never applied only because of a setting.
                asked = workspace.auto_apply and not wishes.modes.destroy
            run = self._run_factory.of_upload(
                tx,
                workspace,
                version,
                person.login,
                message=wishes.message.strip()[:LONGEST_MESSAGE],
                plan_only=wishes.plan_only or version.speculative,
                # A run that applies by itself is an apply: it needs the same role.
                auto_apply=asked and person.may(Action.CONFIRM),
                modes=wishes.modes,
                wake=wake,
                why=f"started by {version.source}",
                save_plan=wishes.save_plan,
                allow_empty_apply=wishes.allow_empty_apply,
                client=wishes.client.strip()[:LONGEST_CLIENT],
                own=wishes.variables,
            )
            words = PlanOptions(wishes.modes, wishes.plan_only, wishes.message, wishes.variables).words
            done(tx, self._clock, person, AuditAction.PLAN, run, words)
        self._transitions.wake(wake)
        return run
