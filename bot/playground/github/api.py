"""GitHub's REST API, put together: the blueprints, the refusals, and the headers of every answer."""

from __future__ import annotations

from flask import Blueprint, Response, request

from bot.playground.github.apps import apps_blueprint
from bot.playground.github.conversation import conversation_blueprint
from bot.playground.github.desk import Desk, refusal_response
from bot.playground.github.hooks import hooks_blueprint
from bot.playground.github.pulls import pulls_blueprint
from bot.playground.github.repos import repos_blueprint
from bot.playground.github.statuses import statuses_blueprint
from bot.playground.web.serving import api_blueprint

PREFIX = "/api/v3"


def github_blueprint(desk: Desk) -> Blueprint:
    """Serve GitHub's REST API as a GitHub Enterprise server does."""
    blueprint = api_blueprint("github", PREFIX, desk.forge, refusal_response, _with_github_headers)
    for part in (
        repos_blueprint,
        pulls_blueprint,
        conversation_blueprint,
        statuses_blueprint,
        apps_blueprint,
        hooks_blueprint,
    ):
        blueprint.register_blueprint(part(desk))
    return blueprint


def _with_github_headers(response: Response) -> Response:
    response.headers["X-GitHub-Media-Type"] = "github.v3; format=json"
    response.headers["X-GitHub-Api-Version-Selected"] = request.headers.get(
        "X-GitHub-Api-Version", "2022-11-28"
    )
    response.headers["X-RateLimit-Limit"] = "5000"
    response.headers["X-RateLimit-Remaining"] = "4999"
    response.headers["X-RateLimit-Reset"] = "4102444800"
    response.headers["X-RateLimit-Resource"] = "core"
    if request.method == "GET" and response.status_code == 200:
        # GitHub lets clients keep answers for a minute: a bot that does not revalidate sees the past.
        scope = "private" if "Authorization" in request.headers else "public"
        response.headers["Cache-Control"] = f"{scope}, max-age=60, s-maxage=60"
        response.vary.update(["Accept", "Authorization", "Cookie", "X-GitHub-OTP"])
        response.add_etag(weak=True)
        response.make_conditional(request)
    return response
