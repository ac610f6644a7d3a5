"""The web room: webhooks in, states for Terraform, pages for people. `create_app` puts it together."""

from __future__ import annotations

from pathlib import Path

from flask import Flask, Response
from jinja2 import StrictUndefined

import bot
from bot.web import (
    activity,
    bodies,
    changes,
    controls,
    deliveries,
    failures,
    forge_sign_in,
    guard,
    health,
    hooks,
    live,
    needs,
    policy_card,
    resources,
    rows,
    runs,
    sign_in,
    state,
    state_versions,
    tokens,
    variables,
    workspaces,
)
from bot.web.live import Streams
from bot.web.needs import Services

FORM_LIMIT = 64 * 1024
"""How many bytes a request may have where its route does not say otherwise."""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def create_app(services: Services, streams: Streams | None = None) -> Flask:
    """Return the application on the given services; `streams` says how many threads may stream at once."""
    app = Flask(__name__, template_folder=str(templates()), static_folder="static")
    app.config.update(MAX_CONTENT_LENGTH=FORM_LIMIT, MAX_FORM_PARTS=50, TEMPLATES_AUTO_RELOAD=False)
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.filters["linked"] = rows.linked
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    needs.install(app, services)
    failures.install(app)
    sign_in.install(app)
    live.install(app, streams or Streams())
    rooms = (
        hooks,
        state,
        workspaces,
        changes,
        controls,
        variables,
        state_versions,
        runs,
        resources,
        live,
        policy_card,
        deliveries,
        activity,
        sign_in,
        forge_sign_in,
        tokens,
        health,
    )
    for room in rooms:
        app.register_blueprint(room.blueprint)
    app.before_request(bodies.check_query)
    guard.install(app)
    app.after_request(_shield)
    return app


def templates() -> Path:
    """Return the folder of the pages' templates: beside the package in the tree, inside it in a wheel."""
    package = Path(bot.__file__).parent
    inside = package / "templates" / "pages"
    return inside if inside.is_dir() else package.parent / "templates" / "pages"


def _shield(response: Response) -> Response:
    """Tell browsers what a page of ours may do: nothing from elsewhere, and in no frame (promise 5)."""
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
