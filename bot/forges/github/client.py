"""The Forge port on GitHub's REST API: reads changes and files, writes statuses and comments."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import ApprovalRule, Review
from bot.domain.errors import Invalid, NotFound
from bot.domain.events import Change, ChangedFiles, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.reports.posts import Reaction
from bot.domain.reports.report import StatusReport, StatusState
from bot.domain.terms import PULL_REQUESTS, ForgeWords
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.descriptions import fitted, narrow
from bot.forges.diagnosis import ending
from bot.forges.fields import moment, number, optional_text, sha, storable, text
from bot.forges.github import branch_protection, files, tags
from bot.forges.github.api import PUBLIC_API, Answer, Api, Ask
from bot.forges.github.auth import UNSHARED, AppLogin, TokenLogin, credentials
from bot.forges.github.errors import BadCredentials, NotPermitted, Unprocessable
from bot.forges.github.history import History
from bot.forges.github.labels import set_labels
from bot.forges.github.merging import Merges
from bot.forges.github.paths import repo_path, segment, web_address
from bot.forges.github.reviews import Reviews
from bot.forges.github.shapes import ROLES, read_change
from bot.forges.timeouts import Timeouts
from bot.services.ports import AccessTokens, ForgeComment, ForgeFault, GitRemote, Meter
from bot.services.ports.catching_up import ForgeNews
from bot.services.ports.failed_deliveries import HookNews

DESCRIPTION_LIMIT = 140
# GitHub allows 100 calls at once, from everything that has our credentials.
_CALLS_AT_ONCE = 6
# GitHub's limit is 65,536 characters of an unknown kind: leave room for characters that count twice.
COMMENT_LIMIT = 65_000
_STATES = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "pending",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failure",
    StatusState.ERROR: "error",
}
# If a token lacks a permission and is older than this, a new one is requested.
_OUTGROWN = timedelta(minutes=1)


def _now() -> datetime:
    return datetime.now(UTC)


class GitHubForge:
    """GitHub, or a GitHub Enterprise server (`api_url` https://host/api/v3). `name` is our name for it.

    `web_url` is where Git and people go, found from `api_url` if it is empty. Raises ConfigError for an
    address, a token or a key that cannot be one. May be shared by threads. Processes share an App's tokens
    through `tokens`.
    """

    def __init__(
        self,
        name: str,
        login: TokenLogin | AppLogin,
        *,
        api_url: str = PUBLIC_API,
        web_url: str = "",
        timeouts: Timeouts = Timeouts(),  # noqa: B008  frozen
        now: Callable[[], datetime] = _now,
        tokens: AccessTokens = UNSHARED,
        meter: Meter | None = None,
    ) -> None:
        self.name = name
        self._api = Api(name, api_url, timeouts, meter)
        self._credentials = credentials(login, self._api, now, tokens)
        self._now = now
        self._reviews = Reviews(self._api, self._send)
        self._merges = Merges(self._api, self._send)
        self._history = History(self._api, self._send)
        self._hook_log = self._credentials.hook_log()
        self._web = (web_url or web_address(api_url)).rstrip("/")

    @property
    def comment_limit(self) -> int:
        """How many characters a comment may have."""
        return COMMENT_LIMIT

    @property
    def calls_at_once(self) -> int:
        """How many statuses and reactions may be written side by side."""
        return _CALLS_AT_ONCE

    @property
    def words(self) -> ForgeWords:
        """How the forge names things."""
        return PULL_REQUESTS

    # Being looked over, for `plangate doctor`

    def clock_ahead(self) -> timedelta:
        """Return by how much this machine's clock is ahead of the forge's; needs no credentials: one call."""
        return self._now() - self._api.date()

    def whoami(self) -> str:
        """Return the login that we act under. Raises ForgeRefused if we are not let in: one call."""
        return self._credentials.own_login()

    def lacking(self, repo: RepoRef, *, merges: bool = False, teams: bool = False) -> tuple[str, ...]:
        """Return, in words, what we may not do in a repository that a run needs: one call."""
        return self._credentials.lacking(repo, merges=merges, teams=teams)

    def lacking_on(self, repo: RepoRef, branch: str) -> tuple[str, ...]:
        """Return in words what a branch's merge queue needs and we lack: at most three calls."""
        with self._api.expecting(f"branches of {repo.path}"):
            queue = branch_protection.has_queue(partial(self._look, repo), repo, branch)
        return self._credentials.lacking(repo, queue=True) if queue else ()

    def advice(self, repo: RepoRef, branch: str) -> tuple[ForgeFault, ...]:
        """Return faults that make webhooks or statuses ineffective: three calls."""
        with self._api.expecting(f"branches of {repo.path}"):
            return branch_protection.advice(partial(self._look, repo), repo, branch)

    def token_faults(self) -> tuple[ForgeFault, ...]:
        """Return faults of the token itself: one call, none for an App."""
        return ending(self._credentials.ends(), self._now())

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:
        """Return faults of the webhooks for `url`: two calls, or one for each repository."""
        return self._credentials.hook_faults(repos, url)

    # Reading

    def change(self, repo: RepoRef, number: int) -> Change:
        """Return a pull request as it is now: one call."""
        what = f"pull request {number} of {repo.path}"
        found = self._call(repo, "GET", f"/pulls/{number}", what).data
        with self._api.expecting(what):
            return read_change(repo, found)

    def files_of_change(self, repo: RepoRef, number: int) -> ChangedFiles:
        """Return the files of a pull request: a call for each hundred; incomplete at 3,000."""
        what = f"files of pull request {number} of {repo.path}"
        try:
            with self._api.one_connection():
                return files.from_pages(self._pages(repo, f"/pulls/{number}/files", what))
        except Unprocessable:
            # The difference is too large for GitHub to list.
            return ChangedFiles.unknown()
        except Invalid as reason:
            raise self._api.unexpected(what, reason) from reason

    def files_between(self, repo: RepoRef, before: str, after: str) -> ChangedFiles:
        """Return the files of a push: one call, none for a new branch.

        Incomplete at 300 files and after a force-push.
        """
        if not before.strip("0"):
            return ChangedFiles.unknown()
        what = f"comparison of {before[:10]} with {after[:10]} in {repo.path}"
        path = f"/compare/{segment(before)}...{segment(after)}"
        try:
            # The files stand on the first page, whole; the commits are not wanted.
            found = self._call(repo, "GET", path, what, query={"per_page": 1}).data
            return files.from_comparison(found)
        except (NotFound, Unprocessable):
            # The commit before is gone after a force-push, or the difference is too large to list.
            return ChangedFiles.unknown()
        except Invalid as reason:
            raise self._api.unexpected(what, reason) from reason

    def branch_head(self, repo: RepoRef, branch: str) -> tuple[str, str]:
        """Return a branch's name and commit: one call, two for the default branch."""
        what = f"branch {branch} of {repo.path}" if branch else repo.path
        with self._api.expecting(what):
            wanted = branch or text(self._call(repo, "GET", "", what).data, "default_branch")
            found = self._call(repo, "GET", f"/branches/{segment(wanted)}", what).data
            return text(found, "name"), sha(found, "commit.sha")

    def repo_id(self, repo: RepoRef) -> str:
        """Return a repository's number: one call."""
        with self._api.expecting(repo.path):
            return str(number(self._call(repo, "GET", "", repo.path).data, "id"))

    def account_id(self, repo: RepoRef, login: str) -> str:
        """Return the number of the account that has a login: one call."""
        what = f"the account {login}"
        with self._api.expecting(what):
            return str(number(self._look(repo, f"/users/{segment(login)}", what), "id"))

    def is_on_branch(self, repo: RepoRef, branch: str, sha: str) -> bool:
        """Whether a commit is on a branch: one call."""
        what = f"whether {sha[:10]} is on branch {branch} of {repo.path}"
        path = f"/compare/{segment(sha)}...{segment(branch)}"
        try:
            found = self._call(repo, "GET", path, what, query={"per_page": 1}).data
        except (NotFound, Unprocessable):
            return False
        return optional_text(found, "status") in ("ahead", "identical")

    def tag_commit(self, repo: RepoRef, tag: str) -> str:
        """Return the commit that a tag points at: one call, two for an annotated tag."""
        what = f"tag {tag} of {repo.path}"
        with self._api.expecting(what):
            return tags.commit_of(tag, what, lambda path, what: self._call(repo, "GET", path, what).data)

    def comment(self, repo: RepoRef, number: int, comment_id: str) -> ForgeComment:
        """Return a comment as it is now: one call. Raises NotFound if it was deleted."""
        what = f"comment {comment_id} on {repo.path}#{number}"
        path = f"/issues/comments/{self._known_id(comment_id, what)}"
        return self._comment(self._call(repo, "GET", path, what).data, what)

    def role(self, repo: RepoRef, login: str) -> Role:
        """Return what a person may do, by GitHub's permission endpoint: one call."""
        path = f"/collaborators/{segment(login)}/permission"
        if login.strip(".") == "":
            return Role.NONE
        try:
            found = self._call(repo, "GET", path, f"role of {login} in {repo.path}").data
        except NotFound:
            return Role.NONE
        # An organization's custom roles have their own names; `permission` is the role that they extend.
        named = ROLES.get(optional_text(found, "role_name") or "")
        return ROLES.get(optional_text(found, "permission") or "", Role.NONE) if named is None else named

    def remote(self, repo: RepoRef) -> GitRemote:
        """Return the address to clone from, and a header with a token that is good for minutes at least."""
        repo_path(repo)
        basic = base64.b64encode(f"x-access-token:{self._credentials.token(repo)}".encode()).decode()
        header, url = f"Authorization: Basic {basic}", f"{self._web}/{repo.path}.git"
        return GitRemote(repo, url, header, partial(self._renewed, repo))

    def _renewed(self, repo: RepoRef) -> GitRemote | None:
        """Return the remote with a new token, after Git's was refused; None if there is no other."""
        return self.remote(repo) if self._credentials.forget(repo) else None

    def reviews(self, repo: RepoRef, number: int) -> tuple[Review, ...]:
        """Return the reviews of a pull request, oldest first: a call for each hundred."""
        return self._reviews.reviews(repo, number)

    def approval_rules(self, _repo: RepoRef, _number: int) -> tuple[ApprovalRule, ...]:
        """Return none: GitHub's rules guard the merge, but the API does not list them for a change."""
        return ()

    def commits_behind(self, change: Change) -> int:
        """Return how many commits of the base branch a pull request lacks: one call."""
        return self._reviews.commits_behind(change)

    def commit_authors(self, change: Change) -> frozenset[str]:
        """Return who wrote and committed a pull request's commits: a call for each hundred."""
        return self._reviews.commit_authors(change)

    def code_owners(self, repo: RepoRef, branch: str) -> CodeOwners | None:
        """Return CODEOWNERS on a branch, None if there is none: up to three calls."""
        return self._reviews.code_owners(repo, branch)

    def team_members(self, repo: RepoRef, team: str) -> frozenset[str]:
        """Return the logins of a team, in lower case: a call for each hundred."""
        return self._reviews.team_members(repo, team)

    def news(
        self, repo: RepoRef, branches: Sequence[str], since: datetime | None, marks: Mapping[str, str]
    ) -> ForgeNews:
        """Return what is new in a repository: four calls or more, most of them without an answer."""
        return self._history.news(repo, branches, since, marks)

    def hook_of(self, repo: RepoRef) -> RepoRef:
        """Return the webhook that brings a repository's events: an App has one for all."""
        return self._hook_log.hook_of(repo)

    def failed_deliveries(self, hook: RepoRef, url: str, mark: str, since: datetime) -> HookNews:
        """Return the failed deliveries of a webhook: one or two calls, and one for each hundred."""
        return self._hook_log.failed(hook, url, mark, since)

    # Writing

    def set_status(self, repo: RepoRef, status: StatusReport) -> None:
        """Set a commit status: one call."""
        body = {
            "state": _STATES[status.state],
            "context": status.context,
            "description": narrow(fitted(storable(status.description), DESCRIPTION_LIMIT)),
        }
        if status.target_url:
            body["target_url"] = status.target_url
        what = f"a status on {status.sha[:10]} of {repo.path}"
        self._call(repo, "POST", f"/statuses/{segment(status.sha)}", what, body=body)

    def find_comments(self, repo: RepoRef, number: int, marker: str) -> tuple[str, ...]:
        """Return the bot's own comments with the marker, oldest first: a call for each hundred comments.

        Anybody can copy a marker into their own comment: only the author proves that it is ours (promise 5).
        """
        what = f"comments on {repo.path}#{number}"
        own = self._credentials.own_login()
        found = []
        with self._api.one_connection():
            for page in self._pages(repo, f"/issues/{number}/comments", what):
                for comment in page:
                    author = optional_text(comment, "user.login") or ""
                    if author.lower() == own and marker in (optional_text(comment, "body") or ""):
                        found.append(self._comment_id(comment, what))
        return tuple(found)

    def create_comment(self, repo: RepoRef, number: int, body: str) -> ForgeComment:
        """Write a comment: one call without retry, because a lost answer may hide a success."""
        what = f"a comment on {repo.path}#{number}"
        found = self._call(repo, "POST", f"/issues/{number}/comments", what, body={"body": storable(body)})
        return self._comment(found.data, what)

    def update_comment(self, repo: RepoRef, number: int, comment_id: str, body: str) -> ForgeComment:
        """Replace a comment's text: one call. Raises NotFound if somebody has deleted it."""
        what = f"comment {comment_id} on {repo.path}#{number}"
        path = f"/issues/comments/{self._known_id(comment_id, what)}"
        return self._comment(self._call(repo, "PATCH", path, what, body={"body": storable(body)}).data, what)

    def delete_comment(self, repo: RepoRef, number: int, comment_id: str) -> None:
        """Delete a comment: one call. A comment that is gone is left alone."""
        what = f"comment {comment_id} on {repo.path}#{number}"
        try:
            self._call(repo, "DELETE", f"/issues/comments/{self._known_id(comment_id, what)}", what)
        except NotFound:
            return

    def react(self, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> None:
        """Put a reaction on a comment: one call. A comment that is gone needs none."""
        what = f"comment {comment_id} on {repo.path}#{number}"
        path = f"/issues/comments/{self._known_id(comment_id, what)}/reactions"
        try:
            self._call(repo, "POST", path, what, body={"content": reaction.value})
        except NotFound:
            return

    def set_labels(self, repo: RepoRef, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add labels in one call, and remove each in one."""
        set_labels(self._send, repo, number, add, remove)

    def merge(self, repo: RepoRef, number: int, head_sha: str, method: MergeMethod | None = None) -> str:
        """Merge a pull request at one commit: one call, two without a method; no retry."""
        return self._merges.merge(repo, number, head_sha, method)

    def send_again(self, hook: RepoRef, attempt_id: str) -> None:
        """Have a webhook's delivery sent again: one call."""
        self._hook_log.send_again(hook, attempt_id)

    def queue_base(self, _repo: RepoRef, _number: int, _sha: str) -> str | None:
        """Return none: GitHub itself marks the commits of its queue."""
        return None

    def _call(
        self,
        repo: RepoRef,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> Answer:
        return self._send(repo, Ask(method, f"{repo_path(repo)}{path}", what, query, body))

    def _pages(self, repo: RepoRef, path: str, what: str) -> Iterator[list[object]]:
        return self._api.pages(partial(self._send, repo), Ask("GET", f"{repo_path(repo)}{path}", what))

    def _send(self, repo: RepoRef, ask: Ask) -> Answer:
        try:
            return self._api.call(self._credentials.token(repo), ask)
        except BadCredentials:
            # An App's tokens end early when it is suspended or its key replaced. A 401 has done nothing.
            if not self._credentials.forget(repo):
                raise
        except NotPermitted:
            # Permissions granted later are not in the token, and a 403 has had no effect.
            if not self._credentials.forget(repo, _OUTGROWN):
                raise
        return self._api.call(self._credentials.token(repo), ask)

    def _look(self, repo: RepoRef, path: str, what: str) -> object:
        return self._send(repo, Ask("GET", path, what)).data

    def _comment_id(self, comment: object, what: str) -> str:
        with self._api.expecting(what):
            return str(number(comment, "id"))

    def _comment(self, comment: object, what: str) -> ForgeComment:
        return ForgeComment(
            self._comment_id(comment, what),
            optional_text(comment, "body") or "",
            moment(comment, "created_at"),
            moment(comment, "updated_at"),
        )

    def _known_id(self, comment_id: str, what: str) -> str:
        if not (comment_id.isascii() and comment_id.isdigit()):
            raise NotFound(f"{self.name} has no {what}: its comments are numbered")
        return comment_id
