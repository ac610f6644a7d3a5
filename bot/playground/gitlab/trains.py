"""Merge trains in GitLab's API: who is on one, and how a merge request joins.

Source: https://docs.gitlab.com/api/merge_trains/
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from bot.playground.forge.model import ForgeError, Group, Pull, Role, forbidden, not_found
from bot.playground.gitlab.desk import GitLabDesk
from bot.playground.gitlab.shapes import moment

Answer = dict[str, Any]
_AT = "/projects/<path:project>/merge_trains/merge_requests/<int:number>"


def trains_blueprint(desk: GitLabDesk) -> Blueprint:
    """Serve the cars of a project's trains."""
    blueprint = Blueprint("gitlab-trains", __name__)

    @blueprint.get(_AT)
    def one(project: str, number: int) -> Answer:
        pull = _pull(desk, project, number)
        group = desk.forge.group_of(pull)
        if group is None:
            raise not_found("404 Merge Train Not Found")
        return _car(desk, group)

    @blueprint.post(_AT)
    def join(project: str, number: int) -> tuple[list[Answer], int]:
        pull, sha = _pull(desk, project, number), desk.text(desk.body(), "sha")
        if sha and sha != pull.head_sha:
            raise ForgeError("conflict", f"SHA does not match HEAD of source branch: {pull.head_sha}")
        if desk.forge.group_of(pull) or desk.shapes.merge_status(pull) != "mergeable":
            raise ForgeError("bad_request", "Failed to merge")
        desk.forge.enqueue(pull.repo, number, desk.actor().login)
        train = [group for group in pull.repo.groups.values() if group.pull.base_ref == pull.base_ref]
        return [_car(desk, group) for group in train], 201

    return blueprint


def _pull(desk: GitLabDesk, project: str, number: int) -> Pull:
    pull = desk.merge_request(project, number, Role.write)
    if not desk.shapes.has_trains(pull.repo):
        raise forbidden("")
    return pull


def _car(desk: GitLabDesk, group: Group) -> Answer:
    pull, made = group.pull, moment(group.created_at)
    shape = desk.shapes.merge_request(pull)
    kept = ("id", "iid", "project_id", "title", "description", "state")
    return {
        "id": group.id,
        "merge_request": {key: shape[key] for key in (*kept, "created_at", "updated_at", "web_url")},
        "user": desk.shapes.user(group.by),
        "pipeline": desk.shapes.pipeline(pull.repo, group.head_sha),
        "created_at": made,
        "updated_at": made,
        "target_branch": pull.base_ref,
        "status": "fresh",
        "merged_at": None,
        "duration": None,
    }
