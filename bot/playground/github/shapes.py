"""GitHub's shapes of people, repositories, pull requests and what is said about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.playground.github.addresses import Addresses, node_id
from bot.playground.model import REACTIONS, Role

if TYPE_CHECKING:
    from datetime import datetime

    from bot.playground.forge import Forge
    from bot.playground.model import Comment, Pull, Reaction, Repo, Review, Status, User

Json = dict[str, Any]


def moment(value: datetime | None) -> str | None:
    """Write a moment as GitHub does."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


class Shapes:
    """Turns what the forge knows into what GitHub would say."""

    def __init__(self, forge: Forge, at: Addresses) -> None:
        self.forge = forge
        self.at = at

    def user(self, user: User) -> Json:
        """Shape somebody, as in every answer that mentions them."""
        return {
            "login": user.login,
            "id": user.id,
            "node_id": node_id("User", user.id),
            "avatar_url": f"{self.at.web}/static/avatars/{user.id}",
            "gravatar_id": "",
            "type": user.type,
            "site_admin": False,
            **self.at.user(user.login),
        }

    def repo(self, repo: Repo) -> Json:
        """Shape a repository, as in every answer that mentions it."""
        open_pulls = sum(pull.state == "open" for pull in repo.pulls.values())
        forks = sum(other.parent is repo for other in self.forge.repos.values())
        return {
            "id": repo.id,
            "node_id": node_id("Repository", repo.id),
            "name": repo.name,
            "full_name": repo.full_name,
            "private": repo.private,
            "owner": self.user(repo.owner),
            "description": repo.description,
            "fork": repo.parent is not None,
            "created_at": moment(repo.created_at),
            "updated_at": moment(repo.pushed_at),
            "pushed_at": moment(repo.pushed_at),
            "homepage": None,
            "size": 0,
            "stargazers_count": 0,
            "watchers_count": 0,
            "language": "HCL",
            "has_issues": True,
            "has_projects": False,
            "has_downloads": True,
            "has_wiki": False,
            "has_pages": False,
            "has_discussions": False,
            "forks_count": forks,
            "mirror_url": None,
            "archived": False,
            "disabled": False,
            "open_issues_count": open_pulls,
            "license": None,
            "allow_forking": True,
            "is_template": False,
            "web_commit_signoff_required": False,
            "topics": [],
            "visibility": "private" if repo.private else "public",
            "forks": forks,
            "open_issues": open_pulls,
            "watchers": 0,
            "default_branch": repo.default_branch,
            **self.at.repo_parts(repo.full_name),
        }

    def full_repo(self, repo: Repo, viewer: User | None) -> Json:
        """Shape a repository with what its own address tells in addition."""
        role = self.forge.role_of(repo, viewer)
        shape = self.repo(repo) | {
            "network_count": 0,
            "subscribers_count": 0,
            "allow_squash_merge": True,
            "allow_merge_commit": True,
            "allow_rebase_merge": True,
            "permissions": {
                "admin": role >= Role.admin,
                "maintain": role >= Role.maintain,
                "push": role >= Role.write,
                "triage": role >= Role.triage,
                "pull": role >= Role.read,
            },
        }
        if repo.parent:
            shape |= {"parent": self.repo(repo.parent), "source": self.repo(repo.parent)}
        return shape

    def association(self, repo: Repo, user: User) -> str:
        """Say how somebody belongs to a repository: a courtesy, no permission."""
        if user is repo.owner:
            return "OWNER"
        return "COLLABORATOR" if repo.roles.get(user.login) else "NONE"

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
            "requested_reviewers": [],
            "requested_teams": [],
            "labels": [],
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

    def full_pull(self, pull: Pull) -> Json:
        """Shape a pull request as its own address and its events have it."""
        git = pull.repo.git
        files = git.changes_since_fork(pull.base_sha, pull.head_sha)
        return self.pull(pull) | {
            "merged": pull.merged_at is not None,
            "mergeable": None if pull.state == "closed" else pull.mergeable,
            "rebaseable": None if pull.state == "closed" else pull.mergeable,
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
        if pull.state == "closed" or pull.mergeable is None:
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
            "labels": [],
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

    def comment(self, comment: Comment) -> Json:
        """Shape a comment."""
        here = f"{self.at.repo(comment.pull.repo.full_name)}/issues/comments/{comment.id}"
        counts = {name: sum(r.content == name for r in comment.reactions) for name in REACTIONS}
        return {
            "url": here,
            "html_url": f"{self.pull_page(comment.pull)}#issuecomment-{comment.id}",
            "issue_url": self.issue_url(comment.pull),
            "id": comment.id,
            "node_id": node_id("IssueComment", comment.id),
            "user": self.user(comment.author),
            "created_at": moment(comment.created_at),
            "updated_at": moment(comment.updated_at),
            "author_association": self.association(comment.pull.repo, comment.author),
            "body": comment.body,
            "reactions": {
                "url": f"{here}/reactions",
                "total_count": len(comment.reactions),
                **counts,
            },
            "performed_via_github_app": None,
        }

    def reaction(self, reaction: Reaction) -> Json:
        """Shape an emoji."""
        return {
            "id": reaction.id,
            "node_id": node_id("Reaction", reaction.id),
            "user": self.user(reaction.user),
            "content": reaction.content,
            "created_at": moment(reaction.created_at),
        }

    def review(self, review: Review) -> Json:
        """Shape a verdict."""
        page = f"{self.pull_page(review.pull)}#pullrequestreview-{review.id}"
        here = self.pull_url(review.pull)
        return {
            "id": review.id,
            "node_id": node_id("PullRequestReview", review.id),
            "user": self.user(review.author),
            "body": review.body,
            "commit_id": review.commit_sha,
            "submitted_at": moment(review.submitted_at),
            "state": review.state,
            "html_url": page,
            "pull_request_url": here,
            "author_association": self.association(review.pull.repo, review.author),
            "_links": {"html": {"href": page}, "pull_request": {"href": here}},
        }

    def status(self, repo: Repo, status: Status) -> Json:
        """Shape a commit status, without its creator as in the combined answer."""
        return {
            "url": f"{self.at.repo(repo.full_name)}/statuses/{status.sha}",
            "avatar_url": f"{self.at.web}/static/avatars/{status.creator.id}",
            "id": status.id,
            "node_id": node_id("StatusContext", status.id),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": moment(status.created_at),
            "updated_at": moment(status.created_at),
        }
