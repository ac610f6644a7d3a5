"""Sets commit statuses, which GitLab keeps as jobs of a pipeline and moves by rules of its own.

Sources: https://docs.gitlab.com/api/commits/#set-commit-pipeline-status and
app/services/ci/create_commit_status_service.rb
"""

from __future__ import annotations

from bot.domain.errors import NotFound
from bot.domain.events import RepoRef
from bot.domain.report import StatusReport, StatusState
from bot.forges.descriptions import fitted
from bot.forges.fields import look, optional_number, optional_text, storable
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.limits import Contended, Unprocessable
from bot.forges.gitlab.paths import project, segment

DESCRIPTION_LIMIT = 255
ADDRESS_LIMIT = 255
_STATES = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "running",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "canceled",
}
_SAME_AGAIN = "cannot transition status"
# GitLab makes a commit's statuses one after the other, and turns away who waited for two seconds.
_TRIES = 3


class Statuses:
    """Sets statuses through an API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def set(self, repo: RepoRef, status: StatusReport) -> None:
        """Set one. Raises ForgeUnavailable, ForgeRefused, NotFound.

        A status that is unfinished takes new words once: from pending it can only go on to running, and from
        there only to an end. So what waits for somebody is ended and begun anew, for its words are what they
        go by; words of progress wait for an end. The state, which guards the merge, is right throughout.
        """
        body: dict[str, object] = {
            "state": _STATES[status.state],
            "name": status.context,
            "description": fitted(storable(status.description), DESCRIPTION_LIMIT),
            **self._place(repo, status.sha),
        }
        # A longer address is refused, and the status with it.
        if 0 < len(status.target_url) <= ADDRESS_LIMIT:
            body["target_url"] = status.target_url
        try:
            self._send(repo, status, body)
        except Unprocessable as refusal:
            if _SAME_AGAIN not in refusal.said.lower():
                raise
            if status.state is StatusState.PENDING:
                self._go_on(repo, status, body)

    def _go_on(self, repo: RepoRef, status: StatusReport, body: dict[str, object]) -> None:
        try:
            self._send(repo, status, {**body, "state": "running"})
        except Unprocessable as refusal:
            if _SAME_AGAIN not in refusal.said.lower():
                raise
            # Whoever dies in between leaves no pipeline that has succeeded, and the next try begins it again.
            self._send(repo, status, {**body, "state": "canceled"})
            self._send(repo, status, body)

    def _send(self, repo: RepoRef, status: StatusReport, body: dict[str, object]) -> None:
        what = f"a status on {status.sha[:10]} of {repo.path}"
        path = f"{project(repo)}/statuses/{segment(status.sha)}"
        for left in reversed(range(_TRIES)):
            try:
                self._api.call("post", path, what, body=body)
                return
            except Contended:
                # Another of our statuses for this commit came first. Ours has not been set: it must be, or it
                # would stay pending for ever (promise 3).
                if not left:
                    raise

    def _place(self, repo: RepoRef, sha: str) -> dict[str, object]:
        """Return the pipeline that a status belongs to, else the branch that GitLab is to make one for.

        Without either, GitLab would begin a pipeline beside the one that guards the merge, and would find no
        place at all for a commit of a fork.
        """
        what = f"commit {sha[:10]} of {repo.path}"
        commit = self._api.call("get", f"{project(repo)}/repository/commits/{segment(sha)}", what).data
        pipeline = optional_number(commit, "last_pipeline.id")
        if pipeline is not None:
            return {"pipeline_id": pipeline}
        path = f"{project(repo)}/repository/commits/{segment(sha)}/merge_requests"
        try:
            changes = self._api.call("get", path, what).data
        except NotFound:
            changes = None
        for change in changes if isinstance(changes, list) else ():
            branch = optional_text(change, "source_branch")
            if branch and look(change, "sha") == sha and look(change, "state") == "opened":
                return {"ref": branch}
        return {}
