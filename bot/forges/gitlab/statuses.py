"""Sets commit statuses, which GitLab stores as jobs of a pipeline with its own transition rules.

Sources: https://docs.gitlab.com/api/commits/#set-commit-pipeline-status and
app/services/ci/create_commit_status_service.rb
"""

from __future__ import annotations

from bot.domain.events import RepoRef
from bot.domain.reports.report import StatusReport, StatusState
from bot.forges.descriptions import fitted
from bot.forges.fields import storable
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.errors import Contended, Unprocessable
from bot.forges.gitlab.paths import project, segment
from bot.forges.gitlab.pipelines import Pipelines, Place

DESCRIPTION_LIMIT = 255
ADDRESS_LIMIT = 255
_STATES = {
    StatusState.PENDING: "pending",
    StatusState.RUNNING: "running",
    StatusState.SUCCESS: "success",
    StatusState.FAILURE: "failed",
    StatusState.ERROR: "canceled",
}
_WAITING = frozenset({StatusState.PENDING, StatusState.RUNNING})
_SAME_AGAIN = "cannot transition status"
# GitLab creates a commit's statuses one at a time, and refuses requests that waited for two seconds.
_TRIES = 3


class Statuses:
    """Sets statuses through an API."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._pipelines = Pipelines(api)

    def set(self, repo: RepoRef, status: StatusReport) -> None:
        """Set one. Raises ForgeUnavailable, ForgeRefused, NotFound.

        An unfinished status gets new words only once: it goes from pending to running, and from there only
        to an end. So a status that waits for a person is ended and created again, because people act on its
        words. Words of progress wait for the end. The state, which guards the merge, is always right.
        """
        body: dict[str, object] = {
            "state": _STATES[status.state],
            "name": status.context,
            "description": fitted(storable(status.description), DESCRIPTION_LIMIT),
        }
        # A longer address is refused, and the status with it.
        if 0 < len(status.target_url) <= ADDRESS_LIMIT:
            body["target_url"] = status.target_url
        place = self._pipelines.place(repo, status.sha)
        self._move(repo, status, place, body)
        if status.state not in _WAITING:
            # Promise 3: nothing stays pending forever, wherever it was begun.
            for left in self._pipelines.left_running(repo, status.sha, status.context, place):
                self._move(repo, status, left, body)

    def _move(self, repo: RepoRef, status: StatusReport, place: Place, body: dict[str, object]) -> None:
        body = {**body, **place.names}
        try:
            self._send(repo, place.sha, body)
        except Unprocessable as refusal:
            if _SAME_AGAIN not in refusal.said.lower():
                raise
            if status.state is StatusState.PENDING:
                self._go_on(repo, place.sha, body)

    def _go_on(self, repo: RepoRef, sha: str, body: dict[str, object]) -> None:
        try:
            self._send(repo, sha, {**body, "state": "running"})
        except Unprocessable as refusal:
            if _SAME_AGAIN not in refusal.said.lower():
                raise
            # A process that dies in between leaves no succeeded pipeline, and the next try starts it again.
            self._send(repo, sha, {**body, "state": "canceled"})
            self._send(repo, sha, body)

    def _send(self, repo: RepoRef, sha: str, body: dict[str, object]) -> None:
        what = f"a status on {sha[:10]} of {repo.path}"
        path = f"{project(repo)}/statuses/{segment(sha)}"
        for left in reversed(range(_TRIES)):
            try:
                self._api.call("post", path, what, body=body)
                return
            except Contended:
                # Another of our statuses for this commit came first. Ours has not been set: it must be, or it
                # would stay pending forever (promise 3).
                if not left:
                    raise
