"""Merge requests, the notes under them and the emojis on these, in GitLab's API."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from bot.playground.forge.model import Comment, ForgeError, Pull, Role, not_found
from bot.playground.gitlab.desk import GitLabDesk
from bot.playground.gitlab.shapes import EMOJI

Answer = dict[str, Any]
_AT = "/projects/<path:project>/merge_requests"
_NOTES = f"{_AT}/<int:number>/notes"
_DRAFT = re.compile(r"draft:\s*", re.IGNORECASE)


def merge_requests_blueprint(desk: GitLabDesk) -> Blueprint:
    """Serve what concerns one merge request."""
    blueprint = Blueprint("gitlab-merge-requests", __name__)
    _reading(blueprint, desk)
    _changing(blueprint, desk)
    _merging(blueprint, desk)
    _notes(blueprint, desk)
    _emojis(blueprint, desk)
    return blueprint


def _reading(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(_AT)
    def all_of_a_project(project: str) -> Response:
        repo, state = desk.repo(project), request.args.get("state", "all")
        found = [pull for pull in repo.pulls.values() if state in ("all", _state(pull))]
        if since := request.args.get("updated_after"):
            moment = datetime.fromisoformat(since)
            found = [pull for pull in found if pull.updated_at >= moment]
        by_update = request.args.get("order_by") == "updated_at"
        found.sort(key=lambda pull: pull.updated_at if by_update else pull.created_at)
        return desk.page(
            found if request.args.get("sort") == "asc" else found[::-1], desk.shapes.merge_request
        )

    @blueprint.get(f"{_AT}/<int:number>")
    def one(project: str, number: int) -> Answer:
        pull = desk.merge_request(project, number)
        shape = desk.shapes.merge_request(pull)
        pull.looked_at()
        if request.args.get("include_diverged_commits_count") == "true":
            tip = pull.repo.git.branch(pull.base_ref) or pull.base_sha
            shape["diverged_commits_count"] = pull.repo.git.count(pull.head_sha, tip)
        return shape

    @blueprint.get(f"{_AT}/<int:number>/diffs")
    def diffs(project: str, number: int) -> Response:
        pull = desk.merge_request(project, number)
        changes = pull.repo.git.changes_since_fork(pull.base_sha, pull.head_sha) if not pull.preparing else []
        return desk.page(changes, desk.shapes.diff)

    @blueprint.get(f"{_AT}/<int:number>/commits")
    def commits(project: str, number: int) -> Response:
        pull = desk.merge_request(project, number)
        found = pull.repo.git.commits(f"{pull.base_sha}..{pull.head_sha}")
        return desk.page(found, lambda commit: desk.shapes.commit(pull.repo, commit))


def _state(pull: Pull) -> str:
    return "merged" if pull.merged_at else "opened" if pull.state == "open" else "closed"


def _changing(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.post(_AT)
    def create(project: str) -> tuple[Answer, int]:
        source, user, body = desk.repo(project), desk.actor(), desk.body()
        target = source
        if (wanted := body.get("target_project_id")) is not None:
            target = desk.repo(str(wanted))
        branch = desk.text(body, "source_branch", needed=True)
        same = [
            pull
            for pull in target.pulls.values()
            if pull.state == "open" and (pull.head_repo, pull.head_ref) == (source, branch)
        ]
        if same:
            words = "Another open merge request already exists for this source branch"
            raise ForgeError("conflict", f"{words}: !{same[0].number}")
        title = desk.text(body, "title", needed=True)
        pull = desk.forge.open_pull(
            target,
            user.login,
            f"{source.owner.login}:{branch}",
            desk.text(body, "target_branch", needed=True),
            title=title,
            body=body.get("description"),
            draft=_DRAFT.match(title) is not None,
        )
        return desk.shapes.merge_request(pull), 201

    @blueprint.put(f"{_AT}/<int:number>")
    def change(project: str, number: int) -> Answer:
        user, pull, body = desk.actor(), desk.merge_request(project, number, Role.write), desk.body()
        add, remove = (_labels(body.get(f"{verb}_labels") or []) for verb in ("add", "remove"))
        desk.forge.label(pull.repo, number, add, remove)
        if isinstance(wanted := body.get("reviewer_ids"), list):
            logins = [each.login for each in desk.forge.users.values() if each.id in wanted]
            desk.forge.ask_review(pull.repo, number, user.login, *logins)
        return desk.shapes.merge_request(pull)


def _merging(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.put(f"{_AT}/<int:number>/merge")
    def merge(project: str, number: int) -> Answer:
        user, body = desk.actor(), desk.body()
        pull = desk.merge_request(project, number, Role.write)
        sha, allowed = desk.text(body, "sha"), pull.repo.merge_methods
        # A project has one way to merge, and may squash besides; one that only squashes does so unasked.
        squash = body.get("squash") or ("squash" in allowed and len(allowed) == 1)
        obstacle = desk.shapes.merge_status(pull)
        later = body.get("merge_when_pipeline_succeeds") and obstacle == "ci_still_running"
        if obstacle != "mergeable" and not later:
            raise ForgeError("not_mergeable", "")
        if sha and sha != pull.head_sha:
            raise ForgeError("conflict", f"SHA does not match HEAD of source branch: {pull.head_sha}")
        if later:
            pull.merges_later = user
        else:
            desk.forge.merge(pull.repo, number, user.login, "squash" if squash else _method(allowed))
        return desk.shapes.merge_request(pull)


def _labels(named: str | list[str]) -> list[str]:
    """Read labels: a list, or one text with commas."""
    parts = named.split(",") if isinstance(named, str) else map(str, named)
    return [part.strip() for part in parts if part.strip()]


def _method(allowed: tuple[str, ...]) -> str:
    return "merge" if "merge" in allowed else "rebase"


def _notes(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(_NOTES)
    def notes(project: str, number: int) -> Response:
        found = desk.merge_request(project, number).comments
        return desk.page(found if request.args.get("sort") == "asc" else found[::-1], desk.shapes.note)

    @blueprint.post(_NOTES)
    def write(project: str, number: int) -> tuple[Answer, int]:
        user, pull = desk.actor(), desk.merge_request(project, number)
        text = desk.text(desk.body(), "body", needed=True)
        made, before = desk.forge.comment(pull.repo, number, user.login, text), pull.quick_actions
        if made not in pull.comments:
            # There is no note: all of it was GitLab's to do.
            return {"commands_changes": {}, "summary": [f"Did {before[-1][1]}."]}, 202
        return desk.shapes.note(made), 201

    @blueprint.get(f"{_NOTES}/<int:note>")
    def read(project: str, number: int, note: int) -> Answer:
        pull = desk.merge_request(project, number)
        return desk.shapes.note(desk.forge.find_comment(pull.repo, note))

    @blueprint.put(f"{_NOTES}/<int:note>")
    def edit(project: str, number: int, note: int) -> Answer:
        user, pull = desk.actor(), desk.merge_request(project, number)
        found = _note(pull, note)
        text = desk.text(desk.body(), "body", needed=True)
        return desk.shapes.note(desk.forge.edit_comment(pull.repo, found.id, user.login, text))

    @blueprint.delete(f"{_NOTES}/<int:note>")
    def delete(project: str, number: int, note: int) -> tuple[str, int]:
        user, pull = desk.actor(), desk.merge_request(project, number)
        desk.forge.delete_comment(pull.repo, _note(pull, note).id, user.login)
        return "", 204


def _note(pull: Pull, number: int) -> Comment:
    found = next((comment for comment in pull.comments if comment.id == number), None)
    if found is None:
        raise not_found("404 Note Not Found")
    return found


def _emojis(blueprint: Blueprint, desk: GitLabDesk) -> None:
    @blueprint.get(f"{_NOTES}/<int:note>/award_emoji")
    def awards(project: str, number: int, note: int) -> Response:
        comment = _note(desk.merge_request(project, number), note)
        return desk.page(comment.reactions, lambda reaction: desk.shapes.award(comment, reaction))

    @blueprint.post(f"{_NOTES}/<int:note>/award_emoji")
    def award(project: str, number: int, note: int) -> tuple[Answer, int]:
        user, pull = desk.actor(), desk.merge_request(project, number)
        comment, name = _note(pull, note), desk.text(desk.body(), "name", needed=True)
        content = next((ours for ours, theirs in EMOJI.items() if theirs == name), name)
        reaction, new = desk.forge.react(pull.repo, comment.id, user.login, content)
        if not new:
            # GitLab says it so.
            raise not_found("404 Award Emoji Name has already been taken Not Found")
        return desk.shapes.award(comment, reaction), 201
