"""What GitLab is asked for `plangate doctor`: whose clock is wrong, who we are, and what we may not do."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import RepoRef
from bot.forges.gitlab.api import TokenLogin
from bot.forges.gitlab.client import GitLabForge
from tests.fakes.github_api import Reply, ScriptedForge

REPO = RepoRef("lab", "platform/network/infra")
HERE = "/projects/platform%2Fnetwork%2Finfra"


def forge_at(gitlab: ScriptedForge, token: str = "glpat-x", hours: int = 0) -> GitLabForge:
    return GitLabForge(
        "lab",
        TokenLogin(token),
        url=gitlab.url.removesuffix("/api/v4"),
        now=lambda: datetime.now(UTC) + timedelta(hours=hours),
    )


@pytest.fixture
def forge(gitlab: ScriptedForge) -> GitLabForge:
    return forge_at(gitlab)


def acting(gitlab: ScriptedForge, level: int, login: str = "plangate") -> None:
    gitlab.on("GET", "/user", Reply({"id": 5, "username": login}))
    gitlab.on("GET", f"{HERE}/members/all", Reply([{"username": login, "access_level": level}]))


@pytest.mark.parametrize("hours", [-3, 0, 5])
def test_clocks_are_compared(gitlab: ScriptedForge, hours: int) -> None:
    # A refusal has a date as well: that the token is no good is said in its own place.
    gitlab.on("GET", "/version", Reply({"message": "401 Unauthorized"}, 401))
    assert round(forge_at(gitlab, hours=hours).clock_ahead() / timedelta(hours=1)) == hours
    assert "authorization" not in gitlab.asked[-1].headers


def test_a_forge_that_is_away_has_no_clock() -> None:
    away = GitLabForge("lab", TokenLogin("glpat-x"), url="http://127.0.0.1:9")
    with pytest.raises(ForgeUnavailable, match="lab cannot be reached"):
        away.clock_ahead()


@pytest.mark.parametrize(
    ("token", "login"),
    [
        ("glpat-personal", "plangate"),
        ("glpat-project", "project_7_bot_0a1b2c"),
        ("glpat-group", "group_12_bot_3d4e5f"),
        ("0123456789abcdef" * 4, "plangate"),
    ],
    ids=["personal", "project", "group", "OAuth"],
)
def test_every_kind_of_token_is_a_bearers_and_has_an_account_with_a_role(
    gitlab: ScriptedForge, token: str, login: str
) -> None:
    acting(gitlab, 30, login)
    forge = forge_at(gitlab, token)
    assert (forge.whoami(), forge.lacking(REPO)) == (login, ())
    assert {asked.headers["authorization"] for asked in gitlab.asked} == {f"Bearer {token}"}


def test_a_reporter_can_set_no_status(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    acting(gitlab, 20)
    assert forge.lacking(REPO) == ("the role Developer, to set statuses and to comment",)


@pytest.mark.parametrize(
    ("level", "branch", "lacks"),
    [
        (30, {"protected": False, "can_push": False}, False),
        (30, {"protected": True, "can_push": True}, False),
        (30, {"protected": True, "can_push": False, "developers_can_merge": True}, False),
        (30, {"protected": True, "can_push": False, "developers_can_merge": False}, True),
        (40, {"protected": True, "can_push": False, "developers_can_merge": False}, False),
    ],
)
def test_a_protected_branch_takes_statuses_of_those_who_may_push_or_merge_to_it(
    gitlab: ScriptedForge, forge: GitLabForge, level: int, branch: dict[str, bool], lacks: bool
) -> None:
    acting(gitlab, level)
    gitlab.on("GET", HERE, Reply({"default_branch": "main"}))
    gitlab.on("GET", f"{HERE}/repository/branches/main", Reply({"name": "main", **branch}))
    for name in ("", "main"):
        found = forge.lacking_on(REPO, name)
        assert bool(found) is lacks
        assert all("protected branch main" in words for words in found)


def test_a_branch_that_is_not_there_is_said(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    acting(gitlab, 30)
    with pytest.raises(NotFound, match="branch gone"):
        forge.lacking_on(REPO, "gone")
    gitlab.on("GET", HERE, Reply({"default_branch": None}))
    with pytest.raises(ForgeRefused, match="default_branch"):
        forge.lacking_on(REPO, "")


@pytest.mark.parametrize(
    ("project", "said"),
    [
        ({"only_allow_merge_if_pipeline_succeeds": True, "allow_merge_on_skipped_pipeline": False}, 0),
        ({"only_allow_merge_if_pipeline_succeeds": False}, 1),
        ({"only_allow_merge_if_pipeline_succeeds": True, "allow_merge_on_skipped_pipeline": True}, 1),
        # What the project does not tell of is not guessed.
        ({}, 0),
    ],
)
def test_what_lets_statuses_be_passed_by_is_said(
    gitlab: ScriptedForge, forge: GitLabForge, project: dict[str, bool], said: int
) -> None:
    gitlab.on("GET", HERE, Reply(project))
    found = forge.advice(REPO, "main")
    assert (len(found), any(fault.sure for fault in found)) == (said, False)


def test_a_project_that_was_renamed_is_called_by_its_new_name(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    """GitLab sends on whoever asks for the old name, and its webhooks carry the new one."""
    gitlab.on("GET", HERE, Reply(None, 301, {"Location": f"{gitlab.url}/projects/7"}))
    gitlab.on("GET", "/projects/7", Reply({"id": 7, "path_with_namespace": "Platform/networks/Infra"}))
    [fault] = forge.advice(REPO, "")
    assert fault.sure
    assert fault.advice == "Write platform/networks/infra into plangate.yml"


# --- the token ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "days", "found"),
    [
        (["api"], 200, []),
        (["api", "read_repository"], 200, []),
        (["read_api", "read_repository"], 200, ["lacks the scope `api`"]),
        (["api"], 3, [r"ends on \d{4}-\d\d-\d\d, in 2 days"]),
        (["read_api"], 3, ["lacks the scope `api`", "in 2 days"]),
    ],
)
def test_a_token_without_its_scope_or_that_ends_soon_is_said(
    gitlab: ScriptedForge, forge: GitLabForge, scopes: list[str], days: int, found: list[str]
) -> None:
    ends = (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%d")
    gitlab.on("GET", "/personal_access_tokens/self", Reply({"scopes": scopes, "expires_at": ends}))
    faults = forge.token_faults()
    assert len(faults) == len(found)
    for fault, words in zip(faults, found, strict=True):
        assert re.search(words, fault.found)


def test_of_a_token_that_gitlab_does_not_tell_of_nothing_is_said(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    for status in (401, 403, 404):
        gitlab.on("GET", "/personal_access_tokens/self", Reply({"message": "no"}, status))
        assert forge.token_faults() == ()


# --- webhooks -----------------------------------------------------------------------------------------------

URL = "https://plangate.example.test/hooks/lab"
HOOK = {
    "url": URL, "push_events": True, "tag_push_events": True, "note_events": True,
    "merge_requests_events": True, "pipeline_events": False, "alert_status": "executable",
    "enable_ssl_verification": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("hooks", "trains", "found", "sure"),
    [
        ([HOOK], False, [], True),
        ([HOOK | {"url": "https://other.example.test/"}, HOOK | {"url": f"{URL}/"}], False, [], True),
        ([], False, ["has no webhook of its own that leads here"], False),
        ([HOOK | {"url": f"{URL}b"}], False, ["has no webhook of its own that leads here"], False),
        (
            [HOOK | {"note_events": False, "push_events": False}],
            False,
            ["does not send push, comments"],
            True,
        ),
        ([HOOK], True, ["does not send pipeline"], True),
        ([HOOK | {"alert_status": "disabled"}], False, ["has switched the webhook of .* off"], True),
        ([HOOK | {"alert_status": "temporarily_disabled"}], False, ["has switched the webhook"], True),
        ([HOOK | {"enable_ssl_verification": False}], False, ["does not verify who answers"], False),
    ],
)
def test_what_is_wrong_with_a_webhook(
    gitlab: ScriptedForge,
    forge: GitLabForge,
    hooks: list[dict[str, object]],
    trains: bool,
    found: list[str],
    sure: bool,
) -> None:
    gitlab.on("GET", HERE, Reply({"merge_trains_enabled": trains}))
    gitlab.on("GET", f"{HERE}/hooks", Reply(hooks))
    faults = forge.hook_faults([REPO], URL)
    assert len(faults) == len(found)
    for fault, words in zip(faults, found, strict=True):
        assert re.search(words, fault.found)
        assert fault.sure is sure


def test_webhooks_that_a_developer_may_not_see_are_left_alone(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    gitlab.on("GET", f"{HERE}/hooks", Reply({"message": "403 Forbidden"}, 403))
    assert forge.hook_faults([REPO], URL) == ()
