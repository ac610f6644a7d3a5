"""Speaks the protocol of Terraform's `http` backend for the states that live here.

https://developer.hashicorp.com/terraform/language/backend/http: GET, POST, DELETE, LOCK, UNLOCK. A run's
process signs in with its run's id and token; who may do what is decided in services/states.
"""

from __future__ import annotations

from flask import Blueprint, Response, jsonify, request

from bot.domain.errors import Forbidden
from bot.services.states.backend import STATE_LIMIT
from bot.web.request.bodies import read_body
from bot.web.request.services import services

LOCK_INFO_LIMIT = 64 * 1024
"""How many bytes Terraform's lock info may have."""

METHODS = ("GET", "POST", "PUT", "DELETE", "LOCK", "UNLOCK")

blueprint = Blueprint("state", __name__)


@blueprint.route("/state/<workspace_id>", methods=METHODS, provide_automatic_options=False)
def state(workspace_id: str) -> Response:
    """Answer one request of Terraform's backend.

    A run may also read the states that other workspaces share with its own, and only read them.
    200, 404 (no state yet), 423 (locked, with the holder's lock info), 400, 401, 403, 409, 413.
    """
    run_id, token = _signed_in()
    states = services().states
    grant = states.admit(workspace_id, run_id, token)
    if grant is None and request.method == "GET":
        return _shared(workspace_id, run_id, token)
    if grant is None:
        return _unauthorized()
    match request.method:
        case "POST":
            states.push(grant, read_body(STATE_LIMIT), request.args.get("ID", ""), _header("Content-MD5"))
            return Response(status=200)
        case "PUT":
            # Not Terraform, but Plangate's own process that outlives a lost worker.
            states.end(grant, read_body(STATE_LIMIT), succeeded=request.args.get("ended") == "succeeded")
            return Response(status=200)
        case "LOCK":
            standing = states.lock(grant, read_body(LOCK_INFO_LIMIT))
            if standing is None:
                return Response(status=200)
            return Response(standing.info, status=423, mimetype="application/json")
        case "UNLOCK":
            states.unlock(grant, read_body(LOCK_INFO_LIMIT))
            return Response(status=200)
        case "DELETE":
            raise Forbidden("Plangate never deletes states: destroy the resources and keep the empty state")
        case _:
            return _state(states.pull(grant))


def _shared(workspace_id: str, run_id: str, token: str) -> Response:
    """Answer a run that reads the state of another workspace."""
    shared = services().shared_states
    reader = shared.admit(run_id, token)
    return _unauthorized() if reader is None else _state(shared.pull(reader, workspace_id))


def _state(data: bytes | None) -> Response:
    return Response(data or b"", status=404 if data is None else 200, mimetype="application/json")


def _signed_in() -> tuple[str, str]:
    """Return the run and its token, empty if the request has none."""
    try:
        sent = request.authorization
    except ValueError:  # Werkzeug does not expect letters beyond ASCII there
        sent = None
    if sent is None or sent.type != "basic":
        return "", ""
    return sent.username or "", sent.password or ""


def _unauthorized() -> Response:
    answer = jsonify(error="sign in with the run's id and its token; the token is valid only during the run")
    answer.status_code = 401
    answer.headers["WWW-Authenticate"] = 'Basic realm="plangate state"'
    return answer


def _header(name: str) -> str:
    return request.headers.get(name, "")
