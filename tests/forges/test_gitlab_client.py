"""GitLab's client on a scripted server: what the playground does not do, older versions and trouble."""

from __future__ import annotations

import base64
import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain.errors import ConfigError, ForgeRefused, ForgeUnavailable, NotFound, NotReady
from bot.domain.events import ChangedFiles, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.reports.posts import Reaction
from bot.domain.reports.report import StatusReport, StatusState
from bot.forges.gitlab.api import TokenLogin
from bot.forges.gitlab.client import GitLabForge
from bot.forges.timeouts import Timeouts
from bot.playground.forge.quick_actions import taken_out
from tests.fakes.github_api import Asked, Reply, ScriptedForge
from tests.support.contracts import CONTRACTS, MISSING, needs_contracts
from tests.support.gitlab_description import Exchange, GitLabDescription

REPO = RepoRef("lab", "platform/network/infra")
HERE = "/projects/platform%2Fnetwork%2Finfra"
SHA = "a" * 40
TOKEN = "glpat-secret"


@pytest.fixture
def forge(gitlab: ScriptedForge) -> GitLabForge:
    url = gitlab.url.removesuffix("/api/v4")
    return GitLabForge("lab", TokenLogin(TOKEN), url=url, timeouts=Timeouts(read=0.5))


def status(state: StatusState = StatusState.PENDING, url: str = "https://bot.example.test/r") -> StatusReport:
    return StatusReport(SHA, "plangate/net/plan", state, "Planning", url)


def merge_request(**fields: object) -> dict[str, Any]:
    return {
        "iid": 12, "title": "Widen", "state": "opened", "sha": SHA, "source_branch": "widen",
        "target_branch": "main", "source_project_id": 7, "target_project_id": 7, "draft": False,
        "author": {"username": "ana"}, "web_url": "https://git.example.test/x", "changes_count": "2",
        "detailed_merge_status": "mergeable", **fields,
    }  # fmt: skip


def diff(path: str, old: str = "") -> dict[str, object]:
    return {"new_path": path, "old_path": old or path}


# Who we are


def test_the_token_goes_as_a_bearers_to_a_server_under_a_path(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    gitlab.on("GET", f"{HERE}/repository/branches/main", Reply({"name": "main", "commit": {"id": SHA}}))
    assert forge.branch_head(REPO, "main") == ("main", SHA)
    [asked] = gitlab.asked
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert "private-token" not in asked.headers


def test_git_signs_in_with_the_token(forge: GitLabForge) -> None:
    remote = forge.remote(REPO)
    assert remote.url.endswith("/git/lab/platform/network/infra.git")
    basic = base64.b64decode(remote.auth_header.removeprefix("Authorization: Basic ")).decode()
    assert basic == f"oauth2:{TOKEN}"


@pytest.mark.parametrize("path", ["infra", "acme/..", "acme//infra", "acme/in fra", "", "acme/./x"])
def test_a_path_that_leads_elsewhere_is_no_project(forge: GitLabForge, path: str) -> None:
    with pytest.raises(NotFound, match="group/name"):
        forge.remote(RepoRef("lab", path))
    with pytest.raises(NotFound, match="group/name"):
        forge.role(RepoRef("lab", path), "ana")


@pytest.mark.parametrize("token", ["", "a\nb", "ä"])
def test_a_token_that_can_be_none_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ConfigError, match=r"lab: the token is empty") as refusal:
        GitLabForge("lab", TokenLogin(token))
    assert not token or token not in str(refusal.value)
    assert TOKEN not in repr(TokenLogin(TOKEN))


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigError, match="https://"):
        GitLabForge("lab", TokenLogin(TOKEN), url="git.example.test")


# Merge requests and files


def test_a_merge_request_of_somebody_whose_account_is_gone(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    gitlab.on("GET", HERE, Reply({"default_branch": "trunk"}))
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(merge_request(author=None, source_project_id=None)))
    change = forge.change(REPO, 12)
    assert (change.author, change.from_fork, change.default_branch) == ("ghost", True, "trunk")


