"""GitLab's REST API, put together: the blueprints, the refusals, and the headers of every answer."""

from __future__ import annotations

from flask import Blueprint, Response

from bot.playground.gitlab.approvals import approvals_blueprint
from bot.playground.gitlab.desk import GitLabDesk, refusal_response
from bot.playground.gitlab.hooks import hooks_blueprint
from bot.playground.gitlab.merge_requests import merge_requests_blueprint
from bot.playground.gitlab.projects import projects_blueprint
from bot.playground.gitlab.trains import trains_blueprint
from bot.playground.web.serving import api_blueprint
from bot.playground.web.webhooks import Outbox

PREFIX = "/api/v4"


def gitlab_blueprint(desk: GitLabDesk, outbox: Outbox) -> Blueprint:
    """Serve GitLab's REST API."""
    blueprint = api_blueprint("gitlab", PREFIX, desk.forge, refusal_response, _with_gitlabs_headers)
    for part in (merge_requests_blueprint, approvals_blueprint, projects_blueprint, trains_blueprint):
        blueprint.register_blueprint(part(desk))
    blueprint.register_blueprint(hooks_blueprint(desk, outbox))
    return blueprint


def _with_gitlabs_headers(response: Response) -> Response:
    response.headers["RateLimit-Limit"] = "2000"
    response.headers["RateLimit-Remaining"] = "1999"
    response.headers["RateLimit-Reset"] = "4102444800"
    return response
