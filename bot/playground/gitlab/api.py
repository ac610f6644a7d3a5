"""GitLab's REST API, put together: the blueprints, the refusals, and the headers of every answer."""

from __future__ import annotations

from flask import Blueprint, Response, g
from werkzeug.exceptions import HTTPException

from bot.playground.gitlab.approvals import approvals_blueprint
from bot.playground.gitlab.desk import GitLabDesk, refusal_response
from bot.playground.gitlab.merge_requests import merge_requests_blueprint
from bot.playground.gitlab.projects import projects_blueprint
from bot.playground.gitlab.trains import trains_blueprint
from bot.playground.model import ForgeError, not_found

PREFIX = "/api/v4"


def gitlab_blueprint(desk: GitLabDesk) -> Blueprint:
    """Serve GitLab's REST API."""
    blueprint = Blueprint("gitlab", __name__, url_prefix=PREFIX)
    for part in (merge_requests_blueprint, approvals_blueprint, projects_blueprint, trains_blueprint):
        blueprint.register_blueprint(part(desk))
    blueprint.register_error_handler(ForgeError, refusal_response)

    @blueprint.route("/<path:anything>", methods=["GET", "POST", "PUT", "DELETE"])
    def unknown(**_: str) -> Response:
        raise not_found()

    @blueprint.errorhandler(HTTPException)
    def refused(problem: HTTPException) -> Response:
        kind = "bad_request" if problem.code == 400 else "not_found"
        return refusal_response(ForgeError(kind, problem.name))

    @blueprint.before_request
    def take_the_lock() -> None:
        # Answers read many parts of the forge: while one is written, nothing moves.
        desk.forge.lock.acquire()
        g.holds_gitlabs_lock = True

    @blueprint.after_request
    def dress(response: Response) -> Response:
        let_go()
        response.headers["RateLimit-Limit"] = "2000"
        response.headers["RateLimit-Remaining"] = "1999"
        response.headers["RateLimit-Reset"] = "4102444800"
        return response

    @blueprint.teardown_request
    def let_go(_: BaseException | None = None) -> None:
        if g.pop("holds_gitlabs_lock", False):
            desk.forge.lock.release()

    return blueprint
