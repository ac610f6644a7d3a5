"""Takes webhooks in: verify, read the headers, store, answer. Everything else is a worker's (promise 3)."""

from __future__ import annotations

import logging

from flask import Blueprint, Response, jsonify, request

from bot.domain.errors import NotFound
from bot.services.metrics.catalogue import WEBHOOKS
from bot.services.ports import Delivery
from bot.services.tracing.context import about
from bot.web.request.bodies import read_body
from bot.web.request.services import services

HOOK_LIMIT = 25 * 1024 * 1024
"""How many bytes a delivery may have: GitHub's own limit."""

log = logging.getLogger(__name__)
blueprint = Blueprint("hooks", __name__)


@blueprint.post("/hooks/<forge>", provide_automatic_options=False)
def receive(forge: str) -> tuple[Response, int]:
    """Take one webhook call in.

    202: stored now. 200: stored before. 400, 401, 404, 413: refused, with the reason. 503: not stored, so
    that the forge shows a failed delivery that can be sent again.
    """
    hook = services().hooks.get(forge)
    if hook is None:
        raise NotFound(f"no forge is configured under the name {forge}")
    body = read_body(HOOK_LIMIT)
    headers = {name.lower(): value for name, value in request.headers.items()}
    if not hook.verify(headers, body):
        _count(forge, "refused")
        return jsonify(error="the signature does not match the body: check the webhook's secret"), 401
    read = hook.read(headers, body)
    checked = hook.check(read, body)
    delivery = Delivery(
        id=read.delivery_id,
        forge=hook.name,
        event=read.event,
        headers=read.kept_headers,
        body=body,
        received_at=services().clock.now(),
        repo=checked.repo,
        meaning=checked.meaning,
    )
    try:
        with about(delivery=delivery.id), services().spans.span("webhook"):
            fresh = services().intake.accept(delivery)
    except Exception:
        # The delivery is not stored, for whatever reason: the answer must not look like success.
        log.exception("delivery %s could not be stored", delivery.id)
        _count(forge, "not_stored")
        return jsonify(error="the delivery could not be stored: send it again later"), 503
    answer: dict[str, str | bool] = {"delivery": delivery.id}
    if checked.ignored:
        answer["ignored"] = checked.ignored
    _count(forge, "accepted" if fresh else "repeated")
    if not fresh:
        return jsonify(answer | {"repeat": True}), 200
    return jsonify(answer), 202


def _count(forge: str, outcome: str) -> None:
    services().meter.count(WEBHOOKS, forge=forge, outcome=outcome)
