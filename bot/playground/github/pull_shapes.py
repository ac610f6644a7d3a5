"""GitHub's shapes of pull requests, which are issues too."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from bot.playground.github.addresses import node_id
from bot.playground.github.shapes import Json, Shapes, moment

if TYPE_CHECKING:
    from bot.playground.forge.model import Pull, Repo, User


class PullShapes(Shapes):
    """Adds the shapes of pull requests."""

    def _pull_links(self, pull: Pull) -> dict[str, str]:
        here, issue = self.pull_url(pull), self.issue_url(pull)
        return {
            "self": here,
            "html": self.pull_page(pull),
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{here}/comments",
            "review_comment": f"{self.at.repo(pull.repo.full_name)}/pulls/comments{{/number}}",
            "commits": f"{here}/commits",
            "statuses": f"{self.at.repo(pull.repo.full_name)}/statuses/{pull.head_sha}",
        }

    def pull_url(self, pull: Pull) -> str:
        """Give a pull request's address in the API."""
        return f"{self.at.repo(pull.repo.full_name)}/pulls/{pull.number}"

    def issue_url(self, pull: Pull) -> str:
        """Give the address of a pull request taken as an issue, under which its comments are."""
        return f"{self.at.repo(pull.repo.full_name)}/issues/{pull.number}"

    def pull_page(self, pull: Pull) -> str:
        """Give the address of a pull request's page."""
        return f"{self.at.web}/{pull.repo.full_name}/pull/{pull.number}"

    def pull(self, pull: Pull) -> Json:
        """Shape a pull request as lists have it."""
        links, page = self._pull_links(pull), self.pull_page(pull)
        return {
            "url": links["self"],
            "id": pull.id,
            "node_id": node_id("PullRequest", pull.id),
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "issue_url": links["issue"],
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": self.user(pull.author),
            "body": pull.body,
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": moment(pull.closed_at),
            "merged_at": moment(pull.merged_at),
            "merge_commit_sha": pull.merge_sha,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [self.user(each) for each in pull.asked],
            "requested_teams": [],
            "labels": self.labels(pull),
            "milestone": None,
            "draft": pull.draft,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            "head": self._side(pull.label, pull.head_ref, pull.head_sha, pull.head_owner, pull.head_repo),
            "base": self._side(
                f"{pull.repo.owner.login}:{pull.base_ref}",
                pull.base_ref,
                pull.base_sha,
                pull.repo.owner,
                pull.repo,
            ),
            "_links": {key: {"href": href} for key, href in links.items()},
            "author_association": self.association(pull.repo, pull.author),
            "auto_merge": None,
            "active_lock_reason": None,
        }

    def _side(self, label: str, ref: str, sha: str, owner: User, repo: Repo | None) -> Json:
        return {
            "label": label,
            "ref": ref,
            "sha": sha,
            "user": self.user(owner),
            "repo": self.repo(repo) if repo else None,
        }

    def labels(self, pull: Pull) -> list[Json]:
        """Shape the labels of a pull request."""
        here = f"{self.at.repo(pull.repo.full_name)}/labels"
        return [
            {
                "id": number,
                "node_id": node_id("Label", number),
                "url": f"{here}/{quote(name)}",
                "name": name,
                "color": "ededed",
                "default": False,
                "description": None,
            }
            for number, name in enumerate(pull.labels, 1)
        ]

    def full_pull(self, pull: Pull) -> Json:
        """Shape a pull request as its own address and its events have it."""
        git = pull.repo.git
        files = git.changes_since_fork(pull.base_sha, pull.head_sha)
        mergeable = None if pull.state == "closed" or pull.undecided else pull.mergeable
        return self.pull(pull) | {
            "merged": pull.merged_at is not None,
            "mergeable": mergeable,
            "rebaseable": mergeable,
            "mergeable_state": self.mergeable_state(pull),
            "merged_by": self.user(pull.merged_by) if pull.merged_by else None,
            "comments": len(pull.comments),
            "review_comments": 0,
            "maintainer_can_modify": False,
            "commits": git.count(pull.base_sha, pull.head_sha),
            "additions": sum(change.additions for change in files),
            "deletions": sum(change.deletions for change in files),
            "changed_files": len(files),
        }

    def mergeable_state(self, pull: Pull) -> str:
        """Sum up in GitHub's word whether a pull request could be merged."""
        if pull.state == "closed" or pull.undecided or pull.mergeable is None:
            return "unknown"
        if pull.draft:
            return "draft"
        if not pull.mergeable:
            return "dirty"
        if self.forge.why_not_mergeable(pull):
            return "blocked"
        statuses = pull.repo.latest_statuses(pull.head_sha)
        return "unstable" if any(status.state != "success" for status in statuses) else "clean"

    def issue(self, pull: Pull) -> Json:
        """Shape a pull request as the issue that it also is."""
        here, page = self.issue_url(pull), self.pull_page(pull)
        return {
            "url": here,
            "repository_url": self.at.repo(pull.repo.full_name),
            "labels_url": f"{here}/labels{{/name}}",
            "comments_url": f"{here}/comments",
            "events_url": f"{here}/events",
            "html_url": page,
            "id": pull.id,
            "node_id": node_id("PullRequest", pull.id),
            "number": pull.number,
            "title": pull.title,
            "user": self.user(pull.author),
            "labels": self.labels(pull),
            "state": pull.state,
            "locked": False,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": len(pull.comments),
            "created_at": moment(pull.created_at),
            "updated_at": moment(pull.updated_at),
            "closed_at": moment(pull.closed_at),
            "author_association": self.association(pull.repo, pull.author),
            "active_lock_reason": None,
            "draft": pull.draft,
            "pull_request": {
                "url": self.pull_url(pull),
                "html_url": page,
                "diff_url": f"{page}.diff",
                "patch_url": f"{page}.patch",
            },
            "body": pull.body,
        }
