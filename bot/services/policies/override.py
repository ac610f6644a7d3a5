"""Overrides of failed soft-mandatory policies: by an owner, with a reason, for one run."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.errors import Forbidden, IllegalMove, Invalid
from bot.domain.events import RepoRef
from bot.domain.people.permissions import Action, Person
from bot.domain.policies.owners import NO_TEAMS, KnownTeams, named
from bot.domain.policies.policy import EnforcementLevel, Override, PolicyCheck, failing, overridden
from bot.domain.policies.sets import PolicySet, sets_for, why_not_override
from bot.domain.runs import actions
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run, RunEvent
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.after_plan import AfterPlan
from bot.services.policies.team_owners import TeamOwners
from bot.services.ports import Clock, Limits, Store, Transaction
from bot.services.runs.transitions import Transitions

LONGEST_REASON = 1000


class PolicyOverrides:
    """Checks the person and the policies, then overrides, within the caller's transaction.

    The members of the teams that own sets are fetched before it (`teams_of_run`, `teams_for`).
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
        teams: KnownTeams = NO_TEAMS,
    ) -> Sequence[tuple[Run, RunEvent]]:
        """Override one failed policy, or all of them without a name. Return the moves that follow.

        Raises Forbidden, IllegalMove, Invalid: each says why, and what is possible.
        """
        now = self._clock.now()
        if why := actions.why_not(run, Action.OVERRIDE_POLICY, now, Limits.cool_off):
            raise IllegalMove(why)
        checks = tx.policies.of_run(run.id)
        chosen = self._chosen(failing(checks, EnforcementLevel.SOFT), policy)
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
        if failing(checks, EnforcementLevel.SOFT):
            return [done]
        checked = self._transitions.moved(run, RunStatus.POLICY_CHECKED, person.login)
        return [done, checked, *self._after_plan.moves(tx, checked[0])]

    def may(self, tx: Transaction, run: Run, person: Person, teams: KnownTeams = NO_TEAMS) -> bool:
        """Whether a person may override all failures that stop this run."""
        if run.status is not RunStatus.POLICY_OVERRIDE:
            return False
        standing = failing(tx.policies.of_run(run.id), EnforcementLevel.SOFT)
        return not self._why_not(tx, run, standing, person, teams)

    def overriders(self, tx: Transaction, run: Run) -> str:
        """Return the owners of the sets whose failures stop the run. Empty if the sets have no owners."""
        if run.status is not RunStatus.POLICY_OVERRIDE:
            return ""
        names = {check.set_name for check in failing(tx.policies.of_run(run.id), EnforcementLevel.SOFT)}
        owners = dict.fromkeys(
            str(owner) for each in self._sets if each.name in names for owner in each.owners
        )
        return " or ".join(owners)

    def teams_of_run(self, store: Store, run_id: str, person: Person) -> KnownTeams:
        """Fetch the members of the teams that own the sets whose failures stop a run."""
        with store.reading() as tx:
            run = tx.runs.get(run_id)
            if run.status is not RunStatus.POLICY_OVERRIDE:
                return NO_TEAMS
            repo = tx.workspaces.get(run.workspace_id).repo
            names = {check.set_name for check in failing(tx.policies.of_run(run.id), EnforcementLevel.SOFT)}
        owned = [each for each in self._sets if each.name in names]
        return self._team_owners.asked(owned, repo, person.login)

    def teams_for(self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person) -> KnownTeams:
        """Fetch the members of the teams that own the sets of these workspaces."""
        return self._team_owners.asked(self._judging(workspaces), repo, person.login)

    def owns_any(
        self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person, teams: KnownTeams
    ) -> bool:
        """Whether the person owns a set that judges one of these workspaces. Their role does not matter."""
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
        self, tx: Transaction, run: Run, checks: Sequence[PolicyCheck], person: Person, teams: KnownTeams
    ) -> str:
        # Without a repository, owners are known by the forge with which they have signed in.
        forge = tx.workspaces.get(run.workspace_id).repo.forge or person.origin.forge
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
        """Return the author of the run's change, or the person who created the run."""
        if run.change_number is None:
            return (run.created_by,)
        repo = tx.workspaces.get(run.workspace_id).repo
        record = tx.changes.numbered(repo, run.change_number)
        return (record.change.author,) if record else (run.created_by,)
