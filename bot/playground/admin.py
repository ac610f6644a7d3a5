"""The playground's own small API, by which another process furnishes it: people, repositories, hooks."""

from __future__ import annotations

import hmac
from typing import Any

from flask import Blueprint, Response, jsonify, request

from bot.playground.forge.house import Forge
from bot.playground.forge.model import ForgeError, invalid, not_found
from bot.playground.github.desk import refusal_response
from bot.playground.github.events import GitHubEvents
from bot.playground.web.access import presented_token, unauthorized
from bot.playground.web.oauth import OAuthDesk
from bot.playground.web.webhooks import Delivery, Outbox

Answer = dict[str, Any]


def admin_blueprint(
    forge: Forge, outbox: Outbox, events: GitHubEvents, admin_token: str, oauth: OAuthDesk
) -> Blueprint:
    """Serve /playground/ to callers with the admin token."""
    blueprint = Blueprint("admin", __name__, url_prefix="/playground")
    blueprint.register_error_handler(ForgeError, refusal_response)

    @blueprint.before_request
    def guard() -> None:
        given = presented_token(request).encode()
        if request.endpoint != "admin.health" and not hmac.compare_digest(given, admin_token.encode()):
            raise unauthorized()

    @blueprint.get("/health")
    def health() -> Answer:
        return {"status": "ok"}

    _furnish(blueprint, forge)
    _queue(blueprint, forge)
    _outside(blueprint, forge, events, oauth)
    _watch(blueprint, forge, outbox)
    _statuses(blueprint, forge)
    return blueprint


def _body(*needed: str) -> Answer:
    content = request.get_json(force=True, silent=True)
    if not isinstance(content, dict):
        raise ForgeError("bad_request", "Problems parsing JSON")
    for key in needed:
        if key not in content:
            raise invalid(f"{key} is missing", key, "missing_field")
    return content


def _furnish(blueprint: Blueprint, forge: Forge) -> None:
    @blueprint.post("/users")
    def add_user() -> tuple[Answer, int]:
        body = _body("login")
        user = forge.add_user(
            body["login"],
            body.get("token"),
            name=body.get("name", ""),
            email=body.get("email", ""),
            automation=bool(body.get("automation")),
        )
        token = body.get("token") or forge.new_token(user.login)
        return {"id": user.id, "login": user.login, "token": token}, 201

    @blueprint.post("/repos")
    def create_repo() -> tuple[Answer, int]:
        body = _body("full_name")
        repo = forge.create_repo(
            body["full_name"],
            body.get("default_branch", "main"),
            private=bool(body.get("private")),
            description=body.get("description"),
            flavour=body.get("flavour", "github"),
        )
        return {"id": repo.id, "full_name": repo.full_name}, 201

    @blueprint.post("/repos/<path:owner>/<name>/forks")
    def fork(owner: str, name: str) -> tuple[Answer, int]:
        body = _body("owner")
        repo = forge.fork(f"{owner}/{name}", body["owner"], body.get("name", ""))
        return {"id": repo.id, "full_name": repo.full_name}, 201

    @blueprint.delete("/repos/<path:owner>/<name>")
    def delete_repo(owner: str, name: str) -> tuple[str, int]:
        forge.delete_repo(f"{owner}/{name}")
        return "", 204

    @blueprint.put("/repos/<path:owner>/<name>/roles/<login>")
    def grant(owner: str, name: str, login: str) -> tuple[str, int]:
        forge.grant(f"{owner}/{name}", login, str(_body("role")["role"]))
        return "", 204

    @blueprint.put("/repos/<path:owner>/<name>/protections/<path:branch>")
    def protect(owner: str, name: str, branch: str) -> tuple[str, int]:
        body = _body()
        contexts, approvals = body.get("contexts", []), int(body.get("approvals", 0))
        queue = bool(body.get("queue"))
        forge.protect(f"{owner}/{name}", branch, contexts=contexts, approvals=approvals, queue=queue)
        return "", 204

    @blueprint.put("/repos/<path:owner>/<name>/pulls/<int:number>/draft")
    def draft(owner: str, name: str, number: int) -> tuple[str, int]:
        body = _body("user", "draft")
        forge.draft(f"{owner}/{name}", number, body["user"], bool(body["draft"]))
        return "", 204


