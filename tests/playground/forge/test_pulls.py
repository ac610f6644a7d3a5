"""Pull requests through GitHub's API: conflicts, merges, paging, limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bot.playground.server import Playground
from tests.playground.kit import GitHubClient

AsUser = Callable[[str], GitHubClient]
REPO = "acme/infra"
PULLS = f"/repos/{REPO}/pulls"


def test_a_pull_request_shows_what_changed_since_it_left_its_base(
    playground: Playground, alice: GitHubClient, pull: int
) -> None:
    playground.forge.commit(REPO, "main", {"other.tf": "# other\n"}, "bob")
    files = {file["filename"]: file for file in alice.get(f"{PULLS}/{pull}/files")}
    assert {name: file["status"] for name, file in files.items()} == {
        "db/main.tf": "added",
        "net/main.tf": "modified",
    }
    assert files["net/main.tf"]["patch"] == "@@ -1 +1,2 @@\n # net\n+# more"
    assert [commit["commit"]["message"] for commit in alice.get(f"{PULLS}/{pull}/commits")] == [
        "Add a database"
    ]
    # It is found out only once somebody asks.
    for state in ("unknown", "clean"):
        assert alice.get(f"{PULLS}/{pull}")["mergeable_state"] == state


def test_renames_binary_files_and_odd_names_are_listed(playground: Playground, alice: GitHubClient) -> None:
    text = "".join(f"line {number}\n" for number in range(20))
    playground.forge.commit(REPO, "main", {"old.tf": text}, "bob")
    changes: dict[str, str | bytes | None] = {
        "old.tf": None,
        "new name.tf": text,
        "a.bin": bytes(range(256)),
        "ü/ß.tf": "# é\n",
    }
    playground.forge.commit(REPO, "odd", changes, "bob")
    number = playground.forge.open_pull(REPO, "bob", "odd", title="Odd").number
    files = {file["filename"]: file for file in alice.get(f"{PULLS}/{number}/files")}
    assert set(files) == {"new name.tf", "a.bin", "ü/ß.tf"}
    assert files["new name.tf"]["status"] == "renamed"
    assert files["new name.tf"]["previous_filename"] == "old.tf"
    assert "patch" not in files["a.bin"]
    assert files["ü/ß.tf"]["patch"].endswith("+# é")


def test_files_come_in_pages_that_link_to_each_other(playground: Playground, alice: GitHubClient) -> None:
    files: dict[str, str | bytes | None] = {f"many/f{number:04}.tf": f"# {number}\n" for number in range(30)}
    playground.forge.commit(REPO, "many", files, "alice")
    number = playground.forge.open_pull(REPO, "alice", "many", title="Many").number
    answer = alice("GET", f"{PULLS}/{number}/files?per_page=8")
    seen = [file["filename"] for file in answer.json()]
    assert set(answer.links) == {"next", "last"}
    while "next" in answer.links:
        answer = alice("GET", answer.links["next"]["url"])
        seen += [file["filename"] for file in answer.json()]
    assert set(answer.links) == {"prev", "first"}
    assert seen == sorted(files)


def test_no_more_than_three_thousand_files_are_listed(playground: Playground, alice: GitHubClient) -> None:
    files: dict[str, str | bytes | None] = {
        f"many/f{number:04}.tf": f"# {number}\n" for number in range(3_001)
    }
    playground.forge.commit(REPO, "many", files, "alice")
    number = playground.forge.open_pull(REPO, "alice", "many", title="Many").number
    assert alice.get(f"{PULLS}/{number}")["changed_files"] == 3_001
    last = alice("GET", f"{PULLS}/{number}/files?per_page=100").links["last"]["url"]
    assert [file["filename"] for file in alice.get(last)][-1] == "many/f2999.tf"


def test_a_conflict_makes_a_pull_request_dirty_and_unmergeable(
    playground: Playground, as_user: AsUser, pull: int
) -> None:
    playground.forge.commit(REPO, "main", {"net/main.tf": "# rewritten\n"}, "bob")
    bob = as_user("bob")
    assert bob.get(f"{PULLS}/{pull}")["mergeable"] is None
    shown = bob.get(f"{PULLS}/{pull}")
    assert (shown["mergeable"], shown["mergeable_state"]) == (False, "dirty")
    assert bob.put(f"{PULLS}/{pull}/merge", status=405)["message"] == "Pull Request is not mergeable"


@pytest.mark.parametrize(("method", "parents"), [("merge", 2), ("squash", 1), ("rebase", 1)])
def test_every_way_of_merging_brings_the_change_to_the_base(
    playground: Playground, alice: GitHubClient, pull: int, method: str, parents: int
) -> None:
    playground.forge.commit(REPO, "main", {"other.tf": "# other\n"}, "bob")
    merged = alice.put(f"{PULLS}/{pull}/merge", {"merge_method": method})
    assert merged["merged"] is True
    commit = alice.get(f"/repos/{REPO}/commits/main")
    assert commit["sha"] == merged["sha"]
    assert len(commit["parents"]) == parents
    assert alice.get(f"/repos/{REPO}/contents/db/main.tf")["encoding"] == "base64"
    alice.get(f"{PULLS}/{pull}/merge", 204)
    assert alice.get(f"{PULLS}/{pull}")["merged_by"]["login"] == "alice"


def test_a_merge_asks_for_the_head_that_was_meant(alice: GitHubClient, pull: int) -> None:
    alice.get(f"{PULLS}/{pull}/merge", 404)
    alice.put(f"{PULLS}/{pull}/merge", {"sha": "0" * 40}, 409)


def test_a_reader_may_not_merge(as_user: AsUser, pull: int) -> None:
    as_user("carol").put(f"{PULLS}/{pull}/merge", status=403)


def test_a_protected_branch_waits_for_its_checks_and_approvals(
    playground: Playground, as_user: AsUser, pull: int
) -> None:
    forge, bob = playground.forge, as_user("bob")
    forge.protect(REPO, "main", contexts=["plangate/apply"], approvals=1)
    bob.get(f"{PULLS}/{pull}")
    assert bob.get(f"{PULLS}/{pull}")["mergeable_state"] == "blocked"
    refused = bob.put(f"{PULLS}/{pull}/merge", status=405)
    assert refused["message"] == 'Required status check "plangate/apply" is expected.'
    forge.set_status(REPO, forge.pull(REPO, pull).head_sha, "bob", "success", context="plangate/apply")
    forge.review(REPO, pull, "carol")
    bob.put(f"{PULLS}/{pull}/merge", status=405)
    forge.review(REPO, pull, "bob")
    assert as_user("ada").get(f"/repos/{REPO}/branches/main")["protected"] is True
    as_user("ada").get(f"/repos/{REPO}/branches/main/protection")
    bob.get(f"/repos/{REPO}/rules/branches/main")
    bob.put(f"{PULLS}/{pull}/merge")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"title": "T", "head": "nowhere", "base": "main"}, "head is invalid"),
        ({"title": "T", "head": "main", "base": "nowhere"}, "base is invalid"),
        ({"title": "T", "head": "main", "base": "main"}, "No commits between main and acme:main"),
        ({"title": "T", "head": "add-db", "base": "main"}, "A pull request already exists for acme:add-db."),
        ({"head": "add-db", "base": "main"}, "title is missing"),
    ],
)
def test_a_pull_request_that_makes_no_sense_is_refused_with_the_reason(
    alice: GitHubClient, pull: int, body: dict[str, Any], message: str
) -> None:
    answer = alice.post(PULLS, body, 422)
    assert answer["message"] == "Validation Failed"
    assert [error["message"] for error in answer["errors"]] == [message]


def test_lists_of_pull_requests_can_be_narrowed(
    playground: Playground, alice: GitHubClient, pull: int
) -> None:
    playground.forge.commit(REPO, "two", {"two.tf": "# two\n"}, "alice")
    playground.forge.open_pull(REPO, "alice", "two", title="Two")
    playground.forge.close(REPO, pull, "alice")

    def listed(query: str) -> list[int]:
        return [one["number"] for one in alice.get(f"{PULLS}{query}")]

    assert listed("") == [2]
    assert listed("?state=all") == [2, 1]
    assert listed("?state=closed") == [1]
    assert listed("?head=acme:two&base=main") == [2]
    assert listed("?head=acme:add-db") == []


def test_a_commit_knows_its_pull_requests(playground: Playground, alice: GitHubClient, pull: int) -> None:
    head = playground.forge.pull(REPO, pull).head_sha
    assert [one["number"] for one in alice.get(f"/repos/{REPO}/commits/{head}/pulls")] == [pull]
    merged = playground.forge.merge(REPO, pull, "alice", "squash")
    assert [one["number"] for one in alice.get(f"/repos/{REPO}/commits/{merged}/pulls")] == [pull]


def test_reviews_are_listed_and_nobody_approves_their_own(
    alice: GitHubClient, as_user: AsUser, pull: int
) -> None:
    alice.post(f"{PULLS}/{pull}/reviews", {"event": "APPROVE"}, 422)
    as_user("bob").post(f"{PULLS}/{pull}/reviews", {"event": "REQUEST_CHANGES", "body": "No"}, 200)
    as_user("bob").post(f"{PULLS}/{pull}/reviews", {"event": "APPROVE"}, 200)
    states = [review["state"] for review in alice.get(f"{PULLS}/{pull}/reviews")]
    assert states == ["CHANGES_REQUESTED", "APPROVED"]


def test_a_pull_request_survives_its_fork(playground: Playground, as_user: AsUser) -> None:
    forge = playground.forge
    forge.fork(REPO, "carol")
    forge.commit("carol/infra", "offer", {"o.tf": "# o\n"}, "carol")
    number = forge.open_pull(REPO, "carol", "carol:offer", title="Offer").number
    forge.delete_repo("carol/infra")
    head = forge.pull(REPO, number)
    assert head.head_repo is None
    # GitHub's description says that head.repo is always there; GitHub's answers say null here.
    plain = GitHubClient(playground, "token-of-alice")
    assert plain.get(f"{PULLS}/{number}")["head"]["repo"] is None
