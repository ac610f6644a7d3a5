"""`/override [workspace] [policy] reason` in a comment: finds the runs and overrides their failures."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain.changes.delivery_decisions import DecisionKind
from bot.domain.errors import Refused
from bot.domain.events import RepoRef
from bot.domain.people.permissions import Person
from bot.domain.policies.owners import KnownTeams
from bot.domain.policies.policy import EnforcementLevel, failing
from bot.domain.runs.lifecycle import RunStatus
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.outbox.delivery_result import DeliveryResult
from bot.services.policies.override import PolicyOverrides
from bot.services.ports import ChangeRecord, RunQuery, Transaction
from bot.services.runs.transitions import Transitions

_NONE_WAITS = "no run of this change waits for an override"
_ONLY_PREVIEWS = (
    "no run of this change waits for an override: a plan-only run needs none; "
    "comment `/apply`, and override the run that then stops at its policies"
)


class OverrideComments:
    """Carries out the override commands of comments."""

    def __init__(self, transitions: Transitions, policy_overrides: PolicyOverrides) -> None:
        self._transitions = transitions
        self._policy_overrides = policy_overrides

    def teams(self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person) -> KnownTeams:
        """Fetch, before the transaction, the members of the teams that own sets of these workspaces."""
        return self._policy_overrides.teams_for(repo, workspaces, person)

    def owns_any(
        self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person, teams: KnownTeams
    ) -> bool:
        """Whether the person owns a policy set that judges one of these workspaces."""
        return self._policy_overrides.owns_any(repo, workspaces, person, teams)

    def carry_out(
        self,
        tx: Transaction,
        text: str,
        person: Person,
        record: ChangeRecord,
        outcome: DeliveryResult,
        teams: KnownTeams,
    ) -> list[tuple[str, str]]:
        """Override in each run that is meant. Return the refusals: pairs of a workspace and a reason."""
        runs = self._waiting(tx, record)
        names = {run.id: tx.workspaces.get(run.workspace_id).name for run in runs}
        words = text.split()
        if words and words[0] in names.values():
            runs = [run for run in runs if names[run.id] == words[0]]
            words = words[1:]
        if not runs:
            why = self._why_none(tx, record)
            outcome.say(DecisionKind.REFUSED, why)
            return [("/override", why)]
        policy = words.pop(0) if words and self._is_policy(tx, runs, words[0]) else ""
        refusals = []
        for run in runs:
            try:
                self._override(tx, run, person, " ".join(words), policy, outcome, teams)
                outcome.say(DecisionKind.OVERRIDDEN, f"/override by {person.login}", names[run.id], run.id)
            except Refused as error:
                refusals.append((names[run.id], str(error)))
                outcome.say(DecisionKind.REFUSED, str(error), names[run.id])
        return refusals

    def _override(
        self,
        tx: Transaction,
        run: Run,
        person: Person,
        reason: str,
        policy: str,
        outcome: DeliveryResult,
        teams: KnownTeams,
    ) -> None:
        moves = self._policy_overrides.moves(tx, run, person, reason, policy, teams)
        saved = self._transitions.save(tx, run, moves, outcome.wake)
        if saved.status is RunStatus.APPLY_QUEUED:
            outcome.wake.runs.append(saved)

    @staticmethod
    def _waiting(tx: Transaction, record: ChangeRecord) -> list[Run]:
        found = tx.runs.find(
            RunQuery(
                repo=record.change.repo,
                change_number=record.change.number,
                statuses=frozenset({RunStatus.POLICY_OVERRIDE.value}),
                limit=None,
            )
        )
        return sorted(found, key=lambda run: run.created_at)

    @staticmethod
    def _is_policy(tx: Transaction, runs: Sequence[Run], word: str) -> bool:
        checks = (
            check for run in runs for check in failing(tx.policies.of_run(run.id), EnforcementLevel.SOFT)
        )
        return any(check.answers_to(word) for check in checks)

    @staticmethod
    def _why_none(tx: Transaction, record: ChangeRecord) -> str:
        repo, number = record.change.repo, record.change.number
        query = RunQuery(repo=repo, change_number=number, commit=record.change.head_sha, limit=None)
        previews = tx.runs.find(query)
        soft = any(run.status is RunStatus.POLICY_SOFT_FAILED for run in previews)
        return _ONLY_PREVIEWS if soft else _NONE_WAITS
