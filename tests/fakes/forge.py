"""A forge in memory, for tests of what stands on the Forge port; held to the contract of the real client."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import RLock

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import ApprovalRule, Review, Verdict
from bot.domain.errors import ForgeRefused, HeadMoved, NotFound, NotMergeable
from bot.domain.events import Change, ChangedFiles, CommentAdded, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.reports.posts import Reaction
from bot.domain.reports.report import StatusReport
from bot.domain.terms import PULL_REQUESTS, ForgeWords
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.descriptions import fitted, narrow
from bot.services.ports import ForgeComment, GitRemote
from bot.services.ports.catching_up import BranchHead, ForgeNews
from bot.services.ports.failed_deliveries import FailedAttempt, HookNews


@dataclass
class FakeComment:
    """What somebody said on a change."""

    id: str
    repo: RepoRef
    number: int
    author: str
    body: str
    created_at: datetime
    updated_at: datetime
    reactions: list[Reaction] = field(default_factory=list)


@dataclass
class _Fault:
    method: str
    error: Exception
    times: int
    after: bool


class FakeForge:
    """Implements Forge. What tests set is public: add_change, set_files, set_role, ..., fail.

    `calls` names the methods called, in order; `statuses` and `comments` hold what was written.
    """

    def __init__(
        self,
        name: str = "github",
        *,
        login: str = "plangate[bot]",
        comment_limit: int = 65_000,
        description_limit: int = 140,
        calls_at_once: int = 1,
    ) -> None:
        self.calls_at_once = calls_at_once
        self.name = name
        self.login = login
        self.calls: list[str] = []
        # The forge's list of failed deliveries, oldest first; only where `lists_deliveries` is set. One look
        # reads `most_listed` of them.
        self.lists_deliveries = False
        self.failed: list[FailedAttempt] = []
        self.most_listed = 1_000
        self.sent_again: list[str] = []
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.repo_ids: dict[RepoRef, str] = {}
        self.account_ids: dict[str, str] = {}
        self.tags: dict[tuple[RepoRef, str], str] = {}
        self.queued: dict[tuple[RepoRef, int, str], str] = {}
        self.statuses: list[tuple[RepoRef, StatusReport]] = []
        self.comments: list[FakeComment] = []
        self._comment_limit = comment_limit
        self._description_limit = description_limit
        self._changes: dict[tuple[RepoRef, int], Change] = {}
        self._updated: dict[tuple[RepoRef, int], datetime] = {}
        self._files: dict[tuple[RepoRef, int], ChangedFiles] = {}
        self._between: dict[tuple[RepoRef, str, str], ChangedFiles] = {}
        self._branches: dict[tuple[RepoRef, str], str] = {}
        self._history: dict[tuple[RepoRef, str], list[str]] = {}
        self._default: dict[RepoRef, str] = {}
        self._roles: dict[tuple[RepoRef, str], Role] = {}
        self._remotes: dict[RepoRef, GitRemote] = {}
        self._reviews: dict[tuple[RepoRef, int], list[Review]] = {}
        self._authors: dict[tuple[RepoRef, int], frozenset[str]] = {}
        self._behind: dict[tuple[RepoRef, int], int] = {}
        self._rules: dict[tuple[RepoRef, int], tuple[ApprovalRule, ...]] = {}
        self._owners: dict[RepoRef, CodeOwners] = {}
        self._teams: dict[str, frozenset[str]] = {}
        self.labels: dict[tuple[RepoRef, int], list[str]] = {}
        self._methods: dict[RepoRef, tuple[MergeMethod, ...]] = {}
        self._decided: set[tuple[RepoRef, int, str]] = set()
        self._faults: list[_Fault] = []
        self._ids = itertools.count(1001)
        self._lock = RLock()

    # What tests set

    def add_change(self, change: Change, files: Iterable[str] | ChangedFiles = ()) -> Change:
        """Have a change, or have it anew; its files with it."""
        with self._lock:
            self._changes[change.repo, change.number] = change
            self._updated[change.repo, change.number] = self.now()
            self.set_files(change.repo, change.number, files)
            return change

    def edit_change(self, repo: RepoRef, number: int, **fields: object) -> Change:
        """Change some fields of a change: `head_sha`, `open`, `merged`, `mergeable`, ..."""
        with self._lock:
            edited = replace(self._changes[repo, number], **fields)  # type: ignore[arg-type]
            self._changes[repo, number] = edited
            self._updated[repo, number] = self.now()
            return edited

    def set_files(self, repo: RepoRef, number: int, files: Iterable[str] | ChangedFiles) -> None:
        """Say what a change touches."""
        self._files[repo, number] = _listed(files)

    def set_files_between(
        self, repo: RepoRef, before: str, after: str, files: Iterable[str] | ChangedFiles
    ) -> None:
        """Say what differs between two commits; of others nothing is known."""
        self._between[repo, before, after] = _listed(files)

    def set_branch(self, repo: RepoRef, branch: str, sha: str, *, default: bool = False) -> None:
        """Move or make a branch. The first one of a repository is its default branch."""
        with self._lock:
            self._branches[repo, branch] = sha
            self._history.setdefault((repo, branch), []).append(sha)
            if default or repo not in self._default:
                self._default[repo] = branch

    def set_role(self, repo: RepoRef, login: str, role: Role) -> None:
        """Let somebody do something; everybody else is a stranger."""
        self._roles[repo, login.lower()] = role

    def review(self, repo: RepoRef, number: int, login: str, verdict: Verdict, commit: str = "") -> None:
        """Have somebody review a change, as it is now where no commit is named."""
        with self._lock:
            commit = commit or self._changes[repo, number].head_sha
            self._reviews.setdefault((repo, number), []).append(Review(login, verdict, commit))

    def set_authors(self, repo: RepoRef, number: int, *logins: str) -> None:
        """Say who wrote the commits of a change."""
        self._authors[repo, number] = frozenset(login.lower() for login in logins)

    def set_behind(self, repo: RepoRef, number: int, commits: int) -> None:
        """Say how many commits of its base branch a change lacks."""
        self._behind[repo, number] = commits

    def set_rules(self, repo: RepoRef, number: int, *rules: ApprovalRule) -> None:
        """Have rules of approval of the forge's own."""
        self._rules[repo, number] = rules

    def set_code_owners(self, repo: RepoRef, text: str, *, sections: bool = False) -> None:
        """Have a CODEOWNERS file, on every branch."""
        self._owners[repo] = CodeOwners(text, sections)

    def set_team(self, team: str, *logins: str) -> None:
        """Have a team."""
        self._teams[team.lower()] = frozenset(login.lower() for login in logins)

    def drop_team(self, team: str) -> None:
        """Have a team no more."""
        del self._teams[team.lower()]

    def set_merge_methods(self, repo: RepoRef, *methods: MergeMethod) -> None:
        """Allow these ways of merging alone; all of them where nobody says so."""
        self._methods[repo] = methods

    def set_remote(self, repo: RepoRef, url: str, auth_header: str = "") -> None:
        """Say where Git fetches from: a folder will do."""
        self._remotes[repo] = GitRemote(repo, url, auth_header)

    def say(self, repo: RepoRef, number: int, author: str, body: str) -> str:
        """Have somebody else comment; returns the comment's id."""
        with self._lock:
            now = self.now()
            comment = FakeComment(str(next(self._ids)), repo, number, author, body, now, now)
            self.comments.append(comment)
            self._updated[repo, number] = now
            return comment.id

    def edit_comment(self, comment_id: str, body: str) -> None:
        """Have somebody edit a comment."""
        with self._lock:
            comment = self.find(comment_id)
            comment.body, comment.updated_at = body, self.now()

    def remove_comment(self, comment_id: str) -> None:
        """Have somebody delete a comment."""
        with self._lock:
            self.comments = [comment for comment in self.comments if comment.id != comment_id]

    def fail(self, error: Exception, on: str = "", *, times: int = 1, after: bool = False) -> None:
        """Fail the next calls (of one method). With `after`, they take effect and only the answer is lost."""
        with self._lock:
            self._faults.append(_Fault(on, error, times, after))

    def heal(self) -> None:
        """Let everything work again."""
        with self._lock:
            self._faults.clear()

    # What tests ask

    def latest_status(self, repo: RepoRef, sha: str, context: str) -> StatusReport | None:
        """Return what a context last said of a commit."""
        said = [
            status for where, status in self.statuses
            if (where, status.sha, status.context) == (repo, sha, context)
        ]  # fmt: skip
        return said[-1] if said else None

    def own_comments(self, repo: RepoRef, number: int) -> list[FakeComment]:
        """Return what the bot wrote on a change, oldest first."""
        return [c for c in self.comments if (c.repo, c.number, c.author) == (repo, number, self.login)]

    def find(self, comment_id: str) -> FakeComment:
        """Return a comment. Raises NotFound."""
        for comment in self.comments:
            if comment.id == comment_id:
                return comment
        raise NotFound(f"{self.name} has no comment {comment_id}, or our credentials do not reach it")

    # The port

    @property
    def comment_limit(self) -> int:
        return self._comment_limit

    @property
    def words(self) -> ForgeWords:
        return PULL_REQUESTS

    def change(self, repo: RepoRef, number: int) -> Change:
        with self._called("change"):
            found = self._known_change(repo, number)
            looked_at = (repo, number, found.head_sha)
            if found.mergeable is None or looked_at in self._decided:
                return found
            # As forges do: they find out once they are asked.
            self._decided.add(looked_at)
            return replace(found, mergeable=None)

    def files_of_change(self, repo: RepoRef, number: int) -> ChangedFiles:
        with self._called("files_of_change"):
            self._known_change(repo, number)
            return self._files[repo, number]

    def files_between(self, repo: RepoRef, before: str, after: str) -> ChangedFiles:
        with self._called("files_between"):
            return self._between.get((repo, before, after), ChangedFiles.unknown())

    def branch_head(self, repo: RepoRef, branch: str) -> tuple[str, str]:
        with self._called("branch_head"):
            name = branch or self._default.get(repo, "")
            if (repo, name) not in self._branches:
                raise self._missing(f"branch {branch} of {repo.path}")
            return name, self._branches[repo, name]

    def repo_id(self, repo: RepoRef) -> str:
        with self._called("repo_id"):
            return self.repo_ids.get(repo, "1")

    def account_id(self, repo: RepoRef, login: str) -> str:
        with self._called("account_id"):
            if login.lower() in self.account_ids:
                return self.account_ids[login.lower()]
            raise self._missing(f"account {login}")

    def is_on_branch(self, repo: RepoRef, branch: str, sha: str) -> bool:
        with self._called("is_on_branch"):
            return sha in self._history.get((repo, branch), ())

    def tag_commit(self, repo: RepoRef, tag: str) -> str:
        with self._called("tag_commit"):
            if (repo, tag) not in self.tags:
                raise self._missing(f"tag {tag} of {repo.path}")
            return self.tags[repo, tag]

    def role(self, repo: RepoRef, login: str) -> Role:
        with self._called("role"):
            return self._roles.get((repo, login.lower()), Role.NONE)

    def remote(self, repo: RepoRef) -> GitRemote:
        with self._called("remote"):
            return self._remotes.get(repo) or GitRemote(repo, f"https://forge.example.test/{repo.path}.git")

    def reviews(self, repo: RepoRef, number: int) -> tuple[Review, ...]:
        with self._called("reviews"):
            self._known_change(repo, number)
            return tuple(self._reviews.get((repo, number), ()))

    def approval_rules(self, repo: RepoRef, number: int) -> tuple[ApprovalRule, ...]:
        with self._called("approval_rules"):
            self._known_change(repo, number)
            return self._rules.get((repo, number), ())

    def commits_behind(self, change: Change) -> int:
        with self._called("commits_behind"):
            return self._behind.get((change.repo, change.number), 0)

    def commit_authors(self, change: Change) -> frozenset[str]:
        with self._called("commit_authors"):
            return self._authors.get((change.repo, change.number), frozenset())

    def code_owners(self, repo: RepoRef, branch: str) -> CodeOwners | None:
        with self._called("code_owners"):
            return self._owners.get(repo)

    def team_members(self, repo: RepoRef, team: str) -> frozenset[str]:
        with self._called("team_members"):
            if team.lower() not in self._teams:
                raise self._missing(f"team {team}")
            return self._teams[team.lower()]

    def set_labels(self, repo: RepoRef, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        with self._called("set_labels"):
            self._known_change(repo, number)
            kept = [label for label in self.labels.get((repo, number), ()) if label not in remove]
            self.labels[repo, number] = list(dict.fromkeys((*kept, *add)))

    def set_status(self, repo: RepoRef, status: StatusReport) -> None:
        with self._called("set_status"):
            shown = narrow(fitted(status.description, self._description_limit))
            self.statuses.append((repo, replace(status, description=shown)))

    def find_comments(self, repo: RepoRef, number: int, marker: str) -> tuple[str, ...]:
        with self._called("find_comments"):
            self._known_change(repo, number)
            own = self.own_comments(repo, number)
            return tuple(comment.id for comment in own if marker in comment.body)

    def create_comment(self, repo: RepoRef, number: int, body: str) -> ForgeComment:
        with self._called("create_comment"):
            self._known_change(repo, number)
            self._check(body)
            return _seen(self.find(self.say(repo, number, self.login, body)))

    def update_comment(self, repo: RepoRef, number: int, comment_id: str, body: str) -> ForgeComment:
        with self._called("update_comment"):
            self._check(body)
            self.edit_comment(comment_id, body)
            return _seen(self.find(comment_id))

    def delete_comment(self, repo: RepoRef, number: int, comment_id: str) -> None:
        with self._called("delete_comment"):
            self.remove_comment(comment_id)

    def comment(self, repo: RepoRef, number: int, comment_id: str) -> ForgeComment:
        with self._called("comment"):
            return _seen(self.find(comment_id))

    def react(self, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> None:
        with self._called("react"):
            for comment in self.comments:
                if comment.id == comment_id and reaction not in comment.reactions:
                    comment.reactions.append(reaction)

    def merge(self, repo: RepoRef, number: int, head_sha: str, method: MergeMethod | None = None) -> str:
        with self._called("merge"):
            change = self._known_change(repo, number)
            if change.head_sha != head_sha:
                raise HeadMoved(f"{self.name} refused to merge: head branch was modified")
            if not change.open or change.draft or not change.mergeable:
                raise NotMergeable(f"{self.name} refused to merge: not mergeable")
            if method and method not in self._methods.get(repo, MergeMethod):
                raise NotMergeable(f"{self.name} refused to merge: {method} is not allowed")
            made = hashlib.sha1(f"{number} at {head_sha}".encode()).hexdigest()
            self.edit_change(repo, number, open=False, merged=True, merge_sha=made)
            self.set_branch(repo, change.base_branch, made)
            return made

    def queue_base(self, repo: RepoRef, number: int, sha: str) -> str | None:
        with self._called("queue_base"):
            return self.queued.get((repo, number, sha))

    def news(
        self, repo: RepoRef, branches: Sequence[str], since: datetime | None, marks: Mapping[str, str]
    ) -> ForgeNews:
        with self._called("news"):
            default = self._default.get(repo, "")
            names = dict.fromkeys(branch or default for branch in branches)
            heads = {name: self._branches[repo, name] for name in names if (repo, name) in self._branches}
            changes = {
                key: at for key, at in self._updated.items() if key[0] == repo and key in self._changes
            }
            latest = sorted(changes, key=lambda key: changes[key], reverse=True)
            found = [self._changes[key] for key in latest if (changes[key] >= since if since else True)]
            said = [c for c in self.comments if since and c.repo == repo and c.created_at >= since]
            return ForgeNews(
                default,
                tuple(
                    BranchHead(name, commit, "alice", f"commit {commit}")
                    for name, commit in heads.items()
                    if marks.get(name) != commit
                ),
                tuple(replace(change, mergeable=None) for change in found if since or change.open),
                tuple(self._told(c) for c in said if c.updated_at == c.created_at),
                max([*changes.values(), *(c.created_at for c in said)], default=None),
                heads,
                calls=4,
            )

    def hook_of(self, repo: RepoRef) -> RepoRef | None:
        return RepoRef(self.name, "") if self.lists_deliveries else None

    def failed_deliveries(self, hook: RepoRef, url: str, mark: str, since: datetime) -> HookNews:
        with self._called("failed_deliveries"):
            if not mark:
                return HookNews(mark=str(len(self.failed)), calls=1)
            # Up to `known` it was read before; while a long list is read, from `newest` down to `rest`.
            known, newest, rest = (*map(int, mark.split("/")), len(self.failed), len(self.failed))[:3]
            begin = max(known, rest - self.most_listed)
            new = [each for each in self.failed[begin:rest] if each.at is None or each.at >= since]
            after = f"{known}/{newest}/{begin}" if begin > known else str(newest)
            return HookNews(tuple(reversed(new)), after, begin > known, calls=1)

    def send_again(self, hook: RepoRef, attempt_id: str) -> None:
        with self._called("send_again"):
            self.sent_again.append(attempt_id)

    # Within

    @contextmanager
    def _called(self, method: str) -> Iterator[None]:
        with self._lock:
            self.calls.append(method)
            self._stumble(method, after=False)
            yield
            self._stumble(method, after=True)

    def _stumble(self, method: str, *, after: bool) -> None:
        for fault in self._faults:
            if fault.method in ("", method) and fault.after == after and fault.times > 0:
                fault.times -= 1
                raise fault.error

    def _told(self, comment: FakeComment) -> CommentAdded:
        about, uid = (comment.number, comment.id, comment.author), self.account_ids.get(comment.author, "")
        by_bot = comment.author == self.login
        return CommentAdded(comment.repo, *about, by_bot, comment.body, comment.created_at, uid)

    def _known_change(self, repo: RepoRef, number: int) -> Change:
        found = self._changes.get((repo, number))
        if found is None:
            raise self._missing(f"pull request {number} of {repo.path}")
        return found

    def _missing(self, what: str) -> NotFound:
        return NotFound(f"{self.name} has no {what}, or our credentials do not reach it")

    def _check(self, body: str) -> None:
        if not body.strip() or len(body) > self._comment_limit:
            raise ForgeRefused(f"{self.name} refused a comment: it is empty or too long")


def _seen(comment: FakeComment) -> ForgeComment:
    return ForgeComment(comment.id, comment.body, comment.created_at, comment.updated_at)


def _listed(files: Iterable[str] | ChangedFiles) -> ChangedFiles:
    return files if isinstance(files, ChangedFiles) else ChangedFiles(tuple(files))
