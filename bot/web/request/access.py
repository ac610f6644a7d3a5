"""Who is asking, and what they may do here: found out once for each request (guard.py), before its view.

Somebody has signed in with a forge, or is the local administrator, who asks from this very machine and has
given the password (sign_in.py). Or a program of theirs asks with a token, which lends it a part of what they
may do. Everybody else sees nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Request, g, request

from bot.domain.accounts import Account
from bot.domain.errors import Forbidden
from bot.domain.events import RepoRef
from bot.domain.permissions import Person, Role
from bot.domain.tokens import ApiToken
from bot.services.tokens import BadToken
from bot.web import bodies
from bot.web.needs import Services, services

FIELD = "form_token"

STRANGER = (
    "Nobody can sign in here yet. Either have people sign in with the forge (the README's *Signing in* says "
    "how), or, on the machine that Plangate runs on and by its loopback address: set PLANGATE_LOCAL_ADMIN to "
    "your login for plangate web; then plangate sign-in prints the address to open and the password."
)
AGAIN = "You are not signed in any more: sign in, go back and try again."
_NOT_LOCAL = "That works only on the machine that Plangate runs on, by its loopback address."

# A proxy in front makes everybody look local: one that says so takes the local administrator away.
_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class SignInNeeded(Forbidden):
    """Nobody is signed in."""


@dataclass(frozen=True)
class Asker:
    """Somebody who is signed in: `session` is what their browser holds. Or their program, with a token."""

    account: Account
    session: str = ""
    token: ApiToken | None = None

    @property
    def most(self) -> Role:
        """The highest role that counts, whatever their own is."""
        return Role.OWNER if self.token is None else self.token.scope.lends


def find() -> Asker:
    """Return who is asking: by a token where one is sent, and then whatever the cookie says does not count.

    Raises SignInNeeded, BadToken.
    """
    secret = bodies.bearer()
    if secret is not None:
        token = services().tokens.holder(secret)
        if _is_strange(token.account):
            raise BadToken(_NOT_LOCAL)
        return Asker(token.account, token=token)
    session = request.cookies.get(cookie_name(), "")
    account = services().sessions.holder(session)
    if account is None or _is_strange(account):
        raise SignInNeeded(AGAIN)
    return Asker(account, session)


def asker() -> Asker:
    """Return who is asking, as the guard has found them."""
    found: Asker = g.asker
    return found


def person_asking() -> Person:
    """Return who is asking, with their role in the repository that this page is of.

    On a page of no one repository, an owner is an owner, and anybody else may look at what is theirs.
    """
    found: Person = g.person
    return found


def roles(repos: Iterable[RepoRef]) -> Mapping[RepoRef, Role]:
    """Return the roles of whoever asks; those for which the forge gives no answer are left out."""
    found, most = services().rights.roles(asker().account, repos), asker().most
    return {repo: min(role, most) for repo, role in found.items()}


def readable(repos: Iterable[RepoRef]) -> frozenset[RepoRef]:
    """Return those of the repositories that whoever asks may see."""
    return frozenset(repo for repo, role in roles(repos).items() if role >= Role.READ)


def local_login(known: Services, asked: Request) -> str:
    """Return the login of the local administrator, if it may be they who ask: from here, by a name of ours.

    Raises Forbidden. Whether it is they, only the password tells: a change's code shares this machine's
    network (promise 5).
    """
    login = known.config.local_admin
    here = _is_loopback(asked.remote_addr or "") and not any(name in asked.headers for name in _PROXY_HEADERS)
    # A stranger's page can point a name of its own at 127.0.0.1: only our own names count (DNS rebinding).
    if not (login and here and _is_own_host(asked.headers.get("Host", ""), known.addresses.public)):
        raise Forbidden(_NOT_LOCAL)
    return login


def may_be_local() -> bool:
    """Whether the local administrator may be asking."""
    return bool(_local_login())


def is_secure() -> bool:
    """Whether people reach us by https; the proxy that ends it is out of our sight."""
    return services().addresses.public.startswith("https://")


def cookie_name() -> str:
    """Return the name of the session's cookie: one that no other host or path can set, where https is."""
    return "__Host-plangate_session" if is_secure() else "plangate_session"


def form_token(person: Person) -> str:
    """Return what a form of ours must carry: keyed by the session that it was shown in."""
    key = services().vault.key("form token")
    session = request.cookies.get(cookie_name(), "")
    text = f"{session}\n{person.login}"
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


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
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("Host", "")
    except ValueError:  # `http://[` is no address, so it is none of ours
        return False


def _is_strange(account: Account) -> bool:
    """Whether it is the local administrator's, who does not ask from here."""
    return account.local and account.login != _local_login()


def _local_login() -> str:
    try:
        return local_login(services(), request)
    except Forbidden:
        return ""


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
