"""What every address of GitHub's API has in common: who asks, what they may do, pages, refusals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import Response, jsonify, request

from bot.playground.forge.apps import App
from bot.playground.forge.house import Forge
from bot.playground.forge.model import (
    Credential,
    ForgeError,
    Pull,
    Repo,
    Role,
    User,
    forbidden,
    invalid,
    not_found,
)
from bot.playground.github.git_shapes import GitShapes
from bot.playground.web.access import presented_token, unauthorized, which_app, who_asks
from bot.playground.web.webhooks import Outbox

Item = TypeVar("Item")
DOCUMENTATION = "https://docs.github.com/rest"
_STATUS = {
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "not_mergeable": 405,
    "conflict": 409,
    "invalid": 422,
}


class Desk:
    """Receives the requests to the API for the blueprints that answer them."""

    def __init__(self, forge: Forge, shapes: GitShapes, outbox: Outbox) -> None:
        self.forge = forge
        self.shapes = shapes
        self.outbox = outbox

    def credential(self) -> Credential | None:
        """Tell who asks, if they say so."""
        return who_asks(self.forge, request)

    def viewer(self) -> User | None:
        """Tell which user asks, if they say so."""
        found = self.credential()
        return found.user if found else None

    def actor(self) -> User:
        """Tell who asks, and refuse those who do not say."""
        user = self.viewer()
        if user is None:
            raise unauthorized("Requires authentication")
        return user

    def app(self) -> App:
        """Tell which app asks by its own signature."""
        return which_app(self.forge, request)

    def repo(self, owner: str, name: str, need: Role = Role.read) -> Repo:
        """Find a repository for somebody who may do at least so much in it."""
        user = self.actor() if need > Role.read else self.viewer()
        repo = self.forge.repo(f"{owner}/{name}")
        role = self.forge.role_of(repo, user)
        if role < Role.read:
            raise not_found()
        if role < need:
            raise forbidden("Resource not accessible by personal access token")
        return repo

    def pull(self, owner: str, name: str, number: int, need: Role = Role.read) -> Pull:
        """Find a pull request for somebody who may do at least so much in its repository."""
        return self.forge.pull(self.repo(owner, name, need), number)

    def commit(self, repo: Repo, ref: str) -> str:
        """Find the commit that a request names."""
        found = repo.git.resolve(ref)
        if found is None:
            raise invalid(f"No commit found for SHA: {ref}")
        return found

    def body(self) -> dict[str, Any]:
        """Read the request's JSON."""
        content = request.get_json(force=True, silent=True) if request.get_data() else {}
        if not isinstance(content, dict):
            raise ForgeError("bad_request", "Problems parsing JSON")
        return content

    def text(self, body: dict[str, Any], key: str, *, needed: bool = False) -> str:
        """Read a text from the request's JSON."""
        value = body.get(key)
        if value is None and needed:
            raise invalid(f"{key} is missing", key, "missing_field")
        if value is not None and not isinstance(value, str):
            raise invalid(f"{key} is not a string", key, "invalid")
        return value or ""

    def page(self, items: Sequence[Item], shape: Callable[[Item], Any], key: str = "") -> Response:
        """Answer one page of a list, and say where the others are; `key` wraps it as some lists are."""
        size = min(max(request.args.get("per_page", 30, int), 1), 100)
        number = max(request.args.get("page", 1, int), 1)
        last = max(-(-len(items) // size), 1)
        shown = [shape(item) for item in items[(number - 1) * size : number * size]]
        response = jsonify({"total_count": len(items), key: shown} if key else shown)
        wanted = {"prev": number - 1, "next": number + 1, "last": last, "first": 1}
        if number >= last:
            del wanted["next"], wanted["last"]
        if number == 1:
            del wanted["prev"], wanted["first"]
        links = [f'<{self._page_url(page)}>; rel="{rel}"' for rel, page in wanted.items()]
        if links:
            response.headers["Link"] = ", ".join(links)
        return response

    def _page_url(self, number: int) -> str:
        query = urlencode({**request.args, "page": number})
        return f"{self.shapes.at.web}{request.path}?{query}"


def refusal_response(refusal: ForgeError) -> Response:
    """Answer a refusal in GitHub's form."""
    body: dict[str, Any] = {"message": refusal.message, "documentation_url": DOCUMENTATION}
    status = _STATUS.get(refusal.kind, 400)
    if refusal.kind == "invalid":
        error = {"resource": "Resource", "code": refusal.code, "message": refusal.message}
        body |= {"message": "Validation Failed", "errors": [error]}
        if refusal.field:
            error["field"] = refusal.field
    response = jsonify(body | {"status": str(status)})
    response.status_code = status
    return response


def asker_name(forge: Forge) -> str:
    """Name who asks for the record, without judging their token."""
    found = forge.credential(presented_token(request))
    return found.user.login if found else ""
