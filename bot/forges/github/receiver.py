"""Receives GitHub's webhooks: reads the headers and verifies the signature."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from bot.domain.errors import Invalid
from bot.domain.events import RepoRef
from bot.domain.terms import PULL_REQUESTS, ForgeWords
from bot.forges.fields import optional_text
from bot.forges.github import webhook
from bot.services.ports import HookEvent, HookHeaders

_DELIVERY = re.compile(r"[A-Za-z0-9_-]{1,100}")
_EVENT = re.compile(r"[a-z0-9_]{1,60}")
_CONTENT_TYPE = "content-type"


@dataclass(frozen=True)
class GitHubHook:
    """The Hook port for one GitHub instance. `web_url` has no trailing slash; empty if it is not known."""

    name: str
    secrets: tuple[str, ...] = field(repr=False)
    web_url: str = "https://github.com"
    kind: str = "github"
    words: ForgeWords = PULL_REQUESTS

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the raw body was signed with one of our secrets."""
        return webhook.verify(self.secrets, body, headers.get(webhook.SIGNATURE_HEADER.lower()))

    def read(self, headers: Mapping[str, str], body: bytes) -> HookHeaders:  # noqa: ARG002
        """Return the delivery's id and event. Raises Invalid if a header is missing or malformed."""
        delivery = headers.get(webhook.DELIVERY_HEADER.lower(), "")
        event = headers.get(webhook.EVENT_HEADER.lower(), "")
        if not is_delivery_id(delivery):
            raise Invalid(f"the header {webhook.DELIVERY_HEADER} is missing or is not the id of a delivery")
        if not _EVENT.fullmatch(event):
            raise Invalid(f"the header {webhook.EVENT_HEADER} is missing or is not the name of an event")
        kept = {webhook.EVENT_HEADER.lower(): event, _CONTENT_TYPE: headers.get(_CONTENT_TYPE, "")[:200]}
        return HookHeaders(delivery, event, kept)

    def check(self, read: HookHeaders, body: bytes) -> HookEvent:
        """Return the delivery's repository and its meaning. Raises Invalid."""
        payload = webhook.load(body, read.kept_headers.get(_CONTENT_TYPE, ""))
        repo = (optional_text(payload, "repository.full_name") or "").lower()
        return HookEvent(repo, webhook.understand(self.name, read.event, payload))

    def commit_url(self, repo: RepoRef, sha: str) -> str:
        """Return the page of a commit."""
        return f"{self.web_url}/{quote(repo.path)}/commit/{quote(sha)}" if self.web_url else ""


def is_delivery_id(given: str) -> bool:
    """Whether a text can be the id of a delivery."""
    return _DELIVERY.fullmatch(given) is not None
