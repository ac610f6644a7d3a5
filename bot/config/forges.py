"""The configured forges and our credentials for them; secrets come only from the environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

from bot.config.file.manifest import DEFAULT_FORGE, ForgeEntry, Manifest
from bot.config.file.marked_yaml import Document
from bot.config.problems import Problems
from bot.config.settings import LOOPBACK, Environment
from bot.services.ports import ForgeConfig, ForgeKind, ForgeKinds, ForgeValues, OAuthClient

_OF_THE_CLIENT = ("client_id", "client_secret")
_OF_THE_FILE = ("webhook_secret", *_OF_THE_CLIENT)


def read_forges(
    manifest: Manifest,
    document: Document,
    environment: Environment,
    kinds: ForgeKinds,
    problems: Problems,
) -> tuple[ForgeConfig, ...]:
    """Return the forges with their secrets, and note missing ones."""
    if document.data.get("forges") and not manifest.forges:
        # The file is wrong and that is said; which variables its forges read is not known.
        return ()
    entries = manifest.forges or {DEFAULT_FORGE: ForgeEntry(kind=DEFAULT_FORGE)}
    for problem in _shared(entries, kinds):
        problems.add(document.where(("forges",)), problem)
    found = []
    for name, entry in entries.items():
        kind = kinds[entry.kind]
        for key, problem in _foreign(entry, kinds):
            problems.add(f"{document.where(('forges', name))}.{key}", problem)
        suffix = f" (forge `{name}`)" if manifest.forges else ""
        found.append(_forge(name, entry, kind, suffix, environment, problems))
    return tuple(found)


def _forge(
    name: str, entry: ForgeEntry, kind: ForgeKind, suffix: str, environment: Environment, problems: Problems
) -> ForgeConfig:
    names = entry.variables(kind)

    def note(role: str, what: str) -> None:
        problems.add(names[role], what)

    values = {role: environment.secret(names[role]) for role in names if role not in _OF_THE_FILE}
    login = kind.form.login(ForgeValues(values, names, suffix), note)
    secrets = environment.secrets(names["webhook_secret"])
    if not secrets:
        # Without a secret anybody could send us events: no start (promise 5).
        note(
            "webhook_secret",
            f"is not set{suffix}: set it to the secret of the webhook on the forge",
        )
    url = entry.url or kind.form.public_url
    api_url = (entry.api_url if kind.form.api_url_key else None) or kind.form.api_url(url)
    client = _client(names, suffix, environment, problems)
    return ForgeConfig(name, kind.name, url, api_url, login, secrets, client)


def unencrypted(forges: tuple[ForgeConfig, ...]) -> Iterator[str]:
    """Warn of forges to which tokens would travel in the clear."""
    for forge in forges:
        parts = urlsplit(forge.api_url)
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            yield f"forge `{forge.name}`: tokens travel unencrypted to {forge.api_url}: use https"


def _foreign(entry: ForgeEntry, kinds: ForgeKinds) -> Iterator[tuple[str, str]]:
    """Return the keys that are there and belong to other kinds of forges."""
    kind = kinds[entry.kind]
    for key in sorted(entry.model_fields_set):
        if getattr(entry, key) is None or _takes(kind, key):
            continue
        others = " and ".join(each.title for each in kinds.values() if _takes(each, key))
        yield key, f"is for {others} alone: leave it out, {kind.form.enough}"


def _takes(kind: ForgeKind, key: str) -> bool:
    if key == "api_url":
        return kind.form.api_url_key
    return key in ("kind", "url") or key in {f"{each.role}_env" for each in kind.form.settings}


def _shared(entries: Mapping[str, ForgeEntry], kinds: ForgeKinds) -> Iterator[str]:
    """A token that two forges read would be sent to a server that it is not for (promise 6)."""
    owners: dict[str, str] = {}
    for name, entry in entries.items():
        kind = kinds[entry.kind]
        never = {each.role for each in kind.form.settings if each.secret and not each.shared}
        for role, variable in entry.variables(kind).items():
            if role in never and variable in owners and owners[variable] != name:
                yield (
                    f"`{owners[variable]}` and `{name}` both read {variable}: "
                    f"give one of them a variable of its own with `{role}_env`"
                )
            owners.setdefault(variable, name)


def _client(
    names: Mapping[str, str], suffix: str, environment: Environment, problems: Problems
) -> OAuthClient | None:
    client_id, secret = environment.secret(names["client_id"]), environment.secret(names["client_secret"])
    if bool(client_id) != bool(secret):
        missing, given = reversed(_OF_THE_CLIENT) if client_id else _OF_THE_CLIENT
        problems.add(
            names[missing], f"is not set{suffix}, but {names[given]} is: signing in with the forge needs both"
        )
    return OAuthClient(client_id, secret) if client_id and secret else None
