"""Receives GitLab's webhooks: reads the headers and verifies the sender."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import quote

from bot.domain.errors import Invalid
from bot.domain.events import Ignored, RepoRef
from bot.domain.terms import MERGE_REQUESTS, ForgeWords
from bot.forges.fields import json_object, optional_text
from bot.forges.gitlab import signing, webhook
from bot.services.ports import HookEvent, HookHeaders

# Within how many seconds the same body for the same event counts as the same delivery.
WINDOW = 300
IDEMPOTENCY_HEADER = "idempotency-key"
_EVENT_HEADER = webhook.EVENT_HEADER.lower()
_DELIVERY = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_EVENT = re.compile(r"[A-Za-z][A-Za-z ]{0,59}")


@dataclass(frozen=True)
class GitLabHook:
    """The Hook port for one GitLab instance. `web_url` has no trailing slash, and may have a path.

    `secrets` are secret tokens, or signing tokens where they begin with `whsec_`.
    """

    name: str
    secrets: tuple[str, ...] = field(repr=False)
    now: Callable[[], datetime]
    web_url: str = "https://gitlab.com"
    kind: str = "gitlab"
    words: ForgeWords = MERGE_REQUESTS

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the delivery carries one of our secrets, or a signature of one if it is signed."""
        return signing.verify(self.secrets, headers, body, self.now().timestamp())

    def read(self, headers: Mapping[str, str], body: bytes) -> HookHeaders:
        """Return the delivery's id and event. Raises Invalid if a header is missing or malformed."""
        event = headers.get(_EVENT_HEADER, "")
        if not _EVENT.fullmatch(event):
            raise Invalid(f"the header {webhook.EVENT_HEADER} is missing or is not the name of an event")
        # Not X-Gitlab-Event-UUID: webhooks that set each other off share it.
        for name in (signing.ID_HEADER, IDEMPOTENCY_HEADER):
            if (given := headers.get(name, "")) and not is_delivery_id(given):
                raise Invalid(f"the header {name} is not the id of a delivery")
            if given:
                return HookHeaders(given, event, {_EVENT_HEADER: event})
        return HookHeaders(self._digest(event, body), event, {_EVENT_HEADER: event})

    def check(self, read: HookHeaders, body: bytes) -> HookEvent:
        """Return the delivery's project and its meaning.

        Never raises Invalid: GitLab switches a webhook off that answers with 4xx a few times, so that what
        cannot be read is taken in and said to lead to nothing (promise 7).
        """
        repo = ""
        try:
            payload = json_object(body)
            repo = (optional_text(payload, webhook.PROJECT) or "").lower()
            return HookEvent(repo, webhook.understand(self.name, read.event, payload))
        except Invalid as why:
            return HookEvent(repo, Ignored(f"the body could not be read: {why}"))

    def commit_url(self, repo: RepoRef, sha: str) -> str:
        """Return the page of a commit."""
        return f"{self.web_url}/{quote(repo.path)}/-/commit/{quote(sha)}" if self.web_url else ""

    def _digest(self, event: str, body: bytes) -> str:
        """Return an id for a delivery of a version that sends none (before GitLab 17.4).

        The same branch may be pushed to and fro, so that equal bodies are one delivery only for a while.
        """
        window = int(self.now().timestamp()) // WINDOW
        head = f"{self.name}\n{event}\n{window}\n".encode()
        return f"digest-{hashlib.sha256(head + body).hexdigest()[:40]}"


def is_delivery_id(given: str) -> bool:
    """Whether a text can be the id of a delivery."""
    return _DELIVERY.fullmatch(given) is not None
