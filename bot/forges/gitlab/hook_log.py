"""GitLab's list of the events of a project's webhook. Has it send some again.

The list came with GitLab 17.3, sending again with 17.4; both need the role Maintainer.
Source: https://docs.gitlab.com/api/project_webhooks/
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from bot.domain.errors import ForgeError, Invalid, NotFound, NotOffered
from bot.domain.events import RepoRef
from bot.forges.fields import look, number, optional_text
from bot.forges.gitlab import receiver, signing, webhook
from bot.forges.gitlab.api import Api
from bot.forges.gitlab.paths import project
from bot.forges.gitlab.webhook_setup import leads
from bot.forges.hook_log import ListedAttempt, Page, read
from bot.services.ports.failed_deliveries import FailedAttempt, HookNews

# An event has its whole body: GitLab lists no more at once.
_PER_PAGE = 20
_ATTEMPT = re.compile(r"([0-9]{1,19})/([0-9]{1,19})")
_DELIVERED = re.compile(r"2[0-9]{2}")
_VERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})\b.*")
_ROLE = "Maintainer"
# Of a time in seconds, as where a signature is verified.
_DIGITS = 11
_LISTS, _SENDS_AGAIN = (17, 3), (17, 4)


class HookLog:
    """Implements ForgeHookLog through an API."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def hook_of(self, repo: RepoRef) -> RepoRef:
        """Return the project: each has its own webhook."""
        return repo

    def failed(self, hook: RepoRef, url: str, mark: str) -> HookNews:
        """Return the deliveries that failed: one call, and one for each twenty.

        Raises NotFound if the project has no webhook of its own that leads to `url`.
        """
        here = self._number(hook, url)
        what = f"webhook events of {hook.path}"

        def page(name: str) -> Page:
            asked = int(name or 1)
            query = {"per_page": _PER_PAGE if mark else 1, "page": asked}
            path = f"{project(hook)}/hooks/{here}/events"
            try:
                answer = self._api.call("get", path, what, query=query, role=_ROLE)
            except NotFound:
                self._check_version(_LISTS, "lists the deliveries of webhooks")
                raise
            if not isinstance(answer.data, list):
                raise Invalid("there should be a list")
            full = asked + 1 if len(answer.data) >= _PER_PAGE else 0
            following = full if answer.next_page is None else answer.next_page
            return Page([_entry(each, here) for each in answer.data], str(following or ""))

        with self._api.expecting(what):
            news = read(mark, page)
        return HookNews(news.failed, news.mark, news.more, news.calls + 1)

    def send_again(self, hook: RepoRef, attempt_id: str) -> None:
        """Have a delivery sent again: one call. GitLab answers when it has been sent."""
        named = _ATTEMPT.fullmatch(attempt_id)
        if named is None:
            raise NotFound(f"{self._api.where} has no event {attempt_id} of a webhook of {hook.path}")
        path = f"{project(hook)}/hooks/{named[1]}/events/{named[2]}/resend"
        try:
            self._api.call("post", path, f"webhook event {named[2]} again", role=_ROLE)
        except NotFound:
            self._check_version(_SENDS_AGAIN, "sends webhooks again")
            raise

    def _check_version(self, least: tuple[int, int], what: str) -> None:
        """Check why there is no such address. Raises NotOffered if GitLab is too old for it."""
        try:
            said = optional_text(self._api.call("get", "/version", "its version").data, "version") or ""
        except (ForgeError, NotFound):
            return
        found = _VERSION.fullmatch(said)
        if found is not None and (int(found[1]), int(found[2])) < least:
            here, needed = f"{found[1]}.{found[2]}", f"{least[0]}.{least[1]}"
            raise NotOffered(
                f"{self._api.where} is GitLab {here}, and {what} only from {needed} on: update it"
            )

    def _number(self, hook: RepoRef, url: str) -> int:
        what = f"webhooks of {hook.path}"
        for page in self._api.pages(f"{project(hook)}/hooks", what, role=_ROLE):
            for each in page:
                if leads(each, url):
                    with self._api.expecting(what):
                        return number(each, "id")
        raise NotFound(f"{hook.path} has no webhook of its own that leads to {url}")


def _entry(found: object, here: int) -> ListedAttempt:
    name = number(found, "id")
    status = look(found, "response_status")
    # If nobody answered, the status is words.
    delivered = isinstance(status, str | int) and _DELIVERED.fullmatch(str(status)) is not None
    given = look(found, "request_headers")
    headers = (
        {str(key).lower(): str(value) for key, value in given.items()} if isinstance(given, Mapping) else {}
    )
    event = headers.get(webhook.EVENT_HEADER.lower(), "")
    # In the same order as where the webhook is received. What we would not take in is not asked for.
    delivery = headers.get(signing.ID_HEADER) or headers.get(receiver.IDEMPOTENCY_HEADER) or ""
    if not receiver.is_delivery_id(delivery) or not webhook.concerns_us(event):
        return ListedAttempt(name, delivered, None)
    at = _sent_at(headers.get(signing.TIMESTAMP_HEADER, ""))
    return ListedAttempt(name, delivered, FailedAttempt(f"{here}/{name}", delivery, event, at))


def _sent_at(given: str) -> datetime | None:
    """Return when a signed webhook was sent, in UTC. Of others GitLab tells no time."""
    if not (given.isascii() and given.isdigit() and len(given) <= _DIGITS):
        return None
    return datetime.fromtimestamp(int(given), UTC)
