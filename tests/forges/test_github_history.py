"""What is new on GitHub: recorded answers, and requests that GitHub answers only if something has changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import RepoRef
from bot.forges.github.auth import TokenLogin
from bot.forges.github.client import GitHubForge
from tests.fakes.github_api import Asked, Reply, ScriptedGitHub
from tests.support.contracts import CONTRACTS, needs_contracts

SINCE = datetime(2020, 1, 1, tzinfo=UTC)
REPO = RepoRef("github", "acme/infra")
A = "a" * 40


@pytest.fixture
def forge(github: ScriptedGitHub) -> GitHubForge:
    return GitHubForge("github", TokenLogin("ghp_token"), api_url=github.url)


def recorded(name: str) -> Any:
    return json.loads((CONTRACTS / "github-rest" / f"{name}.json").read_text())["response"]["body"]


def marked(body: object, etag: str) -> Callable[[Asked], Reply]:
    """Answer as GitHub does: nothing new for those who have this answer."""

    def answer(asked: Asked) -> Reply:
        if asked.headers.get("if-none-match") == etag:
            return Reply(b"", 304, {"ETag": etag})
        return Reply(body, 200, {"ETag": etag})

    return answer


def branch(commit: str) -> dict[str, Any]:
    return {"name": "main", "commit": {"sha": commit, "commit": {"message": "One\n\nmore"}, "author": None}}


@needs_contracts
def test_recorded_answers(github: ScriptedGitHub, forge: GitHubForge) -> None:
    pull, comments = (
        recorded("GET_repos_o_r_pulls_n_200-0"),
        recorded("GET_repos_o_r_issues_n_comments_200-0"),
    )
    head = recorded("GET_repos_o_r_branches_X_200-0")
    # A list has less of each.
    listed = {key: value for key, value in pull.items() if key not in ("merged", "mergeable", "commits")}
    github.on("GET", "/repos/acme/infra", Reply(recorded("GET_repos_o_r_200-0")))
    github.on("GET", ".*/branches/.*", Reply(head))
    github.on("GET", ".*/pulls", Reply([listed]))
    github.on("GET", ".*/issues/comments", Reply(comments))
    news = forge.news(REPO, ("main",), SINCE, {})
    assert news.heads[0].commit == head["commit"]["sha"]
    (change,) = news.changes
    assert (change.number, change.head_sha, change.open) == (
        pull["number"],
        pull["head"]["sha"],
        pull["state"] == "open",
    )
    assert change.merged == pull["merged"]
    unedited = [
        one for one in comments if one["created_at"] == one["updated_at"] and "/pull/" in one["html_url"]
    ]
    assert [comment.comment_id for comment in news.comments] == [str(one["id"]) for one in unedited]
    assert [comment.body for comment in news.comments] == [one["body"] for one in unedited]
    assert unedited


def test_an_answer_that_has_not_changed_is_not_sent_again(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("GET", "/repos/acme/infra", marked({"default_branch": "main"}, 'W/"repo"'))
    github.on("GET", ".*/branches/main", marked(branch(A), 'W/"branch"'))
    github.on("GET", ".*/pulls", marked([], 'W/"pulls"'))
    github.on("GET", ".*/issues/comments", marked([], 'W/"comments"'))
    first = forge.news(REPO, ("",), SINCE, {})
    assert (first.default_branch, first.calls) == ("main", 4)
    assert [(head.branch, head.commit, head.author, head.message) for head in first.heads] == [
        ("main", A, "ghost", "One")
    ]
    github.asked.clear()
    again = forge.news(REPO, ("",), SINCE, first.marks)
    assert {asked.headers.get("if-none-match") for asked in github.asked} == {
        'W/"repo"', 'W/"branch"', 'W/"pulls"', 'W/"comments"',
    }  # fmt: skip
    assert (again.default_branch, again.heads, again.changes, again.comments) == ("main", (), (), ())
    assert again.marks == first.marks
    github.on("GET", ".*/branches/main", marked(branch("b" * 40), 'W/"moved"'))
    assert [head.commit for head in forge.news(REPO, ("",), SINCE, again.marks).heads] == ["b" * 40]


def test_the_times_that_are_asked_for_are_written_as_github_does(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    github.on("GET", "/repos/acme/infra", Reply({"default_branch": "main"}))
    github.on("GET", ".*/(pulls|issues/comments)", Reply([]))
    forge.news(REPO, (), SINCE, {})
    queries = {asked.path.rpartition("/")[2]: asked.query for asked in github.asked}
    assert queries["comments"]["since"] == "2020-01-01T00:00:00Z"
    assert (queries["pulls"]["state"], queries["pulls"]["sort"]) == ("all", "updated")


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply({"message": "Bad gateway"}, 502), ForgeUnavailable),
        (Reply({"message": "Not Found"}, 404), NotFound),
        (Reply({"default_branch": None}), ForgeRefused),
    ],
)
def test_what_goes_wrong_is_said(
    github: ScriptedGitHub, forge: GitHubForge, reply: Reply, error: type[Exception]
) -> None:
    github.on("GET", "/repos/acme/infra", reply)
    with pytest.raises(error):
        forge.news(REPO, (), SINCE, {})
