"""Trouble on demand, the record of calls, and the playground in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from bot.playground.server import Playground
from bot.playground.web.webhooks import LOST
from tests.playground.kit import GitHubClient, Listener, WorkingTree

REPO = "acme/infra"


@pytest.fixture
def plain(playground: Playground) -> GitHubClient:
    """Give a client that is not held to the description: what goes wrong is in none."""
    return GitHubClient(playground, "token-of-alice")


def test_a_fault_hits_the_calls_it_is_meant_for_and_then_ends(
    playground: Playground, plain: GitHubClient
) -> None:
    playground.forge.faults.add("GET", r"/branches/main$", 502, times=2)
    plain.get(f"/repos/{REPO}")
    plain.get(f"/repos/{REPO}/branches/main", 502)
    plain.get(f"/repos/{REPO}/branches/main", 502)
    plain.get(f"/repos/{REPO}/branches/main")


def test_a_rate_limit_says_when_to_come_back(playground: Playground, plain: GitHubClient) -> None:
    playground.forge.faults.add(
        "", "/comments", 429, {"retry-after": "7"}, times=None, body={"message": "secondary rate limit"}
    )
    answer = plain("POST", f"/repos/{REPO}/issues/1/comments", {"body": "x"})
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.json() == {"message": "secondary rate limit"}
    playground.forge.faults.clear()
    plain.get(f"/repos/{REPO}/issues/1/comments", 404)


def test_an_answer_can_be_lost_after_the_effect(
    playground: Playground, plain: GitHubClient, pull: int
) -> None:
    playground.forge.faults.add("POST", r"/issues/\d+/comments", 502, after=True)
    plain.post(f"/repos/{REPO}/issues/{pull}/comments", {"body": "once"}, 502)
    assert [comment.body for comment in playground.forge.pull(REPO, pull).comments] == ["once"]


def test_a_fault_without_a_status_only_delays(playground: Playground, plain: GitHubClient) -> None:
    fault = playground.forge.faults.add("GET", "/user", None, delay=0.001)
    assert plain.get("/user")["login"] == "alice"
    assert fault.seen == 1


@pytest.mark.parametrize("after", [False, True])
def test_a_connection_can_be_cut_before_and_after_the_effect(
    playground: Playground, plain: GitHubClient, pull: int, after: bool
) -> None:
    playground.forge.faults.add("POST", r"/issues/\d+/comments", None, cut=True, after=after)
    with pytest.raises(httpx.TransportError):
        plain.post(f"/repos/{REPO}/issues/{pull}/comments", {"body": "once"})
    said = [comment.body for comment in playground.forge.pull(REPO, pull).comments]
    assert said == (["once"] if after else [])


def test_a_share_of_somebodys_calls_fails_the_same_ones_for_a_seed(
    playground: Playground, plain: GitHubClient
) -> None:
    def answers() -> list[int]:
        playground.forge.faults.clear()
        playground.forge.faults.add("", "", 503, times=None, share=0.5, login="alice", seed=7)
        return [plain("GET", "/user", None).status_code for _ in range(20)]

    first = answers()
    assert set(first) == {200, 503}
    assert answers() == first
    GitHubClient(playground, "token-of-bob").get("/user")


def test_webhooks_can_be_lost_on_their_way(playground: Playground, listener: Listener) -> None:
    playground.outbox.lose(1)

    def push() -> None:
        playground.forge.commit(REPO, "main", {"one.tf": "# one\n"}, "alice", "One")

    assert listener.during(push) == []
    assert [one.error for one in playground.deliveries if one.event == "push"] == [LOST]
    playground.outbox.lose(0)
    assert [one.event for one in listener.during(push)] == ["push"]


def test_git_can_be_troubled_too(playground: Playground, clone: Callable[..., WorkingTree]) -> None:
    tree = clone("alice")
    playground.forge.faults.add("POST", "git-receive-pack", 500)
    tree.commit("One", one_tf="# one\n")
    assert "500" in tree.git("push", "origin", "HEAD:one", check=False)
    assert playground.forge.repo(REPO).git.branch("one") is None
    tree.git("push", "origin", "HEAD:one")


def test_calls_are_recorded_with_who_made_them(playground: Playground, plain: GitHubClient) -> None:
    plain.get("/user")
    plain.get("/repos/acme/nowhere", 404)
    assert [tuple(call) for call in playground.forge.calls] == [
        ("GET", "/api/v3/user", "alice", 200),
        ("GET", "/api/v3/repos/acme/nowhere", "alice", 404),
    ]
    assert len(playground.forge.calls.matching("GET", "/user$")) == 1


# In a process of its own


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    command = [sys.executable, "-m", "bot.playground", "--root", str(tmp_path / "forge")]
    command += ["--webhook-url", "http://127.0.0.1:1/gone", "--webhook-secret-file", str(secret)]
    env = {"PLAYGROUND_ADMIN_TOKEN": "master", "PATH": "/usr/bin:/bin"}
    running = subprocess.Popen(
        command, cwd=Path(__file__).parents[2], env=env, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    line = running.stdout.readline()
    yield running, line.split()[-1]
    running.kill()
    running.wait()


def test_another_process_can_furnish_the_forge_and_stop_it(
    process: tuple[subprocess.Popen[str], str],
) -> None:
    running, url = process
    with httpx.Client(
        base_url=url, headers={"Authorization": "Bearer master"}, trust_env=False, verify=False
    ) as admin:

        def put(verb: str, path: str, **body: object) -> httpx.Response:
            answer = admin.request(verb, f"/playground{path}", json=body)
            assert answer.is_success, answer.text
            return answer

        assert admin.get("/playground/health").json() == {"status": "ok"}
        token = put("POST", "/users", login="alice").json()["token"]
        put("POST", "/users", login="carol", token="c")
        put("POST", "/repos", full_name="acme/infra", default_branch="trunk", private=True)
        put("PUT", "/repos/acme/infra/roles/alice", role="admin")
        put("PUT", "/repos/acme/infra/protections/trunk", contexts=["plan"], approvals=1)
        put("POST", "/repos/acme/infra/forks", owner="carol")
        put("POST", "/apps", app_id=42, slug="plangate")
        put("POST", "/apps/42/installations", account="acme")
        put("POST", "/hooks", url="http://127.0.0.1:1/other", secret="s", events=["push"])
        put("POST", "/faults", method="GET", path_regex="/user$", status=500)
        put("PUT", "/deliveries/loss", share=0.1, seed=1)
        mine = {"Authorization": f"Bearer {token}"}
        assert admin.get("/api/v3/user", headers=mine).status_code == 500
        assert admin.get("/playground/repos/acme/infra/statuses").json() == []
        shown = admin.get("/api/v3/repos/acme/infra", headers=mine).json()
        assert (shown["default_branch"], shown["permissions"]["admin"]) == ("trunk", True)
        assert [call["status"] for call in admin.get("/playground/calls").json()] == [500, 200]
        deliveries = admin.get("/playground/deliveries").json()
        assert [one["event"] for one in deliveries] == ["ping", "ping"]
        again = put("POST", f"/deliveries/{deliveries[0]['id']}/attempts").json()
        assert again["id"] == deliveries[0]["id"]
        put("DELETE", "/repos/carol/infra")
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0


def test_the_admin_side_is_closed_to_everybody_else(playground: Playground) -> None:
    for headers in ({}, {"Authorization": "Bearer token-of-ada"}):
        answer = httpx.post(f"{playground.url}/playground/users", json={"login": "x"}, headers=headers)
        assert answer.status_code == 401
    refused = httpx.post(
        f"{playground.url}/playground/users",
        json={"login": "../x"},
        headers={"Authorization": f"Bearer {playground.admin_token}"},
    )
    assert refused.status_code == 422
