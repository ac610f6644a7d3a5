"""What GitHub is asked for `plangate doctor`: whose clock is wrong, who we are, and what we may not do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import RepoRef
from bot.forges.github.app_manifest import EVENTS, PERMISSIONS
from bot.forges.github.auth import AppLogin, TokenLogin
from bot.forges.github.client import GitHubForge
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


@pytest.mark.parametrize(
    ("path", "lacks"),
    [
        ("/commits/trunk/statuses", ("permission `statuses: write`",)),
        ("/issues/comments", ("permission `issues: write`",)),
        ("/pulls", ("permission `pull_requests: write`",)),
        ("/commits/trunk", ("permission `contents: read`",)),
        ("/nothing", ()),
    ],
)
def test_what_a_fine_grained_token_may_not_even_read(
    github: ScriptedGitHub, path: str, lacks: tuple[str, ...]
) -> None:
    """GitHub names the rights of whose token it is, not those that the token was given."""
    forge = GitHubForge("github", TokenLogin("github_pat_" + "a" * 40), api_url=github.url)
    refused = Reply({"message": "Resource not accessible by personal access token"}, 403)
    for probe in ("/commits/trunk", "/commits/trunk/statuses", "/pulls", "/issues/comments"):
        github.on("GET", f"/repos/acme/infra{probe}", refused if probe == path else Reply([]))
    found = {"permissions": {"push": True}, "default_branch": "trunk"}
    github.on("GET", "/repos/acme/infra", Reply(found))
    assert forge.lacking(REPO) == lacks


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


# --- branches -----------------------------------------------------------------------------------------------

HERE = "/repos/acme/infra"
CHECK = {
    "type": "required_status_checks",
    "parameters": {"required_status_checks": [{"context": "plangate"}]},
}
QUEUE = {"type": "merge_queue", "parameters": {}}


def guarded(github: ScriptedGitHub, rules: object, contexts: list[str], name: str = "acme/infra") -> None:
    github.on("GET", HERE, Reply({"full_name": name, "default_branch": "main"}))
    checks = {"enabled": True, "required_status_checks": {"contexts": contexts}}
    github.on("GET", f"{HERE}/branches/main", Reply({"name": "main", "protection": checks}))
    github.on("GET", f"{HERE}/rules/branches/main", rules if isinstance(rules, Reply) else Reply(rules))


@pytest.mark.parametrize(
    ("rules", "contexts", "said"),
    [
        ([CHECK], [], False),
        ([], ["ci", "plangate"], False),
        # A server from before there were rulesets.
        (Reply({"message": "Not Found"}, 404), ["plangate"], False),
        ([QUEUE], ["ci"], True),
        # What is required of one workspace does not stand for all of them.
        ([], ["plangate/net/plan"], True),
    ],
)
def test_a_branch_that_does_not_require_the_status_is_said(
    github: ScriptedGitHub, by_token: GitHubForge, rules: object, contexts: list[str], said: bool
) -> None:
    guarded(github, rules, contexts)
    for branch in ("", "main"):
        found = by_token.advice(REPO, branch)
        assert [(fault.found, fault.sure) for fault in found] == (
            [("main does not require the status `plangate`: changes can be merged before it succeeds", False)]
            if said
            else []
        )


def test_a_branch_that_is_not_there_yet_is_said(github: ScriptedGitHub, by_token: GitHubForge) -> None:
    guarded(github, [], [])
    [fault] = by_token.advice(REPO, "staging")
    assert (fault.found, fault.sure) == ("it has no branch staging", False)


def test_a_repository_that_was_renamed_is_called_by_its_new_name(
    github: ScriptedGitHub, by_token: GitHubForge
) -> None:
    """GitHub sends on whoever asks for the old name, and its webhooks carry the new one."""
    github.on("GET", HERE, Reply(None, 301, {"Location": f"{github.url}/repositories/7"}))
    moved = {"full_name": "Acme/Platform", "default_branch": "main"}
    github.on("GET", "/repositories/7", Reply(moved))
    [fault] = by_token.advice(REPO, "")
    assert (fault.sure, fault.advice) == (True, "Write acme/platform into plangate.yml")
    github.asked.clear()


def test_a_merge_queue_needs_its_event(github: ScriptedGitHub, by_app: GitHubForge) -> None:
    older = {name: level for name, level in PERMISSIONS.items() if name != "merge_queues"}
    installed = {**INSTALLATION, "permissions": older, "events": ["push", "pull_request", "issue_comment"]}
    github.on("GET", f"{HERE}/installation", Reply(installed))
    github.on("POST", "/app/installations/11/access_tokens", Reply({"token": "ghs_1"}, 201))
    guarded(github, [QUEUE], ["plangate"])
    assert by_app.lacking_on(REPO, "") == ("permission `merge_queues: read`", "event `merge_group`")
    guarded(github, [], ["plangate"])
    assert by_app.lacking_on(REPO, "main") == ()


# --- the token ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [" UTC", " +0000", " -0700"])
def test_a_token_that_ends_soon_is_said(github: ScriptedGitHub, by_token: GitHubForge, offset: str) -> None:
    for days, said in ((5, True), (100, False)):
        ends = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d %H:%M:%S")
        header = {"github-authentication-token-expiration": f"{ends}{offset}"}
        github.on("GET", "/user", Reply({"login": "bot"}, headers=header))
        found = by_token.token_faults()
        assert ["our token ends on" in fault.found for fault in found] == [True] * said


@pytest.mark.parametrize("header", [{}, {"github-authentication-token-expiration": "soon"}])
def test_a_token_without_an_end_has_none(
    github: ScriptedGitHub, by_token: GitHubForge, by_app: GitHubForge, header: dict[str, str]
) -> None:
    github.on("GET", "/user", Reply({"login": "bot"}, headers=header))
    assert by_token.token_faults() == by_app.token_faults() == ()


# --- webhooks -----------------------------------------------------------------------------------------------

URL = "https://plangate.example.test/hooks/github"


@pytest.mark.parametrize(
    ("config", "last", "found"),
    [
        ({"url": URL}, {"status_code": 202, "status": "OK"}, ""),
        ({"url": f"{URL}/"}, None, ""),
        ({"url": "https://old.example.test/hooks/github"}, None, "the App sends its webhooks to https://old"),
        (None, None, "the App sends its webhooks nowhere"),
        (
            {"url": URL},
            {"status_code": 401, "status": "Unauthorized"},
            "its secret differs from the one set here",
        ),
        ({"url": URL}, {"status_code": 0, "status": "timed out"}, "did not get through: timed out"),
        ({"url": URL}, {"status_code": 502, "status": "Bad Gateway"}, "did not get through: 502 Bad Gateway"),
    ],
)
def test_what_is_wrong_with_an_apps_webhook(
    github: ScriptedGitHub,
    by_app: GitHubForge,
    config: dict[str, str] | None,
    last: dict[str, object] | None,
    found: str,
) -> None:
    if config is not None:
        github.on("GET", "/app/hook/config", Reply(config))
    github.on("GET", "/app/hook/deliveries", Reply([last] if last else []))
    faults = by_app.hook_faults([REPO], URL)
    assert len(faults) == bool(found)
    assert all(found in fault.found and fault.sure for fault in faults)


HOOK = {"active": True, "events": ["*"], "config": {"url": URL}, "last_response": {"code": 202}}


@pytest.mark.parametrize(
    ("hooks", "found"),
    [
        ([{**HOOK, "config": {"url": "https://other.example.test"}}, HOOK], ""),
        ([{**HOOK, "last_response": {"code": None, "status": "unused"}}], ""),
        ([], "acme/infra has no webhook of its own that leads here"),
        ([{**HOOK, "active": False}], "is not active"),
        ([{**HOOK, "events": ["push"]}], "does not send issue_comment, pull_request"),
        ([{**HOOK, "last_response": {"code": 401}}], "its secret differs from the one set here"),
        ([{**HOOK, "last_response": {"code": 504, "message": "Timeout"}}], "504 Timeout"),
    ],
)
def test_what_is_wrong_with_a_repositorys_webhook(
    github: ScriptedGitHub, by_token: GitHubForge, hooks: list[dict[str, object]], found: str
) -> None:
    github.on("GET", f"{HERE}/hooks", Reply(hooks))
    faults = by_token.hook_faults([REPO], URL)
    assert len(faults) == bool(found)
    assert all(found in fault.found for fault in faults)


def test_webhooks_that_we_may_not_see_are_left_alone(github: ScriptedGitHub, by_token: GitHubForge) -> None:
    for status in (403, 404):
        github.on("GET", f"{HERE}/hooks", Reply({"message": "no"}, status))
        assert by_token.hook_faults([REPO], URL) == ()
