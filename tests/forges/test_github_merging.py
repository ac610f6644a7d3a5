"""Merging, against scripted answers of GitHub."""

from __future__ import annotations

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable, HeadMoved, NotMergeable
from bot.domain.events import RepoRef
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.github.auth import TokenLogin
from bot.forges.github.client import GitHubForge
from tests.fakes.github_api import Reply, ScriptedGitHub

REPO = RepoRef("github", "acme/infra")
HEAD, MADE = "a" * 40, "c" * 40
PUT = "/repos/acme/infra/pulls/7/merge"


@pytest.fixture
def forge(github: ScriptedGitHub) -> GitHubForge:
    return GitHubForge("github", TokenLogin("ghp_x"), api_url=github.url)


def test_the_head_goes_along_so_that_github_compares_it(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("PUT", PUT, Reply({"sha": MADE, "merged": True, "message": "merged"}))
    assert forge.merge(REPO, 7, HEAD, MergeMethod.SQUASH) == MADE
    [asked] = github.asked
    assert asked.json == {"sha": HEAD, "merge_method": "squash"}


@pytest.mark.parametrize(
    ("switches", "chosen"),
    [
        ({}, "merge"),
        ({"allow_merge_commit": True, "allow_squash_merge": True}, "merge"),
        ({"allow_merge_commit": False, "allow_squash_merge": True}, "squash"),
        ({"allow_merge_commit": False, "allow_squash_merge": False, "allow_rebase_merge": True}, "rebase"),
        ({"allow_merge_commit": False, "allow_squash_merge": False, "allow_rebase_merge": False}, "merge"),
    ],
)
def test_without_a_method_the_first_that_is_allowed_is_taken(
    github: ScriptedGitHub, forge: GitHubForge, switches: dict[str, bool], chosen: str
) -> None:
    github.on("GET", "/repos/acme/infra", Reply({"default_branch": "main", **switches}))
    github.on("PUT", PUT, Reply({"sha": MADE, "merged": True, "message": "merged"}))
    forge.merge(REPO, 7, HEAD)
    assert github.asked[-1].json["merge_method"] == chosen


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (405, NotMergeable),
        (409, HeadMoved),
        (403, ForgeRefused),
        (422, ForgeRefused),
        (502, ForgeUnavailable),
    ],
)
def test_a_refusal_says_what_github_says(
    github: ScriptedGitHub, forge: GitHubForge, status: int, error: type[Exception]
) -> None:
    said = "Changes must be made through the merge queue"
    github.on("PUT", PUT, Reply({"message": said}, status))
    with pytest.raises(error, match="502" if status == 502 else said) as refusal:
        forge.merge(REPO, 7, HEAD, MergeMethod.MERGE)
    assert type(refusal.value) is error or status in (403, 422)
    assert len(github.asked) == 1


def test_an_answer_without_a_commit_is_not_taken_for_a_merge(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    github.on("PUT", PUT, Reply({"merged": True}))
    with pytest.raises(ForgeRefused, match="unknown shape"):
        forge.merge(REPO, 7, HEAD, MergeMethod.MERGE)
