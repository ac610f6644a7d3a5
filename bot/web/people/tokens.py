"""The page of a person's tokens: for their programs, each with a name, a scope and an end.

Owners see everybody's there, and revoke them.
"""

from __future__ import annotations

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from bot.domain.errors import Conflict, Invalid
from bot.domain.permissions import Role
from bot.domain.tokens import ApiToken
from bot.services.tokens import DAYS, MOST_DAYS
from bot.web import access, rows, wording
from bot.web.needs import services
from bot.web.output import harmless
from bot.web.pages import Badge, Tone
from bot.web.token_pages import TokenRow, TokensPage

blueprint = Blueprint("tokens", __name__)

PER_PAGE = 50

_LASTS = (7, 30, DAYS, 180, MOST_DAYS)


@blueprint.get("/tokens")
def show() -> Response:
    """Show the tokens of whoever asks."""
    return _page()


@blueprint.post("/tokens")
def make() -> Response:
    """Make a token, and show its secret: in this answer, and never again."""
    name = request.form.get("name", "")
    asked = request.form.get("days", "")
    days = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0
    account, person = access.asker().account, access.person_asking()
    try:
        secret = services().tokens.make(account, person, name, request.form.get("scope", ""), days)
    except (Invalid, Conflict) as error:
        status = 409 if isinstance(error, Conflict) else 400
        return make_response(_page(problem=str(error), name=name[:100]), status)
    return _page(secret=secret, name=name)


@blueprint.post("/tokens/<token_id>/revoke")
def revoke(token_id: str) -> AnyResponse:
    """Revoke a token."""
    services().tokens.revoke(access.asker().account, access.person_asking(), token_id)
    return redirect(url_for(".show"), 303)


def _page(*, secret: str = "", name: str = "", problem: str = "") -> Response:
    person, number = access.person_asking(), rows.page_number()
    found = services().tokens.of(access.asker().account)
    owner, everybodys = person.role >= Role.OWNER, list[ApiToken]()
    if owner:
        everybodys += services().tokens.standing(person, PER_PAGE + 1, (number - 1) * PER_PAGE)
    page = TokensPage(
        chrome=rows.chrome("Your tokens", person, "tokens"),
        rows=tuple(map(_row, found)),
        owner=owner,
        everybodys=tuple(map(_row, everybodys[:PER_PAGE])),
        pager=rows.pager(number, len(everybodys) > PER_PAGE, ".show"),
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
        made=wording.moment(token.created_at, now),
        used=wording.moment(token.used_at, now) if token.used_at else None,
        until=f"{token.expires_at:%Y-%m-%d}",
        revoke_url=url_for(".revoke", token_id=token.id) if counts else "",
    )


def _badge(token: ApiToken, counts: bool) -> Badge:
    if counts:
        return Badge("Active", Tone.GOOD)
    return Badge("Revoked" if token.revoked_at else "Expired", Tone.OFF)
