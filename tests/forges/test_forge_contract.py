"""What everybody who builds on the Forge port may count on, from the fake and from each forge's client."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest

from bot.domain.changes.codeowners import owners_of
from bot.domain.changes.reviews import Review, Verdict, standing
from bot.domain.errors import (
    ForgeError,
    ForgeRefused,
    ForgeUnavailable,
    HeadMoved,
    NotFound,
    NotMergeable,
)
from bot.domain.events import Change, ChangedFiles, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.reports.posts import Reaction
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.github.auth import AppLogin, TokenLogin
from bot.forges.github.client import GitHubForge
from bot.forges.gitlab.api import TokenLogin as GitLabLogin
from bot.forges.gitlab.client import GitLabForge
from bot.playground.server import Playground
from bot.services.ports import Forge
from tests.fakes.forge import FakeForge
from tests.support.gitlab_description import GitLabDescription, Recorder

_numbers = itertools.count(1)
MARKER = "<!-- plangate:change -->"
Files = Mapping[str, str | None]


class World(Protocol):
    """A forge, and the hands of the people who use it."""

    forge: Forge
    repo: RepoRef
    login: str
    page: str
    too_long: int
    description_limit: int
    roles: Mapping[str, Role]

    def push(self, branch: str, files: Files) -> tuple[str, str]: ...
    def force_push(self, branch: str) -> tuple[str, str]: ...
    def open_change(self, branch: str, files: Files, *, fork: bool = False, draft: bool = False) -> int: ...
    def close_change(self, number: int) -> None: ...
    def grant(self, login: str, role: str) -> None: ...
    def say(self, number: int, login: str, body: str) -> str: ...
    def review(self, number: int, login: str, event: str) -> None: ...
    def take_back(self, number: int, login: str) -> None: ...
    def ask(self, number: int, *logins: str) -> None: ...
    def join(self, team: str, login: str) -> None: ...
    def labels(self, number: int) -> list[str]: ...
    def own(self, text: str) -> None: ...
    def allow_merging_by(self, *methods: MergeMethod) -> None: ...
    def tag(self, name: str, sha: str, *, annotated: bool = False) -> None: ...
    def edit_comment(self, comment_id: str, body: str) -> None: ...
    def delete_comment(self, comment_id: str) -> None: ...
    def body(self, comment_id: str) -> str: ...
    def comments(self, number: int) -> list[str]: ...
    def reactions(self, comment_id: str) -> list[str]: ...
    def statuses(self, sha: str) -> list[tuple[str, str, str]]: ...
    def fail(self, method: str, *, limited: bool = False, after: bool = False) -> None: ...


GITHUB_ROLES: Mapping[str, Role] = {
    "none": Role.NONE,
    "read": Role.READ,
    "triage": Role.PLAN,
    "write": Role.WRITE,
    "maintain": Role.WRITE,
    "admin": Role.ADMIN,
}


class FakeWorld:
    page = "pull"
    too_long = 65_537
    description_limit = 140
    roles = GITHUB_ROLES

    def __init__(self) -> None:
        self.fake = FakeForge()
        self.forge: Forge = self.fake
        self.login = self.fake.login
        self.repo = RepoRef("github", f"acme/infra-{next(_numbers)}")
        self._shas = itertools.count(1)
        self.fake.set_branch(self.repo, "main", self._sha())
        self.fake.account_ids["alice"] = "7"

    def _sha(self) -> str:
        return f"{next(self._shas):040x}"

    def push(self, branch: str, files: Files) -> tuple[str, str]:
        before, after = self.fake.branch_head(self.repo, branch)[1], self._sha()
        self.fake.set_branch(self.repo, branch, after)
        self.fake.set_files_between(self.repo, before, after, files)
        for (repo, number), change in list(self.fake._changes.items()):
            if (repo, change.head_branch) == (self.repo, branch):
                self.fake.edit_change(repo, number, head_sha=after)
            elif (repo, change.base_branch) == (self.repo, branch):
                self.fake.set_behind(repo, number, self.fake.commits_behind(change) + 1)
        return before, after

    def force_push(self, branch: str) -> tuple[str, str]:
        before, after = self.push(branch, {})
        self.fake.set_files_between(self.repo, before, after, ChangedFiles.unknown())
        return before, after

    def open_change(self, branch: str, files: Files, *, fork: bool = False, draft: bool = False) -> int:
        number = len(self.fake._changes) + 1
        self.fake.set_branch(self.repo, branch, self._sha())
        change = Change(
            self.repo, number, f"Change {branch}", "alice", self.fake.branch_head(self.repo, branch)[1],
            branch, "main", fork, f"https://forge.example.test/{self.repo.path}/pull/{number}",
            draft=draft, mergeable=True,
        )  # fmt: skip
        self.fake.add_change(change, files)
        self.fake.set_authors(self.repo, number, "alice")
        return number

    def close_change(self, number: int) -> None:
        self.fake.edit_change(self.repo, number, open=False)

    def grant(self, login: str, role: str) -> None:
        names = {"triage": Role.PLAN, "maintain": Role.WRITE}
        self.fake.set_role(self.repo, login, names.get(role) or Role[role.upper()])

    def say(self, number: int, login: str, body: str) -> str:
        return self.fake.say(self.repo, number, login, body)

    def review(self, number: int, login: str, event: str) -> None:
        verdicts = {"APPROVE": Verdict.APPROVED, "REQUEST_CHANGES": Verdict.CHANGES_REQUESTED}
        self.fake.review(self.repo, number, login, verdicts.get(event, Verdict.COMMENTED))

    def take_back(self, number: int, login: str) -> None:
        self.fake.review(self.repo, number, login, Verdict.DISMISSED)

    def ask(self, number: int, *logins: str) -> None:
        self.fake.edit_change(self.repo, number, asked=logins)

    def labels(self, number: int) -> list[str]:
        return self.fake.labels.get((self.repo, number), [])

    def join(self, team: str, login: str) -> None:
        self.fake.set_team(team, login)

    def allow_merging_by(self, *methods: MergeMethod) -> None:
        self.fake.set_merge_methods(self.repo, *methods)

    def own(self, text: str) -> None:
        self.fake.set_code_owners(self.repo, text)

    def tag(self, name: str, sha: str, *, annotated: bool = False) -> None:
        self.fake.tags[self.repo, name] = sha

    def edit_comment(self, comment_id: str, body: str) -> None:
        self.fake.edit_comment(comment_id, body)

    def delete_comment(self, comment_id: str) -> None:
        self.fake.remove_comment(comment_id)

    def body(self, comment_id: str) -> str:
        return self.fake.find(comment_id).body

    def comments(self, number: int) -> list[str]:
        return [c.body for c in self.fake.comments if (c.repo, c.number) == (self.repo, number)]

    def reactions(self, comment_id: str) -> list[str]:
        return [reaction.value for reaction in self.fake.find(comment_id).reactions]

    def statuses(self, sha: str) -> list[tuple[str, str, str]]:
        found = [status for repo, status in self.fake.statuses if (repo, status.sha) == (self.repo, sha)]
        words = {StatusState.RUNNING: "pending"}
        return [(s.context, words.get(s.state, s.state.value), s.description) for s in found]

    def fail(self, method: str, *, limited: bool = False, after: bool = False) -> None:
        self.fake.fail(ForgeUnavailable("github is down", 7.0 if limited else None), method, after=after)


class GitHubWorld:
    page = "pull"
    too_long = 65_537
    description_limit = 140
    roles = GITHUB_ROLES
    flavour = "github"
    _addresses = {  # noqa: RUF012
        "change": ("GET", r"/pulls/\d+$"),
        "create_comment": ("POST", r"/comments$"),
        "set_status": ("POST", r"/statuses/"),
        "merge": ("PUT", r"/merge$"),
        "find_comments": ("GET", r"/issues/\d+/comments$"),
        "delete_comment": ("DELETE", r"/issues/comments/\d+$"),
    }

    def __init__(self, playground: Playground, app: AppLogin | None, public_pem: str) -> None:
        self._all = playground.forge
        owner = f"acme{next(_numbers)}"
        self._furnish(f"{owner}/infra")
        self.login = "plangate[bot]" if app else "plangate-machine"
        credentials: AppLogin | TokenLogin
        if app:
            registered = self._all.apps.get(app.app_id) or self._all.register_app(
                app.app_id, "plangate", public_pem
            )
            self._all.install_app(registered, owner)
            credentials = app
        else:
            self._all.add_user(self.login)
            credentials = TokenLogin(self._all.new_token(self.login))
            self._all.grant(self.git, self.login, "write")
        self.forge: Forge = GitHubForge("github", credentials, api_url=playground.api_url)

    def _furnish(self, full_name: str) -> None:
        for login in ("alice", "mallory"):
            self._all.add_user(login)
        self.git = self._all.create_repo(full_name, private=True, flavour=self.flavour)
        self.repo = RepoRef(self.flavour, self.git.full_name)
        self._all.grant(self.git, "alice", "write")
        self._all.commit(self.git, "main", {"README.md": "Infra\n"}, "alice")

    def push(self, branch: str, files: Files) -> tuple[str, str]:
        before = self.git.git.branch(branch) or ""
        return before, self._all.commit(self.git, branch, files, "alice")

    def force_push(self, branch: str) -> tuple[str, str]:
        _, before = self.push(branch, {"dropped.tf": "x\n"})
        self.git.git.update_ref(f"refs/heads/{branch}", f"{before}^")
        return before, self._all.commit(self.git, branch, {"kept.tf": "y\n"}, "alice")

    def open_change(self, branch: str, files: Files, *, fork: bool = False, draft: bool = False) -> int:
        source = self._all.fork(self.git, "alice", f"fork-{next(_numbers)}") if fork else self.git
        self._all.commit(source, branch, files, "alice")
        head = f"alice:{branch}" if fork else branch
        pull = self._all.open_pull(self.git, "alice", head, title=f"Change {branch}", draft=draft)
        return pull.number

    def close_change(self, number: int) -> None:
        self._all.close(self.git, number, "alice")

    def grant(self, login: str, role: str) -> None:
        self._all.add_user(login)
        self._all.grant(self.git, login, role)

    def say(self, number: int, login: str, body: str) -> str:
        self._all.add_user(login)
        return str(self._all.comment(self.git, number, login, body).id)

    def review(self, number: int, login: str, event: str) -> None:
        self._all.add_user(login)
        self._all.grant(self.git, login, "write")
        self._all.review(self.git, number, login, event, "my opinion")

    def ask(self, number: int, *logins: str) -> None:
        for login in logins:
            self._all.add_user(login)
        self._all.ask_review(self.git, number, "alice", *logins)

    def labels(self, number: int) -> list[str]:
        return self._all.pull(self.git, number).labels

    def take_back(self, number: int, login: str) -> None:
        given = [
            review for review in self._all.pull(self.git, number).reviews if review.author.login == login
        ]
        self._all.dismiss_review(self.git, number, given[-1].id, login)

    def join(self, team: str, login: str) -> None:
        self._all.add_user(login)
        self._all.join(team, login)

    def allow_merging_by(self, *methods: MergeMethod) -> None:
        self.git.merge_methods = tuple(method.value for method in methods)

    def own(self, text: str) -> None:
        self.push("main", {"docs/CODEOWNERS": text})

    def tag(self, name: str, sha: str, *, annotated: bool = False) -> None:
        how = ("-c", "user.name=alice", "-c", "user.email=alice@example.test", "tag", "--force")
        self.git.git.git(*how, *(("--annotate", "--message=it") if annotated else ()), name, sha)

    def edit_comment(self, comment_id: str, body: str) -> None:
        # To the second, as GitHub tells times, this would be the same moment.
        comment = self._all.find_comment(self.git, int(comment_id))
        comment.created_at -= timedelta(seconds=2)
        self._all.edit_comment(self.git, int(comment_id), "alice", body)

    def delete_comment(self, comment_id: str) -> None:
        self._all.delete_comment(self.git, int(comment_id), "alice")

    def body(self, comment_id: str) -> str:
        return self._all.find_comment(self.git, int(comment_id)).body

    def comments(self, number: int) -> list[str]:
        return [comment.body for comment in self._all.pull(self.git, number).comments]

    def reactions(self, comment_id: str) -> list[str]:
        return [reaction.content for reaction in self._all.find_comment(self.git, int(comment_id)).reactions]

    def statuses(self, sha: str) -> list[tuple[str, str, str]]:
        return [(s.context, s.state, s.description or "") for s in self.git.statuses[sha]]

    def fail(self, method: str, *, limited: bool = False, after: bool = False) -> None:
        verb, path = self._addresses[method]
        status, headers = (429, {"Retry-After": "7"}) if limited else (502, {})
        here = re.escape(self.repo.path) + ".*" + path
        self._all.faults.add(verb, here, status, headers, after=after)


class GitLabWorld(GitHubWorld):
    """The same hands on the same playground, seen through GitLab's API; in a group within a group."""

    page = "-/merge_requests"
    too_long = 1_000_001
    description_limit = 255
    # GitLab has no role between reporter and developer; a maintainer there administers.
    roles: Mapping[str, Role] = {
        **GITHUB_ROLES, "triage": Role.READ, "maintain": Role.ADMIN, "admin": Role.OWNER,
    }  # fmt: skip
    flavour = "gitlab"
    _addresses = {  # noqa: RUF012
        "change": ("GET", r"/merge_requests/\d+$"),
        "create_comment": ("POST", r"/notes$"),
        "set_status": ("POST", r"/statuses/"),
        "merge": ("PUT", r"/merge$"),
        "find_comments": ("GET", r"/notes$"),
        "delete_comment": ("DELETE", r"/notes/\d+$"),
    }

    def __init__(self, playground: Playground) -> None:
        self._all = playground.forge
        self._furnish(f"acme{next(_numbers)}/platform/infra")
        self.login = "plangate-machine"
        self._all.add_user(self.login)
        token = self._all.new_token(self.login, "glpat-")
        self._all.grant(self.git, self.login, "write")
        self.forge = GitLabForge("gitlab", GitLabLogin(token), url=playground.url)

    def open_change(self, branch: str, files: Files, *, fork: bool = False, draft: bool = False) -> int:
        number = super().open_change(branch, files, fork=fork, draft=draft)
        # A client that comes before GitLab is ready is in test_gitlab_client.py.
        self._all.pull(self.git, number).preparing = 0
        return number

    def statuses(self, sha: str) -> list[tuple[str, str, str]]:
        words = {"running": "pending", "failed": "failure", "canceled": "error"}
        found = self.git.statuses[sha]
        return [(s.context, words.get(s.word, s.word), s.description or "") for s in found]


