"""The forge in a browser: repositories, pull requests and commits, to look at and to talk under."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.playground.forge.model import Comment, ForgeError, Pull, Repo, Review, Role, User
from bot.playground.web.markdown import diff_lines, render

if TYPE_CHECKING:
    from bot.playground.forge.house import Forge

_EMOJI = {
    "+1": "👍",
    "-1": "👎",
    "laugh": "😄",
    "hooray": "🎉",
    "confused": "😕",
    "heart": "❤️",
    "rocket": "🚀",
    "eyes": "👀",
}
_MARK = {"success": "✓", "failure": "✗", "error": "✗", "pending": "●"}
_WORD = {"success": "All checks have passed", "failure": "Some checks were not successful"}
_AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def pages_blueprint(forge: Forge) -> Blueprint:
    """Serve the pages."""
    blueprint = Blueprint("pages", __name__)
    blueprint.add_app_template_filter(render, "markdown")
    blueprint.add_app_template_filter(diff_lines, "diff_lines")
    blueprint.add_app_template_filter(_ago, "ago")
    blueprint.add_app_template_filter(_hue, "hue")
    blueprint.app_context_processor(lambda: {"emoji": _EMOJI, "mark": _MARK, "word": _WORD})
    _reading(blueprint, forge)
    _writing(blueprint, forge)
    return blueprint


def _ago(moment: datetime | str) -> str:
    when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    seconds = (datetime.now(UTC) - when).total_seconds()
    for size, name in _AGES:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _hue(user: User) -> int:
    return user.id * 137 % 360


def _reading(blueprint: Blueprint, forge: Forge) -> None:
    @blueprint.get("/")
    def home() -> str:
        return render_template("playground/home.html", repos=sorted(forge.repos.values(), key=_name))

    @blueprint.get("/<path:owner>/<name>")
    def repo(owner: str, name: str) -> str:
        found = _repo(forge, owner, name)
        tip = found.git.branch(found.default_branch)
        branches = [(branch, found.git.commit(sha)) for branch, sha in found.git.branches().items()]
        return render_template(
            "playground/repo.html",
            repo=found,
            commits=found.git.commits(tip, limit=15) if tip else [],
            branches=branches,
            pulls=sorted(found.pulls.values(), key=lambda pull: -pull.number),
        )

    @blueprint.get("/<path:owner>/<name>/pull/<int:number>")
    @blueprint.get("/<path:owner>/<name>/-/merge_requests/<int:number>")
    def pull(owner: str, name: str, number: int) -> str:
        found = _pull(forge, owner, name, number)
        return render_template("playground/pull.html", **_pull_context(forge, found))

    @blueprint.get("/<path:owner>/<name>/pull/<int:number>/files")
    @blueprint.get("/<path:owner>/<name>/-/merge_requests/<int:number>/files")
    def files(owner: str, name: str, number: int) -> str:
        found = _pull(forge, owner, name, number)
        return render_template("playground/files.html", **_pull_context(forge, found))

    @blueprint.get("/<path:owner>/<name>/commit/<sha>")
    @blueprint.get("/<path:owner>/<name>/-/commit/<sha>")
    def commit(owner: str, name: str, sha: str) -> str:
        found = _repo(forge, owner, name)
        full = found.git.resolve(sha)
        if full is None:
            abort(404)
        shown = found.git.commit(full)
        changes = found.git.changes_of(shown)
        return render_template("playground/commit.html", repo=found, commit=shown, changes=changes)

    @blueprint.get("/static/avatars/<int:number>")
    def avatar(number: int) -> Response:
        user = next((one for one in forge.users.values() if one.id == number), None)
        if user is None:
            abort(404)
        response = make_response(render_template("playground/avatar.svg", user=user))
        response.mimetype = "image/svg+xml"
        return response


def _pull_context(forge: Forge, pull: Pull) -> dict[str, object]:
    git = pull.repo.git
    timeline: list[Comment | Review] = [*pull.comments, *pull.reviews]
    timeline.sort(key=lambda entry: entry.id)
    talkers = forge.people()
    return {
        "repo": pull.repo,
        "pull": pull,
        "timeline": timeline,
        "statuses": pull.repo.latest_statuses(pull.head_sha),
        "state": pull.repo.combined_state(pull.head_sha),
        "changes": git.changes_since_fork(pull.base_sha, pull.head_sha),
        "commits": git.commits(f"{pull.base_sha}..{pull.head_sha}"),
        "obstacle": forge.why_not_mergeable(pull),
        "talkers": [(user, forge.role_of(pull.repo, user).name) for user in talkers],
        "reviewers": [user for user in talkers if user is not pull.author],
        "mergers": [user for user in talkers if forge.role_of(pull.repo, user) >= Role.write],
    }


def _writing(blueprint: Blueprint, forge: Forge) -> None:
    @blueprint.before_request
    def same_origin() -> None:
        # The forms ask for no password, so nothing but these pages may send them.
        origin = request.headers.get("Origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.host:
            abort(403)

    @blueprint.post("/<path:owner>/<name>/pull/<int:number>/comments")
    @blueprint.post("/<path:owner>/<name>/-/merge_requests/<int:number>/comments")
    def comment(owner: str, name: str, number: int) -> AnyResponse:
        pull, form = _pull(forge, owner, name, number), request.form
        text = form.get("body", "").replace("\r\n", "\n")
        try:
            forge.comment(pull.repo, number, form.get("user", ""), text)
        except ForgeError as refusal:
            abort(422, refusal.message)
        return _back(pull, "#end")

    @blueprint.post("/<path:owner>/<name>/pull/<int:number>/merge")
    @blueprint.post("/<path:owner>/<name>/-/merge_requests/<int:number>/merge")
    def merge(owner: str, name: str, number: int) -> AnyResponse:
        pull, form = _pull(forge, owner, name, number), request.form
        try:
            forge.merge(pull.repo, number, form.get("user", ""), form.get("method", "merge"))
        except ForgeError as refusal:
            abort(409, refusal.message)
        return _back(pull)

    @blueprint.post("/<path:owner>/<name>/pull/<int:number>/reviews")
    @blueprint.post("/<path:owner>/<name>/-/merge_requests/<int:number>/reviews")
    def review(owner: str, name: str, number: int) -> AnyResponse:
        pull, form = _pull(forge, owner, name, number), request.form
        try:
            forge.review(pull.repo, number, form.get("user", ""), form.get("event", "APPROVE"))
        except ForgeError as refusal:
            abort(422, refusal.message)
        return _back(pull)


def _back(pull: Pull, anchor: str = "") -> AnyResponse:
    return redirect(pull.page + anchor, 303)


def _name(repo: Repo) -> str:
    return repo.full_name


def _repo(forge: Forge, owner: str, name: str) -> Repo:
    found = forge.repos.get(f"{owner}/{name}".lower())
    if found is None:
        abort(404)
    return found


def _pull(forge: Forge, owner: str, name: str, number: int) -> Pull:
    found = _repo(forge, owner, name).pulls.get(number)
    if found is None:
        abort(404)
    return found
