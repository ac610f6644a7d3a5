"""Signing in elsewhere with an account of this forge, as GitHub and GitLab offer it: OAuth with PKCE.

Who one is, one says by a click: nobody has a password here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from bot.playground.forge.house import Forge
from bot.playground.forge.model import User

CODE_LIFE = 600.0
TOKEN_PATHS = ("/login/oauth/access_token", "/oauth/token")


@dataclass(frozen=True)
class Client:
    """Somebody who has people sign in with this forge: an App, or an application."""

    id: str
    secret: str
    callback: str


@dataclass(frozen=True)
class _Grant:
    client: Client
    user: User
    challenge: str
    until: float


class OAuthDesk:
    """Knows the clients, and the codes that are out."""

    def __init__(self, forge: Forge) -> None:
        self.forge = forge
        self._clients: dict[str, Client] = {}
        self._grants: dict[str, _Grant] = {}

    def register(self, client_id: str, secret: str, callback: str) -> None:
        """Let a client send people here; they are sent back to its callback alone."""
        self._clients[client_id] = Client(client_id, secret, callback)

    def client(self, client_id: str, redirect_uri: str) -> Client:
        """Return the client that sends somebody here."""
        found = self._clients.get(client_id)
        if found is None:
            abort(404, "There is no such application")
        if redirect_uri != found.callback:
            abort(400, "The redirect_uri is not associated with this application.")
        return found

    def grant(self, client: Client, login: str, challenge: str) -> str:
        """Return a code by which the client learns who somebody is."""
        code = secrets.token_hex(10)
        self._grants[code] = _Grant(client, self.forge.user(login), challenge, time.time() + CODE_LIFE)
        return code

    def token(self, form: Any, prefix: str) -> tuple[str, str]:
        """Return a token for a code, and an empty text; or no token, and GitLab's word for what is wrong."""
        client = self._clients.get(form.get("client_id", ""))
        if client is None or not hmac.compare_digest(client.secret, form.get("client_secret", "")):
            return "", "invalid_client"
        grant = self._grants.pop(form.get("code", ""), None)
        if grant is None or grant.client is not client or grant.until < time.time():
            return "", "invalid_grant"
        if form.get("redirect_uri", client.callback) != client.callback:
            return "", "invalid_grant"
        if grant.challenge and _challenge(form.get("code_verifier", "")) != grant.challenge:
            return "", "invalid_grant"
        return self.forge.new_token(grant.user.login, prefix), ""


def oauth_blueprint(desk: OAuthDesk) -> Blueprint:
    """Serve the page on which people choose who they are, and the two forges' tokens."""
    blueprint = Blueprint("oauth", __name__)
    _choosing(blueprint, desk)

    @blueprint.post("/login/oauth/access_token")
    def github_token() -> dict[str, str]:
        token, wrong = desk.token(request.form, "ghu_")
        if wrong:
            # GitHub answers 200, whatever is wrong.
            word = "incorrect_client_credentials" if wrong == "invalid_client" else "bad_verification_code"
            return {"error": word, "error_description": "The code passed is incorrect or expired."}
        return {"access_token": token, "scope": "", "token_type": "bearer"}

    @blueprint.post("/oauth/token")
    def gitlab_token() -> tuple[Response, int]:
        token, wrong = desk.token(request.form, "gloa-")
        if wrong:
            status = 401 if wrong == "invalid_client" else 400
            return jsonify(error=wrong, error_description="The provided grant is invalid."), status
        about = {"token_type": "Bearer", "expires_in": 7200, "scope": "read_user"}
        return jsonify(access_token=token, created_at=int(time.time()), **about), 200

    return blueprint


def _choosing(blueprint: Blueprint, desk: OAuthDesk) -> None:
    @blueprint.get("/login/oauth/authorize")
    @blueprint.get("/oauth/authorize")
    def authorize() -> str:
        client = desk.client(request.args.get("client_id", ""), request.args.get("redirect_uri", ""))
        if request.args.get("code_challenge") and request.args.get("code_challenge_method") != "S256":
            abort(400, "Only S256 is known here.")
        people = desk.forge.people()
        where = urlsplit(client.callback).netloc
        return render_template("playground/authorize.html", people=people, where=where, asked=request.args)

    @blueprint.post("/login/oauth/authorize")
    @blueprint.post("/oauth/authorize")
    def choose() -> AnyResponse:
        origin = request.headers.get("Origin")
        if origin and urlsplit(origin).netloc != request.host:
            abort(403)
        client = desk.client(request.form.get("client_id", ""), request.form.get("redirect_uri", ""))
        answer = {"state": request.form.get("state", "")}
        if login := request.form.get("user", ""):
            answer["code"] = desk.grant(client, login, request.form.get("code_challenge", ""))
        else:
            answer |= {"error": "access_denied", "error_description": "The user has denied access."}
        return redirect(f"{client.callback}?{urlencode(answer)}", 303)


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
