"""The page on which people sign in, and the way out.

The local administrator's printed address carries the password in its fragment, and a small script puts it
into the form; without scripts people paste it. A wrong password waits, but the right one always gets in: code
of a change could otherwise lock the administrator out by trying (promise 5), and 120 bits are not guessed.
"""

from __future__ import annotations

import logging
import threading
import time
from urllib.parse import urlencode

from flask import Blueprint, Flask, Response, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import Forbidden
from bot.domain.people.accounts import Account
from bot.services.people.local_sign_in import fits
from bot.services.people.tokens import BadToken
from bot.web.page import failures
from bot.web.page.layout import Link, SignInPage
from bot.web.request import access, bodies
from bot.web.request.services import services

PAUSE = 1.0
"""Seconds that a wrong password waits for its answer."""

# At most this many threads (of about eight) wait because of wrong passwords.
_PLACES = threading.BoundedSemaphore(2)
_WRONG = "Wrong password. Run plangate sign-in to see it."
_MANY = "Too many wrong passwords: wait a moment. Run plangate sign-in to see the right one."

_PROGRAMS = "Send a token: Authorization: Bearer plangate_... Create one on the page Your tokens."

log = logging.getLogger(__name__)
blueprint = Blueprint("sign_in", __name__)


def install(app: Flask) -> None:
    """Redirect people who are not signed in to the sign-in page."""
    app.register_error_handler(access.SignInNeeded, _first)
    app.register_error_handler(BadToken, _unproven)


@blueprint.get("/sign-in")
def show() -> str:
    """Show the ways to sign in, to signed-in people too: a redirect would keep the fragment."""
    return _page("")


@blueprint.post("/sign-in")
def enter() -> AnyResponse:
    """Begin a session, and go where the person came from."""
    login = access.local_login(services(), request)
    if not (access.is_from_here() and fits(services().vault, request.form.get("password", ""))):
        return _refuse()
    return begin(Account("", login), request.form.get("next", ""))


@blueprint.post("/sign-out")
def leave() -> AnyResponse:
    """End the session, here and in the browser."""
    services().sessions.end(access.asker().session, request.remote_addr or "")
    answer = redirect("/sign-in", 303)
    answer.delete_cookie(access.cookie_name(), httponly=True, secure=access.is_secure(), samesite="Lax")
    return answer


def begin(account: Account, wanted: str) -> AnyResponse:
    """Begin a session, in place of the one that the browser may have, and go where the person came from."""
    sessions = services().sessions
    answer = redirect(local_path(wanted), 303)
    answer.set_cookie(
        access.cookie_name(),
        sessions.begin(account, request.cookies.get(access.cookie_name(), ""), request.remote_addr or ""),
        max_age=int(sessions.life.total_seconds()),
        httponly=True,
        secure=access.is_secure(),
        # Not Strict: links from the forge's pages must find the person signed in. Forms have their own guard.
        samesite="Lax",
    )
    return answer


def local_path(wanted: str) -> str:
    """Return the path if it is one of ours, else the home page (no open redirects)."""
    # Browsers read a backslash as a slash, and leave out control characters.
    leads_away = not wanted.startswith("/") or wanted.startswith("//") or "\\" in wanted
    if leads_away or not (wanted.isascii() and wanted.isprintable()) or wanted.startswith("/sign-"):
        return "/"
    return wanted


def wait() -> bool:
    """Wait as a wrong password does; False, at once, where too many wait already."""
    if not _PLACES.acquire(blocking=False):
        return False
    try:
        time.sleep(PAUSE)
    finally:
        _PLACES.release()
    return True


def _refuse() -> AnyResponse:
    log.warning("a wrong password for the local administrator")
    waited = wait()
    answer = Response(_page(_WRONG if waited else _MANY), mimetype="text/html")
    answer.status_code = 403 if waited else 429
    return answer


def _unproven(error: Forbidden) -> AnyResponse:
    """Tell a program to authenticate."""
    said = failures.answer(401, str(error))
    said.headers["WWW-Authenticate"] = "Bearer"
    return said


def _first(error: access.SignInNeeded) -> AnyResponse:
    if bodies.wants_json():
        return _unproven(Forbidden(_PROGRAMS))
    if request.method in ("GET", "HEAD"):
        asked = local_path(request.full_path.removesuffix("?"))
        return redirect("/sign-in" if asked == "/" else f"/sign-in?{urlencode({'next': asked})}", 303)
    return failures.answer(403, str(error))


def _page(problem: str) -> str:
    wanted, local = local_path(request.values.get("next", "")), access.may_be_local()
    ways = tuple(
        Link(f"Sign in with {way.title}{_which(forge)}", _begin_at(forge, wanted))
        for forge, way in services().forge_sign_in.ways.items()
    )
    if not ways and not local:
        raise Forbidden(access.STRANGER)
    return render_template("sign_in.html", page=SignInPage(wanted, problem, ways, local))


def _which(forge: str) -> str:
    """Name a forge that is not the only one of its kind."""
    ways = services().forge_sign_in.ways
    alike = [name for name, way in ways.items() if way.title == ways[forge].title]
    return f" ({forge})" if len(alike) > 1 else ""


def _begin_at(forge: str, wanted: str) -> str:
    return f"/sign-in/{forge}" if wanted == "/" else f"/sign-in/{forge}?{urlencode({'next': wanted})}"
