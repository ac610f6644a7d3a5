"""Merging, against scripted answers of GitLab."""

from __future__ import annotations

import pytest

from bot.domain.errors import ForgeRefused, ForgeUnavailable, HeadMoved, NotMergeable
from bot.domain.events import RepoRef
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.gitlab.api import TokenLogin
from bot.forges.gitlab.client import GitLabForge
from tests.fakes.github_api import Reply, ScriptedForge

REPO = RepoRef("lab", "platform/network/infra")
HERE = "/projects/platform%2Fnetwork%2Finfra"
MR = f"{HERE}/merge_requests/12"
HEAD, MADE, SQUASHED = "a" * 40, "c" * 40, "d" * 40


@pytest.fixture
def forge(gitlab: ScriptedForge) -> GitLabForge:
    gitlab.on("GET", HERE, Reply({"default_branch": "main"}))
    return GitLabForge("lab", TokenLogin("glpat-x"), url=gitlab.url.removesuffix("/api/v4"))


def merge_request(**fields: object) -> dict[str, object]:
    return {
        "iid": 12, "state": "merged", "sha": HEAD, "source_branch": "widen", "target_branch": "main",
        "source_project_id": 7, "target_project_id": 7, "detailed_merge_status": "not_open", **fields,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "made"),
    [
        ({"merge_commit_sha": MADE, "squash_commit_sha": SQUASHED}, MADE),
        ({"merge_commit_sha": None, "squash_commit_sha": SQUASHED}, SQUASHED),
        ({}, HEAD),
    ],
)
def test_the_head_goes_along_so_that_gitlab_compares_it(
    gitlab: ScriptedForge, forge: GitLabForge, fields: dict[str, object], made: str
) -> None:
    gitlab.on("PUT", f"{MR}/merge", Reply(merge_request(**fields)))
    assert forge.merge(REPO, 12, HEAD) == made
    asked = gitlab.asked[-1]
    # Whether it squashes is the project's and the merge request's to say.
    assert asked.json == {"sha": HEAD}


@pytest.mark.parametrize(
    ("project", "allowed"),
    [
        ({}, {MergeMethod.MERGE, MergeMethod.SQUASH}),
        ({"merge_method": "rebase_merge", "squash_option": "never"}, {MergeMethod.MERGE}),
        ({"merge_method": "merge", "squash_option": "always"}, {MergeMethod.SQUASH}),
        ({"merge_method": "ff", "squash_option": "default_on"}, {MergeMethod.SQUASH, MergeMethod.REBASE}),
    ],
)
def test_a_method_is_what_the_project_allows(
    gitlab: ScriptedForge, forge: GitLabForge, project: dict[str, str], allowed: set[MergeMethod]
) -> None:
    gitlab.on("GET", HERE, Reply(project))
    gitlab.on("PUT", f"{MR}/merge", Reply(merge_request()))
    for method in MergeMethod:
        if method in allowed:
            forge.merge(REPO, 12, HEAD, method)
            assert gitlab.asked[-1].json == {"sha": HEAD, "squash": method is MergeMethod.SQUASH}
        else:
            with pytest.raises(NotMergeable, match=f"by {method} is not allowed"):
                forge.merge(REPO, 12, HEAD, method)


@pytest.mark.parametrize(
    ("status", "words", "error", "said"),
    [
        (401, "401 Unauthorized", ForgeRefused, "the role that may merge"),
        (403, "403 Forbidden", ForgeRefused, "403 Forbidden"),
        (405, "405 Method Not Allowed", NotMergeable, "approvals are missing"),
        (406, "Branch cannot be merged", NotMergeable, "approvals are missing"),
        (422, "Branch cannot be merged", NotMergeable, "missing.*Branch cannot be merged"),
        (409, "SHA does not match HEAD of source branch", HeadMoved, "SHA does not match"),
        (409, "409 Conflict: another request", ForgeUnavailable, "another request"),
        (502, "", ForgeUnavailable, "failed"),
    ],
)
def test_a_refusal_says_what_is_in_the_way(
    gitlab: ScriptedForge, forge: GitLabForge, status: int, words: str, error: type[Exception], said: str
) -> None:
    gitlab.on("PUT", f"{MR}/merge", Reply({"message": words}, status))
    gitlab.on("GET", MR, Reply(merge_request(detailed_merge_status="not_approved")))
    with pytest.raises(error, match=said):
        forge.merge(REPO, 12, HEAD)
    assert gitlab.calls().count(f"PUT {MR}/merge") == 1


