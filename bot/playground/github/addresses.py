"""Where everything is: the many addresses that GitHub puts into its answers."""

from __future__ import annotations

import base64
from dataclasses import dataclass

_USER_PARTS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPO_PARTS = {
    "forks_url": "/forks",
    "keys_url": "/keys{/key_id}",
    "collaborators_url": "/collaborators{/collaborator}",
    "teams_url": "/teams",
    "hooks_url": "/hooks",
    "issue_events_url": "/issues/events{/number}",
    "events_url": "/events",
    "assignees_url": "/assignees{/user}",
    "branches_url": "/branches{/branch}",
    "tags_url": "/tags",
    "blobs_url": "/git/blobs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "trees_url": "/git/trees{/sha}",
    "statuses_url": "/statuses/{sha}",
    "languages_url": "/languages",
    "stargazers_url": "/stargazers",
    "contributors_url": "/contributors",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "commits_url": "/commits{/sha}",
    "git_commits_url": "/git/commits{/sha}",
    "comments_url": "/comments{/number}",
    "issue_comment_url": "/issues/comments{/number}",
    "contents_url": "/contents/{+path}",
    "compare_url": "/compare/{base}...{head}",
    "merges_url": "/merges",
    "archive_url": "/{archive_format}{/ref}",
    "downloads_url": "/downloads",
    "issues_url": "/issues{/number}",
    "pulls_url": "/pulls{/number}",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "labels_url": "/labels{/name}",
    "releases_url": "/releases{/id}",
    "deployments_url": "/deployments",
}


def node_id(kind: str, number: int | str) -> str:
    """Give an opaque id as GitHub's GraphQL side has them."""
    return base64.b64encode(f"{kind}:{number}".encode()).decode()


@dataclass
class Addresses:
    """The web side and the API side of the playground, known once the server has its port."""

    web: str = "http://localhost"

    @property
    def api(self) -> str:
        """Where the API begins, as on a GitHub Enterprise server."""
        return f"{self.web}/api/v3"

    def user(self, login: str) -> dict[str, str]:
        """List the addresses of a user."""
        here = f"{self.api}/users/{login}"
        own = {"url": here, "html_url": f"{self.web}/{login}"}
        return own | {key: here + part for key, part in _USER_PARTS.items()}

    def repo(self, full_name: str) -> str:
        """Give the address of a repository in the API."""
        return f"{self.api}/repos/{full_name}"

    def repo_parts(self, full_name: str) -> dict[str, str]:
        """List the addresses of a repository."""
        page, here = f"{self.web}/{full_name}", self.repo(full_name)
        own = {
            "html_url": page,
            "url": here,
            "git_url": f"git://localhost/{full_name}.git",
            "ssh_url": f"git@localhost:{full_name}.git",
            "clone_url": f"{page}.git",
            "svn_url": page,
        }
        return own | {key: here + part for key, part in _REPO_PARTS.items()}
