"""The account of who asks, and users."""

from __future__ import annotations

from flask import Response

from bot.domain.people.accounts import Account
from bot.web.api import documents
from bot.web.api.documents import ApiResource
from bot.web.api.gate import short_hash
from bot.web.api.registry import ApiRoutes
from bot.web.request import access

routes = ApiRoutes("account")


@routes.get("/account/details", summary="Say whose token this is", gives="users")
def details() -> Response:
    """Answer with the account that the token acts for."""
    return documents.one(user(access.asker().account))


def user(account: Account) -> ApiResource:
    """Return an account as a user. Its id stays the same as long as the account has its login."""
    return ApiResource(
        "users",
        user_id(account),
        {
            "username": account.login,
            "email": "",
            "unconfirmed-email": None,
            "avatar-url": "",
            "is-service-account": False,
            "is-site-admin": False,
            "is-sso-login": True,
            "enterprise-support": False,
            "auth-method": account.forge or "local",
            "v2-only": True,
            "two-factor": {"enabled": False, "verified": False},
            "permissions": {
                "can-create-organizations": False,
                "can-change-email": False,
                "can-change-username": False,
                "can-manage-user-tokens": False,
                "can-view2fa-settings": False,
            },
        },
        links={"self": f"/api/v2/users/{user_id(account)}"},
    )


def user_id(account: Account) -> str:
    """Return the id of an account."""
    return f"user-{short_hash('/'.join(account.key))}"
