"""GitLab's shapes of people, projects, commits, merge requests and what is said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.playground.forge.model import Role

if TYPE_CHECKING:
    from datetime import datetime

    from bot.playground.forge.house import Forge
    from bot.playground.forge.model import Comment, Pull, Reaction, Repo, Status, User
    from bot.playground.git.diffs import FileChange
    from bot.playground.git.repositories import Commit
    from bot.playground.github.addresses import Addresses

Json = dict[str, Any]
# GitLab knows no triage; what maintains there is what administers here.
LEVELS = {Role.read: 20, Role.triage: 20, Role.write: 30, Role.maintain: 40, Role.admin: 50}
_STATUS_WORDS = {"pending": "pending", "success": "success", "failure": "failed", "error": "canceled"}
EMOJI = {
    "+1": "thumbsup",
    "-1": "thumbsdown",
    "laugh": "laughing",
    "hooray": "tada",
    "confused": "confused",
    "heart": "heart",
    "rocket": "rocket",
    "eyes": "eyes",
}


def moment(value: datetime | None) -> str | None:
    """Write a moment as GitLab does."""
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1_000:03}Z" if value else None


def _squash_option(repo: Repo) -> str:
    if "squash" not in repo.merge_methods:
        return "never"
    return "default_off" if len(repo.merge_methods) > 1 else "always"


class Shapes:
    """Turns what the forge knows into what GitLab would say."""

    def __init__(self, forge: Forge, at: Addresses) -> None:
        self.forge = forge
        self.at = at

    def user(self, user: User) -> Json:
        """Shape somebody, as in every answer that mentions them."""
        return {
            "id": user.id,
            "username": user.login,
            "name": user.name,
            "state": "active",
            "locked": False,
            "avatar_url": f"{self.at.web}/static/avatars/{user.id}",
            "web_url": f"{self.at.web}/{user.login}",
        }

    def member(self, repo: Repo, user: User) -> Json:
        """Shape a member of a project."""
        level = LEVELS[self.forge.role_of(repo, user)]
        return self.user(user) | {
            "access_level": level,
            "created_at": moment(user.created_at),
            "expires_at": None,
            "membership_state": "active",
        }

    def project(self, repo: Repo) -> Json:
        """Shape a project."""
        group, page = repo.owner.login, f"{self.at.web}/{repo.full_name}"
        return {
            "id": repo.id,
            "description": repo.description,
            "name": repo.name,
            "name_with_namespace": repo.full_name.replace("/", " / "),
            "path": repo.name,
            "path_with_namespace": repo.full_name,
            "created_at": moment(repo.created_at),
            "default_branch": repo.default_branch,
            "http_url_to_repo": f"{page}.git",
            "web_url": page,
            "last_activity_at": moment(repo.pushed_at),
            "visibility": "private" if repo.private else "public",
            "namespace": {
                "id": repo.owner.id,
                "name": repo.owner.name,
                "path": group.rpartition("/")[2],
                "kind": "user" if repo.owner.type == "User" else "group",
                "full_path": group,
                "parent_id": None,
                "avatar_url": None,
                "web_url": f"{self.at.web}/{group}",
            },
            "archived": False,
            "merge_method": "merge" if {"merge", "squash"} & set(repo.merge_methods) else "ff",
            "squash_option": _squash_option(repo),
            "merge_trains_enabled": self.has_trains(repo),
        }

    def has_trains(self, repo: Repo) -> bool:
        """Tell whether a project merges by trains."""
        return any(rules.queue for rules in repo.protections.values())

    def commit(self, repo: Repo, commit: Commit) -> Json:
        """Shape a commit, as lists have it."""
        return {
            "id": commit.sha,
            "short_id": commit.sha[:8],
            "created_at": commit.committer.date,
            "parent_ids": list(commit.parents),
            "title": commit.message.split("\n")[0],
            "message": commit.message + "\n",
            "author_name": commit.author.name,
            "author_email": commit.author.email,
            "authored_date": commit.author.date,
            "committer_name": commit.committer.name,
            "committer_email": commit.committer.email,
            "committed_date": commit.committer.date,
            "trailers": {},
            "web_url": self.commit_page(repo, commit.sha),
        }

    def full_commit(self, repo: Repo, commit: Commit) -> Json:
        """Shape a commit with what its own address tells in addition."""
        pipeline = self.pipeline(repo, commit.sha)
        return self.commit(repo, commit) | {"project_id": repo.id, "last_pipeline": pipeline}

    def pipeline(self, repo: Repo, sha: str) -> Json | None:
        """Shape the pipeline of a commit, None if it has none."""
        number, group = repo.pipelines.get(sha), repo.groups.get(sha)
        if number is None:
            return None
        return {
            "id": number,
            "project_id": repo.id,
            "sha": sha,
            "ref": group.ref if group else repo.default_branch,
            "status": _STATUS_WORDS[repo.combined_state(sha)],
            "source": "merge_request_event" if group else "external",
        }

    def commit_page(self, repo: Repo, sha: str) -> str:
        """Give the address of a commit's page."""
        return f"{self.at.web}/{repo.full_name}/-/commit/{sha}"

    def diff(self, change: FileChange) -> Json:
        """Shape one file of a difference."""
        return {
            "diff": change.patch or "",
            "new_path": change.path,
            "old_path": change.previous or change.path,
            "a_mode": "0" if change.status == "added" else "100644",
            "b_mode": "0" if change.status == "removed" else "100644",
            "new_file": change.status == "added",
            "renamed_file": change.status == "renamed",
            "deleted_file": change.status == "removed",
            "generated_file": False,
        }

    def merge_request(self, pull: Pull) -> Json:
        """Shape a merge request."""
        repo = pull.repo
        changes = repo.git.changes_since_fork(pull.base_sha, pull.head_sha)
        merged = pull.merged_at is not None
        waits = "preparing" if pull.preparing else "checking" if pull.undecided else ""
        if pull.state != "open":
            waits = ""
        return {
            "id": pull.id,
            "iid": pull.number,
            "project_id": repo.id,
            "title": pull.title,
            "description": pull.body,
            "state": "merged" if merged else "opened" if pull.state == "open" else "closed",
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "merged_at": moment(pull.merged_at),
            "closed_at": None if merged else moment(pull.closed_at),
            "merge_user": self.user(pull.merged_by) if pull.merged_by else None,
            "target_branch": pull.base_ref,
            "source_branch": pull.head_ref,
            "author": self.user(pull.author),
            "assignees": [],
            "labels": list(pull.labels),
            "reviewers": [self.user(each) for each in pull.asked],
            "source_project_id": pull.head_repo.id if pull.head_repo else None,
            "target_project_id": repo.id,
            "draft": pull.draft,
            "work_in_progress": pull.draft,
            "merge_when_pipeline_succeeds": pull.merges_later is not None,
            "merge_status": "checking"
            if waits
            else "can_be_merged"
            if pull.mergeable
            else "cannot_be_merged",
            "detailed_merge_status": waits or self.merge_status(pull),
            "prepared_at": None if pull.preparing else moment(pull.created_at),
            "sha": pull.head_sha,
            "merge_commit_sha": pull.merge_sha if merged and pull.merge_sha != pull.head_sha else None,
            "squash_commit_sha": None,
            "reference": f"!{pull.number}",
            "web_url": f"{self.at.web}{pull.page}",
            "has_conflicts": not waits and pull.mergeable is False,
            "blocking_discussions_resolved": True,
            "changes_count": None if pull.preparing else str(len(changes)),
            "user_notes_count": len(pull.comments),
            "diff_refs": {
                "base_sha": repo.git.merge_base(pull.base_sha, pull.head_sha),
                "head_sha": pull.head_sha,
                "start_sha": pull.base_sha,
            },
        }

    def merge_status(self, pull: Pull) -> str:
        """Say what stands in a merge's way, in GitLab's words; the first thing that does."""
        if pull.state != "open":
            return "not_open"
        if not pull.mergeable:
            return "conflict"
        if pull.draft:
            return "draft_status"
        obstacle = self.forge.why_not_mergeable(pull)
        if "status check" in obstacle:
            begun = pull.repo.latest_statuses(pull.head_sha)
            return "ci_still_running" if any(s.state == "pending" for s in begun) else "ci_must_pass"
        return "not_approved" if obstacle else "mergeable"

    def note(self, comment: Comment) -> Json:
        """Shape a note."""
        return {
            "id": comment.id,
            "type": None,
            "body": comment.body,
            "author": self.user(comment.author),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at),
            "system": False,
            "noteable_id": comment.pull.id,
            "noteable_iid": comment.pull.number,
            "noteable_type": "MergeRequest",
            "project_id": comment.pull.repo.id,
            "resolvable": False,
            "confidential": False,
            "internal": False,
        }

    def award(self, comment: Comment, reaction: Reaction) -> Json:
        """Shape an emoji on a note."""
        return {
            "id": reaction.id,
            "name": EMOJI[reaction.content],
            "user": self.user(reaction.user),
            "created_at": moment(reaction.created_at),
            "updated_at": moment(reaction.created_at),
            "awardable_id": comment.id,
            "awardable_type": "Note",
        }

    def status(self, repo: Repo, status: Status) -> Json:
        """Shape a commit status."""
        ended = status.state != "pending"
        return {
            "id": status.id,
            "sha": status.sha,
            "ref": repo.default_branch,
            "status": status.word or _STATUS_WORDS[status.state],
            "name": status.context,
            "target_url": status.target_url,
            "description": status.description,
            "created_at": moment(status.created_at),
            "started_at": moment(status.created_at),
            "finished_at": moment(status.created_at) if ended else None,
            "allow_failure": False,
            "coverage": None,
            "pipeline_id": repo.pipelines.get(status.sha),
            "author": self.user(status.creator),
        }