@pytest.mark.parametrize(
    ("reviewers", "asked"),
    [([{"id": 4, "username": "ben"}, {"username": "zoe"}], ("ben", "zoe")), ([], ()), (None, ()), ("x", ())],
)
def test_who_is_asked_for_a_review(
    forge: GitLabForge, gitlab: ScriptedForge, reviewers: object, asked: tuple[str, ...]
) -> None:
    gitlab.on("GET", HERE, Reply({"default_branch": "main"}))
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(merge_request(reviewers=reviewers)))
    assert forge.change(REPO, 12).asked == asked


@needs_contracts
def test_a_recorded_merge_request_and_who_is_asked_for_it(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    path = CONTRACTS / "gitlab-rest" / "GET_projects_n_merge_requests_n_200-0.json"
    body = json.loads(path.read_text())["response"]["body"]
    gitlab.on("GET", HERE, Reply({"default_branch": "main"}))
    asked = {"reviewers": [body["author"]]}
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(body), Reply(body | asked))
    assert forge.change(REPO, 12).asked == ()
    assert forge.change(REPO, 12).asked == (body["author"]["username"],)


@needs_contracts
def test_labels_as_they_are_sent(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    path = CONTRACTS / "gitlab-rest" / "PUT_projects_n_merge_requests_n_200-0.json"
    gitlab.on("PUT", f"{HERE}/merge_requests/12", Reply(json.loads(path.read_text())["response"]["body"]))
    forge.set_labels(REPO, 12, ["plangate: ready", "plangate: destroys"], ["plangate: failed"])
    forge.set_labels(REPO, 12, [], ["plangate: ready"])
    assert [asked.json for asked in gitlab.asked] == [
        {"add_labels": ["plangate: ready", "plangate: destroys"], "remove_labels": ["plangate: failed"]},
        {"remove_labels": ["plangate: ready"]},
    ]


@pytest.mark.parametrize(
    ("count", "complete"), [("2", True), (2, True), ("3", False), ("1000+", False), (None, False)]
)
def test_files_are_complete_only_where_as_many_came_as_gitlab_counted(
    forge: GitLabForge, gitlab: ScriptedForge, count: object, complete: bool
) -> None:
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(merge_request(changes_count=count)))
    gitlab.on("GET", f"{HERE}/merge_requests/12/diffs", Reply([diff("a.tf"), diff("c.tf", "b.tf")]))
    found = forge.files_of_change(REPO, 12)
    assert (set(found.paths), found.complete) == ({"a.tf", "b.tf", "c.tf"}, complete)


@pytest.mark.parametrize("count", [None, ""])
def test_a_merge_request_that_gitlab_still_prepares_is_not_taken_for_one_that_changes_everything(
    forge: GitLabForge, gitlab: ScriptedForge, count: object
) -> None:
    created = datetime.now(UTC).isoformat()
    preparing = merge_request(changes_count=count, created_at=created, detailed_merge_status="preparing")
    done = merge_request(changes_count="1", created_at=created)
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(preparing), Reply(done))
    gitlab.on("GET", f"{HERE}/merge_requests/12/diffs", Reply([diff("a.tf")]))
    with pytest.raises(NotReady, match="lab is still preparing platform/network/infra!12"):
        forge.files_of_change(REPO, 12)
    assert forge.files_of_change(REPO, 12) == ChangedFiles(("a.tf",))


def test_one_that_is_never_counted_is_not_waited_for_without_end(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    created = (datetime.now(UTC) - timedelta(minutes=3)).isoformat()
    empty = merge_request(changes_count="", created_at=created)
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(empty))
    gitlab.on("GET", f"{HERE}/merge_requests/12/diffs", Reply([]))
    assert forge.files_of_change(REPO, 12) == ChangedFiles((), complete=False)


def test_pages_are_followed_by_the_header_and_by_their_size_where_there_is_none(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    pages = [[diff(f"{page}-{i}.tf") for i in range(100)] for page in range(2)]
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(merge_request(changes_count="200")))
    diffs = f"{HERE}/merge_requests/12/diffs"
    for last in ({"X-Next-Page": ""}, {}):
        first = {"X-Next-Page": "2"} if last else {}
        gitlab.on("GET", diffs, Reply(pages[0], headers=first), Reply(pages[1], headers=last), Reply([]))
        found = forge.files_of_change(REPO, 12)
        assert (len(found.paths), found.complete) == (200, True)


