"""The playground as GitLab: what its client's contract does not reach, and what its webhooks carry."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.playground.git.process import git_environment
from bot.playground.server import Playground
from tests.support.gitlab_description import GitLabDescription, Recorder, read_description

REPO = "acme/platform/infra"
HERE = "/projects/acme%2Fplatform%2Finfra"
SIGNING = "whsec_" + base64.b64encode(b"0123456789abcdef").decode()
Api = Callable[..., httpx.Response]


@pytest.fixture(scope="session")
def gitlab_description() -> GitLabDescription | None:
    return read_description()


@pytest.fixture
def gitlab(tmp_path: Path, gitlab_description: GitLabDescription | None) -> Iterator[Playground]:
    """A project in a group within a group; in the end, every answer must be one that GitLab gives."""
    built, recorder = Playground(tmp_path / "gitlab", SIGNING), Recorder()
    recorder.watch(built.app)
    with built as running:
        for login in ("alice", "carol"):
            running.forge.add_user(login, token=f"token-of-{login}")
        running.forge.create_repo(REPO, flavour="gitlab")
        running.forge.grant(REPO, "alice", "write")
        running.forge.commit(REPO, "main", {"main.tf": "# begin\n"}, "alice", "Begin")
        yield running
    for exchange in recorder.take():
        if gitlab_description is not None:
            gitlab_description.check(exchange)


@pytest.fixture
def api(gitlab: Playground) -> Iterator[Api]:
    # Reading no certificates, it is quickly made. A connection that is kept may be closed just then.
    no_kept = httpx.Limits(max_keepalive_connections=0)
    client = httpx.Client(trust_env=False, verify=False, limits=no_kept)

    def call(method: str, path: str, body: object = None, login: str = "alice") -> httpx.Response:
        headers = {"PRIVATE-TOKEN": f"token-of-{login}"} if login else {}
        return client.request(method, f"{gitlab.url}/api/v4{path}", json=body, headers=headers)

    with client:
        yield call


@pytest.fixture
def number(gitlab: Playground) -> int:
    """An open merge request of alice's."""
    gitlab.forge.commit(REPO, "add-db", {"db/main.tf": "# db\n"}, "alice", "Add a database")
    return gitlab.forge.open_pull(REPO, "alice", "add-db", title="A database").number


def test_a_project_is_found_by_its_encoded_path_or_its_number_only(gitlab: Playground, api: Api) -> None:
    project = api("GET", HERE).json()
    assert (project["path_with_namespace"], project["default_branch"]) == (REPO, "main")
    assert api("GET", f"/projects/{project['id']}").json() == project
    for path in (f"/projects/{REPO}", "/projects/acme%2Finfra", "/projects/1", "/nothing"):
        answer = api("GET", path)
        assert (answer.status_code, "404" in answer.json()["message"]) == (404, True)


def test_who_may_do_what(gitlab: Playground, api: Api, number: int) -> None:
    sha = gitlab.forge.repo(REPO).git.branch("main")
    status = {"state": "success", "name": "plan"}
    assert api("POST", f"{HERE}/statuses/{sha}", status, login="carol").status_code == 403
    assert api("POST", f"{HERE}/statuses/{sha}", status, login="").status_code == 401
    assert api("POST", f"{HERE}/statuses/{sha}", status).status_code == 201
    assert api("GET", "/user", login="").json() == {"message": "401 Unauthorized"}
    assert api("GET", "/user", login="mallory").status_code == 401
    assert api("PUT", f"{HERE}/merge_requests/{number}/merge", {}, login="carol").status_code == 403


def test_statuses_move_as_gitlabs_jobs_do(gitlab: Playground, api: Api) -> None:
    sha = gitlab.forge.repo(REPO).git.branch("main")
    seen = []
    for state in ("pending", "pending", "running", "running", "pending", "success", "pending", "canceled"):
        seen.append(api("POST", f"{HERE}/statuses/{sha}", {"state": state, "name": "plan"}).status_code)
    assert seen == [201, 400, 201, 400, 400, 201, 201, 201]
    found = api("GET", f"{HERE}/repository/commits/{sha}/statuses?all=true").json()
    words = [one["status"] for one in found]
    assert words == ["pending", "running", "success", "pending", "canceled"]
    pipeline = api("GET", f"{HERE}/repository/commits/{sha}").json()["last_pipeline"]["id"]
    assert {one["pipeline_id"] for one in found} == {pipeline}
    wrong = {"state": "success", "name": "plan", "pipeline_id": pipeline + 1}
    assert api("POST", f"{HERE}/statuses/{sha}", wrong).status_code == 404


