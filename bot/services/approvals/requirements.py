"""Checks the requirements of an apply. Asks the forge only for what the workspaces require."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from bot.domain.changes.codeowners import CodeOwners, owners_of
from bot.domain.changes.requirements import (
    Check,
    Facts,
    Requirement,
    evaluate,
    met_by_people,
    needed_by,
    people_needed,
    required,
    unmet,
)
from bot.domain.changes.reviews import standing
from bot.domain.errors import ForgeRefused, IllegalMove, NotFound
from bot.domain.events import Change
from bot.domain.people.permissions import Person, Role
from bot.domain.runs.run import Run
from bot.domain.workspaces.workspace import Workspace
from bot.services.approvals.approvals import approve, used
from bot.services.ports import Clock, Forge, KnownApprovals, Store, Transaction
from bot.services.runs.merge_results import why_plan_outdated

_REVIEWED = frozenset({Requirement.APPROVED, Requirement.CODEOWNERS})
_AUTHORED = _REVIEWED | {Requirement.OTHER_PERSON}
# Forges compute whether a change can be merged only after a request, which takes a moment.
_LOOKS = 3
_MOMENT = timedelta(seconds=1)


class RequirementChecker:
    """Fetches facts before a transaction, and checks a workspace's requirements with them within it."""

    def __init__(self, store: Store, forges: Mapping[str, Forge], clock: Clock) -> None:
        self._store = store
        self._forges = forges
        self._clock = clock

    def facts(self, change: Change, workspaces: Iterable[Workspace]) -> Facts:
        """Ask the forge for what the workspaces require. Raises ForgeUnavailable.

        What people have approved is kept: comments and labels say it from then on.
        """
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
                # A requirement that can't be checked is not met. A missing permission never weakens it.
                unknown.update(dict.fromkeys(needs & which, str(error)))

        if not change.merged:
            fetch(frozenset({Requirement.UP_TO_DATE}), "behind", lambda: forge.commits_behind(change))
        fetch(_REVIEWED, "reviews", lambda: forge.reviews(change.repo, change.number))
        fetch(_REVIEWED, "rules", lambda: forge.approval_rules(change.repo, change.number))
        fetch(_REVIEWED, "roles", lambda: _roles(forge, change, found.get("reviews", ())))
        fetch(_AUTHORED, "authors", lambda: forge.commit_authors(change))
        fetch(_AUTHORED, "pushers", lambda: self._pushers(change))
        owned = frozenset({Requirement.CODEOWNERS})
        fetch(owned, "owners", lambda: forge.code_owners(change.repo, change.base_branch))
        fetch(owned, "teams", lambda: _teams(forge, change, found.get("owners"), workspaces))
        facts = Facts(change, unknown=unknown, **found)
        self._keep_approvals(facts, [each for each in workspaces if people_needed(each)])
        return facts

    def _keep_approvals(self, facts: Facts, workspaces: Sequence[Workspace]) -> None:
        """Keep which workspaces people have approved. If that is news, the change is reported again."""
        change = facts.change
        met = {workspace.id: met_by_people(workspace, facts) for workspace in workspaces}
        if not met or not change.open:
            return
        with self._store.reading() as tx:
            record = tx.changes.numbered(change.repo, change.number)
            if record is None or all(record.approved(each) == entries for each, entries in met.items()):
                return
        with self._store.transaction() as tx:
            record = tx.changes.get(record.id)
            here = (change.head_sha, change.base_branch)
            known = record.approvals
            others = known.met if known is not None and (known.commit, known.base_branch) == here else {}
            tx.changes.keep_approvals(record.id, KnownApprovals(*here, {**others, **met}))
            tx.posts.mark_due(self._clock.now(), record.id)

    def _pushers(self, change: Change) -> frozenset[str]:
        with self._store.reading() as tx:
            record = tx.changes.numbered(change.repo, change.number)
        return frozenset(login.lower() for login in record.pushers) if record is not None else frozenset()

    def _decided(self, forge: Forge, change: Change) -> Change:
        """Return the change once the forge has computed whether it can be merged, or after a while."""
        for _ in range(_LOOKS):
            if change.mergeable is not None or not change.open:
                break
            self._clock.wait(_MOMENT)
            again = forge.change(change.repo, change.number)
            if (again.head_sha, again.base_branch) != (change.head_sha, change.base_branch):
                # The change has another commit now: its answer must not count for this one.
                break
            change = again
        return change

    def checks(
        self,
        tx: Transaction,
        workspace: Workspace,
        facts: Facts,
        run: Run | None,
        person: Person | None,
        *,
        code_given: bool = True,
    ) -> tuple[Check, ...]:
        """Check what the workspace requires; `run` is the one whose plan would be applied.

        `code_given` says whether the person named that plan by its code.

        The facts are about the change's latest commit. They say nothing about a plan of another commit.
        """
        policies = tx.policies.of_run(run.id) if run is not None else ()
        checks = evaluate(workspace, facts, policies, person, code_given=code_given)
        head = facts.change.head_sha
        if run is None or run.change_number is None:
            return checks
        if run.commit == head:
            record = tx.changes.numbered(facts.change.repo, facts.change.number)
            why = why_plan_outdated(record, workspace, run)
            return (*checks, Check("latest base", False, why)) if why else checks
        why = f"the plan is of {run.commit[:7]}, and the change is at {head[:7]}: comment `/plan`"
        return (*checks, Check("latest commit", False, why))

    def check_run(self, run_id: str, person: Person) -> None:
        """Check that a change's run may be confirmed. Raises IllegalMove: says what is missing.

        Raises ForgeUnavailable, NotFound too. A run of a branch has no requirements here.
        """
        with self._store.reading() as tx:
            run = tx.runs.get(run_id)
            workspace = tx.workspaces.get(run.workspace_id)
        if run.change_number is None or not workspace.require:
            return
        change = self._forges[workspace.repo.forge].change(workspace.repo, run.change_number)
        facts = self.facts(change, [workspace])
        with self._store.reading() as tx:
            missing = unmet(self.checks(tx, workspace, facts, run, person))
        if missing:
            raise IllegalMove(f"{workspace.name} is not ready to be applied: {missing}")

    def confirmed(self, tx: Transaction, run: Run, person: Person) -> None:
        """Store, in the transaction that confirms a run, that a person approved the plan of the run."""
        now = self._clock.now()
        used(tx, approve(tx, run, person, now), run, now)


def _roles(forge: Forge, change: Change, reviews: Sequence[Any]) -> dict[str, Role]:
    found = standing(reviews, change.author)
    return {login: forge.role(change.repo, review.reviewer) for login, review in found.items()}


def _teams(
    forge: Forge, change: Change, owners: CodeOwners | None, workspaces: Sequence[Workspace]
) -> dict[str, frozenset[str]]:
    if owners is None:
        return {}
    needing = [workspace for workspace in workspaces if Requirement.CODEOWNERS in required(workspace)]
    named = [each for workspace in needing for each in owners_of(owners, workspace.working_directory)]
    teams = dict.fromkeys(team for each in named for team in each.teams)
    return {team: forge.team_members(change.repo, team) for team in teams}
