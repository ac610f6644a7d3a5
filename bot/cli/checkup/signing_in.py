"""Whether people can sign in: with which forges, whether these know us, and by https."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from bot.cli.checkup.finding import Finding, failed, ok, warning
from bot.config.settings import LOOPBACK
from bot.domain.errors import ForgeError, Invalid
from bot.wiring import Services


def signing_in(services: Services) -> Iterator[Finding]:
    """Look at each forge with which people sign in; ask it with a code that can't be good."""
    config = services.config
    ways = services.forge_sign_in.ways
    if not ways and not config.local_admin:
        yield warning(
            "signing in",
            "people can't sign in to the pages",
            "Set the client id and secret of the GitHub App or GitLab application: docs/how-to/sign-in.md",
        )
    if ways and not config.owners and not config.local_admin:
        yield warning(
            "owners",
            "this Plangate has no owners: no person can change variable sets or see every delivery",
            "Name logins in PLANGATE_OWNERS",
        )
    address = urlsplit(config.url)
    if ways and address.scheme == "http" and address.hostname not in LOOPBACK:
        yield failed(
            "signing in",
            "PLANGATE_URL is plain http: sessions would travel unencrypted",
            "Put a proxy with TLS in front, and write https:// into PLANGATE_URL",
        )
    for forge in ways:
        yield _client(services, forge)


def _client(services: Services, forge: str) -> Finding:
    name = f"signing in with {forge}"
    callback = services.forge_sign_in.callback(forge)
    try:
        services.forge_sign_in.ways[forge].finish(callback, "doctor", "x" * 64)
    except Invalid:
        # It knows the client, and does not know the code.
        return ok(name, f"the client is known; its callback address must be {callback}")
    except ForgeError as error:
        return failed(name, str(error), f"Correct id and secret; the callback address is {callback}")
    return failed(name, "it accepted an invalid code", "Check the forge's address")
