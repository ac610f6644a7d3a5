"""Letting a soft-mandatory policy's failure be: by an owner, with a reason, for one run only."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain import actions
from bot.domain.errors import Forbidden, IllegalMove, Invalid
from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Action, Person
from bot.domain.policy import Level, Override, PolicyCheck, failing, overridden
from bot.domain.policy_sets import PolicySet, why_not_override
from bot.domain.run import Run, RunEvent
from bot.services.after_plan import AfterPlan
from bot.services.ports import Clock, Limits, Transaction
from bot.services.transitions import Transitions

LONGEST_REASON = 1000


class Overriding:
    """Checks who asks, and of what; then overrides, within the transaction that it is given."""

    def __init__(self, clock: Clock, transitions: Transitions, sets: Sequence[PolicySet]) -> None:
        self._clock = clock
        self._transitions = transitions
        self._sets = sets
        self._after_plan = AfterPlan(transitions)

    def moves(
        self, tx: Transaction, run: Run, person: Person, reason: str, policy: str = ""
    ) -> Sequence[tuple[Run, RunEvent]]:
        """Override a policy's failure, or without a name all of them; return the moves that follow.

        Raises Forbidden, IllegalMove, Invalid: each says why, and what is possible.
        """
        now = self._clock.now()
        if why := actions.why_not(run, Action.OVERRIDE_POLICY, now, Limits.cool_off):
            raise IllegalMove(why)
        checks = tx.policies.of_run(run.id)
        chosen = self._chosen(failing(checks, Level.SOFT), policy)
        if why := why_not_override(self._sets, chosen, person, self._authors(tx, run)):
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

    def may(self, tx: Transaction, run: Run, person: Person) -> bool:
        """Whether a person may override whatever holds this run."""
        if run.status is not RunStatus.POLICY_OVERRIDE:
            return False
        standing = failing(tx.policies.of_run(run.id), Level.SOFT)
        return not why_not_override(self._sets, standing, person, self._authors(tx, run))

    def names(self, person: Person) -> bool:
        """Whether a policy set names the person as one of its owners, whatever their role elsewhere."""
        login = person.login.casefold()
        return any(login == owner.casefold() for each in self._sets for owner in each.owners)

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
