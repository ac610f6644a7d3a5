"""The rest of GitHub's API: repositories, comments, statuses, roles, apps, refusals."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bot.playground.server import Playground
from tests.playground.kit import GitHubClient, GitHubDescription, WorkingTree, authenticated

AsUser = Callable[[str], GitHubClient]
REPO = "acme/infra"
HERE = f"/repos/{REPO}"


def test_a_repository_answers_what_it_holds(playground: Playground, alice: GitHubClient) -> None:
    assert alice.get("/user")["login"] == "alice"
    assert alice.get("/rate_limit")["rate"]["limit"] == 5000
    repo = alice.get(HERE)
    assert (repo["default_branch"], repo["permissions"]["push"]) == ("main", True)
    tip = alice.get(f"{HERE}/branches/main")["commit"]["sha"]
    assert alice.get(f"{HERE}/git/ref/heads/main")["object"] == {
        "sha": tip,
        "type": "commit",
        "url": f"{playground.api_url}{HERE}/git/commits/{tip}",
    }
    tree = alice.get(f"{HERE}/git/trees/{tip}?recursive=1")["tree"]
    assert [entry["path"] for entry in tree] == ["main.tf", "net", "net/main.tf"]
    content = alice.get(f"{HERE}/contents/net/main.tf?ref={tip}")["content"]
    assert base64.b64decode(content) == b"# net\n"
    # The validator trips over lists here: the description tells them apart by a property.
    plain = GitHubClient(playground, "token-of-alice")
    assert [entry["type"] for entry in plain.get(f"{HERE}/contents/")] == ["file", "dir"]
    assert [entry["path"] for entry in plain.get(f"{HERE}/contents/net")] == ["net/main.tf"]
    assert alice.get(f"{HERE}/commits/main")["files"][0]["filename"] == "main.tf"
    assert [commit["sha"] for commit in alice.get(f"{HERE}/commits")] == [tip]


def test_refs_may_have_slashes(playground: Playground, alice: GitHubClient) -> None:
    sha = playground.forge.commit(REPO, "feature/deep/one", {"x.tf": "# x\n"}, "alice")
    alice.post(f"{HERE}/statuses/{sha}", {"state": "success"})
    plain = GitHubClient(playground, "token-of-alice")
    assert plain.get(f"{HERE}/branches/feature/deep/one")["commit"]["sha"] == sha
    assert plain.get(f"{HERE}/git/ref/heads/feature/deep/one")["object"]["sha"] == sha
    assert plain.get(f"{HERE}/commits/feature/deep/one/status")["state"] == "success"
    assert len(plain.get(f"{HERE}/commits/heads/feature/deep/one/statuses")) == 1
    assert plain.get(f"{HERE}/compare/main...feature/deep/one")["ahead_by"] == 1


def test_comparisons_tell_how_two_commits_stand(playground: Playground, alice: GitHubClient) -> None:
    forge = playground.forge
    base = forge.repo(REPO).git.branch("main")
    files: dict[str, str | bytes | None] = {f"f{number:03}.tf": "# x\n" for number in range(301)}
    forge.commit(REPO, "side", files, "alice")
    ahead = alice.get(f"{HERE}/compare/main...side")
    assert (ahead["status"], ahead["ahead_by"], ahead["behind_by"]) == ("ahead", 1, 0)
    assert len(ahead["files"]) == 300
    assert ahead["merge_base_commit"]["sha"] == base
    forge.commit(REPO, "main", {"m.tf": "# m\n"}, "alice")
    assert alice.get(f"{HERE}/compare/main...side")["status"] == "diverged"
    assert alice.get(f"{HERE}/compare/main...{base}")["status"] == "behind"
    assert alice.get(f"{HERE}/compare/main...main")["status"] == "identical"
    forge.fork(REPO, "carol")
    forge.commit("carol/infra", "offer", {"o.tf": "# o\n"}, "carol")
    offered = alice.get(f"{HERE}/compare/main...carol:offer")
    assert [file["filename"] for file in offered["files"]] == ["o.tf"]
    alice.get(f"{HERE}/compare/main...nowhere", 404)


def test_what_is_not_there_is_not_found_and_what_is_private_looks_the_same(
    playground: Playground, alice: GitHubClient, as_user: AsUser
) -> None:
    playground.forge.create_repo("acme/secret", private=True)
    paths = (
        "/repos/acme/nowhere",
        "/repos/acme/secret",
        f"{HERE}/branches/nowhere",
        f"{HERE}/git/ref/heads/nowhere",
        f"{HERE}/contents/nowhere.tf",
        f"{HERE}/pulls/99",
        f"{HERE}/issues/comments/99",
        "/no/such/address",
    )
    for path in paths:
        assert "ot found" in alice.get(path, 404)["message"].replace("Found", "found")
    playground.forge.grant("acme/secret", "carol", "read")
    as_user("carol").get("/repos/acme/secret")


def test_bad_credentials_are_refused_and_none_may_read_what_is_public(
    playground: Playground, as_user: AsUser
) -> None:
    nobody = as_user("")
    nobody.get(HERE)
    assert nobody.get("/user", 401)["message"] == "Requires authentication"
    assert as_user("mallory").get(HERE, 401)["message"] == "Bad credentials"
    playground.forge.revoke("token-of-bob")
    as_user("bob").get("/user", 401)


@pytest.mark.parametrize(
    ("role", "permission"),
    [("read", "read"), ("triage", "read"), ("write", "write"), ("maintain", "write"), ("admin", "admin")],
)
def test_roles_are_told_in_both_of_githubs_ways(
    playground: Playground, alice: GitHubClient, role: str, permission: str
) -> None:
    playground.forge.grant(REPO, "carol", role)
    told = alice.get(f"{HERE}/collaborators/carol/permission")
    assert (told["role_name"], told["permission"], told["user"]["login"]) == (role, permission, "carol")
    alice.get(f"{HERE}/collaborators/carol", 204)


def test_roles_of_strangers_are_read_in_public_and_none_in_private(
    playground: Playground, as_user: AsUser, alice: GitHubClient
) -> None:
    assert alice.get(f"{HERE}/collaborators/carol/permission")["role_name"] == "read"
    alice.get(f"{HERE}/collaborators/carol", 404)
    alice.get(f"{HERE}/collaborators/nobody/permission", 404)
    playground.forge.create_repo("ada/secret", private=True)
    assert as_user("ada").get("/repos/ada/secret/collaborators/carol/permission")["permission"] == "none"
    as_user("carol").get(f"{HERE}/collaborators/bob/permission", 403)


def test_comments_are_written_read_changed_and_taken_away(as_user: AsUser, pull: int) -> None:
    bob, carol = as_user("bob"), as_user("carol")
    comments = f"{HERE}/issues/{pull}/comments"
    said = carol.post(comments, {"body": "Hello"})
    one = f"{HERE}/issues/comments/{said['id']}"
    assert carol.get(one)["body"] == "Hello"
    assert carol.patch(one, {"body": "Hello again"})["body"] == "Hello again"
    own = bob.post(comments, {"body": "Mine"})
    carol.patch(f"{HERE}/issues/comments/{own['id']}", {"body": "Yours"}, 403)
    carol.delete(f"{HERE}/issues/comments/{own['id']}", 403)
    bob.delete(one)
    assert [comment["body"] for comment in bob.get(comments)] == ["Mine"]
    assert bob.get(f"{HERE}/issues/{pull}")["comments"] == 1


def test_comments_come_in_pages(playground: Playground, alice: GitHubClient, pull: int) -> None:
    for number in range(31):
        playground.forge.comment(REPO, pull, "bob", f"comment {number}")
    first = alice("GET", f"{HERE}/issues/{pull}/comments")
    assert len(first.json()) == 30
    rest = alice("GET", first.links["next"]["url"])
    assert [comment["body"] for comment in rest.json()] == ["comment 30"]


def test_a_comment_may_be_no_longer_than_on_github(alice: GitHubClient, pull: int) -> None:
    comments = f"{HERE}/issues/{pull}/comments"
    said = alice.post(comments, {"body": "x" * 65_536})
    alice.post(comments, {"body": "x" * 65_537}, 422)
    alice.patch(f"{HERE}/issues/comments/{said['id']}", {"body": "x" * 65_537}, 422)
    alice.post(comments, {"body": "  \n"}, 422)
    alice.post(comments, {}, 422)


def test_reactions_are_counted_once_for_each_person(as_user: AsUser, pull: int) -> None:
    alice, bob = as_user("alice"), as_user("bob")
    said = alice.post(f"{HERE}/issues/{pull}/comments", {"body": "/apply"})
    reactions = f"{HERE}/issues/comments/{said['id']}/reactions"
    eyes = bob.post(reactions, {"content": "eyes"})
    assert bob.post(reactions, {"content": "eyes"}, 200)["id"] == eyes["id"]
    alice.post(reactions, {"content": "+1"})
    assert len(alice.get(reactions)) == 2
    assert len(alice.get(f"{reactions}?content=eyes")) == 1
    assert alice.get(f"{HERE}/issues/comments/{said['id']}")["reactions"]["total_count"] == 2
    bob.delete(f"{reactions}/{eyes['id']}")
    assert [one["content"] for one in alice.get(reactions)] == ["+1"]
    bob.post(reactions, {"content": "shrug"}, 422)


def test_the_latest_status_of_each_context_counts(playground: Playground, alice: GitHubClient) -> None:
    sha = playground.forge.commit(REPO, "main", {"a.tf": "# a\n"}, "alice")

    def told() -> str:
        state: str = alice.get(f"{HERE}/commits/{sha}/status")["state"]
        return state

    assert told() == "pending"
    post = f"{HERE}/statuses/{sha}"
    made = alice.post(post, {"state": "pending", "context": "plan", "description": "Planning"})
    assert made["creator"]["login"] == "alice"
    alice.post(post, {"state": "success", "context": "plan", "target_url": "http://x.test/1"})
    assert told() == "success"
    alice.post(post, {"state": "error", "context": "apply"})
    assert told() == "failure"
    combined = alice.get(f"{HERE}/commits/{sha}/status")
    assert combined["total_count"] == 2
    assert [one["context"] for one in alice.get(f"{HERE}/commits/{sha}/statuses")] == [
        "apply",
        "plan",
        "plan",
    ]


def test_statuses_have_githubs_limits(playground: Playground, as_user: AsUser, alice: GitHubClient) -> None:
    sha = playground.forge.commit(REPO, "main", {"a.tf": "# a\n"}, "alice")
    post = f"{HERE}/statuses/{sha}"
    alice.post(post, {"state": "success", "description": "x" * 140})
    alice.post(post, {"state": "success", "description": "x" * 141}, 422)
    alice.post(post, {"state": "running"}, 422)
    alice.post(post, {}, 422)
    alice.post(f"{HERE}/statuses/{'0' * 40}", {"state": "success"}, 422)
    as_user("carol").post(post, {"state": "success"}, 403)
    for _ in range(1_000):
        playground.forge.set_status(REPO, sha, "alice", "pending", context="often")
    alice.post(post, {"state": "success", "context": "often"}, 422)
    alice.post(post, {"state": "success", "context": "seldom"})


def test_answers_can_be_asked_for_only_if_they_changed(
    playground: Playground, alice: GitHubClient, pull: int
) -> None:
    path = f"{HERE}/issues/{pull}/comments"
    first = alice("GET", path)
    assert "max-age=60" in first.headers["Cache-Control"]
    assert alice("GET", path, If_None_Match=first.headers["ETag"]).status_code == 304
    playground.forge.comment(REPO, pull, "bob", "News")
    assert alice("GET", path, If_None_Match=first.headers["ETag"]).status_code == 200


# Apps


def app_token(key: rsa.RSAPrivateKey, app_id: int, **claims: int) -> str:
    now = int(time.time())
    content = {"iss": str(app_id), "iat": now - 60, "exp": now + 300, **claims}
    return jwt.encode(content, key, algorithm="RS256")


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_an_app_works_through_its_installation(
    playground: Playground,
    description: GitHubDescription | None,
    key: rsa.RSAPrivateKey,
    pull: int,
    tmp_path: Path,
) -> None:
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    playground.forge.install_app(playground.forge.register_app(42, "plangate", public), "acme")
    app = GitHubClient(playground, app_token(key, 42), description)
    assert app.get("/app")["slug"] == "plangate"
    # In this list the description asks for an account that is a user and an enterprise at once.
    (listed,) = GitHubClient(playground, app_token(key, 42)).get("/app/installations")
    found = app.get(f"{HERE}/installation")
    assert found["id"] == listed["id"]
    assert app.get(f"/app/installations/{found['id']}")["account"]["login"] == "acme"
    token = app.post(f"/app/installations/{found['id']}/access_tokens")["token"]
    bot = GitHubClient(playground, token, description)
    assert [repo["full_name"] for repo in bot.get("/installation/repositories")["repositories"]] == [REPO]
    said = bot.post(f"{HERE}/issues/{pull}/comments", {"body": "Planned."})
    assert (said["user"]["login"], said["user"]["type"]) == ("plangate[bot]", "Bot")
    bot.post(f"{HERE}/statuses/{playground.forge.pull(REPO, pull).head_sha}", {"state": "success"})
    playground.forge.create_repo("other/place", private=True)
    bot.get("/repos/other/place", 404)
    GitHubClient(playground, app_token(key, 42), description).get("/repos/other/place/installation", 404)


def test_an_apps_proof_must_be_its_own(playground: Playground, key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    playground.forge.register_app(42, "plangate", public)
    playground.forge.register_app(43, "trusting")
    GitHubClient(playground, app_token(other, 43)).get("/app")
    for token in (
        app_token(other, 42),
        app_token(key, 44),
        app_token(key, 42, exp=1),
        app_token(key, 42, exp=int(time.time()) + 3_600),
        "token-of-alice",
        jwt.encode({"iss": "42", "exp": int(time.time()) + 60}, "secret" * 8, algorithm="HS256"),
    ):
        GitHubClient(playground, token).get("/app", 401)


def test_an_app_can_look_through_its_deliveries_and_ask_for_one_again(
    playground: Playground, description: GitHubDescription | None, key: rsa.RSAPrivateKey
) -> None:
    playground.forge.register_app(42, "plangate")
    playground.add_hook("http://127.0.0.1:1/gone")
    playground.settle()
    app = GitHubClient(playground, app_token(key, 42), description)
    (ping,) = app.get("/app/hook/deliveries")
    assert (ping["event"], ping["status_code"]) == ("ping", 0)
    app.post(f"/app/hook/deliveries/{ping['id']}/attempts", status=202)
    playground.settle()
    again, first = app.get("/app/hook/deliveries")
    assert (again["guid"], again["redelivery"], first["redelivery"]) == (ping["guid"], True, False)


def test_an_apps_deliveries_come_in_pages_by_a_cursor(
    playground: Playground, description: GitHubDescription | None, key: rsa.RSAPrivateKey
) -> None:
    playground.forge.register_app(42, "plangate")
    for _ in range(3):
        playground.add_hook("http://127.0.0.1:1/gone")
    playground.add_hook("http://127.0.0.1:1/gone", repo="acme/infra")
    playground.settle()
    app = GitHubClient(playground, app_token(key, 42), description)
    first = app("GET", "/app/hook/deliveries?per_page=2")
    rest = app("GET", first.links["next"]["url"].removeprefix(playground.url).removeprefix("/api/v3"))
    # Those of a repository's own webhook are not the App's.
    assert [one["id"] for one in first.json() + rest.json()] == [3, 2, 1]
    assert "next" not in rest.links
    app.get("/app/hook/deliveries?cursor=elsewhere", 422)


def test_a_repositorys_administrator_sees_its_deliveries_as_an_app_sees_its_own(
    playground: Playground, as_user: Callable[[str], GitHubClient], key: rsa.RSAPrivateKey
) -> None:
    playground.forge.register_app(42, "plangate")
    hook = playground.add_hook("http://127.0.0.1:1/gone", repo="acme/infra")
    playground.add_hook("http://127.0.0.1:1/gone")
    playground.settle()
    ada, at = as_user("ada"), f"/repos/acme/infra/hooks/{hook.id}/deliveries"
    (ping,) = ada.get(at)
    # The description has only an app's list.
    (of_app,) = GitHubClient(playground, app_token(key, 42)).get("/app/hook/deliveries")
    assert ping.keys() == of_app.keys()
    ada.post(f"{at}/{ping['id']}/attempts", status=202)
    playground.settle()
    assert [one["redelivery"] for one in ada.get(at)] == [True, False]
    ada.post(f"{at}/999/attempts", status=404)
    ada.get("/repos/acme/infra/hooks/999/deliveries", 404)
    as_user("alice").get(at, 403)


def test_what_got_lost_on_its_way_is_not_in_the_list(
    playground: Playground, as_user: Callable[[str], GitHubClient]
) -> None:
    hook = playground.add_hook("http://127.0.0.1:1/gone", repo="acme/infra")
    playground.settle()
    playground.outbox.lose(1.0)
    playground.forge.commit("acme/infra", "main", {"a.tf": "# a\n"}, "alice", "More")
    playground.settle()
    found = as_user("ada").get(f"/repos/acme/infra/hooks/{hook.id}/deliveries")
    assert [one["event"] for one in found] == ["ping"]


def test_an_installations_token_opens_git_too(playground: Playground, tmp_path: Path) -> None:
    forge = playground.forge
    forge.create_repo("acme/secret", private=True)
    token, _ = forge.installation_token(forge.install_app(forge.register_app(42, "plangate"), "acme"))
    tree = WorkingTree(tmp_path, "bot")
    tree.git("ls-remote", authenticated(playground, "acme/secret", token))
