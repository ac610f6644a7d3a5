"""Failed deliveries are listed and sent again: by each forge's client, on the playground."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bot.domain.errors import ForgeRefused, NotAuthenticated, NotFound, NotLetIn, NotOffered
from bot.domain.events import CommentAdded, CommentEdited, RepoRef
from bot.forges.github.auth import AppLogin, TokenLogin
from bot.forges.github.client import GitHubForge
from bot.forges.github.receiver import GitHubHook
from bot.forges.gitlab.api import TokenLogin as GitLabLogin
from bot.forges.gitlab.client import GitLabForge
from bot.forges.gitlab.receiver import GitLabHook
from bot.forges.hook_log import MOST_PAGES, ListedAttempt, Page, read
from bot.playground.forge.model import now
from bot.playground.server import Playground
from bot.services.ports import Forge, Hook
from bot.services.ports.failed_deliveries import FailedAttempt, HookNews
from tests.fakes.github_api import Reply, ScriptedForge, ScriptedGitHub
from tests.support.gitlab_description import GitLabDescription, Recorder

AT = datetime(2026, 11, 24, 13, tzinfo=UTC)
SINCE = AT - timedelta(days=3)
# Before everything on a playground.
EARLIER = datetime(2000, 1, 1, tzinfo=UTC)
SECRETS = {"github": "the webhook secret", "gitlab": "whsec_" + "c2VjcmV0" * 5}


class Receiver:
    """Takes webhooks in as the web process does: it is away, or verifies them and answers 202."""

    def __init__(self, hook: Hook) -> None:
        self.away = True
        self.came: list[tuple[str, str]] = []
        self.meanings: list[object] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = 401 if not hook.verify(headers, body) else 503 if receiver.away else 202
                if status == 202:
                    read = hook.read(headers, body)
                    receiver.came.append((read.delivery_id, read.event))
                    receiver.meanings.append(hook.check(read, body).meaning)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks/{hook.name}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class World:
    """A repository whose webhook leads to a receiver, and a forge's client."""

    def __init__(self, kind: str, playground: Playground, login: AppLogin | None, public_pem: str) -> None:
        flavour, path = ("gitlab", "acme/platform/net") if kind == "gitlab" else ("github", "acme/net")
        self.playground, self.house = playground, playground.forge
        self.house.add_user("alice", token="token-of-alice")
        self.house.add_user("bot", token="glpat-bot")
        self.house.create_repo(path, flavour=flavour)
        for name, role in (("alice", "write"), ("bot", "admin")):
            self.house.grant(path, name, role)
        for branch in ("main", "topic"):
            self.house.commit(path, branch, {"main.tf": f"# {branch}\n"}, "alice", "Go on")
        self.number = self.house.open_pull(path, "alice", "topic", title="Go on").number
        self.repo = RepoRef(flavour, path)
        self.forge: Forge
        hook: Hook
        if kind == "gitlab":
            self.forge = GitLabForge("gitlab", GitLabLogin("glpat-bot"), url=playground.url)
            hook = GitLabHook("gitlab", (SECRETS[flavour],), now)
        else:
            if login is not None:
                self.house.install_app(self.house.register_app(4711, "plangate", public_pem), "acme")
            self.forge = GitHubForge("github", login or TokenLogin("glpat-bot"), api_url=playground.api_url)
            hook = GitHubHook("github", (SECRETS[flavour],))
        self.receiver = Receiver(hook)
        self.house.add_hook(
            self.receiver.url, SECRETS[flavour], repo=None if login else path, flavour=flavour
        )
        named = self.forge.hook_of(self.repo)
        assert named is not None
        self.hook = named

    def say(self, body: str) -> int:
        """Have alice write a comment, and the forge tell of it; return the comment's number."""
        comment = self.house.comment(self.repo.path, self.number, "alice", body)
        self.playground.settle()
        return comment.id

    def edit(self, comment: int, body: str) -> None:
        self.house.edit_comment(self.repo.path, comment, "alice", body)
        self.playground.settle()

    def look(self, mark: str) -> HookNews:
        return self.forge.failed_deliveries(self.hook, self.receiver.url, mark, EARLIER)

    def again(self, *attempts: FailedAttempt) -> None:
        for attempt in attempts:
            self.forge.send_again(self.hook, attempt.id)
        self.playground.settle()


@pytest.fixture(params=["github by token", "github by app", "gitlab"])
def world(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    private_pem: str,
    public_pem: str,
    gitlab_description: GitLabDescription | None,
) -> Iterator[World]:
    recorder, built = Recorder(), Playground(tmp_path / "forge")
    recorder.watch(built.app)
    login = AppLogin(4711, private_pem) if request.param == "github by app" else None
    with built as playground:
        world = World(request.param.split()[0], playground, login, public_pem)
        yield world
        world.receiver.stop()
    for exchange in recorder.take():
        if gitlab_description is not None:
            gitlab_description.check(exchange)