def _queue(blueprint: Blueprint, forge: Forge) -> None:
    @blueprint.post("/repos/<path:owner>/<name>/pulls/<int:number>/queue")
    def enqueue(owner: str, name: str, number: int) -> tuple[Answer, int]:
        group = forge.enqueue(f"{owner}/{name}", number, _body("user")["user"])
        return {"head_sha": group.head_sha, "branch": group.branch}, 201


def _outside(blueprint: Blueprint, forge: Forge, events: GitHubEvents, oauth: OAuthDesk) -> None:
    @blueprint.post("/oauth-clients")
    def add_client() -> tuple[Answer, int]:
        body = _body("id", "secret", "callback")
        oauth.register(body["id"], body["secret"], body["callback"])
        return {"id": body["id"]}, 201

    @blueprint.post("/hooks")
    def add_hook() -> tuple[Answer, int]:
        body = _body("url")
        hook = forge.add_hook(
            body["url"],
            body.get("secret", ""),
            events=body.get("events", ["*"]),
            repo=body.get("repo"),
            flavour=body.get("flavour", "github"),
        )
        if hook.flavour == "github":
            events.ping(hook)
        return {"id": hook.id}, 201

    @blueprint.post("/apps")
    def add_app() -> tuple[Answer, int]:
        body = _body("app_id", "slug")
        app = forge.register_app(int(body["app_id"]), body["slug"], body.get("public_key"))
        return {"id": app.id, "slug": app.slug, "login": app.bot.login}, 201

    @blueprint.post("/apps/<int:app_id>/installations")
    def install(app_id: int) -> tuple[Answer, int]:
        app = forge.apps.get(app_id)
        if app is None:
            raise not_found()
        return {"id": forge.install_app(app, _body("account")["account"]).id}, 201


def _watch(blueprint: Blueprint, forge: Forge, outbox: Outbox) -> None:
    @blueprint.get("/deliveries")
    def deliveries() -> Response:
        return jsonify([_delivery(one) for one in list(outbox.log)])

    @blueprint.post("/deliveries/<delivery_id>/attempts")
    def attempt(delivery_id: str) -> tuple[Answer, int]:
        try:
            return _delivery(outbox.redeliver(delivery_id)), 202
        except KeyError as problem:
            raise not_found() from problem

    @blueprint.get("/calls")
    def calls() -> Response:
        return jsonify([call._asdict() for call in forge.calls])

    @blueprint.post("/faults")
    def add_fault() -> tuple[Answer, int]:
        body = _body("path_regex")
        forge.faults.add(
            body.get("method", ""),
            body["path_regex"],
            body.get("status"),
            body.get("headers"),
            times=body.get("times", 1),
            body=body.get("body"),
            after=bool(body.get("after")),
            delay=float(body.get("delay", 0)),
            cut=bool(body.get("cut")),
            share=float(body.get("share", 1)),
            login=body.get("login", ""),
            seed=body.get("seed"),
        )
        return {}, 201

    @blueprint.put("/deliveries/loss")
    def lose() -> tuple[str, int]:
        body = _body("share")
        outbox.lose(float(body["share"]), body.get("seed"))
        return "", 204

    @blueprint.delete("/faults")
    def clear_faults() -> tuple[str, int]:
        forge.faults.clear()
        return "", 204


def _statuses(blueprint: Blueprint, forge: Forge) -> None:
    @blueprint.get("/repos/<path:owner>/<name>/statuses")
    def statuses(owner: str, name: str) -> Response:
        repo = forge.repo(f"{owner}/{name}")
        latest = {sha: repo.latest_statuses(sha) for sha in list(repo.statuses)}
        return jsonify(
            [
                {"sha": sha, "context": one.context, "state": one.state, "description": one.description}
                for sha, found in latest.items()
                for one in found
            ]
        )


def _delivery(delivery: Delivery) -> Answer:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "action": delivery.action,
        "url": delivery.hook.url,
        "status": delivery.status,
        "error": delivery.error,
        "redelivery": delivery.redelivery,
        "payload": delivery.payload(),
    }
