"""GitHub's client against recorded answers, GitHub's description of its API, and troubles of every kind."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError

from bot.domain.errors import ConfigError, ForgeRefused, ForgeUnavailable, NotFound
from bot.domain.events import ChangedFiles, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.reports.posts import Reaction
from bot.domain.reports.report import StatusReport, StatusState
from bot.forges.github.auth import TokenLogin
from bot.forges.github.client import GitHubForge
from bot.forges.github.paths import web_address
from bot.forges.timeouts import Timeouts
from tests.fakes.github_api import Asked, Described, Reply, ScriptedGitHub
from tests.support.contracts import CONTRACTS, MISSING, needs_contracts

RECORDED = CONTRACTS / "github-rest"
REPO = RepoRef("github", "acme/infra")
TOKEN = "ghp_0123456789abcdefSECRET"
A, B = "a" * 40, "b" * 40
STATUS = StatusReport(A, "plangate/network", StatusState.SUCCESS, "2 to add", "https://bot.example.test/r/1")


@pytest.fixture
def forge(github: ScriptedGitHub) -> GitHubForge:
    return GitHubForge("github", TokenLogin(TOKEN), api_url=github.url)


def recorded(name: str) -> tuple[Any, Reply, RepoRef]:
    found = json.loads((RECORDED / f"{name}.json").read_text())
    answer, path = found["response"], found["request"]["path"].split("/")
    return found["request"], Reply(answer["body"], answer["status"]), RepoRef("github", "/".join(path[2:4]))


# Recorded answers


@needs_contracts
@pytest.mark.parametrize("name", ["GET_repos_o_r_pulls_n_200-0", "GET_repos_o_r_pulls_n_200-2"])
def test_a_recorded_pull_request(github: ScriptedGitHub, forge: GitHubForge, name: str) -> None:
    request, reply, repo = recorded(name)
    github.on("GET", request["path"], reply)
    change = forge.change(repo, int(request["path"].rsplit("/", 1)[1]))
    body: Any = reply.body
    assert (change.number, change.title, change.url) == (body["number"], body["title"], body["html_url"])
    assert (change.head_sha, change.base_branch) == (body["head"]["sha"], body["base"]["ref"])
    assert change.from_fork == (body["head"]["repo"]["id"] != body["base"]["repo"]["id"])
    assert (change.open, change.merged) == (body["state"] == "open", body["merged"])
    assert change.asked == ()
    assert github.calls() == [f"GET {request['path']}"]


@needs_contracts
def test_a_recorded_pull_request_that_people_and_teams_are_asked_for(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    request, reply, repo = recorded("GET_repos_o_r_pulls_n_200-0")
    body: Any = reply.body
    asked = {"requested_reviewers": [body["user"] | {"login": "Ben"}], "requested_teams": [{"slug": "net"}]}
    github.on("GET", request["path"], Reply(body | asked), Reply(body | dict.fromkeys(asked)))
    number = int(request["path"].rsplit("/", 1)[1])
    assert forge.change(repo, number).asked == ("Ben", f"{repo.path.split('/')[0]}/net")
    assert forge.change(repo, number).asked == (), "missing fields mean that nobody is known"
    assert github.calls() == [f"GET {request['path']}"] * 2


@needs_contracts
def test_recorded_files_and_branch_and_role(github: ScriptedGitHub, forge: GitHubForge) -> None:
    request, reply, repo = recorded("GET_repos_o_r_pulls_n_files_200-0")
    github.on("GET", request["path"], reply)
    files = forge.files_of_change(repo, int(request["path"].split("/")[-2]))
    assert files == ChangedFiles(tuple(file["filename"] for file in reply.body))  # type: ignore[attr-defined]
    request, reply, repo = recorded("GET_repos_o_r_branches_X_200-0")
    github.on("GET", ".*/branches/.*", reply)
    branch: Any = reply.body
    assert forge.branch_head(repo, branch["name"]) == (branch["name"], branch["commit"]["sha"])
    request, reply, repo = recorded("GET_repos_o_r_collaborators_X_permission_200-0")
    github.on("GET", request["path"], reply)
    # Recorded before role_name was added.
    assert forge.role(repo, request["path"].split("/")[-2]) is Role.ADMIN


@needs_contracts
def test_recorded_comments_status_and_reaction(github: ScriptedGitHub, forge: GitHubForge) -> None:
    _, reply, repo = recorded("GET_repos_o_r_issues_n_comments_200-0")
    comment: Any = reply.body[0]  # type: ignore[index]
    github.on("GET", "/user", Reply({"login": comment["user"]["login"].upper()}))
    github.on("GET", r".*/issues/\d+/comments", reply)
    assert forge.find_comments(repo, 1, comment["body"][:5])[:1] == (str(comment["id"]),)
    _, reply, repo = recorded("POST_repos_o_r_issues_n_comments_201-0")
    github.on("POST", r".*/issues/\d+/comments", reply)
    assert forge.create_comment(repo, 1, "Hello").id == str(reply.body["id"])  # type: ignore[index]
    github.on("POST", r".*/statuses/.*", recorded("POST_repos_o_r_statuses_sha_201-0")[1])
    forge.set_status(repo, STATUS)
    github.on("POST", r".*/reactions", recorded("POST_repos_o_r_issues_comments_n_reactions_201-0")[1])
    forge.react(repo, 1, "7", Reaction.DONE)
    assert github.asked[-1].json == {"content": "+1"}


@needs_contracts
@pytest.mark.parametrize("name", ["GET_repos_o_r_pulls_n_404-0", "GET_repos_o_r_branches_X_404-0"])
def test_a_recorded_not_found(github: ScriptedGitHub, forge: GitHubForge, name: str) -> None:
    request, reply, repo = recorded(name)
    github.on("GET", request["path"], reply)
    last = request["path"].rsplit("/", 1)[1]
    with pytest.raises(NotFound, match=last):
        forge.change(repo, int(last)) if last.isdigit() else forge.branch_head(repo, last)


@needs_contracts
def test_labels_as_they_are_sent(github: ScriptedGitHub, forge: GitHubForge) -> None:
    request, reply, repo = recorded("POST_repos_o_r_issues_n_labels_200-0")
    number = int(request["path"].split("/")[-2])
    github.on("POST", request["path"], reply)
    github.on("DELETE", f"{request['path']}/.*", Reply([]), Reply({"message": "Label does not exist"}, 404))
    forge.set_labels(repo, number, ["plangate: ready"], ["plangate: failed", "plangate: applied"])
    assert github.asked[0].json == {"labels": ["plangate: ready"]}
    assert github.calls() == [
        f"POST {request['path']}",
        f"DELETE {request['path']}/plangate%3A%20failed",
        f"DELETE {request['path']}/plangate%3A%20applied",
    ]


# What is sent


def test_a_status_as_it_is_sent(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("POST", f"/repos/acme/infra/statuses/{A}", Reply({}, 201))
    forge.set_status(REPO, STATUS)
    [asked] = github.asked
    assert asked.json == {
        "state": "success",
        "context": "plangate/network",
        "description": "2 to add",
        "target_url": "https://bot.example.test/r/1",
    }
    assert asked.token == TOKEN
    assert asked.headers["x-github-api-version"] == "2022-11-28"


def test_a_comment_with_half_a_character_is_sent_all_the_same(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    github.on("POST", ".*/comments", Reply({"id": 7}, 201))
    assert forge.create_comment(REPO, 1, "broken \ud800 output\0").id == "7"
    assert github.asked[0].json == {"body": "broken ? output\N{REPLACEMENT CHARACTER}"}


@pytest.mark.parametrize("path", ["acme", "acme/infra/x", "acme/..", "../infra", "a b/c", "", "acme/infra?x"])
def test_a_path_that_is_no_repositorys_is_asked_for_nowhere(
    github: ScriptedGitHub, forge: GitHubForge, path: str
) -> None:
    with pytest.raises(NotFound, match="owner/name"):
        forge.branch_head(RepoRef("github", path), "main")
    with pytest.raises(NotFound, match="owner/name"):
        forge.remote(RepoRef("github", path))
    assert forge.role(RepoRef("github", path), "alice") is Role.NONE
    assert github.calls() == []


@pytest.mark.parametrize("comment_id", ["", "7/../8", "-1", "\N{ARABIC-INDIC DIGIT SEVEN}", "new"])
def test_a_comment_id_that_is_no_number_is_asked_for_nowhere(
    github: ScriptedGitHub, forge: GitHubForge, comment_id: str
) -> None:
    with pytest.raises(NotFound, match="numbered"):
        forge.update_comment(REPO, 1, comment_id, "x")
    assert github.calls() == []


def test_where_git_goes(github: ScriptedGitHub, forge: GitHubForge) -> None:
    remote = forge.remote(REPO)
    assert remote.renew is not None
    assert remote.renew() is None, "there is no other token"
    assert remote.url == github.url.removesuffix("/api/v3") + "/acme/infra.git"
    kind, scheme, value = remote.auth_header.split()
    assert (kind, scheme) == ("Authorization:", "Basic")
    assert base64.b64decode(value).decode() == f"x-access-token:{TOKEN}"
    assert github.calls() == []


@pytest.mark.parametrize(
    ("api", "web"),
    [
        ("https://api.github.com", "https://github.com"),
        ("https://git.example.test/api/v3", "https://git.example.test"),
        ("https://git.example.test:8443/api/v3/", "https://git.example.test:8443"),
        ("https://api.example.test/api/v3", "https://api.example.test"),
        ("https://api.tenant.example.test", "https://tenant.example.test"),
    ],
)
def test_the_web_address_follows_from_the_apis(api: str, web: str) -> None:
    assert web_address(api) == web


# Lists, and where they end


def file(name: str, **more: str) -> dict[str, str]:
    return {"filename": name, "status": "modified", **more}


def test_both_names_of_a_renamed_file(github: ScriptedGitHub, forge: GitHubForge) -> None:
    renamed = file("dns/main.tf", previous_filename="network/main.tf")
    github.on("GET", ".*/files", Reply([renamed]))
    assert forge.files_of_change(REPO, 1).paths == ("dns/main.tf", "network/main.tf")


def test_three_thousand_files_are_perhaps_not_all(github: ScriptedGitHub, forge: GitHubForge) -> None:
    def page(asked: Asked) -> Reply:
        assert asked.query["per_page"] == "100"
        return Reply([file(f"{asked.query['page']}/{i}.tf") for i in range(100)])

    github.on("GET", ".*/files", page)
    files = forge.files_of_change(REPO, 1)
    assert (len(files.paths), files.complete) == (3_000, False)
    assert [asked.query["page"] for asked in github.asked] == [str(i) for i in range(1, 31)]


def test_no_page_is_asked_for_that_is_not_there(github: ScriptedGitHub, forge: GitHubForge) -> None:
    full = [file(f"{i}.tf") for i in range(100)]
    last = {"Link": f'<{github.url}/x?page=1>; rel="prev", <{github.url}/x?page=1>; rel="first"'}
    github.on("GET", ".*/files", Reply(full), Reply(full, headers=last))
    assert forge.files_of_change(REPO, 1).complete
    assert len(github.asked) == 2


def test_a_short_page_that_announces_another_is_not_the_last(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    following = {"Link": f'<{github.url}/x?page=2>; rel="next"'}
    github.on("GET", ".*/files", Reply([file("a.tf")], headers=following), Reply([file("b.tf")]))
    assert forge.files_of_change(REPO, 1).paths == ("a.tf", "b.tf")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"status": "ahead", "files": [file("a.tf")]}, ChangedFiles(("a.tf",))),
        ({"status": "identical", "files": []}, ChangedFiles(())),
        ({"status": "diverged", "files": [file("a.tf")]}, ChangedFiles(("a.tf",), complete=False)),
        ({"status": "behind", "files": []}, ChangedFiles.unknown()),
        ({"status": "ahead"}, ChangedFiles.unknown()),
    ],
)
def test_a_comparison(
    github: ScriptedGitHub, forge: GitHubForge, answer: object, expected: ChangedFiles
) -> None:
    github.on("GET", f"/repos/acme/infra/compare/{A}[.]{{3}}{B}", Reply(answer))
    assert forge.files_between(REPO, A, B) == expected
    assert len(github.asked) == 1


def test_three_hundred_files_of_a_comparison_are_perhaps_not_all(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    files = [file(f"{i}.tf") for i in range(300)]
    github.on("GET", ".*/compare/.*", Reply({"status": "ahead", "files": files}))
    assert not forge.files_between(REPO, A, B).complete


def test_a_difference_too_large_to_list(github: ScriptedGitHub, forge: GitHubForge) -> None:
    refusal = Reply({"message": "Sorry, this diff is taking too long to generate."}, 422)
    github.on("GET", ".*", refusal)
    assert forge.files_between(REPO, A, B) == ChangedFiles.unknown()
    assert forge.files_of_change(REPO, 1) == ChangedFiles.unknown()


def test_a_new_branch_costs_no_call(github: ScriptedGitHub, forge: GitHubForge) -> None:
    assert forge.files_between(REPO, "0" * 40, B) == ChangedFiles.unknown()
    assert github.calls() == []


def test_who_the_bot_is_is_asked_once(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("GET", "/user", Reply({"login": "plangate-machine"}))
    github.on("GET", ".*/comments", Reply([{"id": 9, "user": None, "body": None}]))
    assert [forge.find_comments(REPO, 1, "marker") for _ in range(2)] == [(), ()]
    assert github.calls().count("GET /user") == 1


def test_a_persons_comment_through_our_own_app_is_not_ours(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    github.on("GET", "/user", Reply({"login": "plangate-machine"}))
    via = {"id": 4711, "slug": "plangate"}
    said = {"id": 9, "user": {"login": "mallory"}, "body": "marker", "performed_via_github_app": via}
    github.on("GET", ".*/comments", Reply([said]))
    assert forge.find_comments(REPO, 1, "marker") == ()


@pytest.mark.parametrize(
    ("answer", "role"),
    [
        ({"permission": "write", "role_name": "deployer"}, Role.WRITE),
        ({"permission": "read", "role_name": "deployer"}, Role.READ),
        ({"permission": "write", "role_name": "maintain"}, Role.WRITE),
        ({"permission": "read", "role_name": "triage"}, Role.PLAN),
        ({"permission": "none", "role_name": ""}, Role.NONE),
        ({"permission": "something new"}, Role.NONE),
        ({}, Role.NONE),
        ([], Role.NONE),
    ],
)
def test_roles_with_names_of_an_organizations_own(
    github: ScriptedGitHub, forge: GitHubForge, answer: object, role: Role
) -> None:
    github.on("GET", "/repos/acme/infra/collaborators/alice/permission", Reply(answer))
    assert forge.role(REPO, "alice") is role


def test_a_token_that_may_not_ask_for_roles_is_an_error_and_no_role(
    github: ScriptedGitHub, forge: GitHubForge
) -> None:
    said = "Must have push access to view collaborator permission."
    github.on("GET", ".*", Reply({"message": said}, 403))
    with pytest.raises(ForgeRefused, match="Must have push access"):
        forge.role(REPO, "alice")


# Troubles

LIMIT = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "words"),
    [
        (500, {}, {}, ForgeUnavailable, "failed"),
        (502, {}, b"<html>Bad gateway</html>", ForgeUnavailable, "failed"),
        (504, {}, b"", ForgeUnavailable, "failed"),
        (401, {}, {"message": "Bad credentials"}, ForgeRefused, "check that the token"),
        (403, {}, {"message": "Resource not accessible by integration"}, ForgeRefused, "by integration"),
        (404, {}, {"message": "Not Found"}, NotFound, "comment on acme/infra#1"),
        (410, {}, {"message": "This issue was deleted"}, NotFound, "comment on acme/infra#1"),
        (
            422,
            {},
            {"message": "Validation Failed", "errors": [{"message": "body is too long"}, "and\nugly", 7]},
            ForgeRefused,
            "Validation Failed: body is too long: and ugly",
        ),
        (418, {}, b"\xff", ForgeRefused, "status 418"),
        (451, {}, {"message": ["x"]}, ForgeRefused, "status 451"),
        (200, {}, b"<html>A proxy's login page</html>", ForgeUnavailable, "without JSON"),
        (201, {}, [], ForgeRefused, "unknown shape"),
        (201, {}, {"id": "seven"}, ForgeRefused, "at `id`"),
        (201, {"Content-Encoding": "gzip"}, b"not gzip", ForgeUnavailable, "unreadable answer"),
        (302, {"Location": "/api/v3/repos/acme/infra/issues/1/comments"}, {}, ForgeRefused, "unknown shape"),
    ],
)
def test_troubles_in_our_words(
    github: ScriptedGitHub,
    forge: GitHubForge,
    status: int,
    headers: dict[str, str],
    body: object,
    error: type[Exception],
    words: str,
) -> None:
    github.on("POST", ".*", Reply(body, status, headers))
    github.on("GET", ".*", Reply([]))
    with pytest.raises(error, match=words) as trouble:
        forge.create_comment(REPO, 1, "Hello")
    assert "\n" not in str(trouble.value)
    assert getattr(trouble.value, "retry_after", None) is None
    # Not once more, whatever came back: it might have been written.
    assert [asked.method for asked in github.asked].count("POST") == 1


@pytest.mark.parametrize(
    ("status", "headers", "message", "wait"),
    [
        (403, {"Retry-After": "30"}, LIMIT, 30),
        (429, {"Retry-After": "30"}, LIMIT, 30),
        (429, {}, LIMIT, 60),
        (403, {}, LIMIT, 60),
        (403, {}, "You have triggered an abuse detection mechanism.", 60),
        (429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, LIMIT, 60),
        (403, {"Retry-After": "0"}, LIMIT, 1),
        (403, {"Retry-After": "86400"}, LIMIT, 3_600),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"}, "API rate limit", 3_600),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000000000"}, "API rate limit", 1),
        (503, {"Retry-After": "120"}, "Service unavailable", 120),
    ],
)
def test_limits_say_for_how_long(
    github: ScriptedGitHub,
    forge: GitHubForge,
    status: int,
    headers: dict[str, str],
    message: str,
    wait: float,
) -> None:
    github.on("POST", ".*", Reply({"message": message}, status, headers))
    with pytest.raises(ForgeUnavailable) as trouble:
        forge.set_status(REPO, STATUS)
    assert trouble.value.retry_after == wait
    assert len(github.asked) == 1


def test_the_end_of_the_hours_budget_is_waited_for(github: ScriptedGitHub, forge: GitHubForge) -> None:
    reset = str(int(time.time()) + 900)
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    github.on("GET", ".*", Reply({"message": "API rate limit exceeded"}, 403, headers))
    with pytest.raises(ForgeUnavailable) as trouble:
        forge.change(REPO, 1)
    assert trouble.value.retry_after is not None
    assert 1 < trouble.value.retry_after <= 900


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_a_forge_that_does_not_answer(github: ScriptedGitHub, gate: threading.Event) -> None:
    def silence(asked: Asked) -> Reply:
        gate.wait(30)
        return Reply({"id": 7}, 201)

    github.on("POST", ".*", silence)
    login = TokenLogin(TOKEN)
    forge = GitHubForge("github", login, api_url=github.url, timeouts=Timeouts(connect=5, read=0.1))
    with pytest.raises(ForgeUnavailable, match="in time"):
        forge.create_comment(REPO, 1, "Hello")
    assert len(github.asked) == 1


def test_a_forge_that_is_not_there() -> None:
    with ScriptedGitHub() as gone:
        pass
    forge = GitHubForge("github", TokenLogin(TOKEN), api_url=gone.url)
    with pytest.raises(ForgeUnavailable, match="cannot be reached"):
        forge.change(REPO, 1)


def test_a_renamed_repository_is_followed(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("GET", "/repos/acme/infra", Reply({}, 301, {"Location": f"{github.url}/repos/acme/new"}))
    github.on("GET", "/repos/acme/new", Reply({"default_branch": "main"}))
    github.on("GET", ".*/branches/main", Reply({"name": "main", "commit": {"sha": A}}))
    assert forge.branch_head(REPO, "") == ("main", A)


def test_the_token_is_not_carried_to_another_host(github: ScriptedGitHub, forge: GitHubForge) -> None:
    with ScriptedGitHub() as elsewhere:
        elsewhere.on("GET", ".*", Reply({}))
        github.on("GET", ".*", Reply({}, 302, {"Location": f"{elsewhere.url}/repos/acme/infra"}))
        with pytest.raises(ForgeRefused, match="unknown shape"):
            forge.branch_head(REPO, "")
        assert elsewhere.asked
        assert {asked.token for asked in elsewhere.asked} == {""}


def test_redirects_without_end(github: ScriptedGitHub, forge: GitHubForge) -> None:
    github.on("GET", ".*", Reply({}, 302, {"Location": f"{github.url}/repos/acme/infra/pulls/1"}))
    with pytest.raises(ForgeRefused, match="in a loop"):
        forge.change(REPO, 1)


@pytest.mark.parametrize("body", [None, 7, "x", [], {}, {"number": 1}, {"number": 1, "head": {"sha": "x"}}])
def test_an_answer_of_an_unknown_shape_is_refused(
    github: ScriptedGitHub, forge: GitHubForge, body: object
) -> None:
    github.on("GET", ".*", Reply(body))
    asks: list[Callable[[], object]] = [
        lambda: forge.change(REPO, 1),
        lambda: forge.branch_head(REPO, "main"),
        lambda: forge.find_comments(REPO, 1, "x"),
    ]
    for ask in asks:
        with pytest.raises(ForgeRefused, match="unknown shape"):
            ask()


# Secrets


def test_no_token_in_errors_or_logs(
    github: ScriptedGitHub, forge: GitHubForge, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("httpx", "httpcore", "githubkit"):
        caplog.set_level(logging.DEBUG, logger=name)
    caplog.set_level(logging.DEBUG)
    github.on("POST", ".*/statuses/.*", Reply({}, 201))
    forge.set_status(REPO, STATUS)
    said = []
    for status in (401, 403, 429, 500):
        github.on("GET", ".*", Reply({"message": "no"}, status))
        with pytest.raises((ForgeRefused, ForgeUnavailable)) as trouble:
            forge.change(REPO, 1)
        cause = trouble.value.__cause__
        said += [str(trouble.value), repr(trouble.value), str(cause), repr(cause)]
    assert caplog.records
    said += [repr(forge), repr(TokenLogin(TOKEN)), repr(forge.remote(REPO))]
    everything = "\n".join([caplog.text, *said])
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert TOKEN not in everything and basic not in everything
    assert "SECRET" not in everything


@pytest.mark.parametrize("token", ["", "ghp_x\n", "ghp_ä"])
def test_a_token_that_cannot_be_one_is_refused_at_once(token: str) -> None:
    with pytest.raises(ConfigError, match="github: the token"):
        GitHubForge("github", TokenLogin(token))


@pytest.mark.parametrize("url", ["", "api.github.com", "ftp://x"])
def test_an_address_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    with pytest.raises(ConfigError, match="https://"):
        GitHubForge("github", TokenLogin(TOKEN), api_url=url)


def test_the_description_refuses_what_github_would(description: OpenAPI | None) -> None:
    if description is None:
        pytest.skip(MISSING)
    path = f"/repos/acme/infra/statuses/{A}"
    headers = {"content-type": "application/json"}
    fitting, too_long, unknown = (
        {"state": "success", "description": "x" * 140},
        {"state": "success", "description": "x" * 141},
        {"state": "running"},
    )

    def send(body: object) -> None:
        asked = Asked("POST", path, {}, headers, json.dumps(body).encode())
        description.validate_request(Described(asked))

    send(fitting)
    for body in (too_long, unknown):
        with pytest.raises(OpenAPIError):
            send(body)