def test_a_merge_request_from_beginning_to_end(gitlab: Playground, api: Api) -> None:
    gitlab.forge.commit(REPO, "widen", {"net/main.tf": "# net\n"}, "alice")
    wanted = {"title": "Draft: Widen", "source_branch": "widen", "target_branch": "main"}
    made = api("POST", f"{HERE}/merge_requests", wanted).json()
    assert (made["draft"], made["detailed_merge_status"], made["reference"]) == (True, "preparing", "!1")
    looks = [api("GET", f"{HERE}/merge_requests/1").json()["detailed_merge_status"] for _ in range(4)]
    assert looks == ["preparing", "preparing", "checking", "draft_status"]
    again = api("POST", f"{HERE}/merge_requests", wanted)
    assert (again.status_code, "!1" in again.json()["message"][0]) == (409, True)
    gitlab.forge.draft(REPO, 1, "alice", draft=False)
    gitlab.forge.protect(REPO, "main", contexts=["plan"], approvals=1)
    one = f"{HERE}/merge_requests/1"
    assert api("GET", one).json()["detailed_merge_status"] == "ci_must_pass"
    api("POST", f"{HERE}/statuses/{made['sha']}", {"state": "success", "name": "plan"})
    assert api("GET", one).json()["detailed_merge_status"] == "not_approved"
    assert api("PUT", f"{one}/merge", {}).status_code == 405
    gitlab.forge.grant(REPO, "carol", "write")
    gitlab.forge.review(REPO, 1, "carol")
    assert api("GET", f"{one}/approvals").json()["approved_by"][0]["user"]["username"] == "carol"
    assert api("PUT", f"{one}/merge", {"sha": "0" * 40}).status_code == 409
    merged = api("PUT", f"{one}/merge", {"sha": made["sha"]}).json()
    assert (merged["state"], merged["detailed_merge_status"]) == ("merged", "not_open")
    title = gitlab.forge.repo(REPO).git.commit(merged["merge_commit_sha"]).message
    assert title.startswith("Merge branch 'widen' into 'main'")


def test_approvals_are_given_for_a_head_and_taken_back(gitlab: Playground, api: Api, number: int) -> None:
    one = f"{HERE}/merge_requests/{number}"
    first = api("GET", one).json()["sha"]
    assert api("POST", f"{one}/approve", {"sha": "0" * 40}, login="carol").status_code == 409
    assert api("POST", f"{one}/approve", {"sha": first}, login="carol").status_code == 201
    # Twice, or one's own: GitLab answers so.
    for login in ("carol", "alice"):
        assert api("POST", f"{one}/approve", {}, login=login).status_code == 401
    gitlab.forge.commit(REPO, "add-db", {"db/main.tf": "# more\n"}, "alice", "More")
    heads = [version["head_commit_sha"] for version in api("GET", f"{one}/versions").json()]
    assert heads == [api("GET", one).json()["sha"], first]
    created = [version["created_at"] for version in api("GET", f"{one}/versions").json()]
    [given] = api("GET", f"{one}/approvals").json()["approved_by"]
    assert created[1] < given["approved_at"] < created[0]
    assert [(r["user"]["username"], r["state"]) for r in api("GET", f"{one}/reviewers").json()] == [
        ("carol", "approved")
    ]
    gitlab.forge.protect(REPO, "main", approvals=2)
    [rule] = api("GET", f"{one}/approval_state").json()["rules"]
    assert (rule["approvals_required"], len(rule["approved_by"]), rule["approved"]) == (2, 1, False)
    assert api("POST", f"{one}/unapprove", {}, login="carol").json()["approved_by"] == []
    assert api("POST", f"{one}/unapprove", {}, login="carol").status_code == 404


def test_a_new_merge_request_is_told_of_before_it_is_looked_at(api: Api, number: int) -> None:
    one = f"{HERE}/merge_requests/{number}"
    for status in ("preparing", "preparing", "checking", "mergeable"):
        assert (api("GET", f"{one}/diffs").json() == []) is (status == "preparing")
        found = api("GET", one).json()
        assert found["detailed_merge_status"] == status
        assert (found["changes_count"], found["prepared_at"] is None) == (
            (None, True) if status == "preparing" else ("1", False)
        )


