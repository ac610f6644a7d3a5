"""Tells an orchestrator whether this process lives, and whether it can do its work."""

from __future__ import annotations

import logging
from collections.abc import Callable

from flask import Blueprint, Response, jsonify

from bot.domain.errors import PlangateError
from bot.web.request.services import services

log = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process is alive."""
    return jsonify(ok=True)


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Say whether the database and Redis answer and the disk has room: 200, or 503 and what is wrong."""
    full = services().engine.no_room()
    if full:
        log.warning("not ready: %s", full)
    parts = {"database": _answers(_ask_database), "redis": _answers(_ask_redis), "disk": not full}
    return jsonify(parts), 200 if all(parts.values()) else 503


def _answers(ask: Callable[[], None]) -> bool:
    try:
        ask()
    except (PlangateError, ConnectionError):
        log.warning("not ready", exc_info=True)
        return False
    return True


def _ask_database() -> None:
    with services().store.reading() as tx:
        tx.posts.due(services().clock.now(), 1)


def _ask_redis() -> None:
    services().queues.ping()
