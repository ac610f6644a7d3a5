"""GitHub's shapes of people and repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bot.playground.forge.model import Role
from bot.playground.github.addresses import Addresses, node_id

if TYPE_CHECKING:
    from datetime import datetime

    from bot.playground.forge.house import Forge
    from bot.playground.forge.model import Repo, User

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
            "allow_squash_merge": "squash" in repo.merge_methods,
            "allow_merge_commit": "merge" in repo.merge_methods,
            "allow_rebase_merge": "rebase" in repo.merge_methods,
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
