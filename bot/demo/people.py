"""People at work on the forge: they push with Git and use its REST API, with tokens of their own."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx

from bot.demo.stage import Stage, StageError, trusted


def person(stage: Stage, login: str) -> Person:
    """Give somebody an account on the playground, and the ways of the forge that it is used as."""
    return _PEOPLE[stage.kind](stage, login)


class Person:
    """Somebody with an account on the playground, who knows GitHub's API."""

    api_path = "/api/v3"

    def __init__(self, stage: Stage, login: str) -> None:
        self.login = login
        self._stage = stage
        self._forge = stage.forge_url
        self._token = str(stage.admin("POST", "/users", {"login": login})["token"])

    def git(self, tree: Path, *argv: str) -> str:
        """Run Git as this person in a working tree; the token goes by the environment."""
        basic = base64.b64encode(f"{self.login}:{self._token}".encode()).decode()
        env = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(tree),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": self.login,
            "GIT_AUTHOR_EMAIL": f"{self.login}@example.com",
            "GIT_COMMITTER_NAME": self.login,
            "GIT_COMMITTER_EMAIL": f"{self.login}@example.com",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self._forge}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {basic}",
        }
        done = subprocess.run(["git", *argv], cwd=tree, env=env, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StageError(f"git {argv[0]} failed for {self.login}: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    def clone(self, repo: str, tree: Path) -> Path:
        """Clone a repository of the playground."""
        tree.mkdir(parents=True)
        self.git(tree, "clone", "--quiet", f"{self._forge}/{repo}.git", ".")
        return tree

    def commit(self, tree: Path, message: str, files: Mapping[str, str]) -> str:
        """Write files, commit them, and return the commit."""
        for name, content in files.items():
            path = tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.git(tree, "add", "--all")
        self.git(tree, "commit", "--quiet", "--allow-empty", "-m", message)
        return self.git(tree, "rev-parse", "HEAD")

    def push(self, tree: Path, branch: str, *flags: str) -> None:
        """Push what is checked out to a branch."""
        self.git(tree, "push", "--quiet", *flags, "origin", f"HEAD:refs/heads/{branch}")

    def api(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """Call the forge's REST API, and return the decoded answer."""
        answer = httpx.request(
            method,
            f"{self._forge}{self.api_path}{path}",
            json=dict(body) if body is not None else None,
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=20,
            verify=trusted(),
        )
        if answer.is_error:
            raise StageError(f"{method} {path} was refused for {self.login}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    def open_pull(self, repo: str, branch: str, title: str, base: str = "main") -> int:
        """Open a pull request and return its number."""
        made = self.api("POST", f"/repos/{repo}/pulls", {"title": title, "head": branch, "base": base})
        return int(made["number"])

    def offer(self, fork: str, branch: str, title: str, repo: str, base: str = "main") -> int:
        """Open a pull request from a fork of one's own and return its number."""
        wanted = {"title": title, "head": f"{fork.partition('/')[0]}:{branch}", "base": base}
        return int(self.api("POST", f"/repos/{repo}/pulls", wanted)["number"])

    def approve(self, repo: str, number: int) -> None:
        """Approve a pull request as it is now."""
        self.api("POST", f"/repos/{repo}/pulls/{number}/reviews", {"event": "APPROVE"})

    def comment(self, repo: str, number: int, body: str) -> int:
        """Comment on a pull request and return the comment's id."""
        return int(self.api("POST", f"/repos/{repo}/issues/{number}/comments", {"body": body})["id"])

    def edit_comment(self, repo: str, number: int, comment_id: int, body: str) -> None:  # noqa: ARG002
        """Edit a comment, also somebody else's."""
        self.api("PATCH", f"/repos/{repo}/issues/comments/{comment_id}", {"body": body})

    def comments(self, repo: str, number: int) -> list[dict[str, Any]]:
        """Return a pull request's comments, oldest first."""
        found: list[dict[str, Any]] = self.api("GET", f"/repos/{repo}/issues/{number}/comments?per_page=100")
        return found

    def statuses(self, repo: str, sha: str) -> list[dict[str, Any]]:
        """Return every status that a commit ever got, oldest first."""
        found = self.api("GET", f"/repos/{repo}/commits/{sha}/statuses?per_page=100")
        return list(reversed(found))

    def merge(self, repo: str, number: int, method: str = "merge") -> str:
        """Merge a pull request and return the branch's new commit."""
        return str(self.api("PUT", f"/repos/{repo}/pulls/{number}/merge", {"merge_method": method})["sha"])

    def merged(self, repo: str, number: int) -> str | None:
        """Return the commit that has merged a pull request, None while nobody has."""
        found = self.api("GET", f"/repos/{repo}/pulls/{number}")
        return str(found["merge_commit_sha"]) if found["merged"] else None

    def enqueue(self, repo: str, number: int) -> str:
        """Put a pull request into the merge queue, as its page's button does; return the queue's commit."""
        made = self._stage.admin("POST", f"/repos/{repo}/pulls/{number}/queue", {"user": self.login})
        return str(made["head_sha"])

    def page(self, repo: str, number: int) -> str:
        """Return where a change is seen."""
        return f"{self._forge}/{repo}/pull/{number}"


class GitLabPerson(Person):
    """Somebody who knows GitLab's API; what it answers is told in the words that a GitHub person uses."""

    api_path = "/api/v4"

    def open_pull(self, repo: str, branch: str, title: str, base: str = "main") -> int:
        """Open a merge request and return its number."""
        wanted = {"title": title, "source_branch": branch, "target_branch": base}
        return int(self.api("POST", f"{_project(repo)}/merge_requests", wanted)["iid"])

    def offer(self, fork: str, branch: str, title: str, repo: str, base: str = "main") -> int:
        """Open a merge request from a fork of one's own and return its number."""
        wanted = {"title": title, "source_branch": branch, "target_branch": base}
        target = self.api("GET", _project(repo))["id"]
        made = self.api("POST", f"{_project(fork)}/merge_requests", {**wanted, "target_project_id": target})
        return int(made["iid"])

    def approve(self, repo: str, number: int) -> None:
        """Approve a merge request as it is now."""
        self.api("POST", f"{_project(repo)}/merge_requests/{number}/approve", {})

    def comment(self, repo: str, number: int, body: str) -> int:
        """Write a note and return its id."""
        return int(self.api("POST", f"{_project(repo)}/merge_requests/{number}/notes", {"body": body})["id"])

    def edit_comment(self, repo: str, number: int, comment_id: int, body: str) -> None:
        """Edit a note, also somebody else's."""
        self.api("PUT", f"{_project(repo)}/merge_requests/{number}/notes/{comment_id}", {"body": body})

    def comments(self, repo: str, number: int) -> list[dict[str, Any]]:
        """Return a merge request's notes, oldest first."""
        path = f"{_project(repo)}/merge_requests/{number}/notes?sort=asc&per_page=100"
        return [note | {"user": {"login": note["author"]["username"]}} for note in self.api("GET", path)]

    def statuses(self, repo: str, sha: str) -> list[dict[str, Any]]:
        """Return every status that a commit ever got, oldest first."""
        found = self.api("GET", f"{_project(repo)}/repository/commits/{sha}/statuses?all=true&per_page=100")
        return [
            status | {"context": status["name"], "state": _STATES.get(status["status"], status["status"])}
            for status in found
        ]

    def merge(self, repo: str, number: int, method: str = "merge") -> str:
        """Merge a merge request and return the branch's new commit; GitLab rebases by hand only."""
        body = {"squash": method == "squash"}
        merged = self.api("PUT", f"{_project(repo)}/merge_requests/{number}/merge", body)
        return str(merged["merge_commit_sha"])

    def merged(self, repo: str, number: int) -> str | None:
        """Return the commit that has merged a merge request, None while nobody has."""
        found = self.api("GET", f"{_project(repo)}/merge_requests/{number}")
        return str(found["merge_commit_sha"]) if found["state"] == "merged" else None

    def enqueue(self, repo: str, number: int) -> str:
        """Have a merge request join its merge train, and return the commit that the train tries."""
        self.api("POST", f"{_project(repo)}/merge_trains/merge_requests/{number}", {})
        car = self.api("GET", f"{_project(repo)}/merge_trains/merge_requests/{number}")
        return str(car["pipeline"]["sha"])

    def page(self, repo: str, number: int) -> str:
        """Return where a merge request is seen."""
        return f"{self._forge}/{repo}/-/merge_requests/{number}"


_PEOPLE: Mapping[str, type[Person]] = {"github": Person, "gitlab": GitLabPerson}
_STATES = {"running": "pending", "failed": "failure", "canceled": "error"}


def _project(repo: str) -> str:
    return f"/projects/{quote(repo, safe='')}"
