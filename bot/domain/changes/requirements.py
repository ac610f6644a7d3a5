"""What an apply needs, each with its reason when unmet; for comments, pages and `/why` alike (promise 7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.codeowners import CodeOwners, owners_of
from bot.domain.events import Change
from bot.domain.permissions import Action, Person, Role, refusal
from bot.domain.policy import PolicyCheck, why_stopped
from bot.domain.reviews import ApprovalRule, Review, Verdict, standing
from bot.domain.workspace import Workspace


class Requirement(StrEnum):
    """A condition on an apply, as plangate.yml spells it."""

    APPROVED = "approved"
    CODEOWNERS = "codeowners"
    MERGEABLE = "mergeable"
    UP_TO_DATE = "up_to_date"
    POLICIES_PASSED = "policies_passed"
    NOT_DRAFT = "not_draft"


PERMISSION = "permission"
# What only says whether a change may be merged is moot once it is: then the run of the branch is applied.
_OF_MERGING = frozenset({Requirement.MERGEABLE, Requirement.UP_TO_DATE, Requirement.NOT_DRAFT})


@dataclass(frozen=True)
class Facts:
    """What the forge says of a change, as far as the requirements in question need it.

    `reviews` are oldest first; `roles` are those of reviewers, `teams` the members of teams, both by names in
    lower case. `behind` counts the base branch's commits that it lacks, None where nobody asked. `owners` is
    CODEOWNERS on the base branch, None where there is none; `rules` are the forge's own rules of approval.
    `unknown` says of a requirement why what it needs could not be found out: it is then unmet.
    """

    change: Change
    reviews: tuple[Review, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    behind: int | None = None
    owners: CodeOwners | None = None
    rules: tuple[ApprovalRule, ...] = ()
    teams: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unknown: Mapping[Requirement, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Check:
    """A requirement, whether it is met, and what is missing or what meets it."""

    requirement: str
    met: bool
    why: str


def needed_by(workspaces: Iterable[Workspace]) -> frozenset[Requirement]:
    """Return what any of the workspaces requires."""
    return frozenset(Requirement(name) for workspace in workspaces for name in workspace.require)


def evaluate(
    workspace: Workspace, facts: Facts, policies: Sequence[PolicyCheck], person: Person | None = None
) -> tuple[Check, ...]:
    """Check what the workspace requires, in a fixed order; whose permission only where a person asks."""
    checks = []
    if person is not None:
        may = person.may(Action.CONFIRM)
        why = f"{person.login} has {person.role.name.lower()} access" if may else ""
        checks.append(Check(PERMISSION, may, why or refusal(person, Action.CONFIRM)))
    for requirement in Requirement:
        if requirement.value in workspace.require:
            if facts.change.merged and requirement in _OF_MERGING:
                checks.append(Check(requirement.value, True, "it is merged"))
            elif requirement in facts.unknown:
                checks.append(Check(requirement.value, False, facts.unknown[requirement]))
            else:
                checks.append(Check(requirement.value, *_check(requirement, workspace, facts, policies)))
    return tuple(checks)


def needs(workspace: Workspace) -> str:
    """Say what an apply of a change needs there, before anybody looked whether it is met."""
    return f"An apply needs: {', '.join(workspace.require)}. Comment /why to see what is missing."


def unmet(checks: Iterable[Check]) -> str:
    """Say in one line what is missing, empty where nothing is."""
    return "; ".join(f"{check.requirement}: {check.why}" for check in checks if not check.met)


def _check(
    requirement: Requirement, workspace: Workspace, facts: Facts, policies: Sequence[PolicyCheck]
) -> tuple[bool, str]:
    change = facts.change
    match requirement:
        case Requirement.APPROVED:
            return _approved(facts)
        case Requirement.CODEOWNERS:
            return _owned(facts, workspace)
        case Requirement.MERGEABLE:
            if change.mergeable is None:
                return False, "the forge is still finding out whether it can be merged: ask again in a moment"
            conflicts = f"it has conflicts with {change.base_branch}"
            return change.mergeable, "" if change.mergeable else conflicts
        case Requirement.UP_TO_DATE:
            if facts.behind is None:
                return False, f"how far it is behind {change.base_branch} was not looked up: ask again"
            if not facts.behind:
                return True, ""
            commits = "a commit" if facts.behind == 1 else f"{facts.behind} commits"
            return False, f"{change.base_branch} has {commits} that it lacks: merge or rebase"
        case Requirement.POLICIES_PASSED:
            why = why_stopped(policies)
            return not why, why
        case Requirement.NOT_DRAFT:
            return not change.draft, "it is a draft: mark it as ready for review" if change.draft else ""


def _counting(facts: Facts, verdict: Verdict) -> list[Review]:
    """Return the standing reviews of a verdict by people who may write: a stranger's word decides nothing."""
    found = standing(facts.reviews, facts.change.author)
    return [
        review
        for login, review in found.items()
        if review.verdict is verdict and facts.roles.get(login, Role.NONE) >= Role.WRITE
    ]


