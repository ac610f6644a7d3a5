"""The Forge port on GitLab's REST API: reads changes and files, writes statuses and notes."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import ApprovalRule, Review
from bot.domain.commands.grammar import Verb
from bot.domain.errors import Invalid, NotFound, NotReady
from bot.domain.events import Change, ChangedFiles, RepoRef
from bot.domain.people.permissions import Role
from bot.domain.reports.posts import Reaction
from bot.domain.reports.report import StatusReport
from bot.domain.terms import MERGE_REQUESTS, ForgeWords
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.fields import flag, look, moment, number, optional_number, optional_text, sha, storable, text
from bot.forges.gitlab import branch_protection, files, webhook_setup
from bot.forges.gitlab.api import PUBLIC_URL, Api, TokenLogin
from bot.forges.gitlab.errors import Unprocessable
from bot.forges.gitlab.history import History
from bot.forges.gitlab.hook_log import HookLog
from bot.forges.gitlab.merging import Merges
from bot.forges.gitlab.paths import project, segment
from bot.forges.gitlab.reviews import Reviews
from bot.forges.gitlab.shapes import answered_change
from bot.forges.gitlab.statuses import Statuses
from bot.forges.gitlab.trains import Trains
from bot.forges.timeouts import Timeouts
from bot.services.ports import ForgeComment, ForgeFault, GitRemote, Meter
from bot.services.ports.catching_up import ForgeNews
from bot.services.ports.failed_deliveries import HookNews

# GitLab takes 1,000,000, but turns a long one into a page slowly and shows it without its Markdown.
COMMENT_LIMIT = 250_000
_EMOJI = {Reaction.SEEN: "eyes", Reaction.DONE: "thumbsup", Reaction.CONFUSED: "confused"}
# Source: https://docs.gitlab.com/api/access_requests/#valid-access-levels, and the project's own table
_ROLES = {20: Role.READ, 30: Role.WRITE, 40: Role.ADMIN, 50: Role.OWNER}
_LOGIN_LENGTH = 255
# Of the bot's notes too, GitLab carries out lines that begin with a word of its own (`/approve`, `/merge`),
# and older versions mistake where a fence ends: text of a change's must not have it do so (promise 5).
_SLASH = re.compile(rf"^(?=/(?!(?:{'|'.join({*Verb} - {Verb.LOCK, Verb.UNLOCK})})\b))", re.MULTILINE)


def _now() -> datetime:
    return datetime.now(UTC)


class GitLabForge:
    """GitLab, or a GitLab of one's own, at a web address that may have a path. `name` is our name for it.

    Raises ConfigError for an address or a token that cannot be one. May be shared by threads.
    """

    def __init__(
        self,
        name: str,
        login: TokenLogin,
        *,
        url: str = PUBLIC_URL,
        timeouts: Timeouts = Timeouts(),  # noqa: B008  frozen
        now: Callable[[], datetime] = _now,
        meter: Meter | None = None,
    ) -> None:
        self.name, self._now = name, now
        self._url = url.rstrip("/")
        self._token = login.token
        self._api = Api(name, self._url, login, timeouts, meter)
        self._statuses = Statuses(self._api)
        self._reviews = Reviews(self._api)
        self._history = History(self._api)
        self._hook_log = HookLog(self._api)
        self._trains = Trains(self._api)
        self._merges = Merges(self._api, self._trains)
        self._own_id = 0

    @property
    def comment_limit(self) -> int:
        """How many characters a comment may have."""
        return COMMENT_LIMIT

    @property
    def calls_at_once(self) -> int:
        """One: GitLab sets a commit's statuses one after another, and refuses those that wait for long."""
        return 1

    @property
    def words(self) -> ForgeWords:
        """How the forge names things."""
        return MERGE_REQUESTS

    # What `plangate doctor` asks

    def clock_ahead(self) -> timedelta:
        """Return by how much this machine's clock is ahead of the forge's; needs no token: one call."""
        return self._now() - self._api.date()

    def whoami(self) -> str:
        """Return the login that we act under. Raises ForgeRefused if we are not let in: one call."""
        what = "the token's own account"
        with self._api.expecting(what):
            return text(self._api.call("get", "/user", what).data, "username")

    def lacking(
        self,
        repo: RepoRef,
        *,
        merges: bool = False,  # noqa: ARG002
        teams: bool = False,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Return, in words, what we may not do in a project that a run needs: two calls or more."""
        role = self.role(repo, self.whoami())
        return () if role >= Role.WRITE else ("the role Developer, to set statuses and to comment",)

    def lacking_on(self, repo: RepoRef, branch: str) -> tuple[str, ...]:
        """Return, in words, what we may not do on a branch, or the default one: four calls or less."""
        with self._api.expecting(f"branches of {repo.path}"):
            return branch_protection.lacking_on(self._api, repo, branch, self.role(repo, self.whoami()))

    def advice(self, repo: RepoRef, branch: str) -> tuple[ForgeFault, ...]:  # noqa: ARG002
        """Return faults that make webhooks or statuses ineffective: one call."""
        return branch_protection.advice(self._api, repo)

    def token_faults(self) -> tuple[ForgeFault, ...]:
        """Return faults of the token itself: one call."""
        return tuple(webhook_setup.token_faults(self._api, self._now()))

    def hook_faults(self, repos: Sequence[RepoRef], url: str) -> tuple[ForgeFault, ...]:
        """Return faults of the webhooks for `url`: two calls for each project."""
        return tuple(fault for repo in repos for fault in webhook_setup.hook_faults(self._api, repo, url))

    # Reading

    def change(self, repo: RepoRef, number: int) -> Change:
        """Return a merge request as it is now: two calls, one of them for the default branch."""
        what = f"merge request {number} of {repo.path}"
        found = self._get(repo, f"/merge_requests/{number}", what)
        with self._api.expecting(what):
            default = text(self._get(repo, "", repo.path), "default_branch")
            return answered_change(repo, found, default)

    def files_of_change(self, repo: RepoRef, number: int) -> ChangedFiles:
        """Return the files of a merge request: one call, and one for each hundred files.

        Incomplete if GitLab does not list them all. Raises NotReady if GitLab has not computed them yet,
        which is common for a new merge request.
        """
        what = f"files of merge request {number} of {repo.path}"
        found = self._get(repo, f"/merge_requests/{number}", what)
        if files.uncounted(found, self._now()):
            raise NotReady(f"{self.name} is still preparing {repo.path}!{number}")
        wanted = files.expected(found)
        with self._api.expecting(what):
            try:
                path = f"{project(repo)}/merge_requests/{number}/diffs"
                return files.from_pages(self._api.pages(path, what), wanted)
            except NotFound:
                # Before GitLab 15.7 there was only the one long answer.
                return files.from_changes(self._get(repo, f"/merge_requests/{number}/changes", what), wanted)

    def files_between(self, repo: RepoRef, before: str, after: str) -> ChangedFiles:
        """Return the files of a push: one call, none for a new branch. Incomplete if GitLab cuts it short.

        From one commit straight to the other, so that after a force-push what was dropped counts too.
        """
        if not before.strip("0"):
            return ChangedFiles.unknown()
        what = f"comparison of {before[:10]} with {after[:10]} in {repo.path}"
        query = {"from": before, "to": after, "straight": "true"}
        try:
            path = f"{project(repo)}/repository/compare"
            return files.from_comparison(self._api.call("get", path, what, query=query).data)
        except (NotFound, Unprocessable):
            # The commit before may be gone after a force-push.
            return ChangedFiles.unknown()
        except Invalid as reason:
            raise self._api.unexpected(what, reason) from reason

    def branch_head(self, repo: RepoRef, branch: str) -> tuple[str, str]:
        """Return a branch's name and commit: one call, two for the default branch."""
        what = f"branch {branch} of {repo.path}" if branch else repo.path
        with self._api.expecting(what):
            wanted = branch or text(self._get(repo, "", what), "default_branch")
            found = self._get(repo, f"/repository/branches/{segment(wanted)}", what)
            return text(found, "name"), sha(found, "commit.id")

    def repo_id(self, repo: RepoRef) -> str:
        """Return a project's number: one call."""
        with self._api.expecting(repo.path):
            return str(number(self._get(repo, "", repo.path), "id"))

    def account_id(self, _repo: RepoRef, login: str) -> str:
        """Return the number of the account that has a login: one call."""
        what = f"the account {login}"
        found = self._api.call("get", "/users", what, query={"username": login}).data
        for user in found if isinstance(found, list) else ():
            if (optional_text(user, "username") or "").lower() == login.lower():
                with self._api.expecting(what):
                    return str(number(user, "id"))
        raise NotFound(f"{self.name} has no {what}")

    def is_on_branch(self, repo: RepoRef, branch: str, sha: str) -> bool:
        """Whether a commit is on a branch: one call."""
        what = f"whether {sha[:10]} is on branch {branch} of {repo.path}"
        path = f"{project(repo)}/repository/merge_base"
        try:
            found = self._api.call("get", path, what, query={"refs[]": [sha, branch]}).data
        except (NotFound, Unprocessable):
            return False
        return optional_text(found, "id") == sha

    def tag_commit(self, repo: RepoRef, tag: str) -> str:
        """Return the commit that a tag points at: one call."""
        what = f"tag {tag} of {repo.path}"
        with self._api.expecting(what):
            return sha(self._get(repo, f"/repository/tags/{segment(tag)}", what), "commit.id")

    def comment(self, repo: RepoRef, number: int, comment_id: str) -> ForgeComment:
        """Return a note as it is now: one call. Raises NotFound if it was deleted."""
        what = f"comment {comment_id} on {repo.path}!{number}"
        return self._comment(
            self._api.call("get", self._note(repo, number, comment_id, what), what).data, what
        )

    def role(self, repo: RepoRef, login: str) -> Role:
        """Return what a person may do, groups above and groups invited included.

        One call for each hundred members whose name or login holds the login.
        """
        if not login.strip(".") or len(login) > _LOGIN_LENGTH:
            return Role.NONE
        what = f"role of {login} in {repo.path}"
        role = Role.NONE
        for page in self._api.pages(f"{project(repo)}/members/all", what, {"query": login}):
            for member in page:
                username = optional_text(member, "username") or ""
                # A member who waits to be let in, or whose account is blocked, may do nothing.
                active = (optional_text(member, "state") or "active") == "active"
                awaited = (optional_text(member, "membership_state") or "active") != "active"
                if username.lower() == login.lower() and active and not awaited:
                    role = max(role, _role(optional_number(member, "access_level") or 0))
        return role

    def remote(self, repo: RepoRef) -> GitRemote:
        """Return the address to clone from, and a header with the token."""
        project(repo)
        basic = base64.b64encode(f"oauth2:{self._token}".encode()).decode()
        return GitRemote(repo, f"{self._url}/{repo.path}.git", f"Authorization: Basic {basic}")

    def reviews(self, repo: RepoRef, number: int) -> tuple[Review, ...]:
        """Return the current approvals, oldest first, then the requests for changes: three calls or more."""
        return self._reviews.reviews(repo, number)

    def approval_rules(self, repo: RepoRef, number: int) -> tuple[ApprovalRule, ...]:
        """Return the approval rules that require somebody, if the tier has any: one call."""
        return self._reviews.approval_rules(repo, number)

    def commits_behind(self, change: Change) -> int:
        """Return how many commits of the target branch a merge request lacks: one call."""
        return self._reviews.commits_behind(change)

    def commit_authors(self, change: Change) -> frozenset[str]:
        """Return who wrote and committed a merge request's commits: a call, and one for each name."""
        return self._reviews.commit_authors(change)

    def code_owners(self, repo: RepoRef, branch: str) -> CodeOwners | None:
        """Return CODEOWNERS on a branch, None if there is none: up to three calls."""
        return self._reviews.code_owners(repo, branch)

    def team_members(self, repo: RepoRef, team: str) -> frozenset[str]:
        """Return the logins of a group, a role or a person, in lower case: a call for each hundred."""
        return self._reviews.team_members(repo, team)

    def news(
        self, repo: RepoRef, branches: Sequence[str], since: datetime | None, marks: Mapping[str, str]
    ) -> ForgeNews:
        """Return what is new in a project: three calls, and one for each updated merge request."""
        return self._history.news(repo, branches, since, marks)

    def hook_of(self, repo: RepoRef) -> RepoRef:
        """Return the webhook that brings a project's events: the project's own."""
        return self._hook_log.hook_of(repo)

    def failed_deliveries(self, hook: RepoRef, url: str, mark: str, since: datetime) -> HookNews:  # noqa: ARG002
        """Return the failed deliveries of a webhook: two calls, and one for each twenty."""
        return self._hook_log.failed(hook, url, mark)

    # Writing

    def set_status(self, repo: RepoRef, status: StatusReport) -> None:
        """Set a commit status in the pipeline that the commit has: two to four calls."""
        self._statuses.set(repo, status)

    def find_comments(self, repo: RepoRef, number: int, marker: str) -> tuple[str, ...]:
        """Return the bot's own notes with the marker, oldest first: a call for each hundred notes.

        Anybody can copy a marker into their own note: only the author proves that it is ours (promise 5).
        """
        what = f"comments on {repo.path}!{number}"
        own = self._own()
        found = []
        query = {"sort": "asc", "order_by": "created_at", "activity_filter": "only_comments"}
        for page in self._api.pages(f"{project(repo)}/merge_requests/{number}/notes", what, query):
            for note in page:
                ours = look(note, "author.id") == own and not flag(note, "system")
                if ours and marker in (optional_text(note, "body") or ""):
                    found.append(self._note_id(note, what))
        return tuple(found)

    def create_comment(self, repo: RepoRef, number: int, body: str) -> ForgeComment:
        """Write a note: one call without retry, because a lost answer may hide a success."""
        what = f"a comment on {repo.path}!{number}"
        path = f"{project(repo)}/merge_requests/{number}/notes"
        made = self._api.call("post", path, what, body={"body": _inert(body)}).data
        return self._comment(made, what)

    def update_comment(self, repo: RepoRef, number: int, comment_id: str, body: str) -> ForgeComment:
        """Replace a note's text: one call. Raises NotFound if somebody has deleted it."""
        what = f"comment {comment_id} on {repo.path}!{number}"
        path = self._note(repo, number, comment_id, what)
        return self._comment(self._api.call("put", path, what, body={"body": _inert(body)}).data, what)

    def delete_comment(self, repo: RepoRef, number: int, comment_id: str) -> None:
        """Delete a note: one call. A note that is gone is left alone."""
        what = f"comment {comment_id} on {repo.path}!{number}"
        try:
            self._api.call("delete", self._note(repo, number, comment_id, what), what)
        except NotFound:
            return

    def react(self, repo: RepoRef, number: int, comment_id: str, reaction: Reaction) -> None:
        """Put an emoji on a note: one call. A note that is gone needs none."""
        what = f"comment {comment_id} on {repo.path}!{number}"
        path = f"{self._note(repo, number, comment_id, what)}/award_emoji"
        try:
            self._api.call("post", path, what, body={"name": _EMOJI[reaction]})
        except NotFound:
            # GitLab answers so too where the same emoji is there already.
            return

    def set_labels(self, repo: RepoRef, number: int, add: Sequence[str], remove: Sequence[str]) -> None:
        """Add and remove labels: one call. GitLab creates labels that are new to it."""
        named = {"add_labels": list(add), "remove_labels": list(remove)}
        body = {field: labels for field, labels in named.items() if labels}
        path, what = f"{project(repo)}/merge_requests/{number}", f"the labels of {repo.path}!{number}"
        self._api.call("put", path, what, body=body)

    def merge(self, repo: RepoRef, number: int, head_sha: str, method: MergeMethod | None = None) -> str:
        """Merge a merge request at one commit, or have it join its train: two calls or more, once."""
        return self._merges.merge(repo, number, head_sha, method)

    def send_again(self, hook: RepoRef, attempt_id: str) -> None:
        """Have a webhook's delivery sent again: one call."""
        self._hook_log.send_again(hook, attempt_id)

    def queue_base(self, repo: RepoRef, number: int, sha: str) -> str | None:
        """Return the base of a merge train's commit, None if no train has it: one call or two."""
        return self._trains.base(repo, number, sha)

    def _get(self, repo: RepoRef, path: str, what: str) -> object:
        return self._api.call("get", f"{project(repo)}{path}", what).data

    def _own(self) -> int:
        """Ask once whose token it is."""
        if not self._own_id:
            what = "the token's own account"
            with self._api.expecting(what):
                self._own_id = number(self._api.call("get", "/user", what).data, "id")
        return self._own_id

    def _note(self, repo: RepoRef, change: int, comment_id: str, what: str) -> str:
        if not (comment_id.isascii() and comment_id.isdigit()):
            raise NotFound(f"{self.name} has no {what}: its comments are numbered")
        return f"{project(repo)}/merge_requests/{change}/notes/{comment_id}"

    def _comment(self, note: object, what: str) -> ForgeComment:
        return ForgeComment(
            self._note_id(note, what),
            optional_text(note, "body") or "",
            moment(note, "created_at"),
            moment(note, "updated_at"),
        )

    def _note_id(self, note: object, what: str) -> str:
        with self._api.expecting(what):
            return str(number(note, "id"))


def _inert(body: str) -> str:
    """Return a note in which no line is a quick action: an invisible character precedes each."""
    return _SLASH.sub("\N{ZERO WIDTH SPACE}", storable(body))


def _role(access_level: int) -> Role:
    """Return the role of an access level: the highest known one that is not above it."""
    known = [level for level in _ROLES if level <= access_level]
    return _ROLES[max(known)] if known else Role.NONE
