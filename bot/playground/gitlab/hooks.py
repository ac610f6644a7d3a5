"""Webhooks in GitLab's API: a project's, their events, and sending one again.

Source: https://docs.gitlab.com/api/project_webhooks/
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response

from bot.playground.forge.model import ForgeError, Hook, Repo, Role, not_found
from bot.playground.gitlab.desk import GitLabDesk
from bot.playground.gitlab.shapes import moment
from bot.playground.web.webhooks import Delivery, Outbox

Answer = dict[str, Any]
_AT = "/projects/<path:project>/hooks"
_EVENTS = {
    "push_events": "push",
    "tag_push_events": "tag_push",
    "note_events": "note",
    "merge_requests_events": "merge_request",
    "pipeline_events": "pipeline",
}
# What GitLab never shows.
_SECRET = ("x-gitlab-token", "webhook-signature")
_MOST = 20


def hooks_blueprint(desk: GitLabDesk, outbox: Outbox) -> Blueprint:
    """Serve the webhooks of projects to their maintainers."""
    blueprint = Blueprint("gitlab-hooks", __name__)

    def ended(project: str, number: int) -> list[Delivery]:
        repo = desk.repo(project, Role.maintain)
        found = next((one for one in _seen_from(desk, repo) if one.id == number), None)
        if found is None:
            raise not_found("404 Not found")
        return outbox.ended(_of(found, repo))

    @blueprint.get(_AT)
    def hooks(project: str) -> Response:
        repo = desk.repo(project, Role.maintain)
        return desk.page(_seen_from(desk, repo), lambda one: _hook(repo, one))

    @blueprint.get(f"{_AT}/<int:number>/events")
    def events(project: str, number: int) -> Response:
        return desk.page(ended(project, number), _event, most=_MOST)

    @blueprint.post(f"{_AT}/<int:number>/events/<int:event>/resend")
    def resend(project: str, number: int, event: int) -> tuple[Answer, int]:
        found = next((one for one in ended(project, number) if one.number == event), None)
        if found is None:
            raise not_found("404 Not found")
        sent = outbox.send_again(found)
        sent.wait()
        if not sent.status:
            raise ForgeError("unprocessable", sent.error)
        return {"response_status": sent.status}, 201

    return blueprint


def _seen_from(desk: GitLabDesk, repo: Repo) -> list[Hook]:
    return [one for one in desk.forge.hooks if one.flavour == "gitlab" and one.repo in (None, repo)]


def _of(hook: Hook, repo: Repo) -> Callable[[Delivery], bool]:
    """Tell the events of a webhook that concern a project: it may be that of all projects."""

    def mine(delivery: Delivery) -> bool:
        project = delivery.payload().get("project")
        return delivery.hook is hook and isinstance(project, dict) and project["id"] == repo.id

    return mine


def _hook(repo: Repo, hook: Hook) -> Answer:
    return {
        "id": hook.id,
        "url": hook.url,
        "name": None,
        "description": None,
        "created_at": moment(hook.created_at),
        "project_id": repo.id,
        "enable_ssl_verification": True,
        "alert_status": "executable",
        "disabled_until": None,
        "url_variables": [],
        **{name: "*" in hook.events or kind in hook.events for name, kind in _EVENTS.items()},
    }


def _event(delivery: Delivery) -> Answer:
    kind = str(delivery.payload().get("object_kind", ""))
    return {
        "id": delivery.number,
        "url": delivery.hook.url,
        "trigger": f"{kind}_hooks",
        "request_headers": {
            name: "[REDACTED]" if name.lower() in _SECRET else value
            for name, value in delivery.headers.items()
        },
        "request_data": json.loads(delivery.body),
        "response_headers": {},
        "response_body": "",
        "execution_duration": delivery.duration,
        "response_status": str(delivery.status) if delivery.status else "internal error",
    }
