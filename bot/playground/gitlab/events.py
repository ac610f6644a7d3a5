"""What the forge's events look like when GitLab sends them, and to which hooks they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playground.gitlab.shapes import Json, moment
from bot.playground.web.webhooks import gitlab_headers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bot.playground.forge.model import Event, Group, Hook, Pull, RefMove, Repo, User
    from bot.playground.git.repositories import Commit
    from bot.playground.gitlab.shapes import Shapes
    from bot.playground.web.webhooks import Outbox

# The same on GitLab: longer pushes are told without the rest of their commits.
COMMITS_IN_A_PUSH = 20
_ACTIONS = {
    "opened": "open",
    "reopened": "reopen",
    "synchronize": "update",
    "edited": "update",
    "converted_to_draft": "update",
    "ready_for_review": "update",
    "review_requested": "update",
    "review_request_removed": "update",
}

# What became of a merge train's pipeline, by why the train has done with its commit.
_ENDS = {"merged": "success", "dequeued": "failed", "invalidated": "canceled"}
_JUDGED = {"APPROVED": "approved", "DISMISSED": "unapproved"}


class GitLabEvents:
    """Listens to the forge and posts to its GitLab hooks."""

    def __init__(self, shapes: Shapes, outbox: Outbox) -> None:
        self._shapes = shapes
        self._outbox = outbox

    def __call__(self, event: Event) -> None:
        """Post an event to every hook that asked for it."""
        told = self.payload(event)
        if told is None:
            return
        name, payload = told
        for hook in self._shapes.forge.hooks:
            if hook.flavour == "gitlab" and _wants(hook, event, payload["object_kind"]):
                action = str(payload.get("object_attributes", {}).get("action", ""))
                self._outbox.post(hook, name, payload, gitlab_headers, action)

    def payload(self, event: Event) -> tuple[str, Json] | None:
        """Write an event's name and body, None if GitLab tells of no such thing."""
        if event.kind == "push" and event.move:
            return self._push(event.repo, event.move, event.actor)
        if event.kind == "pull_request" and event.pull:
            return "Merge Request Hook", self._merge_request(event, event.pull)
        if event.kind == "issue_comment" and event.pull and event.comment and event.action != "deleted":
            return "Note Hook", self._note(event, event.pull)
        if event.kind == "merge_group" and event.group and event.group.head_sha in event.repo.pipelines:
            return "Pipeline Hook", self._pipeline(event, event.group)
        judged = _JUDGED.get(event.review.state) if event.review else None
        if event.pull and judged:
            return "Merge Request Hook", self._told(event, event.pull, judged, {})
        return None

    def _push(self, repo: Repo, move: RefMove, actor: User) -> tuple[str, Json]:
        tag = move.ref.startswith("refs/tags/")
        git = repo.git
        tip = None if move.deleted else git.resolve(move.ref.removeprefix("refs/"))
        commits = []
        if tip is not None:
            others = [f"^{sha}" for ref, sha in git.refs().items() if ref != move.ref]
            excluded = [] if tag else others if move.created else [f"^{move.before}"]
            limit = 1 if tag else COMMITS_IN_A_PUSH
            commits = git.commits(tip, *excluded, limit=limit)[::-1]
        kind = "tag_push" if tag else "push"
        return ("Tag Push Hook" if tag else "Push Hook"), {
            "object_kind": kind,
            "event_name": kind,
            "before": move.before,
            "after": move.after,
            "ref": move.ref,
            "ref_protected": False,
            "checkout_sha": tip,
            "message": None,
            "user_id": actor.id,
            "user_name": actor.name,
            "user_username": actor.login,
            "user_email": "",
            "project_id": repo.id,
            "project": self._project(repo),
            "commits": [self._commit(repo, commit) for commit in commits],
            "total_commits_count": len(commits),
        }

    def _merge_request(self, event: Event, pull: Pull) -> Json:
        action = _ACTIONS.get(event.action, "merge" if pull.merged_at else "close")
        changes: Json = {}
        if event.action in ("converted_to_draft", "ready_for_review"):
            changes["draft"] = {"previous": not pull.draft, "current": pull.draft}
        if isinstance(base := event.changes.get("base"), dict):
            changes["target_branch"] = {"previous": base["ref"]["from"], "current": pull.base_ref}
        if isinstance(title := event.changes.get("title"), dict):
            changes["title"] = {"previous": title["from"], "current": pull.title}
        if isinstance(before := event.changes.get("reviewers"), list):
            changes["reviewers"] = {"previous": self._users(before), "current": self._users(pull.asked)}
        body = self._told(event, pull, action, changes)
        if pull.asked:
            body["reviewers"] = self._users(pull.asked)
        if event.action == "synchronize":
            body["object_attributes"]["oldrev"] = event.before
        return body

    def _users(self, users: Sequence[User]) -> list[Json]:
        return [self._user(user) for user in users]

    def _told(self, event: Event, pull: Pull, action: str, changes: Json) -> Json:
        return {
            "object_kind": "merge_request",
            "event_type": "merge_request",
            "user": self._user(event.actor),
            "project": self._project(pull.repo),
            "object_attributes": self._attributes(pull) | {"action": action},
            "labels": [],
            "changes": changes,
        }

    def _attributes(self, pull: Pull) -> Json:
        shape = self._shapes.merge_request(pull)
        kept = (
            *("id", "iid", "title", "description", "state", "created_at", "updated_at", "draft"),
            *("source_branch", "target_branch", "source_project_id", "target_project_id"),
            *("merge_status", "detailed_merge_status", "merge_commit_sha", "work_in_progress"),
        )
        return {key: shape[key] for key in kept} | {
            "author_id": pull.author.id,
            "url": shape["web_url"],
            "source": self._project(pull.head_repo) if pull.head_repo else None,
            "target": self._project(pull.repo),
            "last_commit": self._commit(pull.repo, pull.repo.git.commit(pull.head_sha)),
        }

    def _pipeline(self, event: Event, group: Group) -> Json:
        """Write a merge train's pipeline: nothing in it says that it is one's."""
        repo, pull, sha = event.repo, group.pull, group.head_sha
        status, shape = _ENDS.get(event.before, "pending"), self._shapes.merge_request(pull)
        kept = (
            *("id", "iid", "title", "source_branch", "source_project_id"),
            *("target_branch", "target_project_id", "state", "merge_status"),
        )
        begun = f"{group.created_at:%Y-%m-%d %H:%M:%S} UTC"
        return {
            "object_kind": "pipeline",
            "object_attributes": {
                "id": repo.pipelines[sha],
                "ref": pull.head_ref,
                "tag": False,
                "sha": sha,
                "before_sha": group.base_sha,
                "source": "merge_request_event",
                "status": status,
                "detailed_status": "passed" if status == "success" else status,
                "stages": ["external"],
                "created_at": begun,
                "finished_at": begun if event.before else None,
                "duration": None,
                "queued_duration": None,
                "variables": [],
            },
            "merge_request": {key: shape[key] for key in kept} | {"url": shape["web_url"]},
            "user": self._user(event.actor),
            "project": self._project(repo),
            "commit": self._commit(repo, repo.git.commit(sha)),
            "builds": [],
        }

    def _note(self, event: Event, pull: Pull) -> Json:
        comment = event.comment
        assert comment is not None
        return {
            "object_kind": "note",
            "event_type": "note",
            "user": self._user(event.actor),
            "project_id": pull.repo.id,
            "project": self._project(pull.repo),
            "object_attributes": {
                "id": comment.id,
                "note": comment.body,
                "noteable_type": "MergeRequest",
                "noteable_id": pull.id,
                "author_id": comment.author.id,
                "project_id": pull.repo.id,
                "system": False,
                "type": None,
                "created_at": moment(comment.created_at),
                "updated_at": moment(comment.updated_at),
                "action": "create" if event.action == "created" else "update",
                "url": f"{self._shapes.at.web}{pull.page}#note_{comment.id}",
            },
            "merge_request": self._attributes(pull),
        }

    def _commit(self, repo: Repo, commit: Commit) -> Json:
        return {
            "id": commit.sha,
            "message": commit.message + "\n",
            "title": commit.message.split("\n")[0],
            "timestamp": commit.committer.date,
            "url": self._shapes.commit_page(repo, commit.sha),
            "author": {"name": commit.author.name, "email": commit.author.email},
        }

    def _user(self, user: User) -> Json:
        shape = self._shapes.user(user)
        return {key: shape[key] for key in ("id", "name", "username", "avatar_url")} | {"email": "[REDACTED]"}

    def _project(self, repo: Repo) -> Json:
        shape = self._shapes.project(repo)
        kept = ("id", "name", "description", "web_url", "path_with_namespace", "default_branch")
        return {key: shape[key] for key in kept} | {
            "namespace": repo.owner.name,
            "git_http_url": shape["http_url_to_repo"],
            "visibility_level": 0 if repo.private else 20,
        }


def _wants(hook: Hook, event: Event, kind: str) -> bool:
    return hook.repo in (None, event.repo) and ("*" in hook.events or kind in hook.events)
