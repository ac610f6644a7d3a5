"""Authentication and roles: who asks, and what they may do here. guard.py finds out once per request.

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

from bot.domain.errors import Forbidden
from bot.domain.events import RepoRef
from bot.domain.people.accounts import Account
from bot.domain.people.permissions import Person, Role
from bot.domain.people.tokens import ApiToken
from bot.services.people.tokens import BadToken
from bot.web.request import bodies
from bot.web.request.services import Services, services

FIELD = "form_token"

STRANGER = (
    "Nobody can sign in here yet. Set up signing in with the forge: docs/how-to/sign-in.md says how. Or sign "
    "in on the machine that Plangate runs on, at its loopback address: set PLANGATE_LOCAL_ADMIN to your "
    "login for plangate web. Then plangate sign-in prints the address to open and the password."
)
AGAIN = "You are no longer signed in: sign in, go back and try again."
_NOT_LOCAL = "This works only on the machine that Plangate runs on, at its loopback address."

# Behind a proxy everybody looks local: if a proxy's header is present, there is no local administrator.
_PROXY_HEADERS = ("X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Forwarded", "Via")


class SignInNeeded(Forbidden):
    """Nobody is signed in."""


@dataclass(frozen=True)
class Asker:
    """A person who is signed in (`session` is their browser's), or their program with a token."""

    account: Account
    session: str = ""
    token: ApiToken | None = None

    @property
    def most(self) -> Role:
        """The highest role that the token allows."""
        return Role.OWNER if self.token is None else self.token.scope.lends


def find() -> Asker:
    """Return who is asking: by the token if one is sent, else by the cookie.

    Raises SignInNeeded, BadToken.
    """
    if bodies.bearer() is not None:
        return find_program()
    session = request.cookies.get(cookie_name(), "")
    account = services().sessions.holder(session)
    if account is None or _is_strange(account):
        raise SignInNeeded(AGAIN)
    return Asker(account, session)


def find_program() -> Asker:
    """Return whose program is asking, by its token. Raises BadToken, also if there is none."""
    secret = bodies.bearer()
    if secret is None:
        raise BadToken("send a token: Authorization: Bearer plangate_...")
    token = services().tokens.holder(secret)
    if _is_strange(token.account):
        raise BadToken(_NOT_LOCAL)
    return Asker(token.account, token=token)


def asker() -> Asker:
    """Return who is asking, as the guard has found them."""
    found: Asker = g.asker
    return found


def person_asking() -> Person:
    """Return who is asking, with their role in the page's repository.

    On a page without a repository, owners are owners, and other people see only their own things.
    """
    found: Person = g.person
    return found


def may_create_workspaces() -> bool:
    """Whether the person may create workspaces without a repository."""
    return not asker().token and services().roles.in_organization(asker().account) >= Role.ADMIN


def roles(repos: Iterable[RepoRef]) -> Mapping[RepoRef, Role]:
    """Return the person's roles, without repositories for which the forge does not answer."""
    found, most = services().roles.roles(asker().account, repos), asker().most
    return {repo: min(role, most) for repo, role in found.items()}


def readable(repos: Iterable[RepoRef]) -> frozenset[RepoRef]:
    """Return the repositories that the person may see."""
    return frozenset(repo for repo, role in roles(repos).items() if role >= Role.READ)


def repos() -> tuple[RepoRef, ...] | None:
    """Return the repositories whose workspaces the person may see, None if that is all of them."""
    if services().roles.owns(asker().account):
        return None
    with services().store.reading() as tx:
        there = tx.overviews.repos()
    return tuple(sorted(readable(there)))


def local_login(known: Services, asked: Request) -> str:
    """Return the local administrator's login, if the request comes from this machine by one of our names.

    Raises Forbidden. Only the password proves who it is, because a change's code shares this machine's
    network (promise 5).
    """
    login = known.config.local_admin
    here = _is_loopback(asked.remote_addr or "") and not any(name in asked.headers for name in _PROXY_HEADERS)
    # A foreign page can point its own host name at 127.0.0.1: accept only our names (DNS rebinding).
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
    """Return the name of the session's cookie. With https no other host or path can set it."""
    return "__Host-plangate_session" if is_secure() else "plangate_session"


def form_token(person: Person) -> str:
    """Return the token that our forms must send, derived from the session."""
    key = services().vault.key("form token")
    session = request.cookies.get(cookie_name(), "")
    text = f"{session}\n{person.login}"
    return hmac.new(key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def check_form(person: Person) -> None:
    """Check that a form was sent from one of our pages. Raises Forbidden."""
    sent = request.form.get(FIELD, "").encode("utf-8", "replace")
    if not (is_from_here() and hmac.compare_digest(form_token(person).encode(), sent)):
        raise Forbidden(
            "This form is too old, or was sent from another site: go back, reload the page and try again."
        )


def is_from_here() -> bool:
    """Whether the browser's headers don't name another site as the sender."""
    origin = request.headers.get("Origin")
    try:
        return origin is None or urlsplit(origin).netloc == request.headers.get("Host", "")
    except ValueError:  # `http://[` is not a valid address
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
