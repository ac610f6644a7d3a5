"""Signing in with a forge, in the browser: there, and back."""

from __future__ import annotations

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from bot.services.people.forge_sign_in import LASTS, SignInCallback
from bot.web.people import sign_in
from bot.web.request import access
from bot.web.request.services import services

blueprint = Blueprint("forge_sign_in", __name__)


@blueprint.get("/sign-in/<forge>")
def begin(forge: str) -> Response:
    """Send the browser to the forge."""
    sent = services().forge_sign_in.begin(forge, sign_in.local_path(request.args.get("next", "")))
    answer = redirect(sent.url, 303)
    answer.set_cookie(
        _cookie(),
        sent.sealed,
        max_age=int(LASTS.total_seconds()),
        httponly=True,
        secure=access.is_secure(),
        # The forge's page leads back here: a strict one would not be sent.
        samesite="Lax",
    )
    return answer


@blueprint.get("/sign-in/<forge>/callback")
def callback(forge: str) -> Response:
    """Begin the session of the person who comes back from the forge."""
    back = SignInCallback(
        state=request.args.get("state", ""),
        code=request.args.get("code", ""),
        error=request.args.get("error", ""),
        sealed=request.cookies.get(_cookie(), ""),
    )
    account, wanted = services().forge_sign_in.finish(forge, back)
    answer = sign_in.begin(account, wanted)
    answer.delete_cookie(_cookie(), httponly=True, secure=access.is_secure(), samesite="Lax")
    return answer


def _cookie() -> str:
    return "__Host-plangate_begun" if access.is_secure() else "plangate_begun"
