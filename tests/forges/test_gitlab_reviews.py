"""Approvals, rules, distance, code owners and groups, against scripted answers of GitLab."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import ApprovalRule, Review, Verdict
from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import Change, RepoRef
from bot.forges.gitlab.api import TokenLogin
from bot.forges.gitlab.client import GitLabForge
from tests.fakes.github_api import Reply, ScriptedForge

REPO = RepoRef("lab", "platform/network/infra")
HERE = "/projects/platform%2Fnetwork%2Finfra"
MR = f"{HERE}/merge_requests/12"
OLD, HEAD = "a" * 40, "b" * 40
CHANGE = Change(REPO, 12, "t", "ann", HEAD, "topic", "main", False, "")


@pytest.fixture
def forge(gitlab: ScriptedForge) -> GitLabForge:
    return GitLabForge("lab", TokenLogin("glpat-x"), url=gitlab.url.removesuffix("/api/v4"))


def user(login: str, number: int = 5) -> dict[str, object]:
    return {"id": number, "username": login}


def approval(login: str, number: int, at: str = "") -> dict[str, object]:
    return {"user": user(login, number), **({"approved_at": at} if at else {})}


def version(head: str, at: str) -> dict[str, object]:
    return {"id": 1, "head_commit_sha": head, "created_at": at}


def note(number: int, at: str, **fields: object) -> dict[str, object]:
    body = "approved this merge request"
    return {"id": 9, "author": user("x", number), "body": body, "system": True, "created_at": at, **fields}


def day(number: int, millis: int = 0) -> str:
    return f"2026-01-{number:02}T10:00:00.{millis:03}Z"


# A push on the first day, another on the third.
VERSIONS = [version(HEAD, day(3)), version(OLD, day(1))]


def answering(
    gitlab: ScriptedForge, approvals: list[dict[str, object]], **more: list[dict[str, object]]
) -> None:
    gitlab.on("GET", f"{MR}/approvals", Reply({"approved": True, "approved_by": approvals}))
    gitlab.on("GET", f"{MR}/versions", Reply(more.get("versions", VERSIONS)))
    gitlab.on("GET", f"{MR}/notes", Reply(more.get("notes", [])))
    gitlab.on("GET", f"{MR}/reviewers", Reply(more.get("reviewers", [])))


def yes(login: str, commit: str) -> Review:
    return Review(login, Verdict.APPROVED, commit)


def test_an_approval_is_of_the_version_that_was_the_newest_when_it_was_given(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    given = [
        ("late", day(3, 1)),
        ("then", day(3)),
        ("between", day(2)),
        ("before", "2025-12-31T23:00:00+00:00"),
    ]
    answering(gitlab, [approval(login, i + 1, at) for i, (login, at) in enumerate(given)])
    # Oldest first. What came at the very moment of the new version can not have been about it.
    assert forge.reviews(REPO, 12) == (
        yes("before", ""),
        yes("between", OLD),
        yes("then", OLD),
        yes("late", HEAD),
    )
    assert f"GET {MR}/notes" not in gitlab.calls()


def test_a_head_that_comes_back_has_to_be_approved_again(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    there_and_back = [version(OLD, day(5)), *VERSIONS]
    answering(gitlab, [approval("rita", 1, day(4))], versions=there_and_back)
    assert forge.reviews(REPO, 12) == (yes("rita", HEAD),)


def test_older_versions_tell_when_by_the_note_that_gitlab_writes(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    notes = [
        note(1, day(2)),
        note(1, day(4)),
        note(2, day(2)),
        # Of words that somebody else writes, and of other notes of GitLab's, nothing is taken.
        note(2, day(4), system=False),
        note(2, day(4), body="unapproved this merge request"),
        note(2, "at some time"),
    ]
    answering(gitlab, [approval("rita", 1), approval("ralf", 2), approval("silent", 3)], notes=notes)
    assert forge.reviews(REPO, 12) == (yes("silent", ""), yes("ralf", OLD), yes("rita", HEAD))
    assert gitlab.calls().count(f"GET {MR}/notes") == 1


def test_whoever_asks_for_changes_does_so_until_they_approve(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    states = ("requested_changes", "approved", "unreviewed", "reviewed", "something_new")
    reviewers: list[dict[str, object]] = [{"user": user(state), "state": state} for state in states]
    answering(gitlab, [approval("requested_changes", 5, day(4))], reviewers=reviewers)
    # The objection comes last, so that it counts.
    assert forge.reviews(REPO, 12) == (
        yes("requested_changes", HEAD),
        Review("requested_changes", Verdict.CHANGES_REQUESTED, HEAD),
    )


@pytest.mark.parametrize(
    ("part", "answer"),
    [
        ("approvals", {}),
        ("approvals", []),
        ("versions", [{"created_at": day(1)}]),
        ("versions", [version(HEAD, "soon")]),
        ("versions", {}),
    ],
)
def test_what_is_not_as_documented_is_refused_not_guessed(
    gitlab: ScriptedForge, forge: GitLabForge, part: str, answer: object
) -> None:
    answering(gitlab, [approval("rita", 1, day(4))])
    gitlab.on("GET", f"{MR}/{part}", Reply(answer))
    with pytest.raises(ForgeRefused, match="unknown shape"):
        forge.reviews(REPO, 12)


# Rules


def rule(name: str, needed: int, *approved: str, **fields: object) -> dict[str, Any]:
    given = [user(login) for login in approved]
    return {
        "name": name,
        "rule_type": "regular",
        "approvals_required": needed,
        "approved_by": given,
        **fields,
    }


def test_rules_tell_how_many_they_want_and_who_counts(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    rules = [
        rule("All Members", 2, "Rita", "ralf", rule_type="any_approver"),
        rule("Optional", 0, "rita"),
        rule("/net/", 1, rule_type="code_owner", section="Networks"),
        rule("*", 1, rule_type="code_owner", section="codeowners"),
    ]
    gitlab.on("GET", f"{MR}/approval_state", Reply({"rules": rules}))
    assert forge.approval_rules(REPO, 12) == (
        ApprovalRule("All Members", 2, frozenset({"rita", "ralf"})),
        ApprovalRule("Networks: /net/", 1, frozenset(), code_owners=True),
        ApprovalRule("*", 1, frozenset(), code_owners=True),
    )


def test_a_tier_without_rules_has_none_and_a_refusal_is_one(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    gitlab.on("GET", f"{MR}/approval_state", Reply({"error": "404 Not Found"}, 404))
    assert forge.approval_rules(REPO, 12) == ()
    gitlab.on("GET", f"{MR}/approval_state", Reply({"message": "403 Forbidden"}, 403))
    with pytest.raises(ForgeRefused, match="403 Forbidden"):
        forge.approval_rules(REPO, 12)
    gitlab.on("GET", f"{MR}/approval_state", Reply({"rules": None}))
    with pytest.raises(ForgeRefused, match="unknown shape"):
        forge.approval_rules(REPO, 12)


# Behind


def test_how_far_a_merge_request_is_behind(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    gitlab.on("GET", MR, Reply({"sha": HEAD, "diverged_commits_count": 3}))
    assert forge.commits_behind(CHANGE) == 3
    assert gitlab.asked[0].query == {"include_diverged_commits_count": "true"}


def test_it_is_counted_for_the_commit_in_question_only(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    gitlab.on("GET", MR, Reply({"sha": OLD, "diverged_commits_count": 0}))
    with pytest.raises(ForgeUnavailable, match="newer commit"):
        forge.commits_behind(CHANGE)
    gone = {"sha": HEAD, "diverged_commits_count": 0, "detailed_merge_status": "commits_status"}
    gitlab.on("GET", MR, Reply(gone))
    with pytest.raises(ForgeRefused, match=r"source branch .* is gone"):
        forge.commits_behind(CHANGE)
    for count in (None, True, "3"):
        gitlab.on("GET", MR, Reply({"sha": HEAD, "diverged_commits_count": count}))
        with pytest.raises(ForgeRefused, match="unknown shape"):
            forge.commits_behind(CHANGE)


# Owners


def test_code_owners_are_read_from_the_first_place_there_is(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    body = {"content": base64.b64encode(b"* @rita\n").decode()}
    missing = Reply({"message": "404 File Not Found"}, 404)
    gitlab.on("GET", f"{HERE}/repository/files/CODEOWNERS", missing)
    gitlab.on("GET", f"{HERE}/repository/files/docs%2FCODEOWNERS", missing)
    gitlab.on("GET", f"{HERE}/repository/files/[.]gitlab%2FCODEOWNERS", Reply(body))
    assert forge.code_owners(REPO, "release/1") == CodeOwners("* @rita\n", sections=True)
    assert [asked.query["ref"] for asked in gitlab.asked] == ["release/1"] * 3
    gitlab.on("GET", f"{HERE}/repository/files/.*", Reply({}))
    with pytest.raises(ForgeRefused, match="unknown shape"):
        forge.code_owners(REPO, "main")


def member(login: str, level: int, state: str = "active") -> dict[str, object]:
    return {"id": 1, "username": login, "access_level": level, "state": state}


def test_members_of_a_group_are_those_whom_gitlab_takes_for_owners(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    people = [member("Rita", 30), member("rea", 20), member("olga", 50), member("bert", 40, "blocked")]
    gitlab.on("GET", "/groups/acme%2Fplatform%2Fops/members", Reply(people))
    assert forge.team_members(REPO, "acme/platform/ops") == {"rita", "olga"}


def test_a_role_is_the_projects_own_members_who_have_just_that(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    gitlab.on("GET", f"{HERE}/members", Reply([member("rita", 30), member("mia", 40), member("olga", 50)]))
    assert forge.team_members(REPO, "@maintainers") == {"mia"}
    assert forge.team_members(REPO, "@developer") == {"rita"}


def test_a_name_without_a_slash_is_a_groups_or_a_persons(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    gitlab.on("GET", "/groups/acme/members", Reply([member("rita", 30)]))
    assert forge.team_members(REPO, "acme") == {"rita"}
    assert forge.team_members(REPO, "wren") == {"wren"}
    for team in ("acme/nobody", "acme/..", "@guest/x"):
        with pytest.raises(NotFound):
            forge.team_members(REPO, team)
