"""Pull requests and their reviews in GitHub's API."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from bot.playground.forge.model import Pull, Role, forbidden, invalid, not_found
from bot.playground.github.desk import Desk

Answer = dict[str, Any]
PULL_FILES = 3_000


def pulls_blueprint(desk: Desk) -> Blueprint:
    """Serve what concerns one pull request or all of them."""
    blueprint = Blueprint("github-pulls", __name__)
    _lists(blueprint, desk)
    _changes(blueprint, desk)
    _merging(blueprint, desk)
    _reviews(blueprint, desk)
    return blueprint


def _lists(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/pulls")
    def pulls(owner: str, name: str) -> Response:
        repo = desk.repo(owner, name)
        state, base = request.args.get("state", "open"), request.args.get("base")
        head = request.args.get("head")
        found = [
            pull
            for pull in repo.pulls.values()
            if state in ("all", pull.state) and base in (None, pull.base_ref) and head in (None, pull.label)
        ]
        if request.args.get("sort") == "updated":
            found.sort(key=lambda pull: pull.updated_at)
        oldest_first = request.args.get("direction", "desc") == "asc"
        return desk.page(found if oldest_first else found[::-1], desk.shapes.pull)

    @blueprint.get("/repos/<owner>/<name>/pulls/<int:number>")
    def one_pull(owner: str, name: str, number: int) -> Answer:
        pull = desk.pull(owner, name, number)
        shape = desk.shapes.full_pull(pull)
        pull.looked_at()
        return shape

    @blueprint.get("/repos/<owner>/<name>/pulls/<int:number>/files")
    def files(owner: str, name: str, number: int) -> Response:
        pull = desk.pull(owner, name, number)
        changes = pull.repo.git.changes_since_fork(pull.base_sha, pull.head_sha)[:PULL_FILES]
        return desk.page(changes, lambda change: desk.shapes.file(pull.repo, pull.head_sha, change))

    @blueprint.get("/repos/<owner>/<name>/pulls/<int:number>/commits")
    def commits(owner: str, name: str, number: int) -> Response:
        pull = desk.pull(owner, name, number)
        found = pull.repo.git.commits(f"{pull.base_sha}..{pull.head_sha}")[::-1]
        return desk.page(found, lambda commit: desk.shapes.commit(pull.repo, commit))

    @blueprint.get("/repos/<owner>/<name>/commits/<sha>/pulls")
    def pulls_of_commit(owner: str, name: str, sha: str) -> Response:
        repo = desk.repo(owner, name)
        commit = desk.commit(repo, sha)
        found = [pull for pull in repo.pulls.values() if _holds(pull, commit)]
        return desk.page(found, desk.shapes.pull)


def _holds(pull: Pull, commit: str) -> bool:
    git = pull.repo.git
    if commit in (pull.head_sha, pull.merge_sha if pull.merged_at else ""):
        return True
    return git.contains(pull.head_sha, commit) and not git.contains(pull.base_sha, commit)


def _changes(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.post("/repos/<owner>/<name>/pulls")
    def open_pull(owner: str, name: str) -> tuple[Answer, int]:
        repo, user, body = desk.repo(owner, name), desk.actor(), desk.body()
        pull = desk.forge.open_pull(
            repo,
            user.login,
            desk.text(body, "head", needed=True),
            desk.text(body, "base", needed=True),
            title=desk.text(body, "title", needed=True),
            body=body.get("body"),
            draft=bool(body.get("draft")),
        )
        return desk.shapes.full_pull(pull), 201

    @blueprint.patch("/repos/<owner>/<name>/pulls/<int:number>")
    def edit_pull(owner: str, name: str, number: int) -> Answer:
        user, body = desk.actor(), desk.body()
        pull = desk.pull(owner, name, number)
        if user is not pull.author and desk.forge.role_of(pull.repo, user) < Role.triage:
            raise forbidden("Resource not accessible by personal access token")
        changes = {key: desk.text(body, key) for key in ("title", "body", "base") if key in body}
        desk.forge.edit_pull(pull.repo, number, user.login, **changes)
        state = body.get("state")
        if state == "closed":
            desk.forge.close(pull.repo, number, user.login)
        elif state == "open":
            desk.forge.reopen(pull.repo, number, user.login)
        elif state is not None:
            raise invalid("state is not open or closed", "state", "invalid")
        return desk.shapes.full_pull(pull)


def _merging(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/pulls/<int:number>/merge")
    def is_merged(owner: str, name: str, number: int) -> tuple[str, int]:
        if desk.pull(owner, name, number).merged_at is None:
            raise not_found()
        return "", 204

    @blueprint.put("/repos/<owner>/<name>/pulls/<int:number>/merge")
    def merge(owner: str, name: str, number: int) -> Answer:
        user, body = desk.actor(), desk.body()
        pull = desk.pull(owner, name, number, Role.write)
        merged = desk.forge.merge(
            pull.repo,
            number,
            user.login,
            desk.text(body, "merge_method") or "merge",
            sha=desk.text(body, "sha"),
            title=desk.text(body, "commit_title"),
            message=desk.text(body, "commit_message"),
        )
        return {"sha": merged, "merged": True, "message": "Pull Request successfully merged"}


def _reviews(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/repos/<owner>/<name>/pulls/<int:number>/reviews")
    def reviews(owner: str, name: str, number: int) -> Response:
        return desk.page(desk.pull(owner, name, number).reviews, desk.shapes.review)

    @blueprint.post("/repos/<owner>/<name>/pulls/<int:number>/reviews")
    def review(owner: str, name: str, number: int) -> Answer:
        user, body = desk.actor(), desk.body()
        pull = desk.pull(owner, name, number)
        event, text, sha = (desk.text(body, key) for key in ("event", "body", "commit_id"))
        return desk.shapes.review(desk.forge.review(pull.repo, number, user.login, event, text, sha=sha))

    @blueprint.post("/repos/<owner>/<name>/pulls/<int:number>/requested_reviewers")
    def ask(owner: str, name: str, number: int) -> tuple[Answer, int]:
        user, pull = desk.actor(), desk.pull(owner, name, number, Role.write)
        logins = [*(each.login for each in pull.asked), *map(str, desk.body().get("reviewers") or ())]
        return desk.shapes.pull(desk.forge.ask_review(pull.repo, number, user.login, *logins)), 201

    @blueprint.delete("/repos/<owner>/<name>/pulls/<int:number>/requested_reviewers")
    def ask_no_more(owner: str, name: str, number: int) -> Answer:
        user, pull = desk.actor(), desk.pull(owner, name, number, Role.write)
        gone = set(map(str, desk.body().get("reviewers") or ()))
        logins = [each.login for each in pull.asked if each.login not in gone]
        return desk.shapes.pull(desk.forge.ask_review(pull.repo, number, user.login, *logins))

    @blueprint.put("/repos/<owner>/<name>/pulls/<int:number>/reviews/<int:review_id>/dismissals")
    def dismiss(owner: str, name: str, number: int, review_id: int) -> Answer:
        user = desk.actor()
        pull = desk.pull(owner, name, number, Role.write)
        return desk.shapes.review(desk.forge.dismiss_review(pull.repo, number, review_id, user.login))