def test_gitlab_does_itself_what_a_note_says_in_its_own_words(
    gitlab: Playground, api: Api, number: int
) -> None:
    notes, pull = f"{HERE}/merge_requests/{number}/notes", gitlab.forge.pull(REPO, number)
    assert api("POST", notes, {"body": "/lock net because we move"}).status_code == 202
    assert (pull.comments, pull.quick_actions) == ([], [("alice", "lock")])
    kept = api("POST", notes, {"body": "/plan\n/unlock net\n```\n/merge\n```"}).json()
    assert kept["body"] == "/plan\n```\n/merge\n```"
    assert pull.quick_actions == [("alice", "lock"), ("alice", "unlock")]
    # Whoever may not do it has only written it.
    gitlab.forge.comment(REPO, number, "carol", "/lock net")
    assert pull.comments[-1].body == "/lock net"


def test_a_merge_may_wait_for_the_pipeline(gitlab: Playground, api: Api, number: int) -> None:
    one = f"{HERE}/merge_requests/{number}"
    gitlab.forge.protect(REPO, "main", contexts=["plan"])
    sha = api("GET", one).json()["sha"]
    later = {"sha": sha, "merge_when_pipeline_succeeds": True}
    assert api("PUT", f"{one}/merge", later).status_code == 405
    api("POST", f"{HERE}/statuses/{sha}", {"state": "pending", "name": "plan"})
    assert api("PUT", f"{one}/merge", {"sha": sha}).status_code == 405
    waits = api("PUT", f"{one}/merge", later).json()
    assert (waits["state"], waits["merge_when_pipeline_succeeds"]) == ("opened", True)
    api("POST", f"{HERE}/statuses/{sha}", {"state": "success", "name": "plan"})
    assert api("GET", one).json()["state"] == "merged"


def test_a_project_that_fast_forwards_wants_a_rebase_first(gitlab: Playground, api: Api, number: int) -> None:
    gitlab.forge.repo(REPO).merge_methods = ("rebase",)
    one = f"{HERE}/merge_requests/{number}"
    gitlab.forge.commit(REPO, "main", {"x.tf": "# x\n"}, "alice")
    assert api("PUT", f"{one}/merge", {}).status_code == 405
    gitlab.forge.commit(REPO, "straight", {"y.tf": "# y\n"}, "alice", start="main")
    pull = gitlab.forge.open_pull(REPO, "alice", "straight", title="Straight")
    merged = api("PUT", f"{HERE}/merge_requests/{pull.number}/merge", {}).json()
    assert (merged["state"], merged["merge_commit_sha"]) == ("merged", None)
    assert gitlab.forge.repo(REPO).git.branch("main") == merged["sha"]


def test_git_lets_a_token_in_and_finds_groups_in_groups(gitlab: Playground, tmp_path: Path) -> None:
    gitlab.forge.create_repo("acme/platform/secret", flavour="gitlab", private=True)
    gitlab.forge.grant("acme/platform/secret", "alice", "write")
    gitlab.forge.commit("acme/platform/secret", "main", {"a.tf": "# a\n"}, "alice")
    host = gitlab.url.removeprefix("http://")
    for user, good in (("oauth2:token-of-alice@", True), ("oauth2:token-of-carol@", False)):
        url = f"http://{user}{host}/acme/platform/secret.git"
        done = subprocess.run(
            ["git", "ls-remote", url], env=git_environment(), capture_output=True, cwd=tmp_path, check=False
        )
        assert (b"refs/heads/main" in done.stdout) is good


def test_pages_speak_of_merge_requests(gitlab: Playground, number: int) -> None:
    page = httpx.get(f"{gitlab.url}/{REPO}/-/merge_requests/{number}", trust_env=False).text
    assert "Merge merge request" in page
    assert f"!{number}" in page
    home = httpx.get(f"{gitlab.url}/{REPO}", trust_env=False).text
    assert "<h2>Merge requests</h2>" in home
    assert "ull request" not in page + home


# Webhooks


