"""Tells an orchestrator whether this process lives, and whether it can do its work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from flask import Blueprint, Response, jsonify

from bot.domain.errors import PlangateError
from bot.services.ports import SchemaState
from bot.web.request.services import services

log = logging.getLogger(__name__)
blueprint = Blueprint("health", __name__)

_Answer = TypeVar("_Answer")


@blueprint.get("/healthz")
def healthz() -> Response:
    """Say that the process is alive."""
    return jsonify(ok=True)


@blueprint.get("/readyz")
def readyz() -> tuple[Response, int]:
    """Say whether this process can take webhooks and show pages: 200, or 503 and what is wrong.

    The age of the last sweep is only told. If no worker sweeps, webhooks must still be stored (promise 3).
    """
    full = services().engine.no_room()
    if full:
        log.warning("not ready: %s", full)
    schema = _answer(services().store.schema)
    if schema is SchemaState.BEHIND:
        log.warning("not ready: the database lacks migrations: run `plangate migrate`")
    redis = _answer(_sweep_age)
    parts = {
        "database": schema is not None,
        "schema": None if schema is None else schema.value,
        "redis": redis is not None,
        "disk": not full,
        "sweep_age_seconds": redis[0] if redis else None,
    }
    ready = not full and redis is not None and schema in (SchemaState.CURRENT, SchemaState.NEWER)
    return jsonify(parts), 200 if ready else 503


def _answer(ask: Callable[[], _Answer]) -> _Answer | None:
    try:
        return ask()
    except (PlangateError, ConnectionError):
        log.warning("not ready", exc_info=True)
        return None


def _sweep_age() -> tuple[int | None]:
    """Return how many seconds ago the last sweep was. None in it: none since Redis started."""
    at = services().queues.swept_at()
    return (None if at is None else max(int((services().clock.now() - at).total_seconds()), 0),)
