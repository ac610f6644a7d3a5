"""GitHub Apps: who they are, if they are installed, and their tokens."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from bot.playground.forge.apps import App, Installation
from bot.playground.forge.model import Repo, forbidden, not_found
from bot.playground.github.addresses import node_id
from bot.playground.github.desk import Desk
from bot.playground.github.shapes import moment
from bot.playground.web.access import unauthorized

Answer = dict[str, Any]
_PERMISSIONS = {
    "contents": "write",
    "issues": "write",
    "metadata": "read",
    "pull_requests": "write",
    "statuses": "write",
}
_EVENTS = ["issue_comment", "merge_group", "pull_request", "pull_request_review", "push"]


def apps_blueprint(desk: Desk) -> Blueprint:
    """Serve an app its own affairs."""
    blueprint = Blueprint("github-apps", __name__)
    _installations(blueprint, desk)
    return blueprint


def _installations(blueprint: Blueprint, desk: Desk) -> None:
    @blueprint.get("/app")
    def own_app() -> Answer:
        app = desk.app()
        count = sum(one.app is app for one in desk.forge.installations.values())
        return _app(desk, app) | {"installations_count": count}

    @blueprint.get("/app/installations")
    def installations() -> Response:
        app = desk.app()
        own = [one for one in desk.forge.installations.values() if one.app is app]
        return desk.page(own, lambda one: _installation(desk, one))

    @blueprint.get("/app/installations/<int:number>")
    def one_installation(number: int) -> Answer:
        return _installation(desk, _own(desk, number))

    @blueprint.get("/repos/<owner>/<name>/installation")
    def repo_installation(owner: str, name: str) -> Answer:
        app = desk.app()
        found = desk.forge.installation_on(desk.forge.repo(f"{owner}/{name}"), app.bot)
        if found is None:
            raise not_found()
        return _installation(desk, found)

    @blueprint.post("/app/installations/<int:number>/access_tokens")
    def access_token(number: int) -> tuple[Answer, int]:
        token, until = desk.forge.installation_token(_own(desk, number))
        facts = {"permissions": _PERMISSIONS, "repository_selection": "all"}
        return {"token": token, "expires_at": moment(until), **facts}, 201

    @blueprint.get("/installation/repositories")
    def repositories() -> Response:
        credential = desk.credential()
        if credential is None:
            raise unauthorized("Requires authentication")
        installation = desk.forge.installations.get(credential.installation_id or 0)
        if installation is None:
            raise forbidden("You must authenticate with an installation access token.")
        found = [repo for repo in desk.forge.repos.values() if repo.owner is installation.account]

        def shape(repo: Repo) -> Answer:
            return desk.shapes.repo(repo)

        return desk.page(found, shape, key="repositories")


def _own(desk: Desk, number: int) -> Installation:
    app = desk.app()
    found = desk.forge.installations.get(number)
    if found is None or found.app is not app:
        raise not_found()
    return found


def _app(desk: Desk, app: App) -> Answer:
    return {
        "id": app.id,
        "slug": app.slug,
        "node_id": node_id("App", app.id),
        "owner": desk.shapes.user(app.owner),
        "name": app.slug,
        "description": "",
        "external_url": desk.shapes.at.web,
        "html_url": f"{desk.shapes.at.web}/apps/{app.slug}",
        "created_at": moment(app.created_at),
        "updated_at": moment(app.created_at),
        "permissions": _PERMISSIONS,
        "events": _EVENTS,
    }


def _installation(desk: Desk, one: Installation) -> Answer:
    api, account = desk.shapes.at.api, one.account
    return {
        "id": one.id,
        "account": desk.shapes.user(account),
        "repository_selection": "all",
        "access_tokens_url": f"{api}/app/installations/{one.id}/access_tokens",
        "repositories_url": f"{api}/installation/repositories",
        "html_url": f"{desk.shapes.at.web}/settings/installations/{one.id}",
        "app_id": one.app.id,
        "app_slug": one.app.slug,
        "target_id": account.id,
        "target_type": account.type,
        "permissions": _PERMISSIONS,
        "events": _EVENTS,
        "created_at": moment(one.created_at),
        "updated_at": moment(one.created_at),
        "single_file_name": None,
        "suspended_by": None,
        "suspended_at": None,
    }
