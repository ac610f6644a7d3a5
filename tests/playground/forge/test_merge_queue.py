"""The playground's merge queue: a commit for each pull request, merged once its checks are green."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.playground.forge.model import ForgeError
from bot.playground.server import Playground
from tests.playground.kit import Listener

REPO = "acme/infra"


@pytest.fixture
def queued(playground: Playground) -> Callable[[str], Any]:
    """Put a pull request with a branch of this name into the queue."""
    forge = playground.forge
    forge.protect(REPO, "main", contexts=["plangate"], queue=True)

    def enqueue(branch: str) -> Any:
        forge.commit(REPO, branch, {f"{branch}/main.tf": "# new\n"}, "alice")
        pull = forge.open_pull(REPO, "alice", branch, title=branch)
        forge.set_status(REPO, pull.head_sha, "bob", "success", context="plangate")
        return forge.enqueue(REPO, pull.number, "alice")

    return enqueue


def test_a_green_check_merges_by_moving_the_branch(
    playground: Playground, listener: Listener, queued: Callable[[str], Any]
) -> None:
    forge, made = playground.forge, []
    told = listener.during(lambda: made.append(queued("one")))
    (group,) = made
    git = forge.repo(REPO).git
    assert group.branch == f"gh-readonly-queue/main/pr-{group.pull.number}-{git.branch('main')}"
    assert git.branch(group.branch) == group.head_sha
    forge.set_status(REPO, group.head_sha, "bob", "pending", context="plangate")
    assert group.pull.merged_at is None
    told += listener.during(
        lambda: forge.set_status(REPO, group.head_sha, "bob", "success", context="plangate")
    )
    assert (git.branch("main"), group.pull.merge_sha) == (group.head_sha, group.head_sha)
    assert git.branch(group.branch) is None
    groups = [one.body for one in told if one.event == "merge_group"]
    assert [(body["action"], body.get("reason")) for body in groups] == [
        ("checks_requested", None), ("destroyed", "merged")
    ]  # fmt: skip


def test_a_red_check_takes_it_out_with_those_that_stand_on_it(
    playground: Playground, queued: Callable[[str], Any]
) -> None:
    forge, first = playground.forge, queued("one")
    second = queued("two")
    assert second.base_sha == first.head_sha
    forge.set_status(REPO, first.head_sha, "bob", "failure", context="plangate")
    assert forge.repo(REPO).groups == {}
    assert (first.pull.state, second.pull.state) == ("open", "open")


def test_the_second_waits_for_the_first(playground: Playground, queued: Callable[[str], Any]) -> None:
    forge, first = playground.forge, queued("one")
    second = queued("two")
    forge.set_status(REPO, second.head_sha, "bob", "success", context="plangate")
    assert second.pull.merged_at is None
    forge.set_status(REPO, first.head_sha, "bob", "success", context="plangate")
    assert forge.repo(REPO).git.branch("main") == second.head_sha
    assert first.pull.merged_at and second.pull.merged_at


def test_where_there_is_a_queue_nothing_is_merged_past_it(
    playground: Playground, queued: Callable[[str], Any]
) -> None:
    group = queued("one")
    with pytest.raises(ForgeError, match="through the merge queue"):
        playground.forge.merge(REPO, group.pull.number, "alice")
    with pytest.raises(ForgeError):
        playground.forge.enqueue(REPO, group.pull.number, "carol")
