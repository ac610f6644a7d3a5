"""Merges a merge request on GitLab, and explains refusals."""

from __future__ import annotations

from bot.domain.errors import ForgeRefused, HeadMoved, NotMergeable
from bot.domain.events import RepoRef
from bot.domain.workspaces.merge_method import MergeMethod
from bot.forges.fields import optional_text
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.errors import Contended, NotAllowed, Unauthorized, Unprocessable
from bot.forges.gitlab.paths import project
from bot.forges.gitlab.shapes import answered_change
from bot.forges.gitlab.trains import Trains, has_trains

# What GitLab finds in the way of a merge, in words; anything else is said in its own.
# Source: https://docs.gitlab.com/api/merge_requests/#merge-status
_OBSTACLES = {
    "broken_status": "its branches cannot be merged",
    "checking": "GitLab is still checking whether it can be merged",
    "ci_must_pass": "its pipeline must succeed",
    "ci_still_running": "its pipeline is not finished",
    "commits_status": "its source branch has no commits, or is gone",
    "conflict": "it has conflicts with its target branch",
    "discussions_not_resolved": "its threads must be resolved",
    "draft_status": "it is a draft",
    "mergeable": "GitLab did not say why, and now reports no obstacle",
    "need_rebase": "it must be rebased",
    "not_approved": "approvals are missing",
    "not_open": "it is not open",
    "requested_changes": "changes are requested",
}
_FAST_FORWARD = "ff"


class Merges:
    """Implements ForgeMerging through an API."""

    def __init__(self, api: Api, trains: Trains) -> None:
        self._api = api
        self._trains = trains

    def merge(self, repo: RepoRef, number: int, head_sha: str, method: MergeMethod | None) -> str:
        """Merge a merge request: GitLab itself compares the commit, and merges no other (promise 1)."""
        path, what = f"{project(repo)}/merge_requests/{number}", f"{repo.path}!{number}"
        body: dict[str, object] = {"sha": head_sha}
        about = self._api.call("get", project(repo), repo.path).data
        if method is not None:
            self._check_allowed(repo, about, method)
            body["squash"] = method is MergeMethod.SQUASH
        try:
            if has_trains(about):
                # A merge past the train would have all the others on it start again.
                self._trains.join(repo, number, body)
                raise NotMergeable(f"{self._api.where}: {what} is in the merge train, which merges it")
            found = self._api.call("put", f"{path}/merge", f"the merge of {what}", body=body).data
        except Contended as error:
            if "sha" not in error.said.lower():
                raise
            raise HeadMoved(f"{self._api.where} refused the merge of {what}: {error.said}") from error
        except Unauthorized as error:
            role = "our account needs the role that may merge into its target branch"
            raise ForgeRefused(f"{self._api.where} refused the merge of {what}: {role}") from error
        except NotAllowed as error:
            raise self._not_mergeable(path, what, body) from error
        except Unprocessable as error:
            raise self._not_mergeable(path, what, body, error.said) from error
        with self._api.expecting(f"the merge of {what}"):
            change = answered_change(repo, found, "")
        if not change.merged:
            raise NotMergeable(f"{self._api.where}: {what} is not mergeable at once: GitLab merges it later")
        return change.merge_sha

    def _not_mergeable(self, path: str, what: str, body: dict[str, object], said: str = "") -> NotMergeable:
        """Find out why GitLab refused: its answer does not say.

        If only the pipeline has not ended, ask GitLab to merge that commit after the pipeline has succeeded;
        our own statuses are part of it, so that a plan which is no longer good holds the merge up.
        """
        status = optional_text(self._api.call("get", path, what).data, "detailed_merge_status") or ""
        why = _OBSTACLES.get(status) or status.replace("_", " ") or "GitLab does not say why"
        if status == "ci_still_running" and self._later(path, what, body):
            why += "; GitLab merges it once that has succeeded"
        more = f" ({said})" if said else ""
        return NotMergeable(f"{self._api.where}: {what} is not mergeable now: {why}{more}")

    def _later(self, path: str, what: str, body: dict[str, object]) -> bool:
        body = {**body, "merge_when_pipeline_succeeds": True}
        try:
            self._api.call("put", f"{path}/merge", f"the merge of {what}", body=body)
        except (Contended, NotAllowed, Unprocessable):
            # Asked for before, or the pipeline has ended: the next try finds out.
            return False
        return True

    def _check_allowed(self, repo: RepoRef, found: object, method: MergeMethod) -> None:
        """Raise NotMergeable if the project merges otherwise: it has one way, and a say about squashing.

        GitLab rebases only before a merge, which makes another head: what comes nearest is a fast-forward.
        """
        fast = (optional_text(found, "merge_method") or "merge") == _FAST_FORWARD
        squashing = optional_text(found, "squash_option") or "default_off"
        allowed = {
            MergeMethod.MERGE: not fast and squashing != "always",
            MergeMethod.SQUASH: squashing != "never",
            MergeMethod.REBASE: fast and squashing != "always",
        }
        if not allowed[method]:
            raise NotMergeable(f"{self._api.where}: merging by {method} is not allowed in {repo.path}")
