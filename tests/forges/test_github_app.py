"""A GitHub App: it signs for itself, gets a token for each account, and renews it in time."""

from __future__ import annotations

import base64
import threading
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bot.domain.errors import ConfigError, ForgeRefused, Invalid, NotFound
from bot.domain.events import RepoRef
from bot.forges.github.app_manifest import NewApp, exchange, manifest
from bot.forges.github.auth import AppLogin
from bot.forges.github.client import GitHubForge
from tests.fakes.github_api import Reply, ScriptedGitHub
from tests.fakes.github_app import AppSide, Hours

REPO, SISTER, OTHER = (RepoRef("github", path) for path in ("acme/infra", "Acme/network", "globex/infra"))


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def side(github: ScriptedGitHub, hours: Hours, public_pem: str) -> AppSide:
    github.on("GET", ".*/branches/main", Reply({"name": "main", "commit": {"sha": "a" * 40}}))
    return AppSide(github, hours, public_pem)


@pytest.fixture
def forge(github: ScriptedGitHub, hours: Hours, side: AppSide, private_pem: str) -> GitHubForge:
    return GitHubForge("github", AppLogin(4711, private_pem), api_url=github.url, now=hours)


def tokens_used(github: ScriptedGitHub) -> list[str]:
    return [asked.token for asked in github.asked if asked.path.endswith("/branches/main")]


def test_one_token_serves_an_account(github: ScriptedGitHub, forge: GitHubForge) -> None:
    for repo in (REPO, REPO, SISTER):
        forge.branch_head(repo, "main")
    assert github.calls() == [
        "GET /repos/acme/infra/installation",
        "POST /app/installations/11/access_tokens",
        *["GET /repos/acme/infra/branches/main"] * 2,
        "GET /repos/Acme/network/branches/main",
    ]
    assert set(tokens_used(github)) == {"ghs_11_1"}


def test_another_account_has_another_token(github: ScriptedGitHub, forge: GitHubForge) -> None:
    forge.branch_head(REPO, "main")
    forge.branch_head(OTHER, "main")
    assert tokens_used(github) == ["ghs_11_1", "ghs_22_2"]


def test_git_gets_the_accounts_token(github: ScriptedGitHub, forge: GitHubForge) -> None:
    value = forge.remote(REPO).auth_header.rsplit(" ", 1)[1]
    assert base64.b64decode(value) == b"x-access-token:ghs_11_1"


def test_git_gets_a_new_token_for_one_that_was_refused(github: ScriptedGitHub, forge: GitHubForge) -> None:
    renew = forge.remote(REPO).renew
    assert renew is not None
    renewed = renew()
    assert renewed is not None
    assert base64.b64decode(renewed.auth_header.rsplit(" ", 1)[1]) == b"x-access-token:ghs_11_2"


def test_a_token_is_renewed_before_it_ends(github: ScriptedGitHub, hours: Hours, forge: GitHubForge) -> None:
    forge.branch_head(REPO, "main")
    hours.pass_by(minutes=50)
    forge.branch_head(REPO, "main")
    hours.pass_by(minutes=6)
    forge.branch_head(REPO, "main")
    assert tokens_used(github) == ["ghs_11_1", "ghs_11_1", "ghs_11_2"]
    assert github.calls().count("GET /repos/acme/infra/installation") == 1


@pytest.mark.parametrize("until", [None, "soon", "2030-01-01T01:00:00"])
def test_a_token_of_unknown_life_is_kept_for_a_while(
    github: ScriptedGitHub, forge: GitHubForge, until: str | None
) -> None:
    github.on("POST", ".*/access_tokens", Reply({"token": "ghs_x", "expires_at": until}, 201))
    forge.branch_head(REPO, "main")
    forge.branch_head(REPO, "main")
    assert len(github.asked) == 4


