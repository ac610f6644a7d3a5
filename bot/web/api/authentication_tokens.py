"""Authentication tokens: a person's own, listed and revoked. No token creates another."""

from __future__ import annotations

from flask import Response

from bot.domain.errors import Forbidden, Invalid, NotFound
from bot.domain.people.tokens import ApiToken, Scope
from bot.web.api import documents, organizations, reading
from bot.web.api.account import user, user_id
from bot.web.api.documents import ApiLink, ApiResource, moment
from bot.web.api.registry import ApiRoutes
from bot.web.request import access
from bot.web.request.services import services

routes = ApiRoutes("authentication-tokens")

_TYPE = "authentication-tokens"
_OF_A_USER = "/users/<of_user>/authentication-tokens"
_ONE = "/authentication-tokens/<token_id>"
_ORGANIZATIONS = "/organizations/<organization_name>/authentication-token"
_REFUSED = "a token can't create tokens: use the page Your tokens, or terraform login"


@routes.get("/users/<of_user>", summary="Show the user of the token", gives="users")
def show_user(of_user: str) -> Response:
    """Answer with the account that the token acts for; others are not shown."""
    _check_user(of_user)
    return documents.one(user(access.asker().account))


@routes.get(_OF_A_USER, summary="List a person's own active tokens", gives=_TYPE, many=True)
def listing(of_user: str) -> Response:
    """Answer with the tokens of who asks, newest first. None has its secret."""
    _check_user(of_user)
    part, page = reading.part(_own())
    return documents.many(map(_shown, part), page)


@routes.get(_ONE, summary="Show a token of one's own", gives=_TYPE)
def show(token_id: str) -> Response:
    """Answer with a token, without its secret."""
    return documents.one(_shown(_mine(token_id)))


@routes.delete(_ONE, summary="Revoke a token of one's own", status=204)
def revoke(token_id: str) -> Response:
    """Revoke a token: itself, or with the scope admin another one of the same person."""
    asker, token = access.asker(), _mine(token_id)
    if asker.token is None or (asker.token.id != token.id and asker.token.scope is not Scope.ADMIN):
        raise Forbidden("a token revokes only itself, unless it has the scope admin")
    services().tokens.revoke(asker.account, access.person_asking(), token.id)
    return documents.nothing()


@routes.post(_OF_A_USER, summary="Refused: no token creates another")
def create(of_user: str) -> Response:
    """Refuse, and say where people create tokens."""
    _check_user(of_user)
    raise Invalid(_REFUSED)


@routes.post(_ORGANIZATIONS, summary="Refused: tokens belong to people")
def create_of_organization(organization_name: str) -> Response:
    """Refuse, and say where people create tokens."""
    organizations.check_name(organization_name)
    raise Invalid(f"tokens belong to people here, not to the organization; {_REFUSED}")


@routes.get(_ORGANIZATIONS, summary="Not found: tokens belong to people", gives=_TYPE)
def show_of_organization(organization_name: str) -> Response:
    """Answer that there is none."""
    organizations.check_name(organization_name)
    raise NotFound("the organization has no token: tokens belong to people")


def _check_user(of_user: str) -> None:
    if of_user != user_id(access.asker().account):
        raise NotFound(f"there is no user {of_user}")


def _own() -> list[ApiToken]:
    now = services().clock.now()
    return [each for each in services().tokens.of(access.asker().account) if each.counts(now)]


def _mine(token_id: str) -> ApiToken:
    for each in _own():
        if _id(each) == token_id:
            return each
    raise NotFound(f"there is no authentication token {token_id}")


def _id(token: ApiToken) -> str:
    """Return the id of a token. HashiCorp's begins with `at-`."""
    return "at-" + token.id.removeprefix("tok-")


def _shown(token: ApiToken) -> ApiResource:
    return ApiResource(
        _TYPE,
        _id(token),
        {
            "created-at": moment(token.created_at),
            "last-used-at": moment(token.used_at),
            "expired-at": moment(token.expires_at),
            "description": token.name,
            "token": None,
        },
        {"created-by": ApiLink("users", user_id(token.account))},
        {"self": f"/api/v2/authentication-tokens/{_id(token)}"},
    )
