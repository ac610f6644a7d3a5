"""Queue Plan: a person starts a run by hand, on the current commit of the workspace's branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.errors import Forbidden, Invalid, NotFound
from bot.domain.people.audit import AuditAction
from bot.domain.people.permissions import Action, Person, refusal
from bot.domain.plans.modes import NORMAL, Modes, why_not_allowed
from bot.domain.runs.run import Run
from bot.domain.workspaces.variables import Variable
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.audit_log import audited, done
from bot.services.outbox.wake import Wake
from bot.services.ports import Clock, ForgeReader, Store, Transaction
from bot.services.runs.create import RunFactory
from bot.services.runs.transitions import Transitions

LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class PlanOptions:
    """Options of a manual run: plan modes, plan-only or not, a message, and variables of this run alone."""

    modes: Modes = NORMAL
    plan_only: bool = False
    message: str = ""
    variables: tuple[Variable, ...] = ()

    @property
    def words(self) -> str:
        """What the audit log says. Of variables, only the names."""
        return " ".join((*self.modes.flags, *(f"-var {each.key}" for each in self.variables), self.message))


class ManualRuns:
    """Creates runs that people start by hand."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, ForgeReader],
        run_factory: RunFactory,
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._run_factory = run_factory
        self._transitions = transitions

    @audited(AuditAction.PLAN)
    def queue_plan(self, name: str, person: Person, options: PlanOptions) -> Run:
        """Create a run on the branch's current commit. A plan-only run is not shown on any change.

        Raises Forbidden, Invalid (a mode that is not allowed here), NotFound, ForgeUnavailable, ForgeRefused.
        """
        if not person.may(Action.PLAN):
            raise Forbidden(refusal(person, Action.PLAN))
        with self._store.reading() as tx:
            workspace = self._allowed(tx, name, options)
        if not workspace.has_repo:
            raise Invalid(
                f"{name} has no repository: start a run with the terraform CLI, or retry an earlier run"
            )
        branch, commit = self._forges[workspace.repo.forge].branch_head(workspace.repo, workspace.branch)
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self._allowed(tx, name, options)
            run = self._run_factory.by_hand(
                tx,
                workspace,
                branch,
                commit,
                person,
                message=options.message.strip()[:LONGEST_MESSAGE],
                plan_only=options.plan_only,
                modes=options.modes,
                wake=wake,
                own=options.variables,
            )
            done(tx, self._clock, person, AuditAction.PLAN, run, options.words)
        self._transitions.wake(wake)
        return run

    @staticmethod
    def _allowed(tx: Transaction, name: str, options: PlanOptions) -> Workspace:
        workspace = tx.workspaces.named(name)
        if not workspace.active:
            raise NotFound(f"{name} is retired: plangate.yml does not name it any more")
        if why := why_not_allowed(options.modes, workspace.allowed_modes, name):
            raise Invalid(why)
        return workspace
