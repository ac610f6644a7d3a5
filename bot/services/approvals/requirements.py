"""Finds out what an apply of a change needs: asks the forge only for what the workspaces require."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.domain.codeowners import CodeOwners, owners_of
from bot.domain.errors import ForgeRefused, IllegalMove, NotFound
from bot.domain.events import Change
from bot.domain.permissions import Person, Role
from bot.domain.requirements import Check, Facts, Requirement, evaluate, needed_by, unmet
from bot.domain.reviews import standing
from bot.domain.run import Run
from bot.domain.workspace import Workspace
from bot.services.ports import Clock, Forge, Store, Transaction

_REVIEWED = frozenset({Requirement.APPROVED, Requirement.CODEOWNERS})
# Forges find out whether a change can be merged only once they are asked, which takes them a moment.
_LOOKS = 3
_MOMENT = timedelta(seconds=1)


class Requiring:
    """Gathers facts before a transaction, and holds them against what a workspace requires within it."""

    def __init__(self, store: Store, forges: Mapping[str, Forge], clock: Clock) -> None:
        self._store = store
        self._forges = forges
        self._clock = clock

    def facts(self, change: Change, workspaces: Iterable[Workspace]) -> Facts:
        """Ask the forge for what the workspaces require. Raises ForgeUnavailable."""
        workspaces = tuple(workspaces)
        needs = needed_by(workspaces)
        forge = self._forges[change.repo.forge]
        if Requirement.MERGEABLE in needs:
            change = self._decided(forge, change)
        found: dict[str, Any] = {}
        unknown: dict[Requirement, str] = {}

        def fetch(which: frozenset[Requirement], name: str, ask: Callable[[], object]) -> None:
            if not needs & which:
                return
            try:
                found[name] = ask()
            except (ForgeRefused, NotFound) as error:
                # What can't be checked is not met: a requirement never gives way to a missing permission.
                unknown.update(dict.fromkeys(needs & which, str(error)))

        if not change.merged:
            fetch(frozenset({Requirement.UP_TO_DATE}), "behind", lambda: forge.commits_behind(change))
        fetch(_REVIEWED, "reviews", lambda: forge.reviews(change.repo, change.number))
        fetch(_REVIEWED, "rules", lambda: forge.approval_rules(change.repo, change.number))
        fetch(_REVIEWED, "roles", lambda: _roles(forge, change, found.get("reviews", ())))
        owned = frozenset({Requirement.CODEOWNERS})
        fetch(owned, "owners", lambda: forge.code_owners(change.repo, change.base_branch))
        fetch(owned, "teams", lambda: _teams(forge, change, found.get("owners"), workspaces))
        return Facts(change, unknown=unknown, **found)

    def _decided(self, forge: Forge, change: Change) -> Change:
        """Return the change once the forge knows whether it can be merged, as it is where that takes long."""
        for _ in range(_LOOKS):
            if change.mergeable is not None or not change.open:
                break
            self._clock.wait(_MOMENT)
            again = forge.change(change.repo, change.number)
            if (again.head_sha, again.base_branch) != (change.head_sha, change.base_branch):
                # What is asked about is no longer there: another look must not speak for it.
                break
            change = again
        return change

    def checks(
        self, tx: Transaction, workspace: Workspace, facts: Facts, run: Run | None, person: Person | None
    ) -> tuple[Check, ...]:
        """Check what the workspace requires; `run` is the one whose plan would be applied.

        What was found out is true of the change's latest commit: a plan of another has nothing of it.
        """
        checks = evaluate(workspace, facts, tx.policies.of_run(run.id) if run is not None else (), person)
        head = facts.change.head_sha
        if run is None or run.change_number is None or run.commit == head:
            return checks
        why = f"the plan is of {run.commit[:7]}, and the change is at {head[:7]}: comment `/plan`"
        return (*checks, Check("latest commit", False, why))

    def check_run(self, run_id: str) -> None:
        """Make sure that a change's run may be confirmed. Raises IllegalMove: says what is missing.

        Raises ForgeUnavailable, NotFound too. A run of a branch is held to nothing here.
        """
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
            workspace = tx.workspaces.get(run.workspace_id)
        if run.change_number is None or not workspace.require:
            return
        change = self._forges[workspace.repo.forge].change(workspace.repo, run.change_number)
        facts = self.facts(change, [workspace])
        with self._store.reading() as tx:
            missing = unmet(self.checks(tx, workspace, facts, run, None))
        if missing:
            raise IllegalMove(f"{workspace.name} is not ready to be applied: {missing}")


def _roles(forge: Forge, change: Change, reviews: Sequence[Any]) -> dict[str, Role]:
    found = standing(reviews, change.author)
    return {login: forge.role(change.repo, review.reviewer) for login, review in found.items()}


def _teams(
    forge: Forge, change: Change, owners: CodeOwners | None, workspaces: Sequence[Workspace]
) -> dict[str, frozenset[str]]:
    if owners is None:
        return {}
    needing = [workspace for workspace in workspaces if "codeowners" in workspace.require]
    named = [each for workspace in needing for each in owners_of(owners, workspace.working_directory)]
    teams = dict.fromkeys(team for each in named for team in each.teams)
    return {team: forge.team_members(change.repo, team) for team in teams}
