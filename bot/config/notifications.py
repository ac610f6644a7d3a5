"""Destinations of notifications with their addresses and keys, and the mail server: read from settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import unquote, urlsplit

from bot.config.file.manifest import Manifest
from bot.config.file.notifications import NotificationEntry, is_secure, mail_address
from bot.config.problems import Problems
from bot.config.settings import Environment, parse_duration
from bot.domain.notifications.destinations import USUAL_TRIGGERS, Destination, DestinationKind, Trigger
from bot.services.ports import Mailbox, MailServer

_PORTS = {"smtp": 587, "smtps": 465}


@dataclass(frozen=True)
class NotificationSettings:
    """The destinations of plangate.yml. `mailboxes` have their addresses and keys, by their names."""

    destinations: tuple[Destination, ...] = ()
    mailboxes: Mapping[str, Mailbox] = field(default_factory=dict, repr=False)
    mail_server: MailServer | None = field(default=None, repr=False)


def read_notifications(
    manifest: Manifest, env: Environment, problems: Problems, *, sends: bool = True
) -> NotificationSettings:
    """Read the destinations and what they need of the environment; note what is wrong.

    A process that only says what is to be sent (`sends` is False) needs no address and no secret.
    """
    entries = manifest.notifications or {}
    destinations = tuple(_destination(name, entry) for name, entry in entries.items())
    if not sends:
        return NotificationSettings(destinations)
    server = _mail_server(env, problems)
    mails = [name for name, entry in entries.items() if entry.kind == "email"]
    if mails and server is None and not problems:
        problems.add("PLANGATE_SMTP", f"is not set: the destination {mails[0]} of plangate.yml sends e-mail")
    return NotificationSettings(
        destinations,
        {name: _mailbox(entry, env, problems) for name, entry in entries.items()},
        server,
    )


def _destination(name: str, entry: NotificationEntry) -> Destination:
    usual = "0s" if entry.kind == "webhook" else "30s"
    return Destination(
        name=name,
        kind=DestinationKind(entry.kind),
        triggers=tuple(map(Trigger, entry.triggers)) if entry.triggers else USUAL_TRIGGERS,
        workspaces=tuple(entry.workspaces or ()),
        tags=tuple(entry.tags or ()),
        exclude=tuple(entry.exclude or ()),
        gather=_length(entry.gather or usual),
        remind_after=_length(entry.remind_after or "24h"),
    )


def _length(text: str) -> timedelta:
    return timedelta() if text == "0s" else parse_duration(text)


def _mailbox(entry: NotificationEntry, env: Environment, problems: Problems) -> Mailbox:
    url, key = entry.url or "", ""
    if entry.url_env:
        url = receiver_address(entry.url_env, env, problems)
    if entry.key_env:
        key = required(entry.key_env, env, problems, "put the key that signs calls into it")
    return Mailbox(url, key, tuple(dict.fromkeys(entry.to or ())))


def receiver_address(name: str, env: Environment, problems: Problems) -> str:
    """Return the address of a receiver in a variable; note a missing or an invalid one."""
    url = required(name, env, problems, "put the receiver's address into it")
    if url and not _callable(url):
        # The address is not repeated: it is a secret (promise 6).
        problems.add(name, "is not an address that is called: write it as https://host/path")
    return url


def required(name: str, env: Environment, problems: Problems, fix: str) -> str:
    """Return the secret in a variable, or in the file that `<name>_FILE` names; note a missing one."""
    value = env.secret(name)
    if not value and env.exact(f"{name}_FILE") is None:
        problems.add(name, f"is not set, and plangate.yml names it: {fix}")
    return value


def _callable(url: str) -> bool:
    """Whether a receiver's address can be called. Teams' addresses have a `?` with a signature."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and is_secure(url)
    except ValueError:
        return False


def _mail_server(env: Environment, problems: Problems) -> MailServer | None:
    address, sender = env.text("PLANGATE_SMTP"), env.text("PLANGATE_SMTP_FROM")
    if not address:
        return None
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        host, port = "", 0
    if not host or parts.scheme not in _PORTS or parts.path.strip("/") or parts.query or parts.fragment:
        # The address is not repeated: it has a password in it (promise 6).
        problems.add("PLANGATE_SMTP", "is not valid: write it as smtps://user:password@host:465")
        return None
    try:
        mail_address(sender)
    except ValueError as error:
        problems.add("PLANGATE_SMTP_FROM", str(error) if sender else "is not set: write the sender's address")
        return None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return MailServer(host, port, sender, parts.scheme == "smtps", user, password)
