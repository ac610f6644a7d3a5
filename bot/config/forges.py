"""Which forges there are and how we sign in to each; their secrets come from the environment alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from bot.config.manifest import ForgeEntry, Manifest
from bot.config.marked_yaml import Document
from bot.config.problems import Problems
from bot.config.settings import Environment

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ROLES = ("token", "webhook_secret", "client_id", "client_secret")
_APP_ROLES = ("app_id", "app_private_key")
_NEVER_SHARED = ("token", "webhook_secret", "client_secret")
_PUBLIC = {"github": "https://github.com", "gitlab": "https://gitlab.com"}


class ForgeKind(StrEnum):
    """Which software a forge runs."""

    GITHUB = "github"
    GITLAB = "gitlab"


@dataclass(frozen=True)
class TokenAuth:
    """We act as a user or a bot, by its token: on GitLab a project's, a group's or a person's."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class AppAuth:
    """We act as a GitHub App; `private_key` is PEM."""

    app_id: str
    private_key: str = field(repr=False)


@dataclass(frozen=True)
class OAuthClient:
    """How people sign in with a forge: the App's or application's client id, and its secret."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class ForgeConfig:
    """One forge: its name in plangate.yml, its addresses without trailing slash, its secrets.

    A webhook is good when any of `webhook_secrets` signed it, so that the secret can be changed. Without
    `client` nobody signs in with it.
    """

    name: str
    kind: ForgeKind
    url: str
    api_url: str
    auth: TokenAuth | AppAuth
    webhook_secrets: tuple[str, ...] = field(repr=False)
    client: OAuthClient | None = None


def read_forges(
    manifest: Manifest, document: Document, environment: Environment, problems: Problems
) -> tuple[ForgeConfig, ...]:
    """Return the forges with their secrets, and note what is missing."""
    if document.data.get("forges") and not manifest.forges:
        # The file is wrong and that is said; which variables its forges read is not known.
        return ()
    entries = manifest.forges or {"github": ForgeEntry(kind="github")}
    for problem in _shared(entries):
        problems.add(document.where(("forges",)), problem)
    found = []
    for name, entry in entries.items():
        names = _variables(entry)
        suffix = f" (forge `{name}`)" if manifest.forges else ""
        _only_githubs(entry, document.where(("forges", name)), problems)
        auth = _auth(names, suffix, environment, problems)
        secrets = environment.secrets(names["webhook_secret"])
        if not secrets:
            # Without a secret anybody could send us events: no start (promise 5).
            problems.add(
                names["webhook_secret"],
                f"is not set{suffix}: set it to the secret that the webhook on the forge has",
            )
        url = entry.url or _PUBLIC[entry.kind]
        api_url = f"{url}/api/v4" if entry.kind == "gitlab" else entry.api_url or api_address(url)
        client = _client(names, suffix, environment, problems)
        found.append(ForgeConfig(name, ForgeKind(entry.kind), url, api_url, auth, secrets, client))
    return tuple(found)


def unencrypted(forges: tuple[ForgeConfig, ...]) -> Iterator[str]:
    """Warn of forges to which tokens would travel in the clear."""
    for forge in forges:
        parts = urlsplit(forge.api_url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            yield f"forge `{forge.name}`: tokens travel unencrypted to {forge.api_url}: use https"


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


def _only_githubs(entry: ForgeEntry, where: str, problems: Problems) -> None:
    if entry.kind != "gitlab":
        return
    for key in ("api_url", "app_id_env", "app_private_key_env"):
        if getattr(entry, key) is not None:
            problems.add(f"{where}.{key}", "is for GitHub alone: leave it out, `url` and a token are enough")


def _variables(entry: ForgeEntry) -> dict[str, str]:
    roles = _ROLES if entry.kind == "gitlab" else _ROLES + _APP_ROLES
    usual = {role: f"PLANGATE_{entry.kind.upper()}_{role.upper()}" for role in roles}
    named = {role: getattr(entry, f"{role}_env") for role in roles}
    return {role: named[role] or usual[role] for role in roles}


def _shared(entries: dict[str, ForgeEntry]) -> Iterator[str]:
    """A token that two forges read would be sent to a server that it is not for (promise 6)."""
    owners: dict[str, str] = {}
    for name, entry in entries.items():
        for role, variable in _variables(entry).items():
            if role in _NEVER_SHARED and variable in owners and owners[variable] != name:
                yield (
                    f"`{owners[variable]}` and `{name}` both read {variable}: "
                    f"give one of them a variable of its own with `{role}_env`"
                )
            owners.setdefault(variable, name)


def _client(
    names: dict[str, str], suffix: str, environment: Environment, problems: Problems
) -> OAuthClient | None:
    client_id, secret = environment.secret(names["client_id"]), environment.secret(names["client_secret"])
    if bool(client_id) != bool(secret):
        missing, given = ("client_secret", "client_id") if client_id else ("client_id", "client_secret")
        problems.add(
            names[missing], f"is not set{suffix}, but {names[given]} is: to sign in with the forge takes both"
        )
    return OAuthClient(client_id, secret) if client_id and secret else None


def _auth(
    names: dict[str, str], suffix: str, environment: Environment, problems: Problems
) -> TokenAuth | AppAuth:
    token = environment.secret(names["token"])
    if "app_id" not in names:
        if not token:
            problems.add(
                names["token"], f"is not set{suffix}: set it to an access token with the scope `api`"
            )
        return TokenAuth(token)
    app_id = environment.secret(names["app_id"])
    # Where files are awkward, a key's line ends are often written as `\n`.
    key = environment.secret(names["app_private_key"]).replace("\\n", "\n")
    if token and (app_id or key):
        problems.add(
            names["token"],
            f"is set, and so is the App{suffix}: keep the token or {names['app_id']}, not both",
        )
    elif bool(app_id) != bool(key):
        missing, given = ("app_private_key", "app_id") if app_id else ("app_id", "app_private_key")
        problems.add(names[missing], f"is not set{suffix}, but {names[given]} is: an App needs both")
    elif not token and not app_id:
        problems.add(
            names["token"],
            f"is not set{suffix}: set it to a token, "
            f"or set {names['app_id']} and {names['app_private_key']} of an App",
        )
    elif key and not key.startswith("-----BEGIN"):
        problems.add(
            names["app_private_key"],
            f"is no PEM key{suffix}: it starts with -----BEGIN; "
            f"for the path of the file use {names['app_private_key']}_FILE",
        )
    return AppAuth(app_id, key) if app_id else TokenAuth(token)
