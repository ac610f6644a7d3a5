"""The requirements of an apply, each with its reason if unmet. Comments, pages and `/why` share them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from bot.domain.changes.codeowners import CodeOwners, owners_of
from bot.domain.changes.reviews import ApprovalRule, Review, Verdict, asked_words, standing
from bot.domain.events import Change
from bot.domain.people.permissions import Action, Person, Role, refusal
from bot.domain.policies.policy import PolicyCheck, why_stopped
from bot.domain.workspaces.workspace import Workspace


class Requirement(StrEnum):
    """A requirement, with its name in plangate.yml."""

    APPROVED = "approved"
    CODEOWNERS = "codeowners"
    MERGEABLE = "mergeable"
    UP_TO_DATE = "up_to_date"
    POLICIES_PASSED = "policies_passed"
    NOT_DRAFT = "not_draft"
    PLAN_CODE = "plan_code"
    OTHER_PERSON = "other_person"


PERMISSION = "permission"
_CODE = "name the plan by its code, as the comment does: `/apply name CODE`"
# After the merge, the run of the branch is applied, so requirements for the merge no longer matter.
_OF_MERGING = frozenset({Requirement.MERGEABLE, Requirement.UP_TO_DATE, Requirement.NOT_DRAFT})

_APPROVING = frozenset({Requirement.APPROVED, Requirement.CODEOWNERS})
_KNOWN = frozenset({Requirement.MERGEABLE, Requirement.NOT_DRAFT, Requirement.POLICIES_PASSED})


@dataclass(frozen=True)
class Facts:
    """The forge's facts about a change, as far as the requirements need them.

    `reviews` are oldest first. `roles` are the reviewers' roles, `teams` the members of teams, by names in
    lower case. `behind` counts the missing commits of the base branch, None if unknown. `owners` is
    CODEOWNERS on the base branch, None if there is none. `rules` are the forge's own approval rules.
    `authors` wrote or committed a commit of the change, `pushers` pushed to it, as far as the forge tells, by
    logins in lower case. `unknown` has the reason for each requirement that can't be checked: it is then
    unmet.
    """

    change: Change
    reviews: tuple[Review, ...] = ()
    roles: Mapping[str, Role] = field(default_factory=dict)
    behind: int | None = None
    owners: CodeOwners | None = None
    rules: tuple[ApprovalRule, ...] = ()
    teams: Mapping[str, frozenset[str]] = field(default_factory=dict)
    unknown: Mapping[Requirement, str] = field(default_factory=dict)
    authors: frozenset[str] = frozenset()
    pushers: frozenset[str] = frozenset()

    @property
    def contributors(self) -> frozenset[str]:
        """The people whose work the change is. Their approval does not count."""
        return self.authors | self.pushers | {self.change.author.lower()}


@dataclass(frozen=True)
class Check:
    """A requirement, whether it is met, and what is missing or what meets it."""

    requirement: str
    met: bool
    why: str


def needed_by(workspaces: Iterable[Workspace]) -> frozenset[Requirement]:
    """Return the requirements of any of the workspaces."""
    return frozenset(name for workspace in workspaces for name in required(workspace))


def required(workspace: Workspace) -> dict[Requirement, int]:
    """Return the workspace's requirements, each with a number of people: `approved: 2` needs two."""
    found: dict[Requirement, int] = {}
    for entry in workspace.require:
        name, _, count = entry.partition(":")
        requirement = Requirement(name)
        found[requirement] = max(found.get(requirement, 1), int(count or 1))
    return found


def evaluate(
    workspace: Workspace,
    facts: Facts,
    policies: Sequence[PolicyCheck],
    person: Person | None = None,
    *,
    code_given: bool = True,
) -> tuple[Check, ...]:
    """Check the workspace's requirements, in a fixed order. Permission only if a person asks.

    `code_given` says whether the person named the plan by its code. A page shows the plan that it confirms.
    """
    requires = required(workspace)
    checks = []
    if person is not None:
        may = person.may(Action.CONFIRM)
        why = f"{person.login} has {person.role.name.lower()} access" if may else ""
        checks.append(Check(PERMISSION, may, why or refusal(person, Action.CONFIRM)))
    for requirement in Requirement:
        if requirement in requires:
            if facts.change.merged and requirement in _OF_MERGING:
                checks.append(Check(requirement.value, True, "it is merged"))
            elif requirement in facts.unknown:
                checks.append(Check(requirement.value, False, facts.unknown[requirement]))
            elif requirement is Requirement.PLAN_CODE:
                checks.append(Check(requirement.value, code_given, "" if code_given else _CODE))
            elif requirement is Requirement.OTHER_PERSON:
                checks.append(Check(requirement.value, *_other(facts, person)))
            else:
                needed = requires[requirement]
                met, why = _check(requirement, workspace, facts, policies, needed)
                checks.append(Check(requirement.value, met, why))
    return tuple(checks)


def people_needed(workspace: Workspace) -> bool:
    """Whether people have to approve an apply in the workspace. Only the forge knows whether they have."""
    return not _APPROVING.isdisjoint(required(workspace))


def of_people(workspace: Workspace) -> tuple[str, ...]:
    """Return the entries of `require` that need people's approval."""
    return tuple(each for each in workspace.require if Requirement(each.partition(":")[0]) in _APPROVING)


def met_by_people(workspace: Workspace, facts: Facts) -> tuple[str, ...]:
    """Return those entries of `require` that need people's approval and have it."""
    met = {check.requirement for check in evaluate(workspace, facts, ()) if check.met}
    return tuple(each for each in of_people(workspace) if each.partition(":")[0] in met)


