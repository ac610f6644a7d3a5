"""Webhooks in GitHub's API: an app's or a repository's, their deliveries, and sending one again.

Sources: https://docs.github.com/rest/apps/webhooks and https://docs.github.com/rest/repos/webhooks
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from bot.playground.forge.model import Hook, Repo, Role, invalid, not_found
from bot.playground.github.desk import Desk
from bot.playground.github.shapes import moment
from bot.playground.web.webhooks import Delivery

Answer = dict[str, Any]
_CURSOR = "v1_"


def hooks_blueprint(desk: Desk) -> Blueprint:
    """Serve the webhooks of apps and repositories."""
    blueprint = Blueprint("github-hooks", __name__)
    _of_apps(blueprint, desk)
    _of_repos(blueprint, desk)
    return blueprint


def _of_apps(blueprint: Blueprint, desk: Desk) -> None:
    def ended() -> list[Delivery]:
        desk.app()
        return desk.outbox.ended(lambda one: one.hook.repo is None and one.hook.flavour == "github")

    @blueprint.get("/app/hook/config")
    def app_hook() -> Answer:
        desk.app()
        found = [one for one in desk.forge.hooks if one.flavour == "github" and one.repo is None]
        if not found:
            raise not_found()
        return {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": found[0].url}

    @blueprint.get("/app/hook/deliveries")
    def app_deliveries() -> Response:
        return _page(desk, ended())

    @blueprint.post("/app/hook/deliveries/<int:number>/attempts")
    def app_attempt(number: int) -> tuple[Answer, int]:
        return _again(desk, ended(), number)


def _of_repos(blueprint: Blueprint, desk: Desk) -> None:
    at = "/repos/<owner>/<name>/hooks"

    def ended(owner: str, name: str, number: int) -> list[Delivery]:
        repo = desk.repo(owner, name, Role.admin)
        found = next((one for one in _seen_from(desk, repo) if one.id == number), None)
        if found is None:
            raise not_found()
        return desk.outbox.ended(_of(found, repo))

    @blueprint.get(at)
    def hooks(owner: str, name: str) -> Response:
        repo = desk.repo(owner, name, Role.admin)
        return desk.page(_seen_from(desk, repo), lambda one: _hook(desk, repo, one))

    @blueprint.get(f"{at}/<int:number>/deliveries")
    def deliveries(owner: str, name: str, number: int) -> Response:
        return _page(desk, ended(owner, name, number))

    @blueprint.post(f"{at}/<int:number>/deliveries/<int:delivery>/attempts")
    def attempt(owner: str, name: str, number: int, delivery: int) -> tuple[Answer, int]:
        return _again(desk, ended(owner, name, number), delivery)


def _seen_from(desk: Desk, repo: Repo) -> list[Hook]:
    return [one for one in desk.forge.hooks if one.flavour == "github" and one.repo in (None, repo)]


def _of(hook: Hook, repo: Repo) -> Callable[[Delivery], bool]:
    """Tell the deliveries of a webhook that concern a repository: it may be that of all repositories."""

    def mine(delivery: Delivery) -> bool:
        return delivery.hook is hook and _number(delivery.payload(), "repository") in (None, repo.id)

    return mine


def _page(desk: Desk, ended: list[Delivery]) -> Response:
    """Answer a page, newest first. Where the next one begins stands in the Link header."""
    size = min(max(request.args.get("per_page", 30, int), 1), 100)
    cursor = request.args.get("cursor", "")
    if cursor:
        number = cursor.removeprefix(_CURSOR)
        if number == cursor or not number.isdigit():
            raise invalid("cursor is not one of ours", "cursor", "invalid")
        ended = [one for one in ended if one.number <= int(number)]
    response = jsonify([_delivery(one) for one in ended[:size]])
    if len(ended) > size:
        following = f"{request.path}?per_page={size}&cursor={_CURSOR}{ended[size].number}"
        response.headers["Link"] = f'<{desk.shapes.at.web}{following}>; rel="next"'
    return response


def _again(desk: Desk, ended: list[Delivery], number: int) -> tuple[Answer, int]:
    found = next((one for one in ended if one.number == number), None)
    if found is None:
        raise not_found()
    desk.outbox.send_again(found)
    return {}, 202


def _hook(desk: Desk, repo: Repo, hook: Hook) -> Answer:
    last = next(iter(desk.outbox.ended(_of(hook, repo))), None)
    here = f"{desk.shapes.at.repo(repo.full_name)}/hooks/{hook.id}"
    return {
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": True,
        "events": list(hook.events),
        "config": {"content_type": "json", "insecure_ssl": "0", "secret": "********", "url": hook.url},
        "created_at": moment(hook.created_at),
        "updated_at": moment(hook.created_at),
        "url": here,
        "test_url": f"{here}/tests",
        "ping_url": f"{here}/pings",
        "last_response": {
            "code": last.status if last else None,
            "status": "active" if last else "unused",
            "message": last.error or "OK" if last else None,
        },
    }


def _delivery(delivery: Delivery) -> Answer:
    payload = delivery.payload()
    return {
        "id": delivery.number,
        "guid": delivery.id,
        "delivered_at": moment(delivery.delivered_at),
        "redelivery": delivery.redelivery,
        "duration": round(delivery.duration, 2),
        "status": "OK" if delivery.delivered else delivery.error or "Invalid HTTP Response",
        "status_code": delivery.status,
        "event": delivery.event,
        "action": delivery.action or None,
        "installation_id": _number(payload, "installation"),
        "repository_id": _number(payload, "repository"),
    }


def _number(payload: dict[str, object], key: str) -> int | None:
    part = payload.get(key)
    return part["id"] if isinstance(part, dict) else None
