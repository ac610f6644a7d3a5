"""How people sign in with GitHub and GitLab: OAuth with PKCE, by Authlib. What they may do is not asked here.

The person's access token serves one question, who they are, and is forgotten (promise 6).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import httpx
from authlib.common.security import generate_token
from authlib.deprecate import AuthlibDeprecationWarning

from bot.domain.accounts import Account
from bot.domain.errors import Forbidden, ForgeRefused, ForgeUnavailable, Invalid
from bot.forges.fields import look, number, optional_text, shown, text
from bot.services.ports import Leaving

with warnings.catch_warnings():
    # Each start of each command would say that httpx is to have a successor.
    warnings.simplefilter("ignore", AuthlibDeprecationWarning)
    from authlib.integrations.httpx_client import OAuth2Client, OAuthError

TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_VERIFIER_LENGTH = 64
# A code that was used before, or too late: whoever begins again gets a new one.
_STALE = frozenset({"bad_verification_code", "invalid_grant", "expired_token"})


@dataclass(frozen=True)
class Endpoints:
    """Where a forge is asked, and what for; `login` is the field of the answer that has the login."""

    title: str
    authorize: str
    token: str
    user: str
    scope: str
    login: str


def github(url: str, api_url: str) -> Endpoints:
    """Return a GitHub's addresses. An App needs no scope, an OAuth App without one reads what is public.

    Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
    """
    oauth = f"{url}/login/oauth"
    return Endpoints("GitHub", f"{oauth}/authorize", f"{oauth}/access_token", f"{api_url}/user", "", "login")


def gitlab(url: str) -> Endpoints:
    """Return a GitLab's addresses, also below a path.

    Source: https://docs.gitlab.com/api/oauth2/
    """
    oauth = f"{url}/oauth"
    return Endpoints(
        "GitLab", f"{oauth}/authorize", f"{oauth}/token", f"{url}/api/v4/user", "read_user", "username"
    )


class OAuthSignIn:
    """The SignIn port: one forge, and the client that it knows us by."""

    def __init__(self, forge: str, endpoints: Endpoints, client_id: str, client_secret: str) -> None:
        self.forge = forge
        self._at = endpoints
        self._client_id = client_id
        self._secret = client_secret

    @property
    def title(self) -> str:
        """What the forge is called."""
        return self._at.title

    def begin(self, callback: str) -> Leaving:
        """Return where the browser is to go, and what must be known when it comes back."""
        verifier = generate_token(_VERIFIER_LENGTH)
        with self._client(callback) as client:
            url, state = client.create_authorization_url(self._at.authorize, code_verifier=verifier)
        return Leaving(str(url), str(state), verifier)

    def finish(self, callback: str, code: str, verifier: str) -> Account:
        """Return whose code it is.

        Raises Invalid where the code is good no more, Forbidden for an account that is not in use,
        ForgeUnavailable, ForgeRefused.
        """
        where = f"{self._at.title} ({self.forge})"
        try:
            with self._client(callback) as client:
                client.fetch_token(self._at.token, code=code, code_verifier=verifier)
                answer = client.get(self._at.user, headers={"Accept": "application/json"})
                answer.raise_for_status()
                found = answer.json()
        except OAuthError as error:
            raise self._refused(str(error.error or "")) from error
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            if status >= 500 or status == 429:
                raise ForgeUnavailable(f"{where} is out of order ({status})") from error
            raise ForgeRefused(f"{where} refused to say who you are ({status})") from error
        except httpx.HTTPError as error:
            raise ForgeUnavailable(f"{where} cannot be reached: {type(error).__name__}") from error
        except ValueError as error:
            raise ForgeUnavailable(f"{where} gave a garbled answer when asked who you are") from error
        try:
            return self._account(found)
        except Invalid as error:
            raise ForgeRefused(f"{where} answered in an unknown shape when asked who you are") from error

    def _client(self, callback: str) -> Any:
        return OAuth2Client(
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
            raise Forbidden(f"{login} is no account that is in use on {self._at.title}")
        return Account(self.forge, login, str(uid))

    def _refused(self, error: str) -> Invalid | ForgeRefused:
        if error in _STALE:
            return Invalid("the forge's answer has been used before, or came too late: sign in again")
        why = shown(error) or "no reason given"
        return ForgeRefused(
            f"{self._at.title} ({self.forge}) does not accept this Plangate: {why}. Whoever runs it should "
            "see whether the client's id, its secret and its callback address are right"
        )
