"""Finds out who is asking for a page, and makes sure that a form was sent from one of our own pages.

Until people can sign in there is one person: the local administrator, who asks from this very machine.
Everybody else sees nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

from flask import Request, Response, g, request

from bot.domain.errors import Forbidden
from bot.domain.permissions import Person, Role
from bot.web.needs import Services, services

COOKIE = "plangate_form"
FIELD = "form_token"

# A proxy in front makes everybody look local: one that says so takes the local administrator away.
_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


def person_asking() -> Person:
    """Return who is asking. Raises Forbidden, with what to do, where it is nobody we know."""
    person = local_admin(services(), request)
    if person is None:
        raise Forbidden(
            "These pages are for people who are signed in, and nobody can sign in here yet. On the machine "
            "that Plangate runs on, set local_admin to your login and open the page by its loopback address."
        )
    return person


def local_admin(known: Services, asked: Request) -> Person | None:
    """Return the local administrator if it is they who ask, from this machine and by a name that is ours."""
    login = known.config.local_admin
    if not login or not _is_loopback(asked.remote_addr or ""):
        return None
    if any(name in asked.headers for name in _PROXY_HEADERS):
        return None
    # A stranger's page can point a name of its own at 127.0.0.1: only our own names count (DNS rebinding).
    if not _is_own_host(asked.headers.get("Host", ""), known.addresses.public):
        return None
    return Person(login, Role.OWNER)


def form_token(person: Person) -> str:
    """Return what a form of ours must carry: keyed by a cookie that `remember` sets."""
    return _token_for(_nonce(), person)


def check_form(person: Person) -> None:
    """Make sure that a form came from a page of ours. Raises Forbidden."""
    origin = request.headers.get("Origin")
    same = origin is None or urlsplit(origin).netloc == request.headers.get("Host", "")
    sent = request.form.get(FIELD, "").encode("utf-8", "replace")
    nonce = request.cookies.get(COOKIE, "")
    expected = _token_for(nonce, person).encode()
    if not (same and nonce and hmac.compare_digest(expected, sent)):
        raise Forbidden(
            "This form is too old, or came from elsewhere: go back, reload the page and try again."
        )


def remember(response: Response) -> Response:
    """Set the cookie that this request's forms are keyed by, if the browser has none yet."""
    nonce = g.get("fresh_nonce")
    if nonce:
        response.set_cookie(
            COOKIE, nonce, httponly=True, samesite="Strict", secure=request.is_secure, max_age=30 * 24 * 3600
        )
    return response


def _nonce() -> str:
    nonce = request.cookies.get(COOKIE, "") or g.get("fresh_nonce", "")
    if not nonce:
        nonce = g.fresh_nonce = secrets.token_urlsafe(24)
    return str(nonce)


def _token_for(nonce: str, person: Person) -> str:
    key = services().vault.key("form token")
    return hmac.new(key, f"{nonce}\n{person.login}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _is_own_host(host: str, public: str) -> bool:
    try:
        name = urlsplit(f"//{host}").hostname
        own = urlsplit(public).hostname
    except ValueError:
        return False
    return name is not None and name in {"localhost", "127.0.0.1", "::1", own}