@pytest.mark.parametrize(
    ("status", "said"),
    [("locked_paths", "now: locked paths"), (None, "does not say why"), ("checking", "still checking")],
)
def test_an_obstacle_that_is_not_known_is_told_in_gitlabs_words(
    gitlab: ScriptedForge, forge: GitLabForge, status: str | None, said: str
) -> None:
    gitlab.on("PUT", f"{MR}/merge", Reply({"message": "405 Method Not Allowed"}, 405))
    gitlab.on("GET", MR, Reply(merge_request(detailed_merge_status=status)))
    with pytest.raises(NotMergeable, match=said):
        forge.merge(REPO, 12, HEAD)


def test_while_the_pipeline_runs_gitlab_is_asked_to_merge_that_commit_later(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    no = Reply({"message": "405 Method Not Allowed"}, 405)
    gitlab.on("GET", MR, Reply(merge_request(detailed_merge_status="ci_still_running")))
    gitlab.on("PUT", f"{MR}/merge", no, Reply(merge_request(state="opened")), no)
    with pytest.raises(NotMergeable, match="GitLab merges it once that has succeeded"):
        forge.merge(REPO, 12, HEAD)
    assert gitlab.asked[-1].json == {"sha": HEAD, "merge_when_pipeline_succeeds": True}
    with pytest.raises(NotMergeable, match=r"not finished$"):
        forge.merge(REPO, 12, HEAD)


def test_a_merge_that_gitlab_only_takes_note_of_is_none_yet(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    gitlab.on("PUT", f"{MR}/merge", Reply(merge_request(state="opened")))
    with pytest.raises(NotMergeable, match="later"):
        forge.merge(REPO, 12, HEAD)
    gitlab.on("PUT", f"{MR}/merge", Reply({"state": "merged"}))
    with pytest.raises(ForgeRefused, match="unknown shape"):
        forge.merge(REPO, 12, HEAD)


# Merge trains

TRAIN = f"{HERE}/merge_trains/merge_requests/12"


def car(status: str = "fresh", sha: str = MADE) -> Reply:
    return Reply({"id": 1, "status": status, "pipeline": {"id": 9, "sha": sha}, "target_branch": "main"})


@pytest.mark.parametrize(
    ("parents", "base"), [([HEAD, SQUASHED], HEAD), ([HEAD], ""), ([], ""), (None, ""), ([None, HEAD], "")]
)
def test_a_trains_commit_stands_on_what_is_before_it(
    gitlab: ScriptedForge, forge: GitLabForge, parents: object, base: str
) -> None:
    gitlab.on("GET", TRAIN, car())
    gitlab.on("GET", f"{HERE}/repository/commits/{MADE}", Reply({"id": MADE, "parent_ids": parents}))
    assert forge.queue_base(REPO, 12, MADE) == base


@pytest.mark.parametrize(
    "answer",
    [
        Reply({"message": "404 Not Found"}, 404),
        Reply({"message": "403 Forbidden"}, 403),
        car(sha=HEAD),
        car("merged"),
        Reply({"status": "idle", "pipeline": None}),
    ],
)
def test_a_commit_that_is_no_trains_is_told_apart(
    gitlab: ScriptedForge, forge: GitLabForge, answer: Reply
) -> None:
    gitlab.on("GET", TRAIN, answer)
    assert forge.queue_base(REPO, 12, MADE) is None


def test_a_token_that_is_not_good_says_nothing_of_trains(gitlab: ScriptedForge, forge: GitLabForge) -> None:
    gitlab.on("GET", TRAIN, Reply({"message": "401 Unauthorized"}, 401))
    with pytest.raises(ForgeRefused, match="does not accept our token"):
        forge.queue_base(REPO, 12, MADE)


def test_where_there_are_trains_a_merge_request_joins_its_own_once(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    gitlab.on("GET", HERE, Reply({"default_branch": "main", "merge_trains_enabled": True}))
    gitlab.on("GET", TRAIN, Reply({"message": "404 Not Found"}, 404), car("idle"))
    gitlab.on("POST", TRAIN, Reply([], 201))
    for _ in range(2):
        with pytest.raises(NotMergeable, match="is in the merge train"):
            forge.merge(REPO, 12, HEAD)
    joined = [asked.json for asked in gitlab.asked if asked.method == "POST"]
    assert joined == [{"sha": HEAD}]
    assert f"PUT {MR}/merge" not in gitlab.calls()


def test_a_train_does_not_take_another_commit_than_the_one_meant(
    gitlab: ScriptedForge, forge: GitLabForge
) -> None:
    gitlab.on("GET", HERE, Reply({"default_branch": "main", "merge_trains_enabled": True}))
    gitlab.on("POST", TRAIN, Reply({"message": "SHA does not match HEAD of source branch"}, 409))
    with pytest.raises(HeadMoved):
        forge.merge(REPO, 12, HEAD)
