"""Reviews, distance from the base branch, code owners and teams, against scripted answers of GitHub."""

from __future__ import annotations

import base64

import pytest

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import Review, Verdict
from bot.domain.errors import ForgeRefused
from bot.domain.events import Change, RepoRef
from bot.forges.github.auth import TokenLogin
from bot.forges.github.client import GitHubForge
from tests.fakes.github_api import Reply, ScriptedGitHub

REPO = RepoRef("github", "acme/infra")
HEAD = "a" * 40
CHANGE = Change(REPO, 1, "t", "ann", HEAD, "topic", "release/1", True, "")


@pytest.fixture
def forge(github: ScriptedGitHub) -> GitHubForge:
    return GitHubForge("github", TokenLogin("ghp_x"), api_url=github.url)


def test_reviews_of_ghosts_and_drafts_of_reviews_are_left_out(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    said = [
        {"user": {"login": "rita"}, "state": "APPROVED", "commit_id": HEAD},
        {"user": None, "state": "APPROVED", "commit_id": HEAD},
        {"user": {"login": "ralf"}, "state": "PENDING", "commit_id": HEAD},
        {"user": {"login": "ralf"}, "state": "DISMISSED", "commit_id": None},
        {"user": {"login": "rita"}, "state": "SOMETHING_NEW", "commit_id": HEAD},
    ]
    github.on("GET", "/repos/acme/infra/pulls/1/reviews", Reply(said))
    assert forge.reviews(REPO, 1) == (
        Review("rita", Verdict.APPROVED, HEAD),
        Review("ralf", Verdict.DISMISSED, ""),
        Review("rita", Verdict.COMMENTED, HEAD),
    )


def test_how_far_a_change_is_behind_is_one_call_whatever_its_branch_is_called(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    github.on("GET", f"/repos/acme/infra/compare/release%2F1[.]{{3}}{HEAD}", Reply({"behind_by": 3}))
    assert forge.commits_behind(CHANGE) == 3
    assert len(github.asked) == 1


@pytest.mark.parametrize("answer", [{}, {"behind_by": None}, {"behind_by": True}, {"behind_by": "3"}, []])
def test_a_comparison_without_a_number_is_refused_not_guessed(
    github: ScriptedGitHub, forge: GitHubForge, answer: object
) -> None:
    github.on("GET", ".*", Reply(answer))
    with pytest.raises(ForgeRefused, match="unknown shape"):
        forge.commits_behind(CHANGE)


def test_code_owners_are_read_from_the_first_place_there_is(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    body = {"content": base64.encodebytes(b"* @rita\n").decode()}
    github.on("GET", ".*/contents/[.]github/CODEOWNERS", Reply({"message": "Not Found"}, 404))
    github.on("GET", ".*/contents/CODEOWNERS", Reply(body))
    assert forge.code_owners(REPO, "release/1") == CodeOwners("* @rita\n")
    assert [asked.query["ref"] for asked in github.asked] == ["release/1"] * 2


def test_code_owners_without_a_text_are_refused_not_taken_for_none(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    github.on("GET", ".*", Reply([{"name": "a folder"}]))
    with pytest.raises(ForgeRefused, match="unknown shape"):
        forge.code_owners(REPO, "main")


def test_code_owners_that_are_too_large_to_be_told_are_not_taken_for_nobody(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    """Above a megabyte GitHub leaves the text out, though it reads such a file itself."""
    large = {"type": "file", "size": 1_200_000, "encoding": "none", "content": ""}
    github.on("GET", ".*/contents/[.]github/CODEOWNERS", Reply(large))
    with pytest.raises(ForgeRefused, match="CODEOWNERS comes without its text: it is too large"):
        forge.code_owners(REPO, "main")


def test_members_of_a_team(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("GET", "/orgs/acme/teams/ops/members", Reply([{"login": "Rita"}, {"login": None}]))
    assert forge.team_members(REPO, "acme/ops") == {"rita"}
