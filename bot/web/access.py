"""Finds out who is asking for a page, and makes sure that a form was sent from one of our own pages.

There is one person so far: the local administrator, who asks from this very machine and has signed in
(sign_in.py). Everybody else sees nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from urllib.parse import urlsplit

from flask import Request, request

from bot.domain.errors import Forbidden
from bot.domain.permissions import Person, Role
from bot.services.sign_in import Sessions
from bot.web.needs import Services, services

COOKIE = "plangate_session"
FIELD = "form_token"

STRANGER = (
    "These pages are for people who are signed in, and only on the machine that Plangate runs on, by its "
    "loopback address. There, set PLANGATE_LOCAL_ADMIN to your login for plangate web; then plangate sign-in "
    "prints the address to open and the password."
)
_AGAIN = "You are not signed in any more: sign in, go back and try again. plangate sign-in prints how."

# A proxy in front makes everybody look local: one that says so takes the local administrator away.
_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class SignInNeeded(Forbidden):
    """It may be the local administrator, who has yet to give the password."""


def person_asking() -> Person:
    """Return who is asking. Raises Forbidden, with what to do, where it is nobody we know."""
    login = local_login(services(), request)
    if not sessions().holds(login, request.cookies.get(COOKIE, "")):
        raise SignInNeeded(_AGAIN)
    return Person(login, Role.OWNER)


def local_login(known: Services, asked: Request) -> str:
    """Return the login of the local administrator, if it may be they who ask: from here, by a name of ours.

    Raises Forbidden. Whether it is they, only the password tells: a change's code shares this machine's
    network (promise 5).
    """
    login = known.config.local_admin
    here = _is_loopback(asked.remote_addr or "") and not any(name in asked.headers for name in _PROXY_HEADERS)
    # A stranger's page can point a name of its own at 127.0.0.1: only our own names count (DNS rebinding).
    if not (login and here and _is_own_host(asked.headers.get("Host", ""), known.addresses.public)):
        raise Forbidden(STRANGER)
    return login


def sessions() -> Sessions:
    """Return what makes and checks sessions."""
    return Sessions(services().vault, services().clock)


def form_token(person: Person) -> str:
    """Return what a form of ours must carry: keyed by the session that it was shown in."""
    session = request.cookies.get(COOKIE, "")
    key = services().vault.key("form token")
    return hmac.new(key, f"{session}\n{person.login}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def check_form(person: Person) -> None:
    """Make sure that a form came from a page of ours. Raises Forbidden."""
    sent = request.form.get(FIELD, "").encode("utf-8", "replace")
    if not (is_from_here() and hmac.compare_digest(form_token(person).encode(), sent)):
        raise Forbidden(
            "This form is too old, or came from elsewhere: go back, reload the page and try again."
        )


def is_from_here() -> bool:
    """Whether the browser does not say that a page from elsewhere sent this."""
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("Host", "")


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