def test_what_failed_is_listed_and_comes_again_with_its_id_and_signature(world: World) -> None:
    mark = world.look("").mark
    comment = world.say("/plan")
    world.edit(comment, "/apply")
    news = world.look(mark)
    assert len(news.failed) == 2
    assert not news.more
    assert world.receiver.came == []
    world.receiver.away = False
    world.again(*reversed(news.failed))
    assert world.receiver.came == [(each.delivery_id, each.event) for each in reversed(news.failed)]
    assert [type(each) for each in world.receiver.meanings] == [CommentAdded, CommentEdited]
    assert world.look(news.mark).failed == ()


def test_the_first_look_stores_only_how_far_the_list_goes(world: World) -> None:
    world.say("/plan")
    news = world.look("")
    assert (news.failed, news.more, bool(news.mark)) == ((), False, True)


def test_an_empty_list_hides_nothing_of_what_comes(world: World) -> None:
    mark = world.look("").mark
    assert world.look(mark).failed == ()
    world.say("/plan")
    assert len(world.look(mark).failed) == 1


def test_what_came_in_time_or_at_a_later_attempt_has_not_failed(world: World) -> None:
    mark = world.look("").mark
    world.say("/plan")
    (failed,) = world.look(mark).failed
    world.receiver.away = False
    world.again(failed)
    world.say("/plan")
    assert world.look(mark).failed == ()


def test_a_delivery_that_fails_again_is_listed_once_and_as_the_newest_attempt(world: World) -> None:
    mark = world.look("").mark
    world.say("/plan")
    (first,) = world.look(mark).failed
    world.again(first)
    (second,) = world.look(mark).failed
    assert (second.delivery_id, second.at) == (first.delivery_id, first.at)
    assert second.id != first.id


def test_a_webhook_that_leads_elsewhere_is_not_ours(world: World) -> None:
    if world.hook.path:
        with pytest.raises(NotFound, match="no webhook of its own that leads to"):
            world.forge.failed_deliveries(world.hook, "https://elsewhere.example.test/hooks/x", "", EARLIER)
    else:
        assert world.forge.failed_deliveries(
            world.hook, "https://elsewhere.example.test/hooks/x", "", EARLIER
        ).mark


def test_without_the_right_to_see_webhooks_it_is_refused(world: World) -> None:
    if not world.hook.path:
        world.house.apps.clear()
    world.house.grant(world.repo.path, "bot", "write")
    with pytest.raises((ForgeRefused, NotFound)):
        world.look("")


def test_an_attempt_is_named_by_numbers(world: World) -> None:
    for attempt in ("", "x", "1/2/3", "../1", "7/../8", "-1"):
        with pytest.raises(NotFound):
            world.forge.send_again(world.hook, attempt)


def test_an_attempt_that_there_is_not_is_refused(world: World) -> None:
    name = "9999" if not world.hook.path else f"{world.house.hooks[0].id}/9999"
    with pytest.raises(NotFound):
        world.forge.send_again(world.hook, name)


# How far a list is read


def test_a_long_list_is_read_on_at_the_next_look() -> None:
    # The newest comes first: attempt 95 to 1, in pages of three.
    entries = [_entry(number) for number in range(95, 0, -1)]
    asked: list[str] = []

    def page(name: str) -> Page:
        asked.append(name)
        begin = int(name or 0)
        rest = len(entries) > begin + 3
        return Page(entries[begin : begin + 3], str(begin + 3) if rest else "")

    mark = read("", lambda _: Page([_entry(10)])).mark
    found, more, looks = [], True, 0
    while more:
        news = read(mark, page)
        assert news.calls <= MOST_PAGES
        found += [each.delivery_id for each in news.failed]
        mark, more, looks = news.mark, news.more, looks + 1
    assert looks == 3
    assert found == [f"d-{number}" for number in range(95, 10, -1)]
    asked.clear()
    assert read(mark, page).failed == ()
    assert asked == [""]


def test_attempts_that_are_listed_late_are_read_again_and_those_too_old_are_not() -> None:
    mark = read("", lambda _: Page([_entry(100)])).mark
    entries = [_entry(number) for number in (101, 99, 95, 94)]
    assert _ids(read(mark, lambda _: Page(entries), overlap=5)) == ["d-101", "d-99"]
    assert _ids(read(mark, lambda _: Page(entries), overlap=50, oldest=95)) == ["d-101", "d-99", "d-95"]


