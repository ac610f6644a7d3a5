"""Finds the pipelines on GitLab for a commit's statuses: the one that guards the merge, and others.

Where a commit has no pipeline yet, GitLab makes one of the first status. CI's own may come after it, and
guards the merge from then on; the one of before would be left running forever.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bot.domain.errors import NotFound
from bot.domain.events import RepoRef
from bot.forges.fields import look, optional_number, optional_text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import project, segment

_MADE_OF_STATUSES = "external"
_UNFINISHED = frozenset({"created", "pending", "running"})


@dataclass(frozen=True)
class Place:
    """The target of a status: a commit, and its pipeline, or the branch to create one for."""

    sha: str
    names: dict[str, object] = field(default_factory=dict)


class Pipelines:
    """Asks an API for pipelines."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def place(self, repo: RepoRef, sha: str) -> Place:
        """Return the place at which a commit's status guards the merge: one call, at most four.

        Without a pipeline or a branch, GitLab would begin a pipeline beside the one that guards the merge,
        and would find no place at all for a commit of a fork.
        """
        last = look(self._commit(repo, sha), "last_pipeline")
        pipeline, source = optional_number(last, "id"), optional_text(last, "source")
        here = Place(sha, {"pipeline_id": pipeline}) if pipeline else Place(sha)
        if pipeline and source != _MADE_OF_STATUSES:
            return here
        change = self._change_of(repo, sha)
        if change is None:
            return here
        merged = self._merged_result(repo, sha, optional_number(change, "iid") or 0)
        if merged:
            return merged
        branch = optional_text(change, "source_branch")
        return here if pipeline or not branch else Place(sha, {"ref": branch})

    def left_running(self, repo: RepoRef, sha: str, context: str, but: Place) -> Iterator[Place]:
        """Yield other places at which a status of a commit is unfinished: one call."""
        what = f"statuses of {sha[:10]} of {repo.path}"
        path = f"{project(repo)}/repository/commits/{segment(sha)}/statuses"
        for page in self._api.pages(path, what, {"name": context}):
            for status in page:
                pipeline = optional_number(status, "pipeline_id")
                unfinished = optional_text(status, "status") in _UNFINISHED
                if unfinished and pipeline and pipeline != but.names.get("pipeline_id", pipeline):
                    yield Place(sha, {"pipeline_id": pipeline})

    def _commit(self, repo: RepoRef, sha: str) -> object:
        what = f"commit {sha[:10]} of {repo.path}"
        return self._api.call("get", f"{project(repo)}/repository/commits/{segment(sha)}", what).data

    def _change_of(self, repo: RepoRef, sha: str) -> object:
        """Return the open merge request with this head, None if there is none."""
        what = f"merge requests of {sha[:10]} of {repo.path}"
        path = f"{project(repo)}/repository/commits/{segment(sha)}/merge_requests"
        try:
            found = self._api.call("get", path, what).data
        except NotFound:
            return None
        for change in found if isinstance(found, list) else ():
            if look(change, "sha") == sha and look(change, "state") == "opened":
                return change
        return None

    def _merged_result(self, repo: RepoRef, sha: str, number: int) -> Place | None:
        """Return the pipeline for the merged result, which guards the merge if the project uses them.

        GitLab creates a commit for it; only one that was made from this head counts.
        Source: https://docs.gitlab.com/ci/pipelines/merged_results_pipelines/
        """
        path, what = f"{project(repo)}/merge_requests/{number}", f"{repo.path}!{number}"
        head = look(self._api.call("get", path, what).data, "head_pipeline")
        made, pipeline = optional_text(head, "sha"), optional_number(head, "id")
        if not made or not pipeline or made == sha or look(head, "source") != "merge_request_event":
            return None
        parents = look(self._commit(repo, made), "parent_ids")
        if not isinstance(parents, list) or sha not in parents:
            return None
        return Place(made, {"pipeline_id": pipeline})
