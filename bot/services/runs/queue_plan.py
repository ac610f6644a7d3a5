"""Queue Plan: a person asks for a run by hand, on the current commit of the workspace's branch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.audit import Deed
from bot.domain.errors import Forbidden, Invalid, NotFound
from bot.domain.modes import NORMAL, Modes, why_not_allowed
from bot.domain.permissions import Action, Person, refusal
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.auditing import audited, done
from bot.services.making import NewRuns
from bot.services.ports import Clock, ForgeReader, Store, Transaction
from bot.services.transitions import Transitions, Wake

LONGEST_MESSAGE = 500


@dataclass(frozen=True)
class PlanOptions:
    """What may be chosen: how the plan is made, whether it may be applied, and what it is called."""

    modes: Modes = NORMAL
    plan_only: bool = False
    message: str = ""


class Queueing:
    """Makes runs that people ask for by hand."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        forges: Mapping[str, ForgeReader],
        new_runs: NewRuns,
        transitions: Transitions,
    ) -> None:
        self._store = store
        self._clock = clock
        self._forges = forges
        self._new_runs = new_runs
        self._transitions = transitions

    @audited(Deed.PLAN)
    def queue_plan(self, name: str, person: Person, options: PlanOptions) -> Run:
        """Make a run on the branch's current commit; a plan-only one is a preview that no change shows.

        Raises Forbidden, Invalid (a mode that is not allowed here), NotFound, ForgeUnavailable, ForgeRefused.
        """
        if not person.may(Action.PLAN):
            raise Forbidden(refusal(person, Action.PLAN))
        with self._store.reading() as tx:
            workspace = self._allowed(tx, name, options)
        branch, commit = self._forges[workspace.repo.forge].branch_head(workspace.repo, workspace.branch)
        wake = Wake()
        with self._store.transaction() as tx:
            workspace = self._allowed(tx, name, options)
            run = self._new_runs.by_hand(
                tx,
                workspace,
                branch,
                commit,
                person,
                message=options.message.strip()[:LONGEST_MESSAGE],
                plan_only=options.plan_only,
                modes=options.modes,
                wake=wake,
            )
            done(tx, self._clock, person, Deed.PLAN, run, " ".join((*options.modes.flags, options.message)))
        self._transitions.wake(wake)
        return run

    @staticmethod
    def _allowed(tx: Transaction, name: str, options: PlanOptions) -> Workspace:
        workspace = tx.workspaces.named(name)
        if not workspace.active:
            raise NotFound(f"{name} was put aside: plangate.yml does not name it any more")
        if why := why_not_allowed(options.modes, workspace.allowed_modes, name):
            raise Invalid(why)
        return workspace
