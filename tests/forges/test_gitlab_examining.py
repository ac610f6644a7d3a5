"""What GitLab is asked for `plangate doctor`: whose clock is wrong, who we are, and what we may not do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bot.cli.checkup.forges import Examinable, Guarded
from bot.domain.errors import ForgeRefused, NotFound
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


def test_it_tells_what_the_doctor_asks(forge: GitLabForge) -> None:
    assert isinstance(forge, Examinable)
    assert isinstance(forge, Guarded)


@pytest.mark.parametrize("hours", [-3, 0, 5])
def test_clocks_are_compared(gitlab: ScriptedForge, hours: int) -> None:
    gitlab.on("GET", "/version", Reply({"version": "18.0.0"}))
    assert round(forge_at(gitlab, hours=hours).clock_ahead() / timedelta(hours=1)) == hours


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
    assert len(forge.advice(REPO)) == said