@pytest.fixture(params=["fake", "github by token", "github by app", "gitlab"])
def world(
    request: pytest.FixtureRequest,
    playground: Playground,
    private_pem: str,
    public_pem: str,
    recorder: Recorder,
    gitlab_description: GitLabDescription | None,
) -> Iterator[World]:
    match request.param:
        case "fake":
            yield FakeWorld()
        case "github by token":
            yield GitHubWorld(playground, None, public_pem)
        case "gitlab":
            recorder.take()
            yield GitLabWorld(playground)
            for exchange in recorder.take():
                if gitlab_description is not None:
                    gitlab_description.check(exchange)
        case _:
            yield GitHubWorld(playground, AppLogin(4711, private_pem), public_pem)
    playground.forge.faults.clear()


def status(
    sha: str,
    state: StatusState = StatusState.SUCCESS,
    description: str = "2 to add",
    target_url: str = "https://bot.example.test/runs/run-1",
) -> StatusReport:
    return StatusReport(sha, "plangate/network", state, description, target_url)


# Changes


def test_a_change_is_told_as_it_is(world: World) -> None:
    number = world.open_change("widen", {"network/main.tf": "x\n"})
    change = world.forge.change(world.repo, number)
    assert (change.repo, change.number, change.author) == (world.repo, number, "alice")
    assert (change.title, change.head_branch, change.base_branch) == ("Change widen", "widen", "main")
    assert len(change.head_sha) == 40
    assert (change.open, change.merged, change.draft, change.from_fork) == (True, False, False, False)
    assert change.url.endswith(f"/{world.repo.path}/{world.page}/{number}")