@pytest.fixture
def received(gitlab: Playground) -> Iterator[list[tuple[dict[str, str], bytes]]]:
    got: list[tuple[dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    gitlab.add_hook(f"http://127.0.0.1:{server.server_port}/hooks/gitlab", flavour="gitlab")
    yield got
    server.shutdown()
    server.server_close()


def _told(got: list[tuple[dict[str, str], bytes]]) -> list[tuple[str, Any]]:
    return [(headers["x-gitlab-event"], json.loads(body)) for headers, body in got]


def test_what_happens_is_told_in_gitlabs_words(
    gitlab: Playground, received: list[tuple[dict[str, str], bytes]], number: int
) -> None:
    forge = gitlab.forge
    forge.commit(REPO, "add-db", {"db/more.tf": "# more\n"}, "alice", "More")
    forge.edit_pull(REPO, number, "alice", title="A better database")
    forge.draft(REPO, number, "alice")
    note = forge.comment(REPO, number, "alice", "/plan")
    forge.edit_comment(REPO, note.id, "alice", "/plan all")
    forge.delete_comment(REPO, note.id, "alice")
    forge.review(REPO, number, "carol")
    forge.close(REPO, number, "alice")
    forge.reopen(REPO, number, "alice")
    gitlab.settle()
    told = _told(received)
    actions = [
        (event, payload.get("object_attributes", {}).get("action", ""))
        for event, payload in told
    ]  # fmt: skip
    merge_request = "Merge Request Hook"
    assert actions == [
        ("Push Hook", ""),
        (merge_request, "open"),
        ("Push Hook", ""),
        *[(merge_request, "update")] * 3,
        ("Note Hook", "create"),
        ("Note Hook", "update"),
        (merge_request, "approved"),
        (merge_request, "close"),
        (merge_request, "reopen"),
    ]
    grown, renamed, drafted = (payload for _, payload in told[3:6])
    assert grown["object_attributes"]["oldrev"] == told[0][1]["after"]
    assert renamed["changes"] == {"title": {"previous": "A database", "current": "A better database"}}
    assert "oldrev" not in renamed["object_attributes"]
    assert drafted["changes"] == {"draft": {"previous": False, "current": True}}
    assert told[6][1]["merge_request"]["last_commit"]["id"] == told[2][1]["after"]


def test_who_is_to_review_is_told_and_kept(
    gitlab: Playground, received: list[tuple[dict[str, str], bytes]], number: int, api: Api
) -> None:
    carol = gitlab.forge.users["carol"].id
    one = f"{HERE}/merge_requests/{number}"
    assert api("PUT", one, {"reviewer_ids": [carol]}).json()["reviewers"][0]["username"] == "carol"
    gitlab.forge.review(REPO, number, "carol")
    assert len(api("GET", one).json()["reviewers"]) == 1
    assert api("PUT", one, {"reviewer_ids": []}).json()["reviewers"] == []
    gitlab.settle()
    told = [each["changes"].get("reviewers") for _, each in _told(received)[2:]]
    assert [bool(each and each["current"]) for each in told] == [True, False, False]
    assert told[2]["previous"][0]["username"] == "carol"


def test_deliveries_are_signed_and_sent_again_under_their_id(
    gitlab: Playground, received: list[tuple[dict[str, str], bytes]]
) -> None:
    gitlab.forge.commit(REPO, "main", {"x.tf": "# x\n"}, "alice")
    gitlab.settle()
    gitlab.redeliver(gitlab.deliveries[-1].id)
    gitlab.settle()
    [(first, body), (again, _)] = received
    assert first["webhook-id"] == again["webhook-id"] == first["idempotency-key"]
    assert "x-gitlab-token" not in first
    message = f"{first['webhook-id']}.{first['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(b"0123456789abcdef", message, hashlib.sha256).digest()).decode()
    assert first["webhook-signature"] == f"v1,{expected}"


def test_a_hook_of_one_forge_is_not_told_in_the_others_words(
    gitlab: Playground, received: list[tuple[dict[str, str], bytes]]
) -> None:
    gitlab.add_hook("http://127.0.0.1:1/hooks/github")
    gitlab.forge.commit(REPO, "main", {"x.tf": "# x\n"}, "alice")
    gitlab.settle()
    assert [event for event, _ in _told(received)] == ["Push Hook"]
    assert {(one.hook.flavour, one.event) for one in gitlab.deliveries} == {
        ("gitlab", "Push Hook"),
        ("github", "ping"),
        ("github", "push"),
    }