def _fresh(facts: Facts) -> list[Review]:
    """Return the approvals that count, of the commit that is there now."""
    return [review for review in _counting(facts, Verdict.APPROVED) if review.commit == facts.change.head_sha]


def _approved(facts: Facts) -> tuple[bool, str]:
    """Approved by somebody who may write, for the commit that is there now, and no such person objects."""
    against = _counting(facts, Verdict.CHANGES_REQUESTED)
    if against:
        return False, f"{_names(against)} asked for changes"
    fresh = _fresh(facts)
    if fresh:
        lacking = _lacking(facts, code_owners=False)
        return not lacking, lacking or f"by {_names(fresh)}"
    approvals = _counting(facts, Verdict.APPROVED)
    if approvals:
        older = f" ({approvals[0].commit[:7]})" if approvals[0].commit else ""
        return False, f"{_names(approvals)} approved an older commit{older}: the latest one needs it again"
    found = standing(facts.reviews, facts.change.author)
    powerless = [review for review in found.values() if review.verdict is Verdict.APPROVED]
    if powerless:
        return False, f"{_names(powerless)} approved it, but has no write access: somebody who has must"
    return False, "nobody with write access, other than its author, has approved the latest commit"


def _owned(facts: Facts, workspace: Workspace) -> tuple[bool, str]:
    """Approved, for the commit that is there now, by the owners of the workspace's directory."""
    directory = f"{workspace.working_directory or '.'}/"
    if facts.owners is None:
        return False, f"there is no CODEOWNERS file on {facts.change.base_branch}"
    lacking = _lacking(facts, code_owners=True)
    if lacking:
        return False, lacking
    parts = owners_of(facts.owners, workspace.working_directory)
    if not parts:
        return True, f"CODEOWNERS names nobody for {directory}"
    approved: list[Review] = []
    for owners in parts:
        people = {*owners.people, *(login for team in owners.teams for login in facts.teams.get(team, ()))}
        given = [review for review in _fresh(facts) if review.reviewer.lower() in people]
        if len(given) < owners.needed:
            who = "an owner" if owners.needed == 1 else f"{owners.needed} owners"
            section = f", in the section {owners.section}" if owners.section else ""
            verb = "has" if owners.needed == 1 else "have"
            return False, f"{who} of {directory} {verb} to approve the latest commit: {owners}{section}"
        approved += given
    return True, f"by {_names(list(dict.fromkeys(approved)))}"


def _lacking(facts: Facts, *, code_owners: bool) -> str:
    """Say what the forge's own rules of approval lack, as far as they concern code owners or do not."""
    approved = {
        login
        for login, review in standing(facts.reviews, facts.change.author).items()
        if review.verdict is Verdict.APPROVED and review.commit == facts.change.head_sha
    }
    lacking = [
        f"{rule.name} ({missing} more)"
        for rule in facts.rules
        if rule.code_owners is code_owners and (missing := rule.lacking(approved))
    ]
    if not lacking:
        return ""
    more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
    return f"the latest commit lacks approvals by the forge's own rules: {', '.join(lacking[:5])}{more}"


def _names(reviews: Sequence[Review]) -> str:
    names = [review.reviewer for review in reviews]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