def test_a_change_says_who_is_asked_for_a_review(world: World) -> None:
    number = world.open_change("widen", {"network/main.tf": "x\n"})
    assert world.forge.change(world.repo, number).asked == ()
    world.ask(number, "zoe", "rita")
    assert world.forge.change(world.repo, number).asked == ("zoe", "rita")
    world.ask(number, "rita")
    assert world.forge.change(world.repo, number).asked == ("rita",)


def test_labels_are_added_and_removed_and_others_stay(world: World) -> None:
    number = world.open_change("widen", {"network/main.tf": "x\n"})
    world.forge.set_labels(world.repo, number, ["plangate: ready", "keep"], [])
    world.forge.set_labels(world.repo, number, ["plangate: ready"], ["plangate: failed"])
    assert world.labels(number) == ["plangate: ready", "keep"], "what is so already stays so"
    world.forge.set_labels(world.repo, number, ["plangate: applied"], ["plangate: ready"])
    assert world.labels(number) == ["keep", "plangate: applied"]
    world.forge.set_labels(world.repo, number, [], ["plangate: applied"])
    assert world.labels(number) == ["keep"]
    with pytest.raises(NotFound):
        world.forge.set_labels(world.repo, number + 99, ["plangate: ready"], [])


def test_whether_a_change_can_be_merged_is_found_out_once_somebody_asks(world: World) -> None:
    number = world.open_change("widen", {"network/main.tf": "x\n"})
    assert world.forge.change(world.repo, number).mergeable is None
    assert world.forge.change(world.repo, number).mergeable is True


