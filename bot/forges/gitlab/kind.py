"""GitLab as a kind of forge: its settings, and how its parts are built from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from bot.domain.events import ForgeEvent, Ignored
from bot.forges.gitlab import webhook
from bot.forges.gitlab.receiver import GitLabHook
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
    from bot.forges.gitlab.client import GitLabForge

_SETTINGS = (
    ForgeSetting(
        "webhook_secret",
        "the webhook's secret",
        "Secret token or signing token (`whsec_...`) of the webhooks on GitLab. Several, with commas, "
        "while you change it. Required for a forge of the kind `gitlab`",
    ),
    ForgeSetting(
        "token",
        "the token",
        "Project, group or personal access token of GitLab, with the scope `api`. Required too",
    ),
    ForgeSetting(
        "client_id",
        "the client id by which people sign in",
        "Id of an application on GitLab, for signing in",
        secret=False,
    ),
    ForgeSetting("client_secret", "the secret that belongs to it", "The application's secret"),
)


def api_address(url: str) -> str:
    """Return a GitLab's API address for its web address, also below a path."""
    return f"{url}/api/v4"


def endpoints(url: str) -> Endpoints:
    """Return where people sign in, also below a path.

    Source: https://docs.gitlab.com/api/oauth2/
    """
    oauth = f"{url}/oauth"
    return Endpoints(
        "GitLab", f"{oauth}/authorize", f"{oauth}/token", f"{api_address(url)}/user", "read_user", "username"
    )


def _login(given: ForgeValues, note: ReportProblem) -> Mapping[str, str]:
    token = given.values["token"]
    if not token:
        note("token", f"is not set{given.forge}: set it to an access token with the scope `api`")
    return {"token": token}


def _hook(config: ForgeConfig, clock: Clock) -> GitLabHook:
    return GitLabHook(config.name, config.webhook_secrets, clock.now, config.url)


def _parse(delivery: Delivery) -> ForgeEvent | Ignored:
    return webhook.parse(delivery.forge, delivery.event, delivery.body)


def _client(config: ForgeConfig, tokens: AccessTokens, meter: Meter) -> GitLabForge:  # noqa: ARG001  # one token
    # python-gitlab takes long to import: only who talks to a GitLab waits for it.
    from bot.forges.gitlab.api import TokenLogin  # noqa: PLC0415 -- see above
    from bot.forges.gitlab.client import GitLabForge  # noqa: PLC0415 -- see above

    return GitLabForge(config.name, TokenLogin(config.login["token"]), url=config.url, meter=meter)


def _sign_in(config: ForgeConfig, client: OAuthClient) -> OAuthSignIn:
    return OAuthSignIn(config.name, endpoints(config.url), client.id, client.secret)


GITLAB = ForgeKind(
    name="gitlab",
    title="GitLab",
    form=ForgeForm(
        public_url="https://gitlab.com",
        api_url=api_address,
        subgroups=True,
        settings=_SETTINGS,
        login=_login,
        enough="`url` and a token are enough",
    ),
    hook=_hook,
    parse=_parse,
    client=_client,
    sign_in=_sign_in,
)
