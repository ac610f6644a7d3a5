"""What an apply needs: each requirement, met and unmet, with the words that say what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.requirements import Facts, Requirement, evaluate, needed_by, unmet
from bot.domain.changes.reviews import ApprovalRule, Review, Verdict
from bot.domain.events import Change, RepoRef
from bot.domain.people.permissions import Person, Role
from bot.domain.policies.policy import EnforcementLevel, PolicyCheck, PolicyOutcome
from bot.domain.workspaces.workspace import Workspace

REPO = RepoRef("github", "acme/infra")
CHANGE = Change(REPO, 1, "t", "Ann", "head000", "topic", "main", False, "", mergeable=True)
YES, NO, GONE, SAID = Verdict.APPROVED, Verdict.CHANGES_REQUESTED, Verdict.DISMISSED, Verdict.COMMENTED
ROLES = {"wren": Role.WRITE, "xena": Role.ADMIN, "rea": Role.READ, "pat": Role.PLAN}


def words(require: str, facts: Facts, policies: tuple[PolicyCheck, ...] = (), where: str = "net") -> str:
    """Return what one requirement says: `+` met, `-` unmet."""
    workspace = Workspace("ws-1", "net", REPO, working_directory=where, require=(require,))
    (check,) = evaluate(workspace, facts, policies)
    assert check.requirement == require
    return f"{'+' if check.met else '-'} {check.why}".strip()


def test_who_is_asked_is_said_until_it_is_approved() -> None:
    asked = replace(CHANGE, asked=("Wren", "acme/platform"))
    assert words("approved", Facts(asked)) == f"{NOBODY} (asked: @Wren, @acme/platform)"
    given = Facts(asked, (Review("wren", YES, "head000"),), ROLES)
    assert words("approved", given) == "+ by wren"
    workspace = Workspace("ws-1", "net", REPO, require=("approved:2",))
    assert unmet(evaluate(workspace, given, ())).endswith("has 1: by wren (asked: @acme/platform)")
    assert "asked:" not in words("mergeable", Facts(replace(asked, mergeable=False)))


NOBODY = "- nobody with write access, other than its author, has approved the latest commit"


@pytest.mark.parametrize(
    ("reviews", "says"),
    [
        ([], NOBODY),
        ([("wren", YES, "head000")], "+ by wren"),
        ([("Wren", YES, "head000"), ("xena", YES, "head000")], "+ by Wren, xena"),
        ([("ann", YES, "head000")], NOBODY),
        ([("ANN", YES, "head000")], NOBODY),
        ([("wren", SAID, "head000")], NOBODY),
        ([("wren", YES, "head000"), ("wren", SAID, "head000")], "+ by wren"),
        ([("wren", YES, "head000"), ("wren", GONE, "head000")], NOBODY),
        ([("wren", YES, "head000"), ("wren", NO, "head000")], "- wren asked for changes"),
        ([("wren", NO, "older00"), ("wren", YES, "head000")], "+ by wren"),
        ([("wren", YES, "head000"), ("xena", NO, "older00")], "- xena asked for changes"),
        ([("wren", YES, "head000"), ("rea", NO, "head000")], "+ by wren"),
        ([("wren", YES, "head000"), ("nobody", NO, "head000")], "+ by wren"),
        ([("wren", YES, "head000"), ("ann", NO, "head000")], "+ by wren"),
        ([("wren", YES, "head000"), ("xena", NO, "head000"), ("xena", GONE, "head000")], "+ by wren"),
        (
            [("wren", YES, "older000")],
            "- wren approved an older commit (older00): the latest one needs it again",
        ),
        ([("wren", YES, "older00"), ("xena", YES, "head000")], "+ by xena"),
        (
            [("pat", YES, "head000")],
            "- pat approved it, but has no write access: somebody who has must",
        ),
        (
            [("stranger", YES, "head000")],
            "- stranger approved it, but has no write access: somebody who has must",
        ),
    ],
)
def test_approved(reviews: list[tuple[str, Verdict, str]], says: str) -> None:
    facts = Facts(CHANGE, tuple(Review(*review) for review in reviews), ROLES)
    assert words("approved", facts) == says


@pytest.mark.parametrize(
    ("owners", "reviews", "says"),
    [
        (None, ["wren"], "- there is no CODEOWNERS file on main"),
        ("/app/ @xena", [], "+ CODEOWNERS names nobody for net/"),
        ("/net/ @xena", ["wren"], "- an owner of net/ has to approve the latest commit: xena"),
        ("/net/ @Xena", ["xena"], "+ by xena"),
        ("/net/ @acme/ops", ["xena"], "- an owner of net/ has to approve the latest commit: acme/ops"),
        ("/net/ @acme/ops", ["wren"], "+ by wren"),
        ("/net/ @rea", ["rea"], "- an owner of net/ has to approve the latest commit: rea"),
        ("/net/ @ann", ["ann"], "- an owner of net/ has to approve the latest commit: ann"),
    ],
)
def test_codeowners(owners: str | None, reviews: list[str], says: str) -> None:
    given = tuple(Review(login, YES, "head000") for login in reviews)
    file = None if owners is None else CodeOwners(owners)
    facts = Facts(CHANGE, given, ROLES, owners=file, teams={"acme/ops": frozenset({"wren"})})
    assert words("codeowners", facts) == says


def test_an_owners_approval_of_an_older_commit_is_none() -> None:
    facts = Facts(CHANGE, (Review("wren", YES, "older00"),), ROLES, owners=CodeOwners("* @wren"))
    assert words("codeowners", facts) == "- an owner of net/ has to approve the latest commit: wren"


def test_an_approval_of_no_commit_that_is_known_is_none() -> None:
    facts = Facts(CHANGE, (Review("wren", YES, ""),), ROLES)
    assert words("approved", facts) == "- wren approved an older commit: the latest one needs it again"


def test_the_forges_own_rules_want_approvals_of_the_latest_commit_too() -> None:
    reviews = (Review("wren", YES, "head000"), Review("xena", YES, "older00"), Review("ann", YES, "head000"))
    both = frozenset({"wren", "xena", "ann"})
    rules = (
        ApprovalRule("Security", 2, both),
        ApprovalRule("Anybody", 1, both),
        ApprovalRule("Lawyers", 1, frozenset()),
        ApprovalRule("/net/", 1, frozenset(), code_owners=True),
    )
    facts = Facts(CHANGE, reviews, ROLES, owners=CodeOwners("* @wren"), rules=rules)
    lacking = "- the latest commit lacks approvals by the forge's own rules:"
    assert words("approved", facts) == f"{lacking} Security (1 more), Lawyers (1 more)"
    assert words("codeowners", facts) == f"{lacking} /net/ (1 more)"
    assert words("approved", replace(facts, rules=rules[1:2])) == "+ by wren"
    assert words("codeowners", replace(facts, rules=rules[:3])) == "+ by wren"
    many = tuple(ApprovalRule(f"r{i}", 1, frozenset()) for i in range(7))
    assert words("approved", replace(facts, rules=many)).endswith("r4 (1 more) and 2 more")


def test_each_section_of_code_owners_has_to_approve() -> None:
    file = CodeOwners("* @wren\n[Net][2]\n/net/ @acme/ops\n^[Free]\n* @nobody\n", sections=True)
    teams = {"wren": frozenset({"wren"}), "acme/ops": frozenset({"wren", "xena"})}
    facts = Facts(CHANGE, (Review("wren", YES, "head000"),), ROLES, owners=file, teams=teams)
    assert words("codeowners", facts) == (
        "- 2 owners of net/ have to approve the latest commit: acme/ops, in the section Net"
    )
    both = replace(facts, reviews=(*facts.reviews, Review("xena", YES, "head000")))
    assert words("codeowners", both) == "+ by wren, xena"
    assert words("codeowners", facts, where="app") == "+ by wren"


@pytest.mark.parametrize(
    ("require", "facts", "says"),
    [
        ("mergeable", Facts(CHANGE), "+"),
        ("mergeable", Facts(replace(CHANGE, mergeable=False)), "- it has conflicts with main"),
        (
            "mergeable",
            Facts(replace(CHANGE, mergeable=None)),
            "- the forge is still finding out whether it can be merged: ask again in a moment",
        ),
        ("up_to_date", Facts(CHANGE, behind=0), "+"),
        ("up_to_date", Facts(CHANGE, behind=1), "- main has a commit that it lacks: merge or rebase"),
        ("up_to_date", Facts(CHANGE, behind=12), "- main has 12 commits that it lacks: merge or rebase"),
        ("up_to_date", Facts(CHANGE), "- how far it is behind main is not known yet: ask again"),
        ("not_draft", Facts(CHANGE), "+"),
        ("mergeable", Facts(replace(CHANGE, merged=True, mergeable=None)), "+ it is merged"),
        ("up_to_date", Facts(replace(CHANGE, merged=True)), "+ it is merged"),
        (
            "not_draft",
            Facts(replace(CHANGE, draft=True)),
            "- it is a draft: mark it as ready for review",
        ),
    ],
)
def test_the_changes_own_state(require: str, facts: Facts, says: str) -> None:
    assert words(require, facts) == says


@pytest.mark.parametrize(
    ("level", "outcome", "says"),
    [
        (EnforcementLevel.SOFT, PolicyOutcome.PASSED, "+"),
        (EnforcementLevel.ADVISORY, PolicyOutcome.FAILED, "+"),
        (EnforcementLevel.SOFT, PolicyOutcome.FAILED, "- soft-mandatory policy not passed: set/p"),
        (EnforcementLevel.HARD, PolicyOutcome.ERRORED, "- hard-mandatory policy not passed: set/p"),
    ],
)
def test_policies_passed(level: EnforcementLevel, outcome: PolicyOutcome, says: str) -> None:
    check = PolicyCheck("set", "v1", "p", level, outcome)
    assert words("policies_passed", Facts(CHANGE), (check,)) == says


def test_what_could_not_be_found_out_is_unmet() -> None:
    facts = Facts(CHANGE, unknown={Requirement.APPROVED: "not known here"})
    assert words("approved", facts) == "- not known here"


def test_the_table_has_the_permission_first_and_then_what_is_required_in_a_fixed_order() -> None:
    workspace = Workspace("ws-1", "net", REPO, require=("not_draft", "mergeable", "approved"))
    checks = evaluate(workspace, Facts(CHANGE), (), Person("pat", Role.PLAN))
    assert [check.requirement for check in checks] == ["permission", "approved", "mergeable", "not_draft"]
    assert unmet(checks) == (
        "permission: pat has plan access to this repository; apply needs write access; "
        "approved: nobody with write access, other than its author, has approved the latest commit"
    )
    assert evaluate(replace(workspace, require=()), Facts(CHANGE), ()) == ()


def test_what_several_workspaces_need_together() -> None:
    one = Workspace("ws-1", "a", REPO, require=("approved",))
    assert needed_by([one, replace(one, require=("not_draft",))]) == {
        Requirement.APPROVED,
        Requirement.NOT_DRAFT,
    }