def test_drafts_and_closed_changes_say_so(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"}, draft=True)
    assert world.forge.change(world.repo, number).draft
    world.close_change(number)
    assert not world.forge.change(world.repo, number).open


def test_a_fork_is_told_from_a_branch(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"}, fork=True)
    assert world.forge.change(world.repo, number).from_fork


def test_what_is_not_there_is_not_found(world: World) -> None:
    for ask in (world.forge.change, world.forge.files_of_change):
        with pytest.raises(NotFound, match="404"):
            ask(world.repo, 404)
    with pytest.raises(NotFound, match="nowhere"):
        world.forge.branch_head(world.repo, "nowhere")
    with pytest.raises(NotFound):
        world.forge.find_comments(world.repo, 404, MARKER)
    with pytest.raises(NotFound):
        world.forge.create_comment(world.repo, 404, "Hello")


# What is new


AGES = timedelta(days=1)


def test_the_first_look_tells_the_heads_and_all_open_changes(world: World) -> None:
    _, after = world.push("main", {"network/main.tf": "x\n"})
    number, closed = world.open_change("widen", {"a.tf": "x\n"}), world.open_change("tidy", {"b.tf": "x\n"})
    world.close_change(closed)
    world.say(number, "alice", "/plan")
    news = world.forge.news(world.repo, ("", "main", "nowhere"), None, {})
    assert news.default_branch == "main"
    assert [(head.branch, head.commit) for head in news.heads] == [("main", after)]
    (told,) = news.changes
    assert replace(told, mergeable=None, default_branch="") == replace(
        world.forge.change(world.repo, number), mergeable=None, default_branch=""
    )
    assert news.comments == ()
    assert news.until is not None
    assert news.calls >= 3


def test_what_happened_since_is_told(world: World) -> None:
    since = datetime.now(UTC) - AGES
    number, closed = world.open_change("widen", {"a.tf": "x\n"}), world.open_change("tidy", {"b.tf": "x\n"})
    world.close_change(closed)
    said = world.say(number, "alice", "/apply net")
    news = world.forge.news(world.repo, ("main",), since, {})
    assert {(change.number, change.open, change.merged) for change in news.changes} == {
        (number, True, False),
        (closed, False, False),
    }
    (comment,) = news.comments
    assert (comment.repo, comment.number, comment.comment_id) == (world.repo, number, said)
    assert (comment.author, comment.author_is_bot, comment.body) == ("alice", False, "/apply net")
    assert comment.author_id == world.forge.account_id(world.repo, "alice")
    assert comment.created_at == world.forge.comment(world.repo, number, said).created_at
    assert news.until is not None
    assert abs(datetime.now(UTC) - news.until) < AGES


def test_a_merge_is_told_with_the_commit_that_it_made(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    for _ in range(2):
        change = world.forge.change(world.repo, number)
    made = world.forge.merge(world.repo, number, change.head_sha)
    news = world.forge.news(world.repo, ("main",), datetime.now(UTC) - AGES, {})
    (told,) = news.changes
    assert (told.open, told.merged, told.merge_sha) == (False, True, made)
    assert [head.commit for head in news.heads] == [made]


def test_comments_that_were_edited_are_not_told_as_their_authors(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    edited, kept = world.say(number, "alice", "hello"), world.say(number, "alice", "/plan")
    world.edit_comment(edited, "/apply")
    news = world.forge.news(world.repo, (), datetime.now(UTC) - AGES, {})
    assert [comment.comment_id for comment in news.comments] == [kept]


def test_what_was_before_is_not_told_again(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    world.say(number, "alice", "/plan")
    news = world.forge.news(world.repo, ("",), datetime.now(UTC) + AGES, {})
    assert (news.changes, news.comments, len(news.heads)) == ((), (), 1)


def test_more_changes_and_comments_than_one_page_holds(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    said = [world.say(number, "alice", f"comment {i}") for i in range(120)]
    news = world.forge.news(world.repo, (), datetime.now(UTC) - AGES, {})
    assert sorted(comment.comment_id for comment in news.comments) == sorted(said)


def test_what_has_not_changed_is_not_told_twice_to_those_who_keep_the_marks(world: World) -> None:
    since = datetime.now(UTC) - AGES
    number = world.open_change("widen", {"a.tf": "x\n"})
    first = world.forge.news(world.repo, ("",), since, {})
    again = world.forge.news(world.repo, ("",), since, first.marks)
    assert again.default_branch == "main"
    _, after = world.push("main", {"b.tf": "x\n"})
    said = world.say(number, "alice", "/plan")
    last = world.forge.news(world.repo, ("",), since, again.marks)
    assert [head.commit for head in last.heads] == [after]
    assert [comment.comment_id for comment in last.comments] == [said]


# Files and branches


def test_the_files_of_a_change(world: World) -> None:
    number = world.open_change("widen", {"network/main.tf": "x\n", "dns/ä b.tf": "y\n"})
    files = world.forge.files_of_change(world.repo, number)
    assert (set(files.paths), files.complete) == ({"network/main.tf", "dns/ä b.tf"}, True)


def test_more_files_than_one_page_holds(world: World) -> None:
    names = {f"many/{i:03}.tf": f"{i}\n" for i in range(230)}
    number = world.open_change("many", names)
    files = world.forge.files_of_change(world.repo, number)
    assert (sorted(files.paths), files.complete) == (sorted(names), True)


def test_the_files_of_a_push(world: World) -> None:
    before, after = world.push("main", {"network/main.tf": "x\n"})
    assert world.forge.files_between(world.repo, before, after) == ChangedFiles(("network/main.tf",))


def test_of_a_new_branch_or_a_lost_commit_nothing_is_known(world: World) -> None:
    _, after = world.push("main", {"network/main.tf": "x\n"})
    assert world.forge.files_between(world.repo, "", after) == ChangedFiles.unknown()
    assert world.forge.files_between(world.repo, "d" * 40, after) == ChangedFiles.unknown()


def test_after_a_force_push_what_was_dropped_counts_as_touched_too(world: World) -> None:
    before, after = world.force_push("main")
    files = world.forge.files_between(world.repo, before, after)
    assert not files.complete or {"dropped.tf", "kept.tf"} <= set(files.paths)


def test_the_head_of_a_branch(world: World) -> None:
    _, after = world.push("main", {"a.tf": "x\n"})
    assert world.forge.branch_head(world.repo, "main") == ("main", after)
    assert world.forge.branch_head(world.repo, "") == ("main", after)


def test_a_branch_with_a_slash(world: World) -> None:
    number = world.open_change("feature/widen-#2%41", {"a.tf": "x\n"})
    head = world.forge.change(world.repo, number).head_sha
    assert world.forge.branch_head(world.repo, "feature/widen-#2%41") == ("feature/widen-#2%41", head)


def test_where_git_fetches_from(world: World) -> None:
    remote = world.forge.remote(world.repo)
    assert remote.repo == world.repo and remote.url
    assert "auth" not in repr(remote)


# Roles


def test_roles(world: World) -> None:
    found = {}
    for word in world.roles:
        world.grant("bob", word)
        found[word] = world.forge.role(world.repo, "bob")
    assert found == world.roles
    assert world.forge.role(world.repo, "Bob") is world.roles["admin"]


def test_a_stranger_has_no_role(world: World) -> None:
    strangers = ["stranger", "no such person", "../../../user", "..", "", "updater[bot]"]
    assert {world.forge.role(world.repo, login) for login in strangers} == {Role.NONE}


# Statuses


def test_reviews_stand_and_are_of_the_commit_that_was_there(world: World) -> None:
    number = world.open_change("reviewed", {"a.tf": "x\n"})
    first = world.forge.change(world.repo, number).head_sha
    assert world.forge.reviews(world.repo, number) == ()
    for login, event in (("rita", "APPROVE"), ("ralf", "REQUEST_CHANGES"), ("rita", "COMMENT")):
        world.review(number, login, event)
    assert standing(world.forge.reviews(world.repo, number), "alice") == {
        "rita": Review("rita", Verdict.APPROVED, first),
        "ralf": Review("ralf", Verdict.CHANGES_REQUESTED, first),
    }
    _, second = world.push("reviewed", {"a.tf": "y\n"})
    assert standing(world.forge.reviews(world.repo, number), "alice")["rita"].commit == first
    world.review(number, "rita", "APPROVE")
    world.review(number, "ralf", "APPROVE")
    assert standing(world.forge.reviews(world.repo, number), "alice") == {
        "rita": Review("rita", Verdict.APPROVED, second),
        "ralf": Review("ralf", Verdict.APPROVED, second),
    }


def test_approvals_come_oldest_first_and_go_when_they_are_taken_back(world: World) -> None:
    number = world.open_change("reviewed", {"a.tf": "x\n"})
    for login in ("zoe", "rita"):
        world.review(number, login, "APPROVE")
    assert [review.reviewer for review in world.forge.reviews(world.repo, number)] == ["zoe", "rita"]
    world.take_back(number, "zoe")
    assert list(standing(world.forge.reviews(world.repo, number), "alice")) == ["rita"]


def test_a_change_without_rules_of_approval_has_none(world: World) -> None:
    number = world.open_change("reviewed", {"a.tf": "x\n"})
    assert world.forge.approval_rules(world.repo, number) == ()


def test_how_far_a_change_is_behind_its_base_branch(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    change = world.forge.change(world.repo, number)
    assert world.forge.commits_behind(change) == 0
    for text in ("x\n", "y\n"):
        world.push("main", {"b.tf": text})
    assert world.forge.commits_behind(change) == 2


def test_code_owners_wherever_the_file_lies(world: World) -> None:
    assert world.forge.code_owners(world.repo, "main") is None
    world.own("/net/ @rita\n")
    found = world.forge.code_owners(world.repo, "main")
    assert found and found.text == "/net/ @rita\n"
    assert owners_of(found, "net") and not owners_of(found, "app")


def test_the_members_of_a_team_and_of_one_that_is_not_there(world: World) -> None:
    world.join("acme/ops", "Rita")
    assert world.forge.team_members(world.repo, "acme/ops") == {"rita"}
    with pytest.raises(NotFound):
        world.forge.team_members(world.repo, "acme/nobody")


def test_a_status_and_its_successor(world: World) -> None:
    _, sha = world.push("main", {"a.tf": "x\n"})
    world.forge.set_status(world.repo, status(sha, state=StatusState.RUNNING, description="planning"))
    world.forge.set_status(world.repo, status(sha, state=StatusState.FAILURE, description="refused"))
    assert world.statuses(sha) == [
        ("plangate/network", "pending", "planning"),
        ("plangate/network", "failure", "refused"),
    ]


def test_what_waits_says_its_latest_words_however_often_they_change(world: World) -> None:
    _, sha = world.push("main", {"a.tf": "x\n"})
    for state, said in ((StatusState.PENDING, "first"), (StatusState.RUNNING, "planning")):
        world.forge.set_status(world.repo, status(sha, state=state, description=said))
    for said in ("waits for ana", "waits for ben", "waits for eve", "waits for all"):
        world.forge.set_status(world.repo, status(sha, state=StatusState.PENDING, description=said))
        assert world.statuses(sha)[-1] == ("plangate/network", "pending", said)


def test_a_long_description_is_shortened_after_a_word(world: World) -> None:
    _, sha = world.push("main", {"a.tf": "x\n"})
    world.forge.set_status(world.repo, status(sha, description="Waits for\nrun-1 " * 20))
    [(_, _, shown)] = world.statuses(sha)
    assert world.description_limit - 20 < len(shown) <= world.description_limit
    assert "\n" not in shown
    assert re.search(r"(Waits|for|run-1)…$", shown)


def test_an_emoji_in_its_words_does_not_keep_a_status_from_being_set(world: World) -> None:
    _, sha = world.push("main", {"a.tf": "x\n"})
    world.forge.set_status(
        world.repo, status(sha, description="Locked by ben: we move \N{DELIVERY TRUCK} ✅")
    )
    [(_, state, words)] = world.statuses(sha)
    assert state == "success"
    assert re.fullmatch("Locked by ben: we move (\N{DELIVERY TRUCK}|\N{REPLACEMENT CHARACTER}) ✅", words)


def test_every_state_is_one_that_the_forge_takes(world: World) -> None:
    _, sha = world.push("main", {"a.tf": "x\n"})
    for state in StatusState:
        world.forge.set_status(world.repo, status(sha, state=state, target_url=""))
    shown = [state for _, state, _ in world.statuses(sha)]
    assert shown == ["pending", "pending", "success", "failure", "error"]


def test_who_wrote_the_commits_of_a_change_is_told(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    assert world.forge.commit_authors(world.forge.change(world.repo, number)) == {"alice"}


def test_a_commit_is_on_a_branch_if_the_branch_has_it_in_its_history(world: World) -> None:
    _, first = world.push("main", {"a.tf": "x\n"})
    _, second = world.push("main", {"b.tf": "x\n"})
    number = world.open_change("widen", {"c.tf": "x\n"})
    elsewhere = world.forge.change(world.repo, number).head_sha
    assert world.forge.is_on_branch(world.repo, "main", first)
    assert world.forge.is_on_branch(world.repo, "main", second)
    assert not world.forge.is_on_branch(world.repo, "main", elsewhere)
    assert not world.forge.is_on_branch(world.repo, "main", "f" * 40)


def test_a_tag_points_at_its_commit(world: World) -> None:
    _, first = world.push("main", {"a.tf": "x\n"})
    _, second = world.push("main", {"b.tf": "x\n"})
    world.tag("v1", first)
    world.tag("releases/v2", second, annotated=True)
    assert world.forge.tag_commit(world.repo, "v1") == first
    assert world.forge.tag_commit(world.repo, "releases/v2") == second
    world.tag("v1", second)
    assert world.forge.tag_commit(world.repo, "v1") == second
    # A branch is no tag, whatever its name.
    world.open_change("tags/v3", {"c.tf": "x\n"})
    for name in ("v3", "tags/v3", "main", "../heads/main"):
        with pytest.raises(NotFound):
            world.forge.tag_commit(world.repo, name)


def test_a_repository_and_an_account_have_numbers_of_their_own(world: World) -> None:
    assert int(world.forge.repo_id(world.repo)) > 0
    alice = world.forge.account_id(world.repo, "alice")
    assert int(alice) > 0
    assert world.forge.account_id(world.repo, "Alice") == alice
    with pytest.raises(NotFound):
        world.forge.account_id(world.repo, "nobody-of-that-name")


# Comments


def test_a_comment_is_written_found_and_replaced(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    assert world.forge.find_comments(world.repo, number, MARKER) == ()
    written = world.forge.create_comment(world.repo, number, f"{MARKER}\nPlan: 1 to add")
    assert world.forge.find_comments(world.repo, number, MARKER) == (written.id,)
    edited = world.forge.update_comment(world.repo, number, written.id, f"{MARKER}\nPlan: 2 to add")
    assert world.comments(number) == [f"{MARKER}\nPlan: 2 to add"]
    assert edited.id == written.id


def test_what_was_written_comes_back_with_the_forges_own_times(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    written = world.forge.create_comment(world.repo, number, "Plan: 1 to add")
    edited = world.forge.update_comment(world.repo, number, written.id, "Plan: 2 to add")
    assert (written.body, edited.body) == ("Plan: 1 to add", "Plan: 2 to add")
    assert written.created_at is not None
    assert edited.created_at is not None
    assert edited.updated_at is not None
    assert written.created_at == edited.created_at <= edited.updated_at
    assert world.forge.comment(world.repo, number, written.id) == edited


def test_a_comment_that_is_gone_is_not_read(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    gone = world.forge.create_comment(world.repo, number, "Plan: 1 to add")
    world.delete_comment(gone.id)
    with pytest.raises(NotFound, match=gone.id):
        world.forge.comment(world.repo, number, gone.id)


def test_a_strangers_copy_of_the_marker_is_not_taken_for_ours(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    world.say(number, "mallory", f"{MARKER}\nPlan: nothing to fear")
    assert world.forge.find_comments(world.repo, number, MARKER) == ()
    world.forge.create_comment(world.repo, number, "Another comment of ours")
    assert world.forge.find_comments(world.repo, number, MARKER) == ()
    ours = world.forge.create_comment(world.repo, number, f"{MARKER}\nPlan: 1 to add").id
    assert world.forge.find_comments(world.repo, number, MARKER)[:1] == (ours,)


def test_a_comment_behind_many_others_is_found(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    for i in range(120):
        world.say(number, "mallory", f"Me too {i}")
    ours = world.forge.create_comment(world.repo, number, MARKER).id
    world.forge.create_comment(world.repo, number, MARKER)
    assert world.forge.find_comments(world.repo, number, MARKER)[:1] == (ours,)


def test_a_comment_that_somebody_deleted_is_not_found(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    gone = world.forge.create_comment(world.repo, number, MARKER).id
    world.delete_comment(gone)
    with pytest.raises(NotFound, match=gone):
        world.forge.update_comment(world.repo, number, gone, "anything")
    assert world.forge.find_comments(world.repo, number, MARKER) == ()


def test_the_longest_comment_fits_and_a_longer_one_is_refused(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    longest = "ä" * world.forge.comment_limit
    assert world.body(world.forge.create_comment(world.repo, number, longest).id) == longest
    with pytest.raises(ForgeRefused, match="too long"):
        world.forge.create_comment(world.repo, number, "ä" * world.too_long)


def test_the_same_reaction_twice_is_one(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    said = world.say(number, "alice", "/plan")
    for reaction in (*Reaction, *Reaction):
        world.forge.react(world.repo, number, said, reaction)
    assert world.reactions(said) == ["eyes", "+1", "confused"]


def test_a_comment_that_is_gone_needs_no_reaction(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    said = world.say(number, "alice", "/plan")
    world.delete_comment(said)
    world.forge.react(world.repo, number, said, Reaction.SEEN)
    assert world.comments(number) == []


# Merging


@pytest.mark.parametrize("method", [None, *MergeMethod])
def test_a_change_is_merged_at_its_head(world: World, method: MergeMethod | None) -> None:
    if method:
        # Some forges allow several at once, some one.
        world.allow_merging_by(method)
    number = world.open_change("widen", {"a.tf": "x\n"})
    head = world.forge.change(world.repo, number).head_sha
    made = world.forge.merge(world.repo, number, head, method)
    change = world.forge.change(world.repo, number)
    assert (change.open, change.merged, change.merge_sha) == (False, True, made)
    assert world.forge.branch_head(world.repo, "main")[1] == made


def test_a_change_that_has_moved_on_is_not_merged(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    with pytest.raises(HeadMoved):
        world.forge.merge(world.repo, number, "b" * 40)
    assert world.forge.change(world.repo, number).open


def test_what_cannot_be_merged_is_refused_with_a_reason(world: World) -> None:
    draft = world.open_change("widen", {"a.tf": "x\n"}, draft=True)
    closed = world.open_change("narrow", {"b.tf": "x\n"})
    world.close_change(closed)
    for number in (draft, closed):
        head = world.forge.change(world.repo, number).head_sha
        with pytest.raises(NotMergeable, match="not mergeable"):
            world.forge.merge(world.repo, number, head)
        assert not world.forge.change(world.repo, number).merged
    with pytest.raises(NotFound):
        world.forge.merge(world.repo, 404, "b" * 40)


def test_a_merged_change_is_not_merged_again(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    head = world.forge.change(world.repo, number).head_sha
    made = world.forge.merge(world.repo, number, head)
    with pytest.raises(NotMergeable):
        world.forge.merge(world.repo, number, head)
    assert world.forge.branch_head(world.repo, "main")[1] == made


def test_a_way_of_merging_that_is_not_allowed_is_refused_and_another_found(world: World) -> None:
    world.allow_merging_by(MergeMethod.SQUASH)
    number = world.open_change("widen", {"a.tf": "x\n"})
    head = world.forge.change(world.repo, number).head_sha
    with pytest.raises(NotMergeable, match="not allowed"):
        world.forge.merge(world.repo, number, head, MergeMethod.MERGE)
    world.forge.merge(world.repo, number, head)
    assert world.forge.change(world.repo, number).merged


def test_a_merge_whose_answer_was_lost_has_happened(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    head = world.forge.change(world.repo, number).head_sha
    world.fail("merge", after=True)
    with pytest.raises(ForgeUnavailable):
        world.forge.merge(world.repo, number, head)
    assert world.forge.change(world.repo, number).merged


def test_a_commit_that_no_queue_has_made_stands_on_nothing_there(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    head = world.forge.change(world.repo, number).head_sha
    assert world.forge.queue_base(world.repo, number, head) is None


# Trouble


def test_a_forge_that_is_down_is_unavailable_and_then_back(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    world.fail("change")
    with pytest.raises(ForgeUnavailable) as trouble:
        world.forge.change(world.repo, number)
    assert trouble.value.retry_after is None
    assert world.forge.change(world.repo, number).number == number


def test_a_forge_that_limits_us_says_for_how_long(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    world.fail("create_comment", limited=True)
    with pytest.raises(ForgeUnavailable) as trouble:
        world.forge.create_comment(world.repo, number, MARKER)
    assert trouble.value.retry_after == 7
    assert world.comments(number) == []


def test_doubles_are_all_found_and_can_be_deleted(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    made = [world.forge.create_comment(world.repo, number, f"{MARKER} {n}").id for n in range(2)]
    assert world.forge.find_comments(world.repo, number, MARKER) == tuple(made)
    for _ in range(2):
        world.forge.delete_comment(world.repo, number, made[1])
    assert world.comments(number) == [f"{MARKER} 0"]


def test_a_comment_whose_answer_was_lost_is_written_once_and_found(world: World) -> None:
    number = world.open_change("widen", {"a.tf": "x\n"})
    world.fail("create_comment", after=True)
    with pytest.raises(ForgeUnavailable):
        world.forge.create_comment(world.repo, number, MARKER)
    [found] = world.forge.find_comments(world.repo, number, MARKER)
    assert found and world.comments(number) == [MARKER]
    world.forge.update_comment(world.repo, number, found, f"{MARKER} again")
    assert world.comments(number) == [f"{MARKER} again"]


def test_every_trouble_is_a_forge_error_with_words(world: World) -> None:
    _, sha = world.push("main", {"a.tf": "x\n"})
    for limited in (False, True):
        world.fail("set_status", limited=limited)
        with pytest.raises(ForgeError, match=rf"{world.repo.forge} .{{5,}}"):
            world.forge.set_status(world.repo, status(sha))
