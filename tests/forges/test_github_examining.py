"""What GitHub is asked for `plangate doctor`: whose clock is wrong, who we are, and what we may not do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.cli.checkup.forges import Examinable
from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import RepoRef
from bot.forges.github.auth import AppLogin, TokenLogin
from bot.forges.github.client import GitHubForge
from bot.forges.github.manifest import EVENTS, PERMISSIONS
from tests.fakes.github_api import Reply, ScriptedGitHub

REPO = RepoRef("github", "acme/infra")
INSTALLATION = {"id": 11, "permissions": PERMISSIONS, "events": [*EVENTS, "release"], "suspended_at": None}
TOKEN = "ghp_" + "a" * 36


@pytest.fixture
def by_token(github: ScriptedGitHub) -> GitHubForge:
    return GitHubForge("github", TokenLogin(TOKEN), api_url=github.url)


@pytest.fixture
def by_app(github: ScriptedGitHub, private_pem: str) -> GitHubForge:
    return GitHubForge("github", AppLogin(4711, private_pem), api_url=github.url)


def test_it_tells_what_the_doctor_asks(by_token: GitHubForge) -> None:
    assert isinstance(by_token, Examinable)


# --- the clock ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("hours", [-3, 0, 5])
def test_clocks_are_compared_without_credentials(github: ScriptedGitHub, hours: int) -> None:
    forge = GitHubForge(
        "github",
        TokenLogin(TOKEN),
        api_url=github.url,
        now=lambda: datetime.now(UTC) + timedelta(hours=hours),
    )
    # A 404 has a date as well: some servers have no limits, and no such address.
    assert round(forge.clock_ahead() / timedelta(hours=1)) == hours
    assert [(asked.path, asked.token) for asked in github.asked] == [("/rate_limit", "")]


def test_a_forge_that_is_away_has_no_clock() -> None:
    forge = GitHubForge("github", TokenLogin(TOKEN), api_url="http://127.0.0.1:9/api/v3")
    with pytest.raises(ForgeUnavailable, match="github cannot be reached: ConnectError"):
        forge.clock_ahead()


# --- tokens -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("repo", "scopes", "lacks"),
    [
        ({"permissions": {"push": True}}, None, ()),
        ({"permissions": {"push": True}, "private": True}, "gist, repo", ()),
        ({"permissions": {"push": True}, "private": False}, "public_repo", ()),
        ({"permissions": {"push": True}, "private": True}, "public_repo", ("the token's scope `repo`",)),
        ({"permissions": {"push": True}}, "", ("the token's scope `repo`",)),
        ({"permissions": {"push": False}}, None, ("write access (statuses need it)",)),
        ({}, None, ("write access (statuses need it)",)),
    ],
)
def test_what_a_token_lacks(
    github: ScriptedGitHub,
    by_token: GitHubForge,
    repo: dict[str, object],
    scopes: str | None,
    lacks: tuple[str, ...],
) -> None:
    headers = {} if scopes is None else {"X-OAuth-Scopes": scopes}
    github.on("GET", "/repos/acme/infra", Reply(repo, headers=headers))
    assert by_token.lacking(REPO) == lacks


def test_a_repository_that_a_token_does_not_see(by_token: GitHubForge) -> None:
    with pytest.raises(NotFound, match="github has no acme/infra, or our credentials do not reach it"):
        by_token.lacking(REPO)


def test_who_a_token_belongs_to(github: ScriptedGitHub, by_token: GitHubForge) -> None:
    github.on("GET", "/user", Reply({"login": "Plangate-Bot"}))
    assert by_token.whoami() == "plangate-bot"


# --- Apps ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "lacks"),
    [
        ({}, ()),
        ({"permissions": {**PERMISSIONS, "contents": "write", "statuses": "admin"}}, ()),
        ({"permissions": {**PERMISSIONS, "statuses": "read"}}, ("permission `statuses: write`",)),
        (
            {"permissions": {"contents": "read", "metadata": "read", "issues": "none"}, "events": ["push"]},
            (
                "permission `issues: write`",
                "permission `pull_requests: write`",
                "permission `statuses: write`",
                "event `issue_comment`",
                "event `pull_request`",
            ),
        ),
        ({"suspended_at": "2026-01-01T00:00:00Z"}, ("an installation that is not suspended",)),
    ],
)
def test_what_an_installation_lacks(
    github: ScriptedGitHub, by_app: GitHubForge, changes: dict[str, object], lacks: tuple[str, ...]
) -> None:
    github.on("GET", "/repos/acme/infra/installation", Reply({**INSTALLATION, **changes}))
    assert by_app.lacking(REPO) == lacks
    assert github.calls() == ["GET /repos/acme/infra/installation"]


@pytest.mark.parametrize(
    ("needs", "lacks"),
    [
        ({"merges": True}, ("permission `contents: write`",)),
        ({"teams": True}, ("permission `members: read`",)),
        ({"merges": True, "teams": True}, ("permission `contents: write`", "permission `members: read`")),
    ],
)
def test_what_an_installation_lacks_for_merging_and_for_teams(
    github: ScriptedGitHub, by_app: GitHubForge, needs: dict[str, bool], lacks: tuple[str, ...]
) -> None:
    github.on("GET", "/repos/acme/infra/installation", Reply(INSTALLATION))
    assert by_app.lacking(REPO, **needs) == lacks
    granted = {**PERMISSIONS, "contents": "write", "members": "read"}
    github.on("GET", "/repos/acme/infra/installation", Reply({**INSTALLATION, "permissions": granted}))
    assert by_app.lacking(REPO, **needs) == ()


def test_an_installation_from_before_the_merge_queue_lacks_nothing(
    github: ScriptedGitHub, by_app: GitHubForge
) -> None:
    older = {name: level for name, level in PERMISSIONS.items() if name != "merge_queues"}
    events = [event for event in EVENTS if event != "merge_group"]
    installed = {**INSTALLATION, "permissions": older, "events": events}
    github.on("GET", "/repos/acme/infra/installation", Reply(installed))
    assert by_app.lacking(REPO) == ()


def test_what_a_classic_token_lacks_for_teams(github: ScriptedGitHub, by_token: GitHubForge) -> None:
    found = {"permissions": {"push": True}}
    github.on("GET", "/repos/acme/infra", Reply(found, headers={"X-OAuth-Scopes": "repo"}))
    assert by_token.lacking(REPO, teams=True) == ("the token's scope `read:org` (members of teams)",)


def test_an_app_that_is_not_installed(by_app: GitHubForge) -> None:
    with pytest.raises(ForgeRefused, match="the App is not installed on acme/infra: install it there"):
        by_app.lacking(REPO)