def test_events_that_lead_to_nothing_are_left_out() -> None:
    mark = read("", lambda _: Page([])).mark
    entries = [ListedAttempt(3, delivered=False, about=None), _entry(2)]
    news = read(mark, lambda _: Page(entries))
    assert _ids(news) == ["d-2"]
    assert read(news.mark, lambda _: Page(entries)).failed == ()


class Pages:
    """A list of attempts, newest first, in pages of one. `gone` are the pages that the forge refuses."""

    def __init__(self, *numbers: int, gone: Iterable[str] = (), cyclic: bool = False) -> None:
        self.numbers, self.gone, self.cyclic = numbers, set(gone), cyclic
        self.asked: list[str] = []

    def __call__(self, name: str) -> Page:
        self.asked.append(name)
        if name in self.gone:
            raise ForgeRefused("github refused webhook deliveries: Invalid cursor")
        place = int(name or 0)
        following = str(place + 1) if place + 1 < len(self.numbers) else "1" if self.cyclic else ""
        return Page([_entry(self.numbers[place])], following)


def read_to_the_end(pages: Pages, mark: str) -> tuple[list[str], str, int]:
    """Read on until there is no more; return what was found, the last mark, and how many looks it took."""
    found: list[str] = []
    for looks in range(1, 50):
        news = read(mark, pages)
        assert news.calls <= MOST_PAGES
        found, mark = found + _ids(news), news.mark
        if not news.more:
            return found, mark, looks
    raise AssertionError("it reads on for ever")


KNOWN_TEN = read("", lambda _: Page([ListedAttempt(10, delivered=False, about=None)])).mark


def test_a_cursor_that_has_expired_begins_the_list_again_once() -> None:
    pages = Pages(*range(40, 9, -1))
    news = read(KNOWN_TEN, pages)
    assert news.more
    pages.gone = {"10"}
    news = read(news.mark, pages)
    assert news.more
    # The cursors of the new reading are good.
    pages.gone = set()
    found, mark, _ = read_to_the_end(pages, news.mark)
    assert set(_ids(news)) | set(found) == {f"d-{number}" for number in range(40, 10, -1)}
    pages.asked.clear()
    assert read(mark, pages).failed == ()
    assert len(pages.asked) == 1


def test_a_page_that_is_always_refused_is_given_up_and_what_is_new_is_read(
    caplog: pytest.LogCaptureFixture,
) -> None:
    pages = Pages(*range(40, 9, -1), gone={"15"})
    found, mark, looks = read_to_the_end(pages, KNOWN_TEN)
    assert set(found) == {f"d-{number}" for number in range(40, 25, -1)}
    assert looks <= 4
    assert pages.asked.count("") == 2
    assert "could not be read to its end" in caplog.text
    assert _ids(read(mark, Pages(41, *range(40, 9, -1)))) == ["d-41"]


@pytest.mark.parametrize("length", [2, 3, 11, 25])
def test_pages_that_lead_to_each_other_end(length: int) -> None:
    pages = Pages(*range(40, 40 - length, -1), cyclic=True)
    found, mark, _ = read_to_the_end(pages, KNOWN_TEN)
    assert set(found) == {f"d-{number}" for number in range(40, 40 - length, -1)}
    assert _ids(read(mark, Pages(41, 40))) == ["d-41"]


def test_a_list_that_is_refused_from_its_beginning_says_so() -> None:
    with pytest.raises(ForgeRefused, match="Invalid cursor"):
        read(KNOWN_TEN, Pages(40, gone={""}))


def test_a_right_that_is_missing_is_no_expired_cursor() -> None:
    asked: list[str] = []

    def page(name: str) -> Page:
        asked.append(name)
        if name:
            raise NotLetIn("github refused webhook deliveries")
        return Page([_entry(40)], "1")

    with pytest.raises(NotLetIn):
        read(KNOWN_TEN, page)
    assert asked == ["", "1"]


def test_a_mark_of_an_earlier_version_is_read() -> None:
    assert _ids(read('[10, 0, ""]', Pages(12, 11, 10))) == ["d-12", "d-11"]


def _entry(number: int) -> ListedAttempt:
    return ListedAttempt(number, delivered=False, about=FailedAttempt(str(number), f"d-{number}", "push"))


def _ids(news: HookNews) -> list[str]:
    return [each.delivery_id for each in news.failed]


# What a forge's own answers say