def known_unmet(workspace: Workspace, change: Change, policies: Sequence[PolicyCheck]) -> tuple[Check, ...]:
    """Return what an apply lacks for certain, as far as that is known without asking the forge."""
    checks = evaluate(workspace, Facts(change), policies)
    known = _KNOWN if change.mergeable is not None else _KNOWN - {Requirement.MERGEABLE}
    return tuple(check for check in checks if not check.met and check.requirement in known)


def needs(workspace: Workspace) -> str:
    """List the requirements of an apply in a workspace, before they are checked."""
    return f"An apply needs: {', '.join(workspace.require)}. Comment /why to see what is missing."


def unmet(checks: Iterable[Check]) -> str:
    """Say in one line what is missing. Empty if nothing is."""
    return "; ".join(f"{check.requirement}: {check.why}" for check in checks if not check.met)


def _check(
    requirement: Requirement,
    workspace: Workspace,
    facts: Facts,
    policies: Sequence[PolicyCheck],
    needed: int,
) -> tuple[bool, str]:
    change = facts.change
    match requirement:
        case Requirement.APPROVED:
            met, why = _approved(facts, needed)
            return met, why if met else f"{why}{_asked(facts)}"
        case Requirement.CODEOWNERS:
            return _owned(facts, workspace)
        case Requirement.MERGEABLE:
            if change.mergeable is None:
                return False, "the forge is still finding out whether it can be merged: ask again in a moment"
            conflicts = f"it has conflicts with {change.base_branch}"
            return change.mergeable, "" if change.mergeable else conflicts
        case Requirement.UP_TO_DATE:
            if facts.behind is None:
                return False, f"how far it is behind {change.base_branch} is not known yet: ask again"
            if not facts.behind:
                return True, ""
            commits = "a commit" if facts.behind == 1 else f"{facts.behind} commits"
            return False, f"{change.base_branch} has {commits} that it lacks: merge or rebase"
        case Requirement.POLICIES_PASSED:
            why = why_stopped(policies)
            return not why, why
        case Requirement.NOT_DRAFT:
            return not change.draft, "it is a draft: mark it as ready for review" if change.draft else ""
        case Requirement.PLAN_CODE | Requirement.OTHER_PERSON:
            raise AssertionError(f"{requirement} is checked for the person, not for the change")


def _counting(facts: Facts, verdict: Verdict) -> list[Review]:
    """Return the current reviews with a verdict by people with write access. Strangers don't count."""
    found = standing(facts.reviews, facts.change.author)
    return [
        review
        for login, review in found.items()
        if review.verdict is verdict and facts.roles.get(login, Role.NONE) >= Role.WRITE
    ]


def _fresh(facts: Facts) -> list[Review]:
    """Return the approvals of the latest commit that count. Those of contributors do not."""
    return [
        review
        for review in _counting(facts, Verdict.APPROVED)
        if review.commit == facts.change.head_sha and review.reviewer.lower() not in facts.contributors
    ]


def _approved(facts: Facts, needed: int) -> tuple[bool, str]:
    """Approved for the latest commit by `needed` people with write access, and no such person objects."""
    against = _counting(facts, Verdict.CHANGES_REQUESTED)
    if against:
        return False, f"{_names(against)} asked for changes"
    fresh = _fresh(facts)
    if len(fresh) >= needed:
        lacking = _lacking(facts, code_owners=False)
        return not lacking, lacking or f"by {_names(fresh)}"
    if fresh:
        return (
            False,
            f"it needs {needed} approvals of the latest commit and has {len(fresh)}: by {_names(fresh)}",
        )
    approvals = _counting(facts, Verdict.APPROVED)
    own = [review for review in approvals if review.reviewer.lower() in facts.contributors]
    if own:
        return (
            False,
            f"{_names(own)} approved it, but pushed to it or wrote a commit of it: somebody else must",
        )
    if approvals:
        older = f" ({approvals[0].commit[:7]})" if approvals[0].commit else ""
        return False, f"{_names(approvals)} approved an older commit{older}: the latest one needs it again"
    found = standing(facts.reviews, facts.change.author)
    powerless = [review for review in found.values() if review.verdict is Verdict.APPROVED]
    if powerless:
        return False, f"{_names(powerless)} approved it, but has no write access: somebody who has must"
    return False, "nobody with write access, other than its author, has approved the latest commit"


def _asked(facts: Facts) -> str:
    """Say who was asked for a review and has not approved the latest commit."""
    approved = {review.reviewer.lower() for review in _fresh(facts)}
    words = asked_words([name for name in facts.change.asked if name.lower() not in approved])
    return f" ({words})" if words else ""


def _other(facts: Facts, person: Person | None) -> tuple[bool, str]:
    """Whether the person who asks for the apply is not a contributor."""
    whose = ", ".join(sorted(facts.contributors)[:5])
    if person is None:
        return True, f"somebody other than {whose} has to apply it"
    if person.login.lower() not in facts.contributors:
        return True, f"{person.login} has not pushed to it"
    return False, f"{person.login} pushed to it or wrote a commit of it: somebody else has to apply it"


def _owned(facts: Facts, workspace: Workspace) -> tuple[bool, str]:
    """Approved for the latest commit by the owners of the workspace's directory."""
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
    """Say which of the forge's approval rules are unmet: those about code owners, or the others."""
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
