"""Reviews, code owners and teams on GitHub: what requirements ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bot.domain.changes.codeowners import CodeOwners
from bot.domain.changes.reviews import Review, Verdict
from bot.domain.events import Change, RepoRef
from bot.forges.code_owners import first_text
from bot.forges.fields import look, optional_text
from bot.forges.github.api import Answer, Api, Ask
from bot.forges.github.paths import repo_path, segment

# GitHub takes the first of these that there is.
_PLACES = (".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS")
_VERDICTS = {
    "APPROVED": Verdict.APPROVED,
    "CHANGES_REQUESTED": Verdict.CHANGES_REQUESTED,
    "DISMISSED": Verdict.DISMISSED,
}


class Reviews:
    """Implements ForgeReviews; `send` makes one call with the repository's credentials."""

    def __init__(self, api: Api, send: Callable[[RepoRef, Ask], Answer]) -> None:
        self._api = api
        self._send = send

    def reviews(self, repo: RepoRef, number: int) -> tuple[Review, ...]:
        """Return the reviews of a pull request, oldest first: a call for each hundred."""
        what = f"reviews of pull request {number} of {repo.path}"
        found = []
        for page in self._pages(repo, f"{repo_path(repo)}/pulls/{number}/reviews", what):
            for review in page:
                login = optional_text(review, "user.login")
                # Reviews of deleted accounts don't count, and drafts of reviews don't count yet.
                if login and optional_text(review, "state") != "PENDING":
                    verdict = _VERDICTS.get(optional_text(review, "state") or "", Verdict.COMMENTED)
                    found.append(Review(login, verdict, optional_text(review, "commit_id") or ""))
        return tuple(found)

    def commits_behind(self, change: Change) -> int:
        """Return how many commits of the base branch the change lacks: one call."""
        what = f"comparison of {change.base_branch} with {change.head_sha[:10]} in {change.repo.path}"
        path = f"{repo_path(change.repo)}/compare/{segment(change.base_branch)}...{segment(change.head_sha)}"
        found = self._send(change.repo, Ask("GET", path, what, {"per_page": 1})).data
        behind = look(found, "behind_by")
        if not isinstance(behind, int) or isinstance(behind, bool):
            raise self._api.unexpected(what)
        return behind

    def commit_authors(self, change: Change) -> frozenset[str]:
        """Return who wrote and committed the commits: a call for each hundred. GitHub lists 250 at most."""
        what = f"commits of pull request {change.number} of {change.repo.path}"
        found = {
            (optional_text(commit, f"{role}.login") or "").lower()
            for page in self._pages(
                change.repo, f"{repo_path(change.repo)}/pulls/{change.number}/commits", what
            )
            for commit in page
            for role in ("author", "committer")
        }
        # What is committed on the web has GitHub itself for its committer.
        return frozenset(found - {"", "web-flow"})

    def code_owners(self, repo: RepoRef, branch: str) -> CodeOwners | None:
        """Return CODEOWNERS on a branch: up to three calls."""

        def read(place: str) -> object:
            path = f"{repo_path(repo)}/contents/{place}"
            return self._send(repo, Ask("GET", path, f"{place} of {repo.path}", {"ref": branch})).data

        with self._api.expecting(f"CODEOWNERS of {repo.path}"):
            found = first_text(_PLACES, read)
        return None if found is None else CodeOwners(found)

    def team_members(self, repo: RepoRef, team: str) -> frozenset[str]:
        """Return a team's members, those of its child teams too: a call for each hundred."""
        organization, _, slug = team.partition("/")
        what = f"members of the team {team}"
        path = f"/orgs/{segment(organization)}/teams/{segment(slug)}/members"
        logins = (optional_text(member, "login") for page in self._pages(repo, path, what) for member in page)
        return frozenset(login.lower() for login in logins if login)

    def _pages(self, repo: RepoRef, path: str, what: str) -> Iterator[list[object]]:
        return self._api.pages(lambda ask: self._send(repo, ask), Ask("GET", path, what))
