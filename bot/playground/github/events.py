"""What the forge's events look like when GitHub sends them, and to which hooks they go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.playground.github.addresses import node_id
from bot.playground.github.shapes import Json, moment
from bot.playground.web.webhooks import github_headers

if TYPE_CHECKING:
    from bot.playground.forge.model import Event, Group, Hook, RefMove, Repo
    from bot.playground.github.git_shapes import GitShapes
    from bot.playground.web.webhooks import Outbox

# The same on GitHub: longer pushes are told without the rest of their commits.
COMMITS_IN_A_PUSH = 2_048


class GitHubEvents:
    """Listens to the forge and posts to its GitHub hooks."""

    def __init__(self, shapes: GitShapes, outbox: Outbox) -> None:
        self._shapes = shapes
        self._outbox = outbox

    def __call__(self, event: Event) -> None:
        """Post an event to every hook that asked for it."""
        hooks = [hook for hook in self._shapes.forge.hooks if _wants(hook, event)]
        if hooks:
            payload = self.payload(event)
            for hook in hooks:
                self._outbox.post(hook, event.kind, payload, github_headers, event.action)

    def ping(self, hook: Hook) -> None:
        """Greet a new hook."""
        here = self._shapes.at.api
        payload: Json = {
            "zen": "Plan first, then apply.",
            "hook_id": hook.id,
            "hook": {
                "type": "Repository" if hook.repo else "App",
                "id": hook.id,
                "name": "web",
                "active": True,
                "events": list(hook.events),
                "config": {
                    "content_type": "json",
                    "insecure_ssl": "0",
                    "secret": "********",
                    "url": hook.url,
                },
                "updated_at": moment(hook.created_at),
                "created_at": moment(hook.created_at),
            },
        }
        if hook.repo:
            payload["hook"]["url"] = f"{here}/repos/{hook.repo.full_name}/hooks/{hook.id}"
            payload["repository"] = self._shapes.repo(hook.repo)
            payload["sender"] = self._shapes.user(hook.repo.owner)
        self._outbox.post(hook, "ping", payload, github_headers, "")

    def payload(self, event: Event) -> Json:
        """Write the body of an event."""
        shapes = self._shapes
        body: Json = {"action": event.action} if event.action else {}
        if event.kind == "push" and event.move:
            body |= self._push(event.repo, event.move)
            body["pusher"] = {"name": event.actor.login, "email": event.actor.email}
            body["repository"] = self._pushed_repo(event.repo)
        elif event.kind == "pull_request" and event.pull:
            body |= {"number": event.pull.number, "pull_request": shapes.full_pull(event.pull)}
            if event.action == "synchronize":
                body |= {"before": event.before, "after": event.pull.head_sha}
        elif event.kind == "issue_comment" and event.pull and event.comment:
            body |= {"issue": shapes.issue(event.pull), "comment": shapes.comment(event.comment)}
        elif event.kind == "pull_request_review" and event.pull and event.review:
            review = shapes.review(event.review)
            # Events spell the state in small letters, the REST answers in capitals.
            body["review"] = review | {"state": review["state"].lower(), "body": review["body"] or None}
            body["pull_request"] = shapes.pull(event.pull)
        elif event.kind == "merge_group" and event.group:
            body["merge_group"] = self._group(event.repo, event.group)
            if event.action == "destroyed":
                body["reason"] = event.before
        if event.action == "edited":
            body["changes"] = dict(event.changes)
        body.setdefault("repository", shapes.repo(event.repo))
        body["sender"] = shapes.user(event.actor)
        installation = shapes.forge.installation_on(event.repo)
        if installation:
            number = installation.id
            body["installation"] = {"id": number, "node_id": node_id("Integration", number)}
        return body

    def _group(self, repo: Repo, group: Group) -> Json:
        commit = repo.git.commit(group.head_sha)
        author, committer = commit.author, commit.committer
        return {
            "head_sha": group.head_sha,
            "head_ref": group.ref,
            "base_sha": group.base_sha,
            "base_ref": f"refs/heads/{group.pull.base_ref}",
            "head_commit": {
                "id": commit.sha,
                "tree_id": commit.tree,
                "message": commit.message,
                "timestamp": committer.date,
                "author": {"name": author.name, "email": author.email},
                "committer": {"name": committer.name, "email": committer.email},
            },
        }

    def _push(self, repo: Repo, move: RefMove) -> Json:
        git, shapes = repo.git, self._shapes
        known = f"{move.before[:12]}...{move.after[:12]}"
        body: Json = {
            "ref": move.ref,
            "before": move.before,
            "after": move.after,
            "created": move.created,
            "deleted": move.deleted,
            "forced": False,
            "base_ref": None,
            "compare": f"{shapes.at.web}/{repo.full_name}/compare/{known}",
            "commits": [],
            "head_commit": None,
        }
        tip = None if move.deleted else git.resolve(move.ref.removeprefix("refs/"))
        if tip is None:
            return body
        body["head_commit"] = shapes.pushed_commit(repo, git.commit(tip))
        if not move.ref.startswith("refs/heads/"):
            return body
        body["forced"] = not move.created and not git.contains(move.after, move.before)
        others = [sha for ref, sha in git.refs().items() if ref != move.ref]
        excluded = [f"^{sha}" for sha in (others if move.created else [move.before])]
        commits = git.commits(move.after, *excluded, limit=COMMITS_IN_A_PUSH)[::-1]
        body["commits"] = [shapes.pushed_commit(repo, commit) for commit in commits]
        return body

    def _pushed_repo(self, repo: Repo) -> Json:
        # A push event has its own old habits: numbers for times, and a name and an address on the owner.
        shape = self._shapes.repo(repo)
        owner = {"name": repo.owner.login, "email": repo.owner.email}
        return shape | {
            "url": shape["html_url"],
            "created_at": int(repo.created_at.timestamp()),
            "pushed_at": int(repo.pushed_at.timestamp()),
            "owner": owner | shape["owner"],
            "stargazers": 0,
            "master_branch": repo.default_branch,
        }


def _wants(hook: Hook, event: Event) -> bool:
    here = hook.flavour == "github" and hook.repo in (None, event.repo)
    return here and ("*" in hook.events or event.kind in hook.events)
