"""How people sign in with a forge: OAuth with PKCE, by Authlib. What they may do is not asked here.

The person's access token serves one question, who they are, and is forgotten (promise 6).
"""

from __future__ import annotations

import secrets
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from bot.domain.errors import Forbidden, ForgeRefused, ForgeUnavailable, Invalid
from bot.domain.people.accounts import Account
from bot.forges.fields import look, number, optional_text, shown, text
from bot.services.ports import SignInRequest

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_VERIFIER_BYTES = 48
# A code that was used before, or too late: signing in again gives a new one.
_STALE = frozenset({"bad_verification_code", "invalid_grant", "expired_token"})


@dataclass(frozen=True)
class Endpoints:
    """A forge's endpoints and scope; `login` is the field of the answer with the login."""

    title: str
    authorize: str
    token: str
    user: str
    scope: str
    login: str


@cache
def _library() -> Any:
    """Return Authlib's client, which takes long to import: only who signs in waits for it."""
    from authlib.deprecate import AuthlibDeprecationWarning  # noqa: PLC0415 -- see above

    with warnings.catch_warnings():
        # Otherwise a deprecation warning about httpx is printed.
        warnings.simplefilter("ignore", AuthlibDeprecationWarning)
        from authlib.integrations import httpx_client  # noqa: PLC0415 -- see above
    return httpx_client


class OAuthSignIn:
    """The SignIn port: one forge, and the client that it knows us by."""

    def __init__(self, forge: str, endpoints: Endpoints, client_id: str, client_secret: str) -> None:
        self.forge = forge
        self._at = endpoints
        self._client_id = client_id
        self._secret = client_secret

    @property
    def title(self) -> str:
        """The forge's name."""
        return self._at.title

    def begin(self, callback: str) -> SignInRequest:
        """Return where the browser is to go, and what must be known when it comes back."""
        verifier = secrets.token_urlsafe(_VERIFIER_BYTES)
        with self._client(callback) as client:
            url, state = client.create_authorization_url(self._at.authorize, code_verifier=verifier)
        return SignInRequest(str(url), str(state), verifier)

    def finish(self, callback: str, code: str, verifier: str) -> Account:
        """Return whose code it is.

        Raises Invalid if the code is no longer valid, Forbidden for an inactive account,
        ForgeUnavailable, ForgeRefused.
        """
        where = f"{self._at.title} ({self.forge})"
        try:
            with self._client(callback) as client:
                client.fetch_token(self._at.token, code=code, code_verifier=verifier)
                answer = client.get(self._at.user, headers={"Accept": "application/json"})
                answer.raise_for_status()
                found = answer.json()
        except _library().OAuthError as error:
            raise self._refused(str(error.error or "")) from error
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status >= 500 or status == 429:
                raise ForgeUnavailable(f"{where} failed ({status})") from error
            raise ForgeRefused(f"{where} refused to say who you are ({status})") from error
        except httpx.HTTPError as error:
            raise ForgeUnavailable(f"{where} cannot be reached: {type(error).__name__}") from error
        except ValueError as error:
            raise ForgeUnavailable(f"{where} gave an unreadable answer when asked who you are") from error
        try:
            return self._account(found)
        except Invalid as error:
            raise ForgeRefused(f"{where} answered in an unknown shape when asked who you are") from error

    def _client(self, callback: str) -> Any:
        return _library().OAuth2Client(
            self._client_id,
            self._secret,
            token_endpoint_auth_method="client_secret_post",  # noqa: S106  # the name of a method
            scope=self._at.scope or None,
            redirect_uri=callback,
            code_challenge_method="S256",
            timeout=TIMEOUT,
        )

    def _account(self, answer: object) -> Account:
        login, uid = text(answer, self._at.login), number(answer, "id")
        state = optional_text(answer, "state")
        if state not in (None, "active") or look(answer, "locked") is True:
            raise Forbidden(f"{login} is not an active account on {self._at.title}")
        return Account(self.forge, login, str(uid))

    def _refused(self, error: str) -> Invalid | ForgeRefused:
        if error in _STALE:
            return Invalid("the forge's answer was used before, or arrived too late: sign in again")
        why = shown(error) or "no reason given"
        return ForgeRefused(
            f"{self._at.title} ({self.forge}) does not accept this Plangate: {why}. Its operator should "
            "check the client's id, its secret and its callback address"
        )
