"""The web room: webhooks in, states for Terraform, pages for people. `create_app` puts it together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from flask import Flask, Response
from jinja2 import StrictUndefined

import bot
from bot.web import health, hooks, metrics, state_backend
from bot.web.activity import routes as activity
from bot.web.api import routes as api
from bot.web.changes import routes as changes
from bot.web.changes import why
from bot.web.deliveries import routes as deliveries
from bot.web.drift import routes as drift
from bot.web.estate import routes as estate
from bot.web.identity import routes as identity
from bot.web.notifications import routes as notifications
from bot.web.page import elements, failures
from bot.web.people import forge_sign_in, program_login, sign_in, tokens
from bot.web.request import bodies, guard, ids
from bot.web.request import services as needs
from bot.web.request.proxies import Network, TrustedProxies
from bot.web.request.services import Services
from bot.web.resources import routes as resources
from bot.web.runs import live, output_search, policy_card, resource_routes
from bot.web.runs import routes as runs
from bot.web.runs.live import Streams
from bot.web.search import routes as search
from bot.web.states import routes as state_versions
from bot.web.variables import routes as variables
from bot.web.workspaces import controls
from bot.web.workspaces import new as new_workspace
from bot.web.workspaces import routes as workspaces

FORM_LIMIT = 64 * 1024
"""How many bytes a request may have where its route does not say otherwise."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


_ROOMS = (
    hooks,
    state_backend,
    workspaces,
    new_workspace,
    changes,
    why,
    controls,
    variables,
    state_versions,
    runs,
    search,
    estate,
    drift,
    resources,
    resource_routes,
    live,
    output_search,
    policy_card,
    deliveries,
    activity,
    notifications,
    sign_in,
    forge_sign_in,
    tokens,
    program_login,
    identity,
    health,
    metrics,
)


def create_app(services: Services, streams: Streams | None = None, proxies: Sequence[Network] = ()) -> Flask:
    """Return the application on the given services; `streams` says how many threads may stream at once.

    Addresses of clients are taken from `X-Forwarded-For` if it comes from one of `proxies`.
    """
    app = Flask(__name__, template_folder=str(templates()), static_folder="static")
    app.config.update(MAX_CONTENT_LENGTH=FORM_LIMIT, MAX_FORM_PARTS=50, TEMPLATES_AUTO_RELOAD=False)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.filters["linked"] = elements.linked
    app.jinja_env.filters["loud"] = elements.loud
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    ids.install(app)
    needs.install(app, services)
    failures.install(app)
    sign_in.install(app)
    live.install(app, streams or Streams())
    for room in _ROOMS:
        app.register_blueprint(room.blueprint)
    app.register_blueprint(api.blueprint)
    app.register_blueprint(api.well_known)
    app.before_request(bodies.check_query)
    guard.install(app)
    app.after_request(_shield)
    if proxies:
        app.wsgi_app = TrustedProxies(app.wsgi_app, proxies)  # type: ignore[assignment]
    return app


def templates() -> Path:
    """Return the folder of the pages' templates: beside the package in the tree, inside it in a wheel."""
    package = Path(bot.__file__).parent
    inside = package / "templates" / "pages"
    return inside if inside.is_dir() else package.parent / "templates" / "pages"


def _shield(response: Response) -> Response:
    """Restrict what browsers let our pages do: no foreign content, no frames (promise 5)."""
    response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    # Not `no-referrer`: with it browsers send `Origin: null` with our own forms.
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if response.cache_control.max_age is None and not response.cache_control.no_cache:
        response.headers["Cache-Control"] = "no-store"
    return response
