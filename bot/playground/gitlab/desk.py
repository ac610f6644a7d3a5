"""What every address of GitLab's API has in common: who asks, what they may do, pages, refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from flask import Response, jsonify, request

from bot.playground.forge.house import Forge
from bot.playground.forge.model import ForgeError, Pull, Repo, Role, User, forbidden, not_found
from bot.playground.gitlab.shapes import Shapes
from bot.playground.web.access import who_asks

Item = TypeVar("Item")
_STATUS = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "not_mergeable": 405,
    "conflict": 409,
    "invalid": 400,
    "unprocessable": 422,
}
_WORDS = {401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not Found", 405: "405 Method Not Allowed"}


class GitLabDesk:
    """Receives the requests to the API for the blueprints that answer them."""

    def __init__(self, forge: Forge, shapes: Shapes) -> None:
        self.forge = forge
        self.shapes = shapes

    def viewer(self) -> User | None:
        """Tell who asks, if they say so."""
        found = who_asks(self.forge, request)
        return found.user if found else None

    def actor(self) -> User:
        """Tell who asks, and refuse those who do not say."""
        user = self.viewer()
        if user is None:
            raise ForgeError("unauthorized", "")
        return user

    def repo(self, project: str, need: Role = Role.read) -> Repo:
        """Find a project, by number or by its encoded path, for somebody who may do so much in it."""
        user = self.actor() if need > Role.read else self.viewer()
        repo = self._known(project)
        role = self.forge.role_of(repo, user)
        if role < Role.read:
            raise not_found("404 Project Not Found")
        if role < need:
            raise forbidden("")
        return repo

    def _known(self, project: str) -> Repo:
        if project.isdigit():
            for repo in self.forge.repos.values():
                if repo.id == int(project):
                    return repo
        # A path with its slashes as they are would be several segments, and lead nowhere.
        sent = request.environ.get("RAW_URI", "").partition("?")[0].split("/")
        found = self.forge.repos.get(project.lower())
        if found is None or quote(project, safe="").lower() not in [part.lower() for part in sent]:
            raise not_found("404 Project Not Found")
        return found

    def merge_request(self, project: str, number: int, need: Role = Role.read) -> Pull:
        """Find a merge request for somebody who may do at least so much in its project."""
        return self.forge.pull(self.repo(project, need), number)

    def commit(self, repo: Repo, ref: str) -> str:
        """Find the commit that a request names."""
        found = repo.git.resolve(ref)
        if found is None:
            raise not_found("404 Commit Not Found")
        return found

    def body(self) -> dict[str, Any]:
        """Read the request's JSON."""
        content = request.get_json(force=True, silent=True) if request.get_data() else {}
        if not isinstance(content, dict):
            raise ForgeError("bad_request", "The request is not JSON")
        return content

    def text(self, body: dict[str, Any], key: str, *, needed: bool = False) -> str:
        """Read a text from the request's JSON."""
        value = body.get(key)
        if value is None and needed:
            raise ForgeError("bad_request", f"{key} is missing")
        if value is not None and not isinstance(value, str):
            raise ForgeError("bad_request", f"{key} is invalid")
        return value or ""

    def page(self, items: Sequence[Item], shape: Callable[[Item], Any], *, most: int = 100) -> Response:
        """Answer one page of a list, and say in GitLab's headers where the others are."""
        size = min(max(request.args.get("per_page", 20, int), 1), most)
        number = max(request.args.get("page", 1, int), 1)
        last = max(-(-len(items) // size), 1)
        response = jsonify([shape(item) for item in items[(number - 1) * size : number * size]])
        response.headers["X-Page"] = str(number)
        response.headers["X-Per-Page"] = str(size)
        response.headers["X-Next-Page"] = str(number + 1) if number < last else ""
        response.headers["X-Prev-Page"] = str(number - 1) if number > 1 else ""
        response.headers["X-Total"] = str(len(items))
        response.headers["X-Total-Pages"] = str(last)
        return response


def refusal_response(refusal: ForgeError) -> Response:
    """Answer a refusal in GitLab's form."""
    status = _STATUS.get(refusal.kind, 400)
    body: dict[str, Any] = {"message": _WORDS.get(status, refusal.message)}
    if refusal.kind == "not_found" and refusal.message.startswith("404"):
        body = {"message": refusal.message}
    elif refusal.kind == "conflict":
        body = {"message": [refusal.message]}
    elif refusal.kind == "bad_request":
        body = {"error": refusal.message}
    elif refusal.kind == "invalid" and refusal.field:
        body = {"message": {refusal.field: [refusal.message]}}
    response = jsonify(body)
    response.status_code = status
    return response
