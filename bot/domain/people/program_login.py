"""`terraform login`: a program on a person's machine asks for a token, by OAuth 2 with PKCE.

Only a program that listens on this machine's loopback address gets a code, and only the program that asked
can exchange it.

Sources: https://developer.hashicorp.com/terraform/internals/login-protocol, RFC 7636 (PKCE), RFC 8252.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime

from bot.domain.errors import Invalid
from bot.domain.people.accounts import Account
from bot.domain.people.tokens import Scope

CLIENT = "terraform-cli"
PORTS = (10000, 10010)
"""The first and the last port at which the CLI listens."""

_REDIRECT = re.compile(r"http://localhost:([0-9]{5})/login", re.ASCII)
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
LONGEST_STATE = 512


@dataclass(frozen=True)
class LoginRequest:
    """What a program asks for. `challenge` is the hash of a secret that only this program has."""

    client: str
    redirect_uri: str
    challenge: str
    state: str = ""


@dataclass(frozen=True)
class LoginCode:
    """What a code was given for: the person, the program's request, and the scope of the token."""

    account: Account
    request: LoginRequest
    scope: Scope
    expires_at: datetime


def checked_request(
    *, client: str, response_type: str, redirect_uri: str, challenge: str, method: str, state: str
) -> LoginRequest:
    """Return the request of a program. Raises Invalid, which says what is wrong."""
    if client != CLIENT:
        raise Invalid(f"client_id must be {CLIENT}")
    port = _REDIRECT.fullmatch(redirect_uri)
    if port is None or not PORTS[0] <= int(port[1]) <= PORTS[1]:
        raise Invalid(
            f"redirect_uri must be http://localhost:PORT/login, with a port from {PORTS[0]} to {PORTS[1]}"
        )
    if response_type != "code":
        raise Invalid("response_type must be code")
    if method != "S256":
        raise Invalid("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise Invalid("code_challenge must be a SHA-256 hash in URL-safe base64, of 43 characters")
    if len(state) > LONGEST_STATE or not (state.isascii() and state.isprintable()):
        raise Invalid(f"state must have {LONGEST_STATE} printable characters at most")
    return LoginRequest(client, redirect_uri, challenge, state)


def why_not_exchanged(code: LoginCode, now: datetime, client: str, redirect_uri: str, verifier: str) -> str:
    """Say why a program gets no token for a code. Empty if it gets one."""
    if now >= code.expires_at:
        return "the code has expired"
    if client != code.request.client or redirect_uri != code.request.redirect_uri:
        return "the code belongs to another client or redirect_uri"
    if not _VERIFIER.fullmatch(verifier):
        return "code_verifier must have 43 to 128 letters, digits, `-`, `.`, `_` and `~`"
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    if not hmac.compare_digest(digest, code.request.challenge.encode()):
        return "code_verifier does not belong to this code"
    return ""
