"""The playground's merge trains: a commit with a pipeline for each merge request, merged once it is green."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.errors import HeadMoved, NotMergeable
from bot.domain.events import GroupAsked, RepoRef
from bot.forges.gitlab.api import TokenLogin
from bot.forges.gitlab.client import GitLabForge
from bot.forges.gitlab.webhook import parse
from bot.playground.forge.model import Group
from bot.playground.git.process import git_environment
from bot.playground.server import Playground
from tests.playground.gitlab.test_gitlab import HERE, REPO, Api, api, gitlab, gitlab_description, received
from tests.support.contracts import CONTRACTS, skip_without_contracts

__all__ = ["api", "gitlab", "gitlab_description", "received"]
TRAIN = f"{HERE}/merge_trains/merge_requests"
Received = list[tuple[dict[str, str], bytes]]


@pytest.fixture
def joined(gitlab: Playground, api: Api) -> Callable[[str], Group]:
    """Have a merge request with a branch of this name join the train."""
    forge = gitlab.forge
    forge.protect(REPO, "main", contexts=["plangate"], queue=True)

    def join(branch: str) -> Group:
        forge.commit(REPO, branch, {f"{branch}/main.tf": "# new\n"}, "alice")
        pull = forge.open_pull(REPO, "alice", branch, title=branch)
        forge.set_status(REPO, pull.head_sha, "alice", "success", context="plangate")
        answer = api("POST", f"{TRAIN}/{pull.number}", {"sha": pull.head_sha})
        assert answer.status_code == 201
        group = forge.group_of(pull)
        assert group is not None
        assert answer.json()[-1]["pipeline"]["sha"] == group.head_sha
        return group

    return join


def say(api: Api, group: Group, state: str, name: str = "plangate") -> None:
    """Set a status of the train's commit, in the pipeline that it has."""
    pipeline = group.pull.repo.pipelines[group.head_sha]
    body = {"state": state, "name": name, "pipeline_id": pipeline}
    answer = api("POST", f"{HERE}/statuses/{group.head_sha}", body)
    assert (answer.status_code, answer.json()["pipeline_id"]) == (201, pipeline)


def test_a_green_pipeline_merges_the_commit_that_the_train_tried(
    gitlab: Playground, api: Api, joined: Callable[[str], Group], tmp_path: Path
) -> None:
    group, git = joined("one"), gitlab.forge.repo(REPO).git
    number, begun = group.pull.number, git.branch("main")
    car = api("GET", f"{TRAIN}/{number}").json()
    assert (car["status"], car["target_branch"], car["merge_request"]["iid"]) == ("fresh", "main", number)
    commit = api("GET", f"{HERE}/repository/commits/{group.head_sha}").json()
    assert commit["parent_ids"] == [begun, group.pull.head_sha]
    assert commit["last_pipeline"]["id"] == car["pipeline"]["id"]
    asked = ["git", "ls-remote", f"{gitlab.url}/{REPO}.git", f"refs/merge-requests/{number}/train"]
    done = subprocess.run(asked, env=git_environment(), capture_output=True, cwd=tmp_path, check=False)
    assert done.stdout.decode().split()[:1] == [group.head_sha]
    say(api, group, "pending", "plangate/net/plan")
    say(api, group, "success")
    assert api("GET", f"{HERE}/merge_requests/{number}").json()["state"] == "opened"
    say(api, group, "success", "plangate/net/plan")
    merged = api("GET", f"{HERE}/merge_requests/{number}").json()
    assert (merged["state"], merged["merge_commit_sha"]) == ("merged", group.head_sha)
    assert git.branch("main") == group.head_sha
    assert api("GET", f"{TRAIN}/{number}").status_code == 404


