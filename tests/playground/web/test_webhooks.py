"""What the forge sends when something happens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bot.playground.server import Playground
from tests.playground.kit import SECRET, GitHubClient, Listener, WorkingTree
from tests.support.contracts import CONTRACTS, skip_without_contracts

Clone = Callable[..., WorkingTree]
REPO = "acme/infra"


def names(received: list[Any]) -> list[str]:
    return [one.name for one in received]


def test_a_new_hook_is_greeted_and_everything_is_signed(playground: Playground, listener: Listener) -> None:
    playground.forge.commit(REPO, "main", {"a.tf": "# a\n"}, "alice")
    playground.settle()
    assert names(listener.received) == ["ping", "push"]
    for one in listener.received:
        assert one.signed_with(SECRET)
        assert not one.signed_with("another")
        assert one.headers["User-Agent"].startswith("GitHub-Hookshot/")
        assert one.headers["Content-Type"] == "application/json"
        assert one.headers["X-GitHub-Hook-ID"].isdigit()
    assert [delivery.status for delivery in playground.deliveries] == [202, 202]


def test_a_push_tells_its_commits_with_their_files(listener: Listener, clone: Clone) -> None:
    tree = clone("alice")
    before = tree.git("rev-parse", "HEAD")
    first = tree.commit("One", main_tf="# changed\n", new_tf="# new\n")
    second = tree.commit("Two", net__main_tf=None)
    (push,) = listener.during(lambda: tree.git("push", "origin", "HEAD:main"))
    body = push.body
    assert (body["ref"], body["before"], body["after"]) == ("refs/heads/main", before, second)
    assert (body["created"], body["deleted"], body["forced"]) == (False, False, False)
    assert [commit["id"] for commit in body["commits"]] == [first, second]
    assert body["commits"][0]["added"] == ["new.tf"]
    assert body["commits"][0]["modified"] == ["main.tf"]
    assert body["commits"][1]["removed"] == ["net/main.tf"]
    assert body["head_commit"]["id"] == second
    assert body["head_commit"]["author"]["username"] == "alice"
    assert body["pusher"]["name"] == body["sender"]["login"] == "alice"
    assert isinstance(body["repository"]["pushed_at"], int)


def test_branches_come_move_by_force_and_go(listener: Listener, clone: Clone) -> None:
    tree = clone("alice")
    sha = tree.commit("Side", side_tf="# side\n")
    (created,) = listener.during(lambda: tree.git("push", "origin", "HEAD:side"))
    assert created.body["created"] is True
    assert [commit["id"] for commit in created.body["commits"]] == [sha]
    tree.git("commit", "--amend", "--quiet", "-m", "Otherwise")
    (forced,) = listener.during(lambda: tree.git("push", "--force", "origin", "HEAD:side"))
    assert forced.body["forced"] is True
    assert forced.body["before"] == sha
    (deleted,) = listener.during(lambda: tree.git("push", "origin", ":side"))
    assert deleted.body["deleted"] is True
    assert deleted.body["after"] == "0" * 40
    assert deleted.body["head_commit"] is None


def test_a_tag_is_told_as_a_push_without_commits(listener: Listener, clone: Clone) -> None:
    tree = clone("alice")
    tree.git("tag", "-a", "v1", "-m", "One")
    (push,) = listener.during(lambda: tree.git("push", "origin", "v1"))
    assert push.body["ref"] == "refs/tags/v1"
    assert push.body["commits"] == []
    assert push.body["head_commit"]["id"] == tree.git("rev-parse", "HEAD")


def test_one_push_of_two_branches_is_told_twice(listener: Listener, clone: Clone) -> None:
    tree = clone("alice")
    tree.commit("Both", both_tf="# both\n")
    arrived = listener.during(lambda: tree.git("push", "origin", "HEAD:one", "HEAD:two"))
    assert sorted(one.body["ref"] for one in arrived) == ["refs/heads/one", "refs/heads/two"]


def test_a_refused_push_is_not_told(listener: Listener, clone: Clone) -> None:
    tree = clone("alice")
    assert listener.during(lambda: tree.git("push", "origin", ":main", check=False)) == []


def test_the_life_of_a_pull_request_is_told(
    playground: Playground, listener: Listener, alice: GitHubClient
) -> None:
    forge = playground.forge
    old = forge.commit(REPO, "topic", {"t.tf": "# t\n"}, "alice")
    pulls = f"/repos/{REPO}/pulls"
    new = {"title": "T", "head": "topic", "base": "main", "draft": True}
    (opened,) = listener.during(lambda: alice.post(pulls, new))
    assert opened.name == "pull_request.opened"
    assert opened.body["pull_request"]["draft"] is True
    assert opened.body["pull_request"]["changed_files"] == 1
    (ready,) = listener.during(lambda: forge.draft(REPO, 1, "alice", False))
    assert ready.name == "pull_request.ready_for_review"
    (drafted,) = listener.during(lambda: forge.draft(REPO, 1, "alice"))
    assert drafted.name == "pull_request.converted_to_draft"
    (asked,) = listener.during(lambda: forge.ask_review(REPO, 1, "alice", "bob"))
    assert asked.name == "pull_request.review_requested"
    assert [user["login"] for user in asked.body["pull_request"]["requested_reviewers"]] == ["bob"]
    (edited,) = listener.during(lambda: alice.patch(f"{pulls}/1", {"title": "Better"}))
    assert (edited.name, edited.body["changes"]) == ("pull_request.edited", {"title": {"from": "T"}})
    _, moved = listener.during(lambda: forge.commit(REPO, "topic", {"t.tf": "# u\n"}, "alice"))
    assert (moved.name, moved.body["before"]) == ("pull_request.synchronize", old)
    assert moved.body["after"] == moved.body["pull_request"]["head"]["sha"] != old
    (closed,) = listener.during(lambda: alice.patch(f"{pulls}/1", {"state": "closed"}))
    assert (closed.name, closed.body["pull_request"]["merged"]) == ("pull_request.closed", False)
    (again,) = listener.during(lambda: alice.patch(f"{pulls}/1", {"state": "open"}))
    assert again.name == "pull_request.reopened"


def test_a_merge_is_told_as_a_closed_pull_request_and_a_push(
    playground: Playground, listener: Listener, alice: GitHubClient, pull: int
) -> None:
    closed, push = listener.during(lambda: alice.put(f"/repos/{REPO}/pulls/{pull}/merge"))
    assert closed.name == "pull_request.closed"
    assert closed.body["pull_request"]["merged"] is True
    assert closed.body["pull_request"]["merged_by"]["login"] == "alice"
    assert push.body["ref"] == "refs/heads/main"
    assert closed.body["pull_request"]["merge_commit_sha"] == push.body["after"]
    assert len(push.body["commits"]) == 2


def test_pushing_a_pull_request_into_its_base_by_hand_merges_it(
    playground: Playground, listener: Listener, clone: Clone, pull: int
) -> None:
    tree = clone("bob")
    tree.git("merge", "--ff-only", "origin/add-db")
    arrived = listener.during(lambda: tree.git("push", "origin", "HEAD:main"))
    assert names(arrived) == ["push", "pull_request.closed"]
    assert arrived[1].body["pull_request"]["merged"] is True


def test_deleting_the_branch_closes_its_pull_request(listener: Listener, clone: Clone, pull: int) -> None:
    tree = clone("bob")
    arrived = listener.during(lambda: tree.git("push", "origin", ":add-db"))
    assert names(arrived) == ["push", "pull_request.closed"]
    assert arrived[1].body["pull_request"]["merged"] is False


def test_comments_and_reviews_are_told(
    playground: Playground, listener: Listener, as_user: Callable[[str], GitHubClient], pull: int
) -> None:
    bob = as_user("bob")
    issue, reviews = f"/repos/{REPO}/issues/{pull}/comments", f"/repos/{REPO}/pulls/{pull}/reviews"
    (created,) = listener.during(lambda: bob.post(issue, {"body": "/plan"}))
    assert created.name == "issue_comment.created"
    assert "pull_request" in created.body["issue"]
    one = f"/repos/{REPO}/issues/comments/{created.body['comment']['id']}"
    (edited,) = listener.during(lambda: bob.patch(one, {"body": "/apply"}))
    assert edited.body["changes"] == {"body": {"from": "/plan"}}
    (deleted,) = listener.during(lambda: bob.delete(one))
    assert deleted.name == "issue_comment.deleted"
    (submitted,) = listener.during(lambda: bob.post(reviews, {"event": "APPROVE"}, 200))
    assert (submitted.name, submitted.body["review"]["state"]) == (
        "pull_request_review.submitted",
        "approved",
    )
    review_id = submitted.body["review"]["id"]
    (dismissed,) = listener.during(lambda: bob.put(f"{reviews}/{review_id}/dismissals", {"message": "Stale"}))
    assert dismissed.body["review"]["state"] == "dismissed"


def test_a_delivery_is_sent_again_under_the_same_id_only_when_asked(
    playground: Playground, listener: Listener
) -> None:
    listener.answer = 500
    playground.forge.commit(REPO, "main", {"a.tf": "# a\n"}, "alice")
    playground.settle()
    failed = playground.deliveries[-1]
    assert failed.status == 500
    listener.answer = 202
    (again,) = listener.during(lambda: playground.redeliver(failed.id))
    assert (again.id, again.raw) == (failed.id, failed.body)
    assert playground.deliveries[-1].redelivery
    assert playground.deliveries[-1].status == 202


def test_a_receiver_that_is_gone_is_recorded_and_holds_up_nobody(
    playground: Playground, listener: Listener
) -> None:
    playground.forge.hooks.clear()
    playground.add_hook("http://127.0.0.1:1/gone")
    playground.add_hook(listener.url)
    playground.settle()
    gone, there = playground.deliveries[-2:]
    assert gone.status == 0
    assert "ConnectError" in gone.error
    assert there.status == 202


def test_a_hook_hears_only_what_it_asked_for(playground: Playground, listener: Listener) -> None:
    playground.forge.hooks.clear()
    playground.forge.create_repo("acme/other")
    playground.add_hook(listener.url, events=["push"], repo="acme/other")
    playground.forge.commit(REPO, "main", {"a.tf": "# a\n"}, "alice")
    playground.forge.grant("acme/other", "alice", "write")
    act = lambda: playground.forge.commit("acme/other", "main", {"a.tf": "# a\n"}, "alice")  # noqa: E731
    assert [one.body["repository"]["full_name"] for one in listener.during(act)] == ["acme/other"]


# Every key that the playground sends is one that GitHub has been seen to send.


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}"
            yield from key_paths(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for inner in value:
            yield from key_paths(inner, f"{path}[]")


@pytest.fixture(scope="module")
def recorded() -> dict[str, set[str]]:
    folder = skip_without_contracts(CONTRACTS / "github")
    found: dict[str, set[str]] = {}
    for file in folder.glob("*.json"):
        if file.name != "MANIFEST.json":
            event = file.name.split("__")[0].split(".")[0]
            found.setdefault(event, set()).update(key_paths(json.loads(file.read_text())))
    return found


def test_events_hold_no_key_that_github_was_never_seen_to_send(
    playground: Playground, listener: Listener, recorded: dict[str, set[str]], pull: int
) -> None:
    forge = playground.forge
    forge.install_app(forge.register_app(7, "plangate"), "acme")
    forge.fork(REPO, "carol")
    forge.commit("carol/infra", "offer", {"o.tf": "# o\n"}, "carol")
    forge.open_pull(REPO, "carol", "carol:offer", title="Offer", body="Text")
    forge.edit_pull(REPO, pull, "alice", title="New", body="Text")
    comment = forge.comment(REPO, pull, "bob", "Well")
    forge.edit_comment(REPO, comment.id, "bob", "Very well")
    forge.delete_comment(REPO, comment.id, "bob")
    review = forge.review(REPO, pull, "bob", "APPROVE", "Fine")
    forge.dismiss_review(REPO, pull, review.id, "bob")
    forge.merge(REPO, pull, "bob", "squash")
    playground.add_hook(listener.url, repo=REPO)
    playground.settle()
    assert {one.event for one in listener.received} == {
        "ping",
        "push",
        "pull_request",
        "issue_comment",
        "pull_request_review",
    }
    # Some events were recorded before GitHub added keys to repositories: those count wherever they were seen.
    repository = {path for event in recorded.values() for path in event if path.startswith(".repository.")}
    for one in listener.received:
        for path in set(key_paths(one.body)) - recorded[one.event]:
            # The recordings hold no change of a title, which GitHub tells in the same way as one of the body.
            known = path.startswith(".changes.title")
            assert known or re.sub(r".*\.repo(sitory)?\.", ".repository.", path) in repository, one.name
