"""Destinations of notifications in plangate.yml: their form, and checks across values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bot.config.file.entry import Entry, Pattern, SetName
from bot.config.file.marked_yaml import Loc
from bot.config.file.names import variable_name
from bot.config.file.policies import Tags
from bot.config.problems import shown
from bot.config.settings import LOOPBACK, parse_duration, web_address

_MAIL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")
_MOST_GATHERED, _LEAST_WAIT, _MOST_WAIT = timedelta(hours=24), timedelta(minutes=1), timedelta(days=60)


def mail_address(text: str) -> str:
    """Check an e-mail address, without a name. Raises ValueError."""
    if not _MAIL.fullmatch(text):
        raise ValueError(f"{shown(text)} is not an e-mail address: write it as ops@example.com")
    return text


def secure_address(text: str) -> str:
    """Check the address of a receiver: https, or http on this machine. Raises ValueError."""
    address = web_address(text)
    if not is_secure(address):
        raise ValueError(f"{shown(address)} is not encrypted: write an address with https://")
    return address


def is_secure(address: str) -> bool:
    """Whether nobody between here and the receiver can read along."""
    found = re.match(r"(https?)://(\[[^\]]*\]|[^/:?#]*)", address)
    return found is not None and (found[1] == "https" or found[2].strip("[]") in LOOPBACK)


def _gather(text: str) -> str:
    if text != "0s" and parse_duration(text) > _MOST_GATHERED:
        raise ValueError(f"{shown(text)} must be from 0s to 24h")
    return text


def _remind(text: str) -> str:
    if not _LEAST_WAIT <= parse_duration(text) <= _MOST_WAIT:
        raise ValueError(f"{shown(text)} must be from 1m to 60d")
    return text


Triggers = list[
    Literal[
        "needs_attention",
        "errored",
        "applied",
        "drifted",
        "drift_resolved",
        "policy_failed",
        "approval_expiring",
    ]
]


class NotificationEntry(Entry):
    """A destination. Secrets come from the environment: `..._env` names the variable, never the value."""

    kind: Literal["slack", "teams", "email", "webhook"] = Field(description="Kind of destination")
    url_env: Annotated[str, AfterValidator(variable_name)] | None = Field(
        default=None, description="Variable with the address of the webhook. Slack's and Teams' are secrets"
    )
    url: Annotated[str, AfterValidator(secure_address)] | None = Field(
        default=None, description="Address of a generic webhook, unless it is a secret. Webhooks only"
    )
    key_env: Annotated[str, AfterValidator(variable_name)] | None = Field(
        default=None, description="Variable with the key that signs each call. Webhooks only"
    )
    to: list[Annotated[str, AfterValidator(mail_address)]] | None = Field(
        default=None, min_length=1, max_length=50, description="Recipients. E-mail only"
    )
    triggers: Triggers | None = Field(
        default=None,
        min_length=1,
        description="Events that are told. If unset: needs_attention, errored, policy_failed, drifted",
    )
    workspaces: list[Pattern] | None = Field(
        default=None, description="Names of workspaces, or patterns of names (`*`, `?`). If unset: all"
    )
    tags: Tags | None = Field(default=None, description="For workspaces with one of these tags")
    exclude: list[Pattern] | None = Field(default=None, description="Workspaces that it is never told about")
    gather: Annotated[str, AfterValidator(_gather)] | None = Field(
        default=None,
        description="How long events of a change are gathered into a message. If unset: 30s; webhooks: 0s",
    )
    remind_after: Annotated[str, AfterValidator(_remind)] | None = Field(
        default=None,
        description="How long a run waits for a person before `approval_expiring`. If unset: 24h",
    )


Notifications = dict[SetName, NotificationEntry]

_NEEDS = {
    "slack": ("url_env",),
    "teams": ("url_env",),
    "email": ("to",),
    "webhook": ("url or url_env", "key_env"),
}


def across_notifications(data: Mapping[str, Any]) -> Iterator[tuple[Loc, str]]:
    """Check that each destination has what its kind needs, and nothing of another kind."""
    entries = data.get("notifications")
    for name, entry in entries.items() if isinstance(entries, dict) else ():
        kind = entry.get("kind") if isinstance(entry, dict) else None
        if kind not in _NEEDS:
            continue
        loc: Loc = ("notifications", name)
        for needed in _NEEDS[kind]:
            if not any(entry.get(key) for key in needed.split(" or ")):
                yield loc, f"needs `{needed}`, because its kind is {kind}"
        allowed = {key for needed in _NEEDS[kind] for key in needed.split(" or ")}
        for key in ("url", "url_env", "key_env", "to"):
            if key in entry and key not in allowed:
                wanted = ": its address is a secret, write `url_env`" if key == "url" else ""
                yield (*loc, key), f"does not belong to the kind {kind}{wanted or ': remove it'}"
        if "url" in entry and "url_env" in entry:
            yield (*loc, "url"), "excludes `url_env`: keep one of them"
