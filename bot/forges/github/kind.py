"""GitHub as a kind of forge: its settings, and how its parts are built from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from bot.domain.events import ForgeEvent, Ignored
from bot.forges.github import webhook
from bot.forges.github.receiver import GitHubHook
from bot.forges.oauth import Endpoints, OAuthSignIn
from bot.services.ports import (
    AccessTokens,
    Clock,
    Delivery,
    ForgeConfig,
    ForgeForm,
    ForgeKind,
    ForgeSetting,
    ForgeValues,
    Meter,
    OAuthClient,
    ReportProblem,
)

if TYPE_CHECKING:
    from bot.forges.github.auth import AppLogin, TokenLogin
    from bot.forges.github.client import GitHubForge

_SETTINGS = (
    ForgeSetting(
        "webhook_secret",
        "the webhook's secret",
        "Secret with which GitHub signs webhooks. Several, with commas, while you change it. Required",
    ),
    ForgeSetting("token", "the token", "Token of a GitHub user or bot. Alternative: an App"),
    ForgeSetting("app_id", "the App's id", "Id of the GitHub App. Alternative: a token", secret=False),
    # It signs, and is sent nowhere: several forges may use one App.
    ForgeSetting(
        "app_private_key", "the App's private key", "Private key (PEM) of the GitHub App", shared=True
    ),
    ForgeSetting(
        "client_id",
        "the client id by which people sign in",
        "Client id of the GitHub App, for signing in",
        secret=False,
    ),
    ForgeSetting("client_secret", "the secret that belongs to it", "Client secret of the GitHub App"),
)


def api_address(url: str) -> str:
    """Return a GitHub's API address for its web address.

    Source: https://docs.github.com/en/rest/using-the-rest-api/getting-started-with-the-rest-api
    """
    host = urlsplit(url).hostname or ""
    if host in ("github.com", "www.github.com"):
        return "https://api.github.com"
    if host.endswith(".ghe.com"):
        return f"https://api.{host}"
    return f"{url}/api/v3"


def endpoints(url: str, api_url: str) -> Endpoints:
    """Return the sign-in endpoint. An App needs no scope; an OAuth App without one reads public data.

    Source: https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
    """
    oauth = f"{url}/login/oauth"
    return Endpoints("GitHub", f"{oauth}/authorize", f"{oauth}/access_token", f"{api_url}/user", "", "login")


def _login(given: ForgeValues, note: ReportProblem) -> Mapping[str, str]:
    token, app_id = given.values["token"], given.values["app_id"]
    # In environments without files, a key's line ends are often written as `\n`.
    key = given.values["app_private_key"].replace("\\n", "\n")
    names, forge = given.variables, given.forge
    if token and (app_id or key):
        note("token", f"is set, and so is the App{forge}: keep the token or {names['app_id']}, not both")
    elif bool(app_id) != bool(key):
        missing, there = ("app_private_key", "app_id") if app_id else ("app_id", "app_private_key")
        note(missing, f"is not set{forge}, but {names[there]} is: an App needs both")
    elif not token and not app_id:
        note(
            "token",
            f"is not set{forge}: set it to a token, "
            f"or set {names['app_id']} and {names['app_private_key']} of an App",
        )
    elif key and not key.startswith("-----BEGIN"):
        note(
            "app_private_key",
            f"is not a PEM key{forge}: it starts with -----BEGIN; "
            f"for the path of the file use {names['app_private_key']}_FILE",
        )
    return {"app_id": app_id, "app_private_key": key} if app_id else {"token": token}


def _hook(config: ForgeConfig, clock: Clock) -> GitHubHook:  # noqa: ARG001  # GitHub's signatures have no time
    return GitHubHook(config.name, config.webhook_secrets, config.url)


def _parse(delivery: Delivery) -> ForgeEvent | Ignored:
    content_type = delivery.headers.get("content-type", "")
    return webhook.parse(delivery.forge, delivery.event, delivery.body, content_type)


def _client(config: ForgeConfig, tokens: AccessTokens, meter: Meter) -> GitHubForge:
    # githubkit takes long to import: only who talks to a GitHub waits for it.
    from bot.forges.github.auth import AppLogin, TokenLogin  # noqa: PLC0415 -- see above
    from bot.forges.github.client import GitHubForge  # noqa: PLC0415 -- see above

    login: AppLogin | TokenLogin
    if "app_id" in config.login:
        login = AppLogin(int(config.login["app_id"]), config.login["app_private_key"])
    else:
        login = TokenLogin(config.login["token"])
    return GitHubForge(
        config.name, login, api_url=config.api_url, web_url=config.url, tokens=tokens, meter=meter
    )


def _sign_in(config: ForgeConfig, client: OAuthClient) -> OAuthSignIn:
    return OAuthSignIn(config.name, endpoints(config.url, config.api_url), client.id, client.secret)


GITHUB = ForgeKind(
    name="github",
    title="GitHub",
    form=ForgeForm(
        public_url="https://github.com",
        api_url=api_address,
        api_url_key=True,
        settings=_SETTINGS,
        login=_login,
        enough="a token or an App is enough",
    ),
    hook=_hook,
    parse=_parse,
    client=_client,
    sign_in=_sign_in,
)