@pytest.mark.parametrize(("overflow", "complete"), [(False, True), (True, False), (None, False)])
def test_an_older_version_gives_all_changes_at_once_and_admits_an_overflow(
    forge: GitLabForge, gitlab: ScriptedForge, overflow: object, complete: bool
) -> None:
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(merge_request(changes_count="1")))
    answer = merge_request(changes=[diff("a.tf")], overflow=overflow)
    gitlab.on("GET", f"{HERE}/merge_requests/12/changes", Reply(answer))
    assert forge.files_of_change(REPO, 12) == ChangedFiles(("a.tf",), complete)


def test_a_comparison_that_was_cut_short_says_so(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    for cut in (True, False):
        answer = {"diffs": [diff("a.tf")], "compare_timeout": cut}
        gitlab.on("GET", f"{HERE}/repository/compare", Reply(answer))
        assert forge.files_between(REPO, "b" * 40, SHA) == ChangedFiles(("a.tf",), not cut)
    assert gitlab.asked[0].query == {"from": "b" * 40, "to": SHA, "straight": "true"}


# Notes


def test_no_line_of_a_note_has_gitlab_do_something_in_the_bots_name(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    """Older versions take the first three backticks for a fence's end, whatever it began with."""
    body = "To apply:\n\n```\n/apply\n```\n\n````text\n```\n/approve\n/merge\n/lock\n````\nsee /close"
    gitlab.on("POST", f"{HERE}/merge_requests/12/notes", Reply({"id": 7}, 201))
    gitlab.on("PUT", f"{HERE}/merge_requests/12/notes/7", Reply({"id": 7}))
    forge.create_comment(REPO, 12, body)
    forge.update_comment(REPO, 12, "7", body)
    for asked in gitlab.asked:
        sent = asked.json["body"]
        assert [line for line in sent.splitlines() if line.startswith("/")] == ["/apply"]
        assert sent.replace("\N{ZERO WIDTH SPACE}", "") == body
        assert taken_out(sent) == (sent, ())
    assert taken_out(body)[1] == ("approve", "merge", "lock")


# Roles


@pytest.mark.parametrize(
    ("level", "role"),
    [
        (5, Role.NONE),
        (10, Role.NONE),
        (15, Role.NONE),
        (20, Role.READ),
        (25, Role.READ),
        (30, Role.WRITE),
        (40, Role.ADMIN),
        (50, Role.OWNER),
        (None, Role.NONE),
    ],
)
def test_access_levels(forge: GitLabForge, gitlab: ScriptedForge, level: object, role: Role) -> None:
    members = [{"username": "anastasia", "access_level": 50}, {"username": "Ana", "access_level": level}]
    gitlab.on("GET", f"{HERE}/members/all", Reply(members))
    assert forge.role(REPO, "ana") is role
    assert gitlab.asked[0].query["query"] == "ana"


@pytest.mark.parametrize("fields", [{"state": "blocked"}, {"membership_state": "awaiting"}])
def test_a_member_who_is_not_active_may_do_nothing(
    forge: GitLabForge, gitlab: ScriptedForge, fields: dict[str, str]
) -> None:
    member = {"username": "ana", "access_level": 50, **fields}
    gitlab.on("GET", f"{HERE}/members/all", Reply([member]))
    assert forge.role(REPO, "ana") is Role.NONE


# Statuses


def _answering(gitlab: ScriptedForge, *answers: Reply, pipeline: object = None) -> None:
    gitlab.on("GET", f"{HERE}/repository/commits/{SHA}", Reply({"id": SHA, "last_pipeline": pipeline}))
    gitlab.on("GET", f"{HERE}/repository/commits/{SHA}/merge_requests", Reply([]))
    gitlab.on("GET", f"{HERE}/repository/commits/{SHA}/statuses", Reply([]))
    gitlab.on("POST", f"{HERE}/statuses/{SHA}", *answers)


def _set(gitlab: ScriptedForge) -> list[dict[str, Any]]:
    return [asked.json for asked in gitlab.asked if asked.method == "POST"]


def _stuck(event: str) -> Reply:
    return Reply({"message": f"Cannot transition status via :{event} from :{event} (Reason(s): …)"}, 400)


def test_a_status_joins_the_pipeline_that_the_commit_has(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    _answering(gitlab, Reply({}, 201), pipeline={"id": 77})
    forge.set_status(REPO, status(StatusState.FAILURE))
    assert _set(gitlab) == [
        {
            "state": "failed",
            "name": "plangate/net/plan",
            "description": "Planning",
            "target_url": "https://bot.example.test/r",
            "pipeline_id": 77,
        }
    ]


def test_without_a_pipeline_it_names_the_branch_of_the_merge_request(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    _answering(gitlab, Reply({}, 201))
    found = [
        merge_request(sha="b" * 40, source_branch="older"),
        merge_request(state="closed", source_branch="closed"),
        merge_request(),
    ]
    gitlab.on("GET", f"{HERE}/repository/commits/{SHA}/merge_requests", Reply(found))
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(merge_request(head_pipeline=None)))
    forge.set_status(REPO, status())
    assert _set(gitlab)[0]["ref"] == "widen"


def test_a_commit_of_the_branch_alone_is_left_to_gitlab(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    _answering(gitlab, Reply({}, 201))
    forge.set_status(REPO, status())
    assert not {"ref", "pipeline_id"} & set(_set(gitlab)[0])


def test_a_status_that_was_begun_before_cis_own_pipeline_came_is_ended_there_too(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    _answering(gitlab, Reply({}, 201), pipeline={"id": 78, "source": "push"})
    begun = [
        {"name": "plangate/net/plan", "pipeline_id": 77, "status": "running"},
        {"name": "plangate/net/plan", "pipeline_id": 76, "status": "success"},
        {"name": "plangate/net/plan", "pipeline_id": 78, "status": "running"},
    ]
    gitlab.on("GET", f"{HERE}/repository/commits/{SHA}/statuses", Reply(begun))
    forge.set_status(REPO, status(StatusState.RUNNING))
    assert [body["pipeline_id"] for body in _set(gitlab)] == [78], "it goes on, and nothing is to be ended"
    forge.set_status(REPO, status(StatusState.SUCCESS))
    assert [(body["pipeline_id"], body["state"]) for body in _set(gitlab)[1:]] == [
        (78, "success"),
        (77, "success"),
    ]
    assert gitlab.asked[-2].query["name"] == "plangate/net/plan"


@pytest.mark.parametrize(
    ("last", "made_of", "where"),
    [
        (None, [SHA, "b" * 40], "c" * 40),
        ({"id": 77, "source": "external"}, ["b" * 40, SHA], "c" * 40),
        # Of another head, which has been pushed over since.
        ({"id": 77, "source": "external"}, ["b" * 40, "d" * 40], SHA),
        ({"id": 77, "source": "push"}, [SHA], SHA),
    ],
)
def test_a_status_joins_the_pipeline_that_tries_the_merge(
    forge: GitLabForge, gitlab: ScriptedForge, last: object, made_of: list[str], where: str
) -> None:
    """Where a project tries what a merge would make, that pipeline guards it, with a commit of its own."""
    _answering(gitlab, Reply({}, 201), pipeline=last)
    tried = {
        "id": 80,
        "sha": "c" * 40,
        "source": "merge_request_event",
        "ref": "refs/merge-requests/12/merge",
    }
    gitlab.on("GET", f"{HERE}/repository/commits/{SHA}/merge_requests", Reply([merge_request()]))
    gitlab.on("GET", f"{HERE}/merge_requests/12", Reply(merge_request(head_pipeline=tried)))
    gitlab.on("GET", f"{HERE}/repository/commits/{'c' * 40}", Reply({"id": "c" * 40, "parent_ids": made_of}))
    gitlab.on("POST", f"{HERE}/statuses/{'c' * 40}", Reply({}, 201))
    forge.set_status(REPO, status())
    [sent] = [asked for asked in gitlab.asked if asked.method == "POST"]
    assert sent.path == f"{HERE}/statuses/{where}"
    assert sent.json["pipeline_id"] == (77 if where == SHA else 80)


def test_new_words_for_a_status_that_waits_go_on_to_running_and_then_begin_anew(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    _answering(gitlab, _stuck("enqueue"), Reply({}, 201))
    forge.set_status(REPO, status())
    assert [body["state"] for body in _set(gitlab)] == ["pending", "running"]
    _answering(gitlab, _stuck("enqueue"), _stuck("run"), Reply({}, 201))
    forge.set_status(REPO, status())
    assert [body["state"] for body in _set(gitlab)][2:] == ["pending", "running", "canceled", "pending"]
    assert {body["description"] for body in _set(gitlab)} == {"Planning"}


@pytest.mark.parametrize(("state", "event"), [(StatusState.RUNNING, "run"), (StatusState.SUCCESS, "success")])
def test_a_state_that_repeats_is_no_failure(
    forge: GitLabForge, gitlab: ScriptedForge, state: StatusState, event: str
) -> None:
    _answering(gitlab, _stuck(event))
    forge.set_status(REPO, status(state))
    assert len(_set(gitlab)) == 1


def test_another_refusal_of_a_status_is_one(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    _answering(gitlab, Reply({"message": {"name": ["is too long"]}}, 400))
    with pytest.raises(ForgeRefused, match="name is too long"):
        forge.set_status(REPO, status())
    _answering(gitlab, _stuck("enqueue"), Reply({"error": "state is missing"}, 400))
    with pytest.raises(ForgeRefused, match="state is missing"):
        forge.set_status(REPO, status())


def test_a_status_that_met_another_is_set_all_the_same(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    busy = Reply({"message": "409 Conflict"}, 409)
    _answering(gitlab, busy, busy, Reply({}, 201))
    forge.set_status(REPO, status())
    assert len(_set(gitlab)) == 3
    _answering(gitlab, busy)
    with pytest.raises(ForgeUnavailable, match="409 Conflict"):
        forge.set_status(REPO, status())


def test_an_address_that_is_too_long_does_not_keep_the_status_from_being_set(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    _answering(gitlab, Reply({}, 201))
    for length in (255, 256):
        url = "https://bot.example.test/".ljust(length, "x")
        forge.set_status(REPO, status(url=url))
    assert ["target_url" in body for body in _set(gitlab)] == [True, False]


# Notes


def test_notes_are_told_by_their_author_and_system_notes_are_passed_over(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    gitlab.on("GET", "/user", Reply({"id": 5, "username": "plangate"}))
    notes = [
        {"id": 1, "body": "mark", "author": {"id": 6}, "system": False},
        {"id": 2, "body": "mark", "author": {"id": 5}, "system": True},
        {"id": 3, "body": "mark", "author": {"id": 5}, "system": False},
        {"id": 4, "body": "mark", "author": {"id": 5}, "system": False},
    ]
    gitlab.on("GET", f"{HERE}/merge_requests/12/notes", Reply(notes))
    assert forge.find_comments(REPO, 12, "mark") == ("3", "4")
    assert forge.find_comments(REPO, 12, "mark") == ("3", "4")
    assert gitlab.calls().count("GET /user") == 1


def test_a_note_that_is_no_number_leads_nowhere(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    for comment_id in ("", "1/../2", "x"):
        with pytest.raises(NotFound):
            forge.react(REPO, 12, comment_id, Reaction.SEEN)
    assert gitlab.asked == []


# Trouble


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": "7", "RateLimit-Reset": "4102444800"}, 7),
        ({"RateLimit-Reset": "4102444800"}, 3600),
        ({"RateLimit-Reset": "1"}, 1),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
    ],
)
def test_a_limit_says_for_how_long(
    forge: GitLabForge, gitlab: ScriptedForge, headers: dict[str, str], seconds: float
) -> None:
    gitlab.on("GET", f"{HERE}/members/all", Reply({"message": "429"}, 429, headers))
    with pytest.raises(ForgeUnavailable, match="limits our requests") as trouble:
        forge.role(REPO, "ana")
    assert trouble.value.retry_after == seconds
    assert len(gitlab.asked) == 1


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply({"message": "401 Unauthorized"}, 401), ForgeRefused, "does not accept our token"),
        (Reply({"error": "invalid_token", "error_description": "Expired"}, 401), ForgeRefused, "Expired"),
        (Reply({"error": "insufficient_scope"}, 403), ForgeRefused, "insufficient_scope.*scope `api`"),
        (Reply({"message": "404 Project Not Found"}, 404), NotFound, "does not reach it"),
        (Reply(b"<html>", 502), ForgeUnavailable, r"failed \(502\)"),
        (Reply(b"<html>"), ForgeUnavailable, "without JSON"),
        (Reply({"not": "a list"}), ForgeRefused, "unknown shape"),
        (Reply({"message": {"base": [["deep"]]}}, 422), ForgeRefused, "base deep"),
        (Reply(b"[" * 5000, 418), ForgeRefused, "status 418"),
    ],
)
def test_trouble_is_told_in_words_without_the_token(
    forge: GitLabForge, gitlab: ScriptedForge, reply: Reply, error: type[Exception], words: str
) -> None:
    gitlab.on("GET", f"{HERE}/members/all", reply)
    with pytest.raises(error, match=words) as trouble:
        forge.role(REPO, "ana")
    assert TOKEN not in str(trouble.value)
    assert len(gitlab.asked) == 1


def test_a_server_that_is_silent_or_gone_is_unavailable(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    gate = threading.Event()

    def late(_: Asked) -> Reply:
        gate.wait(30)
        return Reply([])

    gitlab.on("GET", f"{HERE}/members/all", late)
    with pytest.raises(ForgeUnavailable, match="did not answer in time"):
        forge.role(REPO, "ana")
    gate.set()
    gone = GitLabForge("lab", TokenLogin(TOKEN), url="http://127.0.0.1:1")
    with pytest.raises(ForgeUnavailable, match="cannot be reached"):
        gone.role(REPO, "ana")


def test_a_note_is_never_sent_twice_where_the_answer_was_lost(
    forge: GitLabForge, gitlab: ScriptedForge
) -> None:
    gitlab.on("POST", f"{HERE}/merge_requests/12/notes", Reply(b"", 502))
    with pytest.raises(ForgeUnavailable):
        forge.create_comment(REPO, 12, "Hello")
    assert len(gitlab.asked) == 1


def test_a_redirect_of_a_write_says_to_mend_the_address(forge: GitLabForge, gitlab: ScriptedForge) -> None:
    there = {"Location": f"{gitlab.url}/elsewhere"}
    gitlab.on("POST", f"{HERE}/merge_requests/12/notes", Reply(None, 301, there))
    gitlab.on("GET", "/elsewhere", Reply({}))
    with pytest.raises(ForgeRefused, match="use the address of the redirect"):
        forge.create_comment(REPO, 12, "Hello")
    # Not an address of GitLab's own.
    gitlab.asked = [asked for asked in gitlab.asked if asked.path != "/elsewhere"]


# The description itself


def test_the_description_refuses_what_gitlab_would(gitlab_description: GitLabDescription | None) -> None:
    if gitlab_description is None:
        pytest.skip(MISSING)
    path = f"/api/v4{HERE}/statuses/{SHA}"
    headers = {"content-type": "application/json"}
    for body, good in (({"state": "failed"}, True), ({"state": "sing"}, False), ({"status": "x"}, False)):
        exchange = Exchange("POST", path, "", headers, json.dumps(body).encode())
        if good:
            gitlab_description.check_request(exchange)
        else:
            with pytest.raises(Exception, match="body"):
                gitlab_description.check_request(exchange)


def test_what_was_asked_is_remembered(gitlab: ScriptedForge) -> None:
    answer = gitlab.answer(Asked("GET", "/user", {}, {}, b""))
    assert (answer.status, gitlab.calls()) == (404, ["GET /user"])
