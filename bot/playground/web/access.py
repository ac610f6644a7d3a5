"""Who is asking: the token in a request's header, whichever of the ways it is written."""

from __future__ import annotations

import base64
import binascii
import time

import jwt
from flask import Request

from bot.playground.forge.apps import App
from bot.playground.forge.house import Forge
from bot.playground.forge.model import Credential, ForgeError

# GitHub trusts an app's own signature for ten minutes; the rest is for clocks that differ.
APP_TOKEN_LIFE = 10 * 60 + 30


def unauthorized(message: str = "Bad credentials") -> ForgeError:
    """Say that the caller's proof of who they are is worth nothing."""
    return ForgeError("unauthorized", message)


def presented_token(request: Request) -> str:
    """Find the token in the headers; in basic authentication it is the password, whatever the name."""
    if own := request.headers.get("PRIVATE-TOKEN"):
        # GitLab's own way, beside the bearer's that it takes too.
        return own.strip()
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() in ("bearer", "token"):
        return value.strip()
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "?"
        return password or name
    return ""


def who_asks(forge: Forge, request: Request) -> Credential | None:
    """Tell who is asking; nobody in particular if there is no token at all."""
    token = presented_token(request)
    if not token:
        return None
    found = forge.credential(token)
    if found is None:
        raise unauthorized()
    return found


def which_app(forge: Forge, request: Request) -> App:
    """Tell which app signed the JSON Web Token in the header."""
    token = presented_token(request)
    if not token:
        raise unauthorized("A JSON web token could not be decoded")
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False, "verify_exp": True})
        if header.get("alg") != "RS256" or "exp" not in claims:
            raise unauthorized("A JSON web token could not be decoded")
        if int(claims["exp"]) > time.time() + APP_TOKEN_LIFE:
            raise unauthorized("'Expiration time' claim ('exp') is too far in the future")
        app = forge.apps.get(int(str(claims.get("iss", ""))))
        if app is None:
            raise unauthorized("Integration not found")
        if app.public_key:
            jwt.decode(token, app.public_key, algorithms=["RS256"])
    except (jwt.PyJWTError, ValueError) as problem:
        raise unauthorized("A JSON web token could not be decoded") from problem
    return app
