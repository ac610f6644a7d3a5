"""GitHub's list of the deliveries of a webhook: an App's, or a repository's. Has it send some again.

Sources: https://docs.github.com/rest/apps/webhooks and https://docs.github.com/rest/repos/webhooks
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from bot.domain.errors import Invalid, NotFound
from bot.domain.events import RepoRef
from bot.forges.fields import look, moment, number, text
from bot.forges.github import receiver, webhook
from bot.forges.github.api import PER_PAGE, Answer, Api, Ask
from bot.forges.github.paths import repo_path
from bot.forges.github.webhook_setup import leads
from bot.forges.hook_log import ListedAttempt, Page, read
from bot.services.ports.failed_deliveries import FailedAttempt, HookNews

# An attempt is listed when it ends. It has up to ten seconds, and its time is when it began.
_OVERLAP = timedelta(minutes=1)
_OF_APP = re.compile(r"[0-9]{1,19}")
_OF_REPO = re.compile(r"([0-9]{1,19})/([0-9]{1,19})")


class HookLog:
    """Implements ForgeHookLog. `send` makes a call: as the App itself, or with a token."""

    def __init__(self, api: Api, send: Callable[[Ask], Answer], *, of_app: bool) -> None:
        self._api = api
        self._send = send
        self._of_app = of_app

    def hook_of(self, repo: RepoRef) -> RepoRef:
        """Return the webhook of a repository; an App has one for all of them."""
        return RepoRef(repo.forge, "") if self._of_app else repo

    def failed(self, hook: RepoRef, url: str, mark: str, since: datetime) -> HookNews:
        """Return the deliveries that failed: one call for each hundred, and for a repository another one.

        Raises NotFound if the repository has no webhook of its own that leads to `url`.
        """
        here = "" if self._of_app else str(self._number(hook, url))
        what = f"webhook deliveries of {hook.path or 'the App'}"

        def page(cursor: str) -> Page:
            query: dict[str, str | int] = {"per_page": PER_PAGE if mark else 1}
            if cursor:
                query["cursor"] = cursor
            answer = self._send(Ask("GET", f"{self._place(hook, here)}/deliveries", what, query))
            if not isinstance(answer.data, list):
                raise Invalid("there should be a list")
            return Page([_entry(each, here) for each in answer.data], _cursor(answer.following))

        with self._api.expecting(what):
            overlap, oldest = int(_OVERLAP.total_seconds()), int(since.timestamp())
            news = read(mark, page, overlap=overlap, oldest=oldest)
        return HookNews(news.failed, news.mark, news.more, news.calls + bool(here))

    def send_again(self, hook: RepoRef, attempt_id: str) -> None:
        """Have a delivery sent again: one call."""
        named = (_OF_APP if self._of_app else _OF_REPO).fullmatch(attempt_id)
        if named is None:
            raise NotFound(f"{self._api.where} has no attempt {attempt_id} of a webhook of {hook.path}")
        here, attempt = ("", attempt_id) if self._of_app else (named[1], named[2])
        path = f"{self._place(hook, here)}/deliveries/{attempt}/attempts"
        self._send(Ask("POST", path, f"webhook delivery {attempt} again"))

    def _place(self, hook: RepoRef, here: str) -> str:
        return "/app/hook" if self._of_app else f"{repo_path(hook)}/hooks/{here}"

    def _number(self, hook: RepoRef, url: str) -> int:
        what = f"webhooks of {hook.path}"
        found = self._send(Ask("GET", f"{repo_path(hook)}/hooks", what, {"per_page": PER_PAGE})).data
        ours = [each for each in found if leads(each, url)] if isinstance(found, list) else []
        if not ours:
            raise NotFound(f"{hook.path} has no webhook of its own that leads to {url}")
        with self._api.expecting(what):
            return number(ours[0], "id")


def _entry(found: object, here: str) -> ListedAttempt:
    at = moment(found, "delivered_at")
    if at is None:
        raise Invalid("there should be a time at `delivered_at`")
    name = str(number(found, "id"))
    about = FailedAttempt(f"{here}/{name}" if here else name, text(found, "guid"), text(found, "event"), at)
    code = look(found, "status_code")
    delivered = isinstance(code, int) and 200 <= code < 300
    # What we would not take in is not asked for.
    wanted = webhook.concerns_us(about.event) and receiver.is_delivery_id(about.delivery_id)
    return ListedAttempt(int(at.timestamp()), delivered, about if wanted else None)


def _cursor(following: str) -> str:
    return parse_qs(urlsplit(following).query).get("cursor", [""])[0]