def test_what_fails_drops_off_and_those_behind_are_tried_once_more(
    gitlab: Playground, api: Api, joined: Callable[[str], Group]
) -> None:
    first, second, forge = joined("one"), joined("two"), gitlab.forge
    assert second.base_sha == first.head_sha
    say(api, first, "failed")
    assert (first.pull.state, forge.group_of(first.pull)) == ("open", None)
    again = forge.group_of(second.pull)
    assert again is not None
    assert (again.base_sha, again.head_sha == second.head_sha) == (first.base_sha, False)
    say(api, again, "success")
    assert second.pull.merge_sha == again.head_sha


def test_who_may_not_join_is_told_how_gitlab_does(
    gitlab: Playground, api: Api, joined: Callable[[str], Group]
) -> None:
    number = joined("one").pull.number
    sha = api("GET", f"{HERE}/merge_requests/{number}").json()["sha"]
    assert api("GET", HERE).json()["merge_trains_enabled"] is True
    assert api("POST", f"{TRAIN}/{number}", {"sha": "0" * 40}).status_code == 409
    assert api("POST", f"{TRAIN}/{number}", {"sha": sha}).status_code == 400
    assert api("POST", f"{TRAIN}/{number}", {}, login="carol").status_code == 403
    assert api("PUT", f"{HERE}/merge_requests/{number}/merge", {"sha": sha}).status_code == 405
    gitlab.forge.protect(REPO, "main", contexts=["plangate"])
    assert api("GET", HERE).json()["merge_trains_enabled"] is False
    assert api("GET", f"{TRAIN}/{number}").status_code == 403


def test_the_bot_joins_a_train_and_knows_its_commit(
    gitlab: Playground, joined: Callable[[str], Group]
) -> None:
    first, forge = joined("one"), gitlab.forge
    forge.commit(REPO, "two", {"two/main.tf": "# new\n"}, "alice")
    pull = forge.open_pull(REPO, "alice", "two", title="two")
    forge.set_status(REPO, pull.head_sha, "alice", "success", context="plangate")
    bot, repo = GitLabForge("lab", TokenLogin("token-of-alice"), url=gitlab.url), RepoRef("lab", REPO)
    with pytest.raises(HeadMoved):
        bot.merge(repo, pull.number, "0" * 40, None)
    for _ in range(2):
        with pytest.raises(NotMergeable, match="is in the merge train"):
            bot.merge(repo, pull.number, pull.head_sha, None)
    group = forge.group_of(pull)
    assert group is not None
    assert bot.queue_base(repo, pull.number, group.head_sha) == first.head_sha
    assert bot.queue_base(repo, pull.number, pull.head_sha) is None


def test_a_pipeline_is_told_of_as_gitlab_does(
    gitlab: Playground, api: Api, joined: Callable[[str], Group], received: Received
) -> None:
    first, second = joined("one"), joined("two")
    say(api, first, "failed")
    again = gitlab.forge.group_of(second.pull)
    assert again is not None
    say(api, again, "success")
    gitlab.settle()
    told: list[dict[str, Any]] = [
        json.loads(body) for headers, body in received if headers["x-gitlab-event"] == "Pipeline Hook"
    ]
    seen = [(body["object_attributes"]["sha"], body["object_attributes"]["status"]) for body in told]
    assert seen == [
        (first.head_sha, "pending"), (second.head_sha, "pending"), (first.head_sha, "failed"),
        (second.head_sha, "canceled"), (again.head_sha, "pending"), (again.head_sha, "success"),
    ]  # fmt: skip
    event = parse("lab", "Pipeline Hook", json.dumps(told[0]).encode())
    assert event == GroupAsked(RepoRef("lab", REPO), first.pull.number, first.head_sha, "main", "main")


def test_it_carries_what_recorded_ones_do(
    gitlab: Playground, joined: Callable[[str], Group], received: Received
) -> None:
    (path,) = skip_without_contracts(CONTRACTS / "gitlab").glob("pipeline.with_mr.subgroup__*.json")
    joined("one")
    gitlab.settle()
    recorded, sent = json.loads(path.read_text()), json.loads(received[-1][1])
    assert sent.keys() == recorded.keys()
    for part in ("object_attributes", "merge_request", "user", "commit"):
        assert sent[part].keys() == recorded[part].keys(), part
