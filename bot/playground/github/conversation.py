"""Comments under pull requests, and the emojis on them, in GitHub's API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request

from bot.playground.forge.model import Comment, Role, forbidden, invalid, not_found
from bot.playground.github.desk import Desk

Answer = dict[str, Any]


def conversation_blueprint(desk: Desk) -> Blueprint:
    """Serve what is said under pull requests."""
    blueprint = Blueprint("github-conversation", __name__)
    _under_a_pull(blueprint, desk)
    _one_comment(blueprint, desk)
    _reactions(blueprint, desk)
    _labels(blueprint, desk)
    return blueprint


def _under_a_pull(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/issues/<int:number>")
    def issue(owner: str, name: str, number: int) -> Answer:
        return desk.shapes.issue(desk.pull(owner, name, number))

    @blueprint.get("/repos/<owner>/<name>/issues/<int:number>/comments")
    def comments(owner: str, name: str, number: int) -> Response:
        return desk.page(_since(desk.pull(owner, name, number).comments), desk.shapes.comment)

    @blueprint.get("/repos/<owner>/<name>/issues/comments")
    def all_comments(owner: str, name: str) -> Response:
        pulls = desk.repo(owner, name).pulls.values()
        found = _since([comment for pull in pulls for comment in pull.comments])
        if request.args.get("sort", "created") == "updated":
            found.sort(key=lambda comment: comment.updated_at)
        else:
            found.sort(key=lambda comment: comment.id)
        # GitHub ignores the direction unless a sort is named.
        newest_first = "sort" in request.args and request.args.get("direction") == "desc"
        return desk.page(found[::-1] if newest_first else found, desk.shapes.comment)

    @blueprint.post("/repos/<owner>/<name>/issues/<int:number>/comments")
    def comment(owner: str, name: str, number: int) -> tuple[Answer, int]:
        user, pull = desk.actor(), desk.pull(owner, name, number)
        text = desk.text(desk.body(), "body", needed=True)
        return desk.shapes.comment(desk.forge.comment(pull.repo, number, user.login, text)), 201


def _since(comments: list[Comment]) -> list[Comment]:
    """Keep the comments that were updated since the time that the request names, if it names one."""
    since = request.args.get("since")
    if not since:
        return list(comments)
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as problem:
        raise invalid("since is not a time", "since", "invalid") from problem
    return [comment for comment in comments if comment.updated_at >= moment]


def _one_comment(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/issues/comments/<int:comment_id>")
    def read(owner: str, name: str, comment_id: int) -> Answer:
        repo = desk.repo(owner, name)
        return desk.shapes.comment(desk.forge.find_comment(repo, comment_id))

    @blueprint.patch("/repos/<owner>/<name>/issues/comments/<int:comment_id>")
    def edit(owner: str, name: str, comment_id: int) -> Answer:
        user, repo = desk.actor(), desk.repo(owner, name)
        text = desk.text(desk.body(), "body", needed=True)
        return desk.shapes.comment(desk.forge.edit_comment(repo, comment_id, user.login, text))

    @blueprint.delete("/repos/<owner>/<name>/issues/comments/<int:comment_id>")
    def delete(owner: str, name: str, comment_id: int) -> tuple[str, int]:
        user, repo = desk.actor(), desk.repo(owner, name)
        desk.forge.delete_comment(repo, comment_id, user.login)
        return "", 204


def _reactions(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/issues/comments/<int:comment_id>/reactions")
    def reactions(owner: str, name: str, comment_id: int) -> Response:
        found = desk.forge.find_comment(desk.repo(owner, name), comment_id).reactions
        content = request.args.get("content")
        return desk.page([r for r in found if content in (None, r.content)], desk.shapes.reaction)

    @blueprint.post("/repos/<owner>/<name>/issues/comments/<int:comment_id>/reactions")
    def react(owner: str, name: str, comment_id: int) -> tuple[Answer, int]:
        user, repo = desk.actor(), desk.repo(owner, name)
        content = desk.text(desk.body(), "content", needed=True)
        reaction, new = desk.forge.react(repo, comment_id, user.login, content)
        return desk.shapes.reaction(reaction), 201 if new else 200

    @blueprint.delete("/repos/<owner>/<name>/issues/comments/<int:comment_id>/reactions/<int:reaction_id>")
    def take_back(owner: str, name: str, comment_id: int, reaction_id: int) -> tuple[str, int]:
        user, repo = desk.actor(), desk.repo(owner, name)
        with desk.forge.lock:
            reactions = desk.forge.find_comment(repo, comment_id).reactions
            found = next((r for r in reactions if r.id == reaction_id), None)
            if found is None:
                raise not_found()
            if found.user is not user and desk.forge.role_of(repo, user) < Role.write:
                raise forbidden("Resource not accessible by personal access token")
            reactions.remove(found)
        return "", 204


def _labels(blueprint: Blueprint, desk: Desk) -> None:
    at = "/repos/<owner>/<name>/issues/<int:number>/labels"

    @blueprint.post(at)
    def label(owner: str, name: str, number: int) -> list[Answer]:
        desk.actor()
        pull, named = desk.pull(owner, name, number, Role.triage), desk.body().get("labels")
        if not isinstance(named, list) or not all(isinstance(each, str) and each for each in named):
            raise invalid("labels is not a list of names", "labels", "invalid")
        return desk.shapes.labels(desk.forge.label(pull.repo, number, named))

    @blueprint.delete(f"{at}/<path:label>")
    def unlabel(owner: str, name: str, number: int, label: str) -> list[Answer]:
        desk.actor()
        pull = desk.pull(owner, name, number, Role.triage)
        if label not in pull.labels:
            raise not_found("Label does not exist")
        return desk.shapes.labels(desk.forge.label(pull.repo, number, (), [label]))