def test_githubs_list_is_read_by_its_cursor(github: ScriptedGitHub, private_pem: str) -> None:
    forge = GitHubForge("github", AppLogin(1, private_pem), api_url=github.url, now=lambda: AT)
    first = {
        "id": 12345678, "guid": "0b989ba4-242f-11e5-81e1-c7b6966d25", "delivered_at": "2026-11-24T12:00:00Z",
        "redelivery": False, "duration": 0.27, "status": "OK", "status_code": 200, "event": "issues",
        "action": "opened", "installation_id": 123, "repository_id": 456, "throttled_at": None,
    }  # fmt: skip
    failed = {**first, "event": "push", "action": None, "status": "timed out", "status_code": 504}
    later = {**failed, "id": 9, "guid": "g-2", "delivered_at": "2026-11-24T12:05:00Z"}
    old = {**failed, "id": 1, "guid": "g-0", "delivered_at": "2026-11-20T12:00:00Z"}
    link = f'<{github.url}/app/hook/deliveries?per_page=100&cursor=v1_77>; rel="next"'
    github.on(
        "GET", "/app/hook/deliveries", Reply([]), Reply([later], headers={"Link": link}), Reply([failed, old])
    )
    mark = forge.failed_deliveries(RepoRef("github", ""), "", "", SINCE).mark
    news = forge.failed_deliveries(RepoRef("github", ""), "", mark, SINCE)
    assert [asked.query for asked in github.asked] == [
        {"per_page": "1"},
        {"per_page": "100"},
        {"per_page": "100", "cursor": "v1_77"},
    ]
    # What failed before the given time is left out.
    assert news.failed == (
        FailedAttempt("9", "g-2", "push", datetime(2026, 11, 24, 12, 5, tzinfo=UTC)),
        FailedAttempt(
            "12345678", "0b989ba4-242f-11e5-81e1-c7b6966d25", "push", datetime(2026, 11, 24, 12, tzinfo=UTC)
        ),
    )
    assert (news.more, news.calls) == (False, 2)


def test_an_answer_of_another_shape_is_refused(github: ScriptedGitHub, private_pem: str) -> None:
    forge = GitHubForge("github", AppLogin(1, private_pem), api_url=github.url, now=lambda: AT)
    for answer in ({"message": "hm"}, [{"id": 1}], [{"id": 1, "delivered_at": "2026-11-24T12:00:00Z"}]):
        github.on("GET", "/app/hook/deliveries", Reply(answer))
        with pytest.raises(ForgeRefused, match="unknown shape"):
            forge.failed_deliveries(RepoRef("github", ""), "", "", SINCE)


def test_an_older_gitlab_names_no_delivery_and_nothing_is_asked_for(gitlab: ScriptedForge) -> None:
    forge = GitLabForge("gitlab", GitLabLogin("t"), url=gitlab.url.removesuffix("/api/v4"))
    here, url = "/projects/acme%2Fnet/hooks", "https://bot.example.test/hooks/gitlab"
    event = {"id": 5, "response_status": "internal error", "request_headers": {"X-Gitlab-Event": "Push Hook"}}
    gitlab.on("GET", here, Reply([{"id": 7, "url": url}]))
    gitlab.on("GET", f"{here}/7/events", Reply([]), Reply([event]), Reply({"message": "404"}, 404))
    repo = RepoRef("gitlab", "acme/net")
    mark = forge.failed_deliveries(repo, url, "", SINCE).mark
    assert forge.failed_deliveries(repo, url, mark, SINCE).failed == ()
    # Before 17.3 there is no list.
    with pytest.raises(NotFound):
        forge.failed_deliveries(repo, url, mark, SINCE)


def test_ids_that_no_webhook_can_have_are_left_out(
    github: ScriptedGitHub, gitlab: ScriptedForge, private_pem: str
) -> None:
    bad = ("", "x" * 101, "../../1", "a b", "<b>", "g-1\n", "ä")
    forge = GitHubForge("github", AppLogin(1, private_pem), api_url=github.url, now=lambda: AT)
    about = {"delivered_at": "2026-11-24T12:00:00Z", "status_code": 500, "event": "push"}
    entries = [{"id": number, "guid": name, **about} for number, name in enumerate((*bad, "g-1"), start=1)]
    github.on("GET", "/app/hook/deliveries", Reply([]), Reply(entries))
    mark = forge.failed_deliveries(RepoRef("github", ""), "", "", SINCE).mark
    assert _ids(forge.failed_deliveries(RepoRef("github", ""), "", mark, SINCE)) == ["g-1"]

    other, repo = _old_gitlab(gitlab, "17.9.1-ee"), RepoRef("gitlab", "acme/net")
    events = [
        {"id": number, "request_headers": {"X-Gitlab-Event": "Push Hook", "webhook-id": name}}
        for number, name in enumerate((*bad, "g-1"), start=1)
    ]
    gitlab.on("GET", f"{HOOKS}/7/events", Reply([]), Reply(list(reversed(events))))
    mark = other.failed_deliveries(repo, URL, "", SINCE).mark
    assert _ids(other.failed_deliveries(repo, URL, mark, SINCE)) == ["g-1"]


