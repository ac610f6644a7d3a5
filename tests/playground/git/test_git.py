"""Git over HTTP, with a real Git as the client."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.playground.server import Playground
from tests.playground.kit import GitHubClient, Listener, WorkingTree, authenticated

Clone = Callable[..., WorkingTree]


def test_what_is_pushed_can_be_cloned(playground: Playground, clone: Clone) -> None:
    tree = clone("alice")
    sha = tree.commit("Add", net__vars_tf="# vars\n")
    tree.git("push", "origin", "HEAD:main")
    assert clone("bob").git("rev-parse", "HEAD") == sha
    assert playground.forge.repo("acme/infra").git.branch("main") == sha


def test_anybody_may_clone_a_public_repository_but_not_a_private_one(
    playground: Playground, tmp_path: Path
) -> None:
    playground.forge.create_repo("acme/secret", private=True)
    tree = WorkingTree(tmp_path, "nobody")
    tree.git("clone", authenticated(playground, "acme/infra"), "public")
    assert (tmp_path / "public" / "main.tf").exists()
    refused = tree.git("ls-remote", authenticated(playground, "acme/secret"), check=False)
    assert "could not read Username" in refused
    hidden = tree.git("ls-remote", authenticated(playground, "acme/secret", "token-of-carol"), check=False)
    assert "not found" in hidden


def test_a_push_needs_write_access(playground: Playground, clone: Clone) -> None:
    tree = clone("carol")
    tree.commit("Sneak", main_tf="# mine\n")
    assert "403" in tree.git("push", "origin", "HEAD:main", check=False)
    playground.forge.grant("acme/infra", "carol", "write")
    tree.git("push", "origin", "HEAD:main")


def test_a_wrong_token_is_refused_even_for_reading(playground: Playground, tmp_path: Path) -> None:
    tree = WorkingTree(tmp_path, "nobody")
    header = "http.extraHeader=Authorization: Bearer wrong"
    answer = tree.git("-c", header, "ls-remote", authenticated(playground, "acme/infra"), check=False)
    assert "could not read Username" in answer


def test_a_token_may_come_in_a_header(playground: Playground, tmp_path: Path) -> None:
    playground.forge.create_repo("acme/secret", private=True)
    playground.forge.grant("acme/secret", "carol", "read")
    tree = WorkingTree(tmp_path, "carol")
    header = "http.extraHeader=Authorization: Bearer token-of-carol"
    tree.git("-c", header, "ls-remote", authenticated(playground, "acme/secret"))


def test_a_single_commit_can_be_fetched_by_its_hash(playground: Playground, clone: Clone) -> None:
    tree = clone("alice")
    sha = playground.forge.commit("acme/infra", "side", {"x.tf": "# x\n"}, "bob")
    playground.forge.commit("acme/infra", "side", {"x.tf": "# y\n"}, "bob")
    tree.git("fetch", "--depth=1", "origin", sha)
    assert tree.git("cat-file", "-t", sha) == "commit"


def test_a_big_push_arrives_in_chunks(clone: Clone) -> None:
    tree = clone("alice")
    # More than Git's http.postBuffer, so that it sends the pack with chunked transfer encoding.
    tree.git("config", "http.postBuffer", "65536")
    (tree.path / "big.bin").write_bytes(bytes(i * 7919 % 251 for i in range(400_000)))
    sha = tree.commit("Big")
    tree.git("push", "origin", "HEAD:big")
    assert sha in tree.git("ls-remote", "origin", "big")


def test_the_head_of_a_pull_request_is_a_ref_of_its_base(
    playground: Playground, clone: Clone, pull: int
) -> None:
    tree = clone("bob")
    tree.git("fetch", "origin", f"refs/pull/{pull}/head")
    head = playground.forge.pull("acme/infra", pull).head_sha
    assert tree.git("rev-parse", "FETCH_HEAD") == head
    new = playground.forge.commit("acme/infra", "add-db", {"db/main.tf": "# more\n"}, "alice")
    tree.git("fetch", "origin", f"refs/pull/{pull}/head")
    assert tree.git("rev-parse", "FETCH_HEAD") == new


def test_refs_of_pull_requests_cannot_be_pushed(clone: Clone, pull: int) -> None:
    tree = clone("alice")
    assert "hidden ref" in tree.git("push", "origin", f"HEAD:refs/pull/{pull}/head", check=False)


def test_the_default_branch_cannot_be_deleted(clone: Clone) -> None:
    assert "rejected" in clone("alice").git("push", "origin", ":main", check=False)


def test_a_fork_can_be_pushed_to_by_its_owner_and_opens_a_pull_request(
    playground: Playground, clone: Clone, as_user: Callable[[str], GitHubClient], listener: Listener
) -> None:
    playground.forge.fork("acme/infra", "carol")
    tree = clone("carol", "carol/infra")
    tree.commit("Offer", offer_tf="# offer\n")
    tree.git("push", "origin", "HEAD:offer")
    body = {"title": "Offer", "head": "carol:offer", "base": "main"}
    opened = as_user("carol").post("/repos/acme/infra/pulls", body)
    assert opened["head"]["repo"]["full_name"] == "carol/infra"
    assert opened["head"]["repo"]["id"] != opened["base"]["repo"]["id"]
    second = tree.commit("Offer more", offer_tf="# offer more\n")
    arrived = listener.during(lambda: tree.git("push", "origin", "HEAD:offer"))
    assert [one.name for one in arrived] == ["push", "pull_request.synchronize"]
    assert arrived[1].body["after"] == second
    base = playground.forge.repo("acme/infra").git
    assert base.ref(f"refs/pull/{opened['number']}/head") == second


@pytest.mark.parametrize("name", ["../etc", "api/v3", ".git/x", "a/b/c", "-x/y"])
def test_odd_repository_names_are_refused(playground: Playground, name: str) -> None:
    with pytest.raises(Exception, match="name is not acceptable"):
        playground.forge.create_repo(name)


def test_only_the_smart_protocol_is_spoken(
    playground: Playground, as_user: Callable[[str], GitHubClient]
) -> None:
    client = as_user("alice")
    assert client("GET", f"{playground.url}/acme/infra.git/info/refs").status_code == 403
    assert client("GET", f"{playground.url}/acme/infra.git/HEAD").status_code == 404


def test_pushes_at_the_same_time_are_all_told(
    playground: Playground, clone: Clone, listener: Listener
) -> None:
    tree = clone("alice")
    tree.commit("Many", many_tf="# many\n")

    def push(number: int) -> None:
        tree.git("push", "origin", f"HEAD:branch-{number}")

    def push_all() -> None:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(push, range(8)))

    told = {one.body["ref"] for one in listener.during(push_all)}
    assert told == {f"refs/heads/branch-{number}" for number in range(8)}
    assert len(playground.forge.repo("acme/infra").git.branches()) == 9
