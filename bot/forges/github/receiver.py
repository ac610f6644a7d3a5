"""GitHub as the webhooks' receiver sees it: which headers say what, and whose signature counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from bot.domain.errors import Invalid
from bot.domain.events import Ignored, RepoRef
from bot.domain.words import PULL_REQUESTS, ForgeWords
from bot.forges.fields import optional_text
from bot.forges.github import webhook
from bot.services.ports import HookChecked, HookRead

_DELIVERY = re.compile(r"[A-Za-z0-9_-]{1,100}")
_EVENT = re.compile(r"[a-z0-9_]{1,60}")
_CONTENT_TYPE = "content-type"


@dataclass(frozen=True)
class GitHubHook:
    """The Hook port for one GitHub instance. `web_url` has no trailing slash; empty where it is not known."""

    name: str
    secrets: tuple[str, ...] = field(repr=False)
    web_url: str = "https://github.com"
    kind: str = "github"
    words: ForgeWords = PULL_REQUESTS

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the raw body was signed with one of our secrets."""
        return webhook.verify(self.secrets, body, headers.get(webhook.SIGNATURE_HEADER.lower()))

    def read(self, headers: Mapping[str, str], body: bytes) -> HookRead:  # noqa: ARG002
        """Return the delivery's id and event. Raises Invalid where a header is missing or malformed."""
        delivery = headers.get(webhook.DELIVERY_HEADER.lower(), "")
        event = headers.get(webhook.EVENT_HEADER.lower(), "")
        if not _DELIVERY.fullmatch(delivery):
            raise Invalid(f"the header {webhook.DELIVERY_HEADER} is missing or no delivery's id")
        if not _EVENT.fullmatch(event):
            raise Invalid(f"the header {webhook.EVENT_HEADER} is missing or no event's name")
        kept = {webhook.EVENT_HEADER.lower(): event, _CONTENT_TYPE: headers.get(_CONTENT_TYPE, "")[:200]}
        return HookRead(delivery, event, kept)

    def check(self, read: HookRead, body: bytes) -> HookChecked:
        """Say of which repository it tells, and why it leads to nothing if it does. Raises Invalid."""
        payload = webhook.load(body, read.kept_headers.get(_CONTENT_TYPE, ""))
        found = webhook.understand(self.name, read.event, payload)
        repo = (optional_text(payload, "repository.full_name") or "").lower()
        return HookChecked(repo, found.reason if isinstance(found, Ignored) else "")

    def commit_url(self, repo: RepoRef, sha: str) -> str:
        """Return the page of a commit."""
        return f"{self.web_url}/{quote(repo.path)}/commit/{quote(sha)}" if self.web_url else ""
