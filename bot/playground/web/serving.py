"""What serving either forge's API has in common: one answer at a time, and refusals in that forge's form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Blueprint, Response, g
from werkzeug.exceptions import HTTPException

from bot.playground.forge.model import ForgeError, not_found

if TYPE_CHECKING:
    from bot.playground.forge.house import Forge


def api_blueprint(
    name: str,
    prefix: str,
    forge: Forge,
    refusal_response: Callable[[ForgeError], Response],
    dress: Callable[[Response], Response],
) -> Blueprint:
    """Return a forge's API without its addresses; `dress` gives every answer its headers."""
    blueprint = Blueprint(name, __name__, url_prefix=prefix)
    blueprint.register_error_handler(ForgeError, refusal_response)

    @blueprint.route("/<path:anything>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def unknown(**_: str) -> Response:
        raise not_found()

    @blueprint.errorhandler(HTTPException)
    def refused(problem: HTTPException) -> Response:
        kind = "bad_request" if problem.code == 400 else "not_found"
        return refusal_response(ForgeError(kind, problem.name))

    @blueprint.before_request
    def take_the_lock() -> None:
        # Answers read many parts of the forge: while one is written, nothing moves.
        forge.lock.acquire()
        g.holds_the_lock = True

    @blueprint.after_request
    def dressed(response: Response) -> Response:
        let_go()
        return dress(response)

    @blueprint.teardown_request
    def let_go(_: BaseException | None = None) -> None:
        if g.pop("holds_the_lock", False):
            forge.lock.release()

    return blueprint
