"""`/override [workspace] [policy] reason` in a comment: which runs are meant, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bot.domain.errors import Refused
from bot.domain.events import RepoRef
from bot.domain.lifecycle import RunStatus
from bot.domain.permissions import Person
from bot.domain.policy import Level, failing
from bot.domain.policy_owners import Teams
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.outcome import Outcome
from bot.services.overriding import Overriding
from bot.services.ports import ChangeRecord, RunQuery, Transaction
from bot.services.transitions import Transitions

_NONE_WAITS = "no run of this change waits for an override"
_ONLY_PREVIEWS = (
    "no run of this change waits for an override: a plan alone needs none; "
    "comment `/apply`, and override the run that then stops at its policies"
)


class OverrideComments:
    """Carries out the override commands of comments."""

    def __init__(self, transitions: Transitions, overriding: Overriding) -> None:
        self._transitions = transitions
        self._overriding = overriding

    def teams(self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person) -> Teams:
        """Ask the forge, before the transaction, who is in the teams that own sets of these workspaces."""
        return self._overriding.teams_for(repo, workspaces, person)

    def owns_any(self, repo: RepoRef, workspaces: Sequence[Workspace], person: Person, teams: Teams) -> bool:
        """Whether the person owns a policy set that judges one of these workspaces."""
        return self._overriding.owns_any(repo, workspaces, person, teams)

    def carry_out(
        self,
        tx: Transaction,
        text: str,
        person: Person,
        record: ChangeRecord,
        outcome: Outcome,
        teams: Teams,
    ) -> list[tuple[str, str]]:
        """Override in every run that is meant; return the refusals, each a place and why."""
        runs = self._waiting(tx, record)
        names = {run.id: tx.workspaces.get(run.workspace_id).name for run in runs}
        words = text.split()
        if words and words[0] in names.values():
            runs = [run for run in runs if names[run.id] == words[0]]
            words = words[1:]
        if not runs:
            why = self._why_none(tx, record)
            outcome.say("refused", why)
            return [("/override", why)]
        policy = words.pop(0) if words and self._is_policy(tx, runs, words[0]) else ""
        refusals = []
        for run in runs:
            try:
                self._override(tx, run, person, " ".join(words), policy, outcome, teams)
                outcome.say("overridden", f"/override by {person.login}", names[run.id], run.id)
            except Refused as error:
                refusals.append((names[run.id], str(error)))
                outcome.say("refused", str(error), names[run.id])
        return refusals

    def _override(
        self,
        tx: Transaction,
        run: Run,
        person: Person,
        reason: str,
        policy: str,
        outcome: Outcome,
        teams: Teams,
    ) -> None:
        saved = run
        for moved, line in self._overriding.moves(tx, run, person, reason, policy, teams):
            saved = tx.runs.save(replace(moved, version=saved.version), line)
        self._transitions.after(tx, run, saved, outcome.wake)
        if saved.status is RunStatus.APPLY_QUEUED:
            outcome.wake.runs.append(saved)

    @staticmethod
    def _waiting(tx: Transaction, record: ChangeRecord) -> list[Run]:
        found = tx.runs.find(
            RunQuery(
                repo=record.change.repo,
                change_number=record.change.number,
                statuses=frozenset({RunStatus.POLICY_OVERRIDE.value}),
            )
        )
        return sorted(found, key=lambda run: run.created_at)

    @staticmethod
    def _is_policy(tx: Transaction, runs: Sequence[Run], word: str) -> bool:
        checks = (check for run in runs for check in failing(tx.policies.of_run(run.id), Level.SOFT))
        return any(check.answers_to(word) for check in checks)

    @staticmethod
    def _why_none(tx: Transaction, record: ChangeRecord) -> str:
        repo, number = record.change.repo, record.change.number
        previews = tx.runs.find(RunQuery(repo=repo, change_number=number, commit=record.change.head_sha))
        soft = any(run.status is RunStatus.POLICY_SOFT_FAILED for run in previews)
        return _ONLY_PREVIEWS if soft else _NONE_WAITS
