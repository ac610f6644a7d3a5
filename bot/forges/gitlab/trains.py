"""Merge trains on GitLab: whether a commit belongs to a train, and adding a merge request to it.

Source: https://docs.gitlab.com/api/merge_trains/
"""

from __future__ import annotations

from bot.domain.errors import ForgeRefused, NotFound
from bot.domain.events import RepoRef
from bot.forges.fields import flag, look, optional_text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.errors import Unauthorized
from bot.forges.gitlab.paths import project, segment

_WAITING = frozenset({"idle", "stale", "fresh", "merging"})


class Trains:
    """Reads and changes merge trains through the API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def base(self, repo: RepoRef, number: int, sha: str) -> str | None:
        """Return the base of a train's commit, None if no train has it: one call or two.

        Empty if the commit does not tell, as where a project fast-forwards.
        """
        car = self._car(repo, number)
        if look(car, "pipeline.sha") != sha or optional_text(car, "status") not in _WAITING:
            return None
        what = f"commit {sha[:10]} of {repo.path}"
        path = f"{project(repo)}/repository/commits/{segment(sha)}"
        parents = look(self._api.call("get", path, what).data, "parent_ids")
        first = parents[0] if isinstance(parents, list) and len(parents) > 1 else ""
        return first if isinstance(first, str) else ""

    def join(self, repo: RepoRef, number: int, body: dict[str, object]) -> None:
        """Have a merge request join its train at one commit, unless it is in it: two calls."""
        if optional_text(self._car(repo, number), "status") in _WAITING:
            return
        path = f"{project(repo)}/merge_trains/merge_requests/{number}"
        self._api.call("post", path, f"the merge train for {repo.path}!{number}", body=body)

    def _car(self, repo: RepoRef, number: int) -> object:
        path = f"{project(repo)}/merge_trains/merge_requests/{number}"
        try:
            return self._api.call("get", path, f"the merge train of {repo.path}!{number}").data
        except Unauthorized:
            raise
        except (NotFound, ForgeRefused):
            # Not in a train, or the project has none.
            return None


def has_trains(found: object) -> bool:
    """Return whether a project uses merge trains."""
    return flag(found, "merge_trains_enabled")
