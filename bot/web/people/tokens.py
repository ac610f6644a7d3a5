"""The page of a person's tokens: for their programs, each with a name, a scope and an end.

Owners see everybody's there, and revoke them.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import Conflict, Invalid
from bot.domain.people.permissions import Role
from bot.domain.people.tokens import ApiToken
from bot.services.people.sessions import SignedIn
from bot.services.people.tokens import DAYS, MOST_DAYS
from bot.web.page import elements, wording
from bot.web.page.layout import Badge, Tone
from bot.web.page.output import harmless
from bot.web.people.token_context import SessionRow, TokenRow, TokensPage
from bot.web.request import access
from bot.web.request.services import services

blueprint = Blueprint("tokens", __name__)

PER_PAGE = 50

_LASTS = (7, 30, DAYS, 180, MOST_DAYS)


@blueprint.get("/tokens")
def show() -> Response:
    """Show the tokens of the person who asks."""
    return _page()


@blueprint.post("/tokens")
def make() -> Response:
    """Create a token, and show its secret: only in this answer."""
    name = request.form.get("name", "")
    asked = request.form.get("days", "")
    days = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    account, person = access.asker().account, access.person_asking()
    try:
        scope, workspaces = request.form.get("scope", ""), request.form.get("workspaces", "")
        patterns = workspaces.replace(",", " ").split()
        secret = services().tokens.make(account, person, name, scope, days, patterns)
    except (Invalid, Conflict) as error:
        status = 409 if isinstance(error, Conflict) else 400
        return make_response(_page(problem=str(error), name=name[:100]), status)
    return _page(secret=secret, name=name)


@blueprint.post("/tokens/<token_id>/revoke")
def revoke(token_id: str) -> AnyResponse:
    """Revoke a token."""
    services().tokens.revoke(access.asker().account, access.person_asking(), token_id)
    return redirect(url_for(".show"), 303)


@blueprint.post("/sessions/end")
def end_sessions() -> AnyResponse:
    """End every session of a person, for an owner."""
    login, forge = request.form.get("login", ""), request.form.get("forge", "")
    services().sessions.end_all(login, access.person_asking(), forge)
    return redirect(url_for(".show"), 303)


def _page(*, secret: str = "", name: str = "", problem: str = "") -> Response:
    person, number = access.person_asking(), elements.page_number()
    found = services().tokens.of(access.asker().account)
    owner, everybodys = person.role >= Role.OWNER, list[ApiToken]()
    if owner:
        everybodys += services().tokens.standing(person, PER_PAGE + 1, (number - 1) * PER_PAGE)
    page = TokensPage(
        chrome=elements.chrome("Your tokens", person, "tokens"),
        rows=tuple(map(_row, found)),
        owner=owner,
        everybodys=tuple(map(_row, everybodys[:PER_PAGE])),
        pager=elements.pager(number, len(everybodys) > PER_PAGE, ".show"),
        signed_in=tuple(map(_session, services().sessions.signed_in(person))) if owner else (),
        secret=secret,
        name=harmless(" ".join(name.split())),
        problem=harmless(problem[:1].upper() + problem[1:]),
        lasts=_LASTS,
        usual=DAYS,
        example=f'curl -H "Authorization: Bearer $PLANGATE_TOKEN" {services().addresses.public}/',
    )
    return make_response(render_template("tokens.html", page=page))


def _row(token: ApiToken) -> TokenRow:
    now = services().clock.now()
    counts = token.counts(now)
    return TokenRow(
        id=token.id,
        name=harmless(token.name),
        whose=harmless(str(token.account)),
        badge=_badge(token, counts),
        scope=token.scope.value,
        workspaces=harmless(", ".join(token.workspaces)),
        made=wording.moment(token.created_at, now),
        used=wording.moment(token.used_at, now) if token.used_at else None,
        until=f"{token.expires_at:%Y-%m-%d}",
        revoke_url=url_for(".revoke", token_id=token.id) if counts else "",
    )


def _session(one: SignedIn) -> SessionRow:
    return SessionRow(
        whose=harmless(str(one.account)),
        login=one.account.login,
        forge=one.account.forge,
        count=f"{one.sessions} session{'s' * (one.sessions != 1)}",
        seen=wording.moment(one.seen_at, services().clock.now()),
    )


def _badge(token: ApiToken, counts: bool) -> Badge:
    if counts:
        return Badge("Active", Tone.GOOD)
    return Badge("Revoked" if token.revoked_at else "Expired", Tone.OFF)
