"""Commit statuses in GitHub's API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from bot.playground.forge.model import Repo, Role, Status
from bot.playground.github.desk import Desk

Answer = dict[str, Any]


def statuses_blueprint(desk: Desk) -> Blueprint:
    """Serve how commits fare."""
    blueprint = Blueprint("github-statuses", __name__)

    def with_creator(repo: Repo, status: Status) -> Answer:
        return desk.shapes.status(repo, status) | {"creator": desk.shapes.user(status.creator)}

    @blueprint.post("/repos/<owner>/<name>/statuses/<sha>")
    def set_status(owner: str, name: str, sha: str) -> tuple[Answer, int]:
        user, repo, body = desk.actor(), desk.repo(owner, name, Role.write), desk.body()
        status = desk.forge.set_status(
            repo,
            sha,
            user.login,
            desk.text(body, "state", needed=True),
            context=desk.text(body, "context") or "default",
            description=body.get("description"),
            target_url=body.get("target_url"),
        )
        return with_creator(repo, status), 201

    @blueprint.get("/repos/<owner>/<name>/commits/<path:ref>/statuses")
    def statuses(owner: str, name: str, ref: str) -> Response:
        repo = desk.repo(owner, name)
        found = repo.statuses.get(desk.commit(repo, ref), [])
        return desk.page(found[::-1], lambda status: with_creator(repo, status))

    @blueprint.get("/repos/<owner>/<name>/commits/<path:ref>/status")
    def combined(owner: str, name: str, ref: str) -> Answer:
        repo = desk.repo(owner, name)
        sha = desk.commit(repo, ref)
        latest = repo.latest_statuses(sha)
        size = min(max(request.args.get("per_page", 30, int), 1), 100)
        first = (max(request.args.get("page", 1, int), 1) - 1) * size
        here = f"{desk.shapes.at.repo(repo.full_name)}/commits/{sha}"
        return {
            "state": repo.combined_state(sha),
            "statuses": [desk.shapes.status(repo, status) for status in latest[first : first + size]],
            "sha": sha,
            "total_count": len(latest),
            "repository": desk.shapes.repo(repo),
            "commit_url": here,
            "url": f"{here}/status",
        }

    return blueprint