def test_a_token_that_was_taken_back_is_replaced_even_for_a_write(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    forge.remote(REPO)
    github.on("POST", ".*/comments", Reply({"message": "Bad credentials"}, 401), Reply({"id": 7}, 201))
    assert forge.create_comment(REPO, 1, "Hello").id == "7"
    assert [a.token for a in github.asked if a.path.endswith("/comments")] == ["ghs_11_1", "ghs_11_2"]


def test_credentials_that_stay_bad_are_refused(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("POST", ".*/comments", Reply({"message": "Bad credentials"}, 401))
    with pytest.raises(ForgeRefused, match="does not accept our credentials"):
        forge.create_comment(REPO, 1, "Hello")
    assert len([a for a in github.asked if a.path.endswith("/comments")]) == 2


def test_an_app_that_was_installed_anew_is_found(
    github: ScriptedGitHub, hours: Hours, side: AppSide, forge: GitHubForge
) -> None:
    forge.branch_head(REPO, "main")
    side.installations["acme"] = 33
    hours.pass_by(hours=1)
    forge.branch_head(REPO, "main")
    assert tokens_used(github) == ["ghs_11_1", "ghs_33_2"]


def test_an_app_that_is_not_installed_says_what_to_do(
    hours: Hours, side: AppSide, forge: GitHubForge
) -> None:
    forge.branch_head(REPO, "main")
    side.installations.clear()
    hours.pass_by(hours=1)
    for ask in (forge.branch_head, forge.role):
        with pytest.raises(ForgeRefused, match="not installed on acme/infra: install it there"):
            ask(REPO, "main")


def test_a_fixed_installation_is_not_looked_up(
    github: ScriptedGitHub, hours: Hours, side: AppSide, private_pem: str
) -> None:
    login = AppLogin(4711, private_pem, installation_id=11)
    forge = GitHubForge("github", login, api_url=github.url, now=hours)
    forge.branch_head(REPO, "main")
    assert github.calls()[0] == "POST /app/installations/11/access_tokens"
    side.installations.clear()
    hours.pass_by(hours=1)
    with pytest.raises(ForgeRefused, match="told to use installation 11"):
        forge.branch_head(REPO, "main")


def test_threads_that_need_a_token_at_once_share_one(github: ScriptedGitHub, forge: GitHubForge) -> None:
    threads = [threading.Thread(target=forge.branch_head, args=(REPO, "main")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens_used(github) == ["ghs_11_1"] * 8
    assert github.calls().count("POST /app/installations/11/access_tokens") == 1


def test_only_the_apps_own_comments_are_its_own(github: ScriptedGitHub, forge: GitHubForge) -> None:
    def said(number: int, login: str, app: Any = None) -> dict[str, Any]:
        return {"id": number, "user": {"login": login}, "body": "m", "performed_via_github_app": app}

    strangers = [said(1, "plangate"), said(2, "mallory", {"id": 4711}), said(3, "other[bot]")]
    github.on("GET", ".*/comments", Reply(strangers), Reply([*strangers, said(4, "Plangate[bot]")]))
    assert forge.find_comments(REPO, 1, "m") == ()
    assert forge.find_comments(REPO, 1, "m")[:1] == ("4",)
    assert github.calls().count("GET /app") == 1


def test_a_key_that_is_not_the_apps_is_refused(
    github: ScriptedGitHub, side: AppSide, forge: GitHubForge
) -> None:
    side.public_pem = somebody_elses_public_pem()
    with pytest.raises(ForgeRefused, match="App's key"):
        forge.branch_head(REPO, "main")
    assert len(github.asked) == 1


def somebody_elses_public_pem() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_a_key_in_one_line_is_read(
    github: ScriptedGitHub, hours: Hours, side: AppSide, private_pem: str
) -> None:
    login = AppLogin(4711, private_pem.replace("\n", "\\n"))
    GitHubForge("github", login, api_url=github.url, now=hours).branch_head(REPO, "main")
    assert tokens_used(github) == ["ghs_11_1"]


def elliptic_pem() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize("pem", ["", "secret-nonsense", "-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0\n"])
def test_what_is_no_key_is_refused_at_once_and_not_shown(pem: str) -> None:
    with pytest.raises(ConfigError, match="PEM key") as refusal:
        GitHubForge("github", AppLogin(4711, pem))
    assert "secret" not in str(refusal.value) and "c2VjcmV0" not in str(refusal.value)


def test_a_key_of_another_kind_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="RSA"):
        GitHubForge("github", AppLogin(4711, elliptic_pem()))


def test_no_key_is_shown(private_pem: str) -> None:
    assert "PRIVATE KEY" not in repr(AppLogin(4711, private_pem))


# Registering an App


def test_the_manifest() -> None:
    found = manifest("https://bot.example.test/", "Plangate at Acme")
    assert found["hook_attributes"] == {"url": "https://bot.example.test/hooks/github", "active": True}
    assert found["redirect_url"] == "https://bot.example.test/setup/github"
    assert found["callback_urls"] == ["https://bot.example.test/sign-in/github/callback"]
    assert found["public"] is False
    permissions: Any = found["default_permissions"]
    assert {name for name, level in permissions.items() if level == "write"} == {
        "issues", "pull_requests", "statuses",
    }  # fmt: skip
    assert permissions["merge_queues"] == "read"
    assert found["default_events"] == [
        "issue_comment", "merge_group", "pull_request", "pull_request_review", "push",
    ]  # fmt: skip


def test_the_manifest_asks_for_more_only_where_it_is_wanted() -> None:
    plain: Any = manifest("https://bot.example.test", "P")["default_permissions"]
    more: Any = manifest("https://bot.example.test", "P", merges=True, teams=True)["default_permissions"]
    assert dict(more.items() - plain.items()) == {"contents": "write", "members": "read"}


def test_a_code_is_exchanged_for_the_apps_secrets(github: ScriptedGitHub) -> None:
    answer = {
        "id": 4711, "slug": "plangate", "html_url": "https://forge.example.test/apps/plangate",
        "pem": "PEM", "webhook_secret": "hush", "client_id": "Iv1",
        "client_secret": "quiet", "name": "Plangate",
    }  # fmt: skip
    github.on("POST", "/app-manifests/abc-123/conversions", Reply(answer, 201))
    app = exchange("abc-123", github.url)
    page = "https://forge.example.test/apps/plangate"
    assert app == NewApp(4711, "plangate", page, "PEM", "hush", "Iv1", "quiet")
    assert not any(secret in repr(app) for secret in ("PEM", "hush", "quiet"))
    assert "authorization" not in github.asked[0].headers


def test_a_code_that_is_used_up(github: ScriptedGitHub) -> None:
    with pytest.raises(NotFound, match="App for this code"):
        exchange("abc-123", github.url)


@pytest.mark.parametrize("code", ["", "../../user", "a b", "a/b", "a\n"])
def test_what_is_no_code_is_sent_nowhere(github: ScriptedGitHub, code: str) -> None:
    with pytest.raises(Invalid, match="code"):
        exchange(code, github.url)
    assert github.calls() == []


def test_an_exchange_without_secrets_is_refused(github: ScriptedGitHub) -> None:
    github.on("POST", ".*/conversions", Reply({"id": 4711, "slug": "x", "html_url": "y", "pem": "z"}, 201))
    with pytest.raises(ForgeRefused, match="webhook_secret"):
        exchange("abc-123", github.url)


# Permissions


def test_a_permission_that_was_granted_since_is_had_by_a_token_of_then(
    github: ScriptedGitHub, hours: Hours, side: AppSide, forge: GitHubForge
) -> None:
    """A token keeps the permissions of the moment it was made in, for an hour."""
    lacking = Reply({"message": "Resource not accessible by integration"}, 403)
    good = Reply({"name": "main", "commit": {"sha": "a" * 40}})
    forge.branch_head(REPO, "main")
    github.on("GET", ".*/branches/main", lambda asked: good if asked.token == "ghs_11_2" else lacking)
    with pytest.raises(ForgeRefused, match="Resource not accessible"):
        forge.branch_head(REPO, "main")
    assert side.tokens == 1, "a token that is new can have nothing more"
    hours.pass_by(minutes=2)
    assert forge.branch_head(REPO, "main") == ("main", "a" * 40)
    assert side.tokens == 2


def test_a_refusal_names_the_permission_that_github_asks_for(
    github: ScriptedGitHub, forge: GitHubForge, side: AppSide
) -> None:
    headers = {"X-Accepted-GitHub-Permissions": "contents=read; contents=write"}
    refused = Reply({"message": "Resource not accessible by integration"}, 403, headers)
    github.on("GET", ".*/branches/main", refused)
    with pytest.raises(ForgeRefused, match="it needs the permission contents=read; contents=write"):
        forge.branch_head(REPO, "main")
