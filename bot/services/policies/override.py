"""Letting a soft-mandatory policy's failure be: by an owner, with a reason, for one run only."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain import actions
from bot.domain.errors import Forbidden, IllegalMove, Invalid
from bot.domain.events import RepoRef
from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Action, Person
from bot.domain.policy import Level, Override, PolicyCheck, failing, overridden
from bot.domain.policy_owners import NO_TEAMS, Teams, named
from bot.domain.policy_sets import PolicySet, sets_for, why_not_override
from bot.domain.run import Run, RunEvent
from bot.domain.workspace import Workspace
from bot.services.after_plan import AfterPlan
from bot.services.ports import Clock, Limits, Store, Transaction
from bot.services.team_owners import TeamOwners
from bot.services.transitions import Transitions

LONGEST_REASON = 1000


class Overriding:
    """Checks who asks, and of what; then overrides, within the transaction that it is given.

    Who is in the teams that own sets is asked before that (`teams_of_run`, `teams_for`).
    """

    def __init__(
        self,
        clock: Clock,
        transitions: Transitions,
        sets: Sequence[PolicySet],
        team_owners: TeamOwners | None = None,
    ) -> None:
        self._clock = clock
        self._team_owners = team_owners or TeamOwners(clock, {})
        self._transitions = transitions
        self._sets = sets
        self._after_plan = AfterPlan(transitions)

    def moves(
        self,
        tx: Transaction,
        run: Run,
        person: Person,
        reason: str,
        policy: str = "",
        teams: Teams = NO_TEAMS,
    ) -> Sequence[tuple[Run, RunEvent]]:
        """Override a policy's failure, or without a name all of them; return the moves that follow.

        Raises Forbidden, IllegalMove, Invalid: each says why, and what is possible.
        """
        now = self._clock.now()
        if why := actions.why_not(run, Action.OVERRIDE_POLICY, now, Limits.cool_off):
            raise IllegalMove(why)
        checks = tx.policies.of_run(run.id)
        chosen = self._chosen(failing(checks, Level.SOFT), policy)
        if why := self._why_not(tx, run, chosen, person, teams):
            raise Forbidden(why)
        reason = " ".join(reason.split())
        if not reason:
            raise Invalid(
                "an override needs a reason: `/override because ...`, or the comment on the run's page"
            )
        override = Override(person.login, reason[:LONGEST_REASON], now)
        checks = overridden(checks, chosen, override)
        tx.policies.put(run.id, checks)
        names = ", ".join(check.name for check in chosen)
        done = (run, self._transitions.event(run, "policy overridden", person.login, f"{names}: {reason}"))
        if failing(checks, Level.SOFT):
            return [done]
        checked = self._transitions.moved(run, RunStatus.POLICY_CHECKED, person.login)
        return [done, checked, *self._after_plan.moves(tx, checked[0])]

    def may(self, tx: Transaction, run: Run, person: Person, teams: Teams = NO_TEAMS) -> bool:
        """Whether a person may override whatever holds this run."""
        if run.status is not RunStatus.POLICY_OVERRIDE:
            return False
        standing = failing(tx.policies.of_run(run.id), Level.SOFT)
        return not self._why_not(tx, run, standing, person, teams)

    def overriders(self, tx: Transaction, run: Run) -> str:
        """Name the owners of the sets whose failures hold the run; empty where none is named."""
        if run.status is not RunStatus.POLICY_OVERRIDE:
            return ""
        names = {check.set_name for check in failing(tx.policies.of_run(run.id), Level.SOFT)}
        owners = dict.fromkeys(
            str(owner) for each in self._sets if each.name in names for owner in each.owners
        )
        return " or ".join(owners)

    def teams_of_run(self, store: Store, run_id: str, person: Person) -> Teams:
        """Ask the forge who is in the teams by which a person may own what holds a run."""
        with store.reading() as tx:
            run = tx.runs.get(run_id)
            if run.status is not RunStatus.POLICY_OVERRIDE:
                return NO_TEAMS
            repo = tx.workspaces.get(run.workspace_id).repo
            names = {check.set_name for check in failing(tx.policies.of_run(run.id), Level.SOFT)}
        owned = [each for each in self._sets if each.name in names]
        return self._team_owners.asked(owned, repo, person.login)

    def teams_for(self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person) -> Teams:
        """Ask the forge who is in the teams by which a person may own a set that judges these workspaces."""
        return self._team_owners.asked(self._judging(workspaces), repo, person.login)

    def owns_any(self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person, teams: Teams) -> bool:
        """Whether the person owns a set that judges one of these workspaces, whatever their role there."""
        login = person.login.casefold()
        for each in self._judging(workspaces):
            here = [owner for owner in each.owners if owner.forge == repo.forge]
            if named(here, login) or any(login in teams.members.get(team, ()) for team in here):
                return True
        return False

    def _judging(self, workspaces: Sequence[Workspace]) -> Sequence[PolicySet]:
        found = {each.name: each for workspace in workspaces for each in sets_for(self._sets, workspace)}
        return tuple(found.values())

    def _why_not(
        self, tx: Transaction, run: Run, checks: Sequence[PolicyCheck], person: Person, teams: Teams
    ) -> str:
        forge = tx.workspaces.get(run.workspace_id).repo.forge
        return why_not_override(self._sets, checks, person, self._authors(tx, run), forge, teams)

    @staticmethod
    def _chosen(standing: Sequence[PolicyCheck], policy: str) -> Sequence[PolicyCheck]:
        if not policy:
            return standing
        chosen = [check for check in standing if check.answers_to(policy)]
        if not chosen:
            names = ", ".join(check.policy for check in standing)
            raise Invalid(f"no policy named {policy} holds this run; what does: {names}")
        return chosen

    @staticmethod
    def _authors(tx: Transaction, run: Run) -> tuple[str, ...]:
        """Return whose change it is: the pull request's author, else whoever made the run."""
        if run.change_number is None:
            return (run.created_by,)
        repo = tx.workspaces.get(run.workspace_id).repo
        record = tx.changes.numbered(repo, run.change_number)
        return (record.change.author,) if record else (run.created_by,)