HOOKS, URL = "/projects/acme%2Fnet/hooks", "https://bot.example.test/hooks/gitlab"


def _old_gitlab(gitlab: ScriptedForge, version: str) -> GitLabForge:
    gitlab.on("GET", "/version", Reply({"version": version, "revision": "4e963fe"}))
    gitlab.on("GET", HOOKS, Reply([{"id": 7, "url": URL}]))
    return GitLabForge("gitlab", GitLabLogin("t"), url=gitlab.url.removesuffix("/api/v4"))


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        ("17.3.7-ee", NotOffered, "gitlab is GitLab 17.3, and sends webhooks again only from 17.4 on"),
        ("17.4.0", NotFound, "webhook event 5 again"),
        ("nightly", NotFound, "webhook event 5 again"),
    ],
)
def test_a_gitlab_that_can_not_send_again_says_so(
    gitlab: ScriptedForge, version: str, error: type[Exception], words: str
) -> None:
    forge = _old_gitlab(gitlab, version)
    with pytest.raises(error, match=words):
        forge.send_again(RepoRef("gitlab", "acme/net"), "7/5")


def test_a_gitlab_that_has_no_list_says_so(gitlab: ScriptedForge) -> None:
    forge = _old_gitlab(gitlab, "16.11.2")
    with pytest.raises(NotOffered, match=r"is GitLab 16\.11, and lists .* only from 17\.3 on"):
        forge.failed_deliveries(RepoRef("gitlab", "acme/net"), URL, "", SINCE)


def test_gitlab_names_the_role_that_is_needed(gitlab: ScriptedForge) -> None:
    forge, repo = _old_gitlab(gitlab, "17.9.0"), RepoRef("gitlab", "acme/net")
    forbidden = Reply({"message": "403 Forbidden"}, 403)
    gitlab.on("GET", f"{HOOKS}/7/events", forbidden)
    gitlab.on("POST", f"{HOOKS}/7/events/5/resend", forbidden)
    with pytest.raises(NotLetIn, match="the role Maintainer"):
        forge.failed_deliveries(repo, URL, "", SINCE)
    with pytest.raises(NotLetIn, match="the role Maintainer"):
        forge.send_again(repo, "7/5")
    gitlab.on("GET", HOOKS, forbidden)
    with pytest.raises(NotLetIn, match="the role Maintainer"):
        forge.failed_deliveries(repo, URL, "", SINCE)
    with pytest.raises(NotLetIn, match="the role Developer"):
        gitlab.on("GET", "/projects/acme%2Fnet", forbidden)
        forge.repo_id(repo)


def test_a_token_that_is_refused_is_told_from_a_right_that_is_missing(
    github: ScriptedGitHub, gitlab: ScriptedForge
) -> None:
    refused = Reply({"message": "Bad credentials"}, 401)
    github.on("GET", "/repos/acme/net/hooks", refused)
    gitlab.on("GET", HOOKS, refused)
    hub = GitHubForge("github", TokenLogin("t"), api_url=github.url)
    lab = GitLabForge("gitlab", GitLabLogin("t"), url=gitlab.url.removesuffix("/api/v4"))
    for forge, repo in ((hub, RepoRef("github", "acme/net")), (lab, RepoRef("gitlab", "acme/net"))):
        with pytest.raises(NotAuthenticated):
            forge.failed_deliveries(repo, URL, "", SINCE)


def test_a_signed_webhook_of_gitlab_tells_when_it_was_sent(gitlab: ScriptedForge) -> None:
    forge, repo = _old_gitlab(gitlab, "17.9.0"), RepoRef("gitlab", "acme/net")
    headers = {"X-Gitlab-Event": "Push Hook", "webhook-id": "g-1"}
    times = {3: f"{AT.timestamp():.0f}", 2: "9" * 40, 1: "-1"}
    events = [
        {"id": number, "request_headers": {**headers, "webhook-id": f"g-{number}", "webhook-timestamp": at}}
        for number, at in times.items()
    ]
    gitlab.on("GET", f"{HOOKS}/7/events", Reply([]), Reply(events))
    mark = forge.failed_deliveries(repo, URL, "", SINCE).mark
    found = forge.failed_deliveries(repo, URL, mark, SINCE).failed
    assert [each.at for each in found] == [AT, None, None]
