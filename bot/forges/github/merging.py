"""Merges a pull request on GitHub, and explains refusals."""

from __future__ import annotations

from collections.abc import Callable

from bot.domain.errors import HeadMoved, NotMergeable
from bot.domain.events import RepoRef
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.fields import look, sha
from bot.forges.github.api import Answer, Api, Ask
from bot.forges.github.errors import Conflicting, NotAllowed
from bot.forges.github.paths import repo_path

# In the order in which GitHub's own button offers them.
_SWITCHES = {
    MergeMethod.MERGE: "allow_merge_commit",
    MergeMethod.SQUASH: "allow_squash_merge",
    MergeMethod.REBASE: "allow_rebase_merge",
}


class Merges:
    """Implements ForgeMerging; `send` makes one call with the repository's credentials."""

    def __init__(self, api: Api, send: Callable[[RepoRef, Ask], Answer]) -> None:
        self._api = api
        self._send = send

    def merge(self, repo: RepoRef, number: int, head_sha: str, method: MergeMethod | None) -> str:
        """Merge a pull request: GitHub itself compares the commit, so nothing gets in between (promise 1)."""
        what = f"the merge of pull request {number} of {repo.path} at {head_sha[:10]}"
        body = {"sha": head_sha, "merge_method": (method or self._allowed(repo)).value}
        try:
            made = self._send(repo, Ask("PUT", f"{repo_path(repo)}/pulls/{number}/merge", what, body=body))
        except Conflicting as error:
            raise HeadMoved(str(error)) from error
        except NotAllowed as error:
            raise NotMergeable(str(error)) from error
        with self._api.expecting(what):
            return sha(made.data, "sha")

    def _allowed(self, repo: RepoRef) -> MergeMethod:
        """Return the first method that is not switched off, as far as we may see the switches."""
        found = self._send(repo, Ask("GET", repo_path(repo), repo.path)).data
        allowed = (method for method, switch in _SWITCHES.items() if look(found, switch) is not False)
        return next(allowed, MergeMethod.MERGE)
