"""Makes single and paged calls to GitLab's REST API, and translates the libraries' errors.

python-gitlab sends. Its objects are not used: answers are read field by field, like everywhere here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import requests
from gitlab import Gitlab
from gitlab.exceptions import GitlabError, RedirectError

from bot.domain.errors import ConfigError, ForgeRefused, ForgeUnavailable
from bot.forges.answers import Answering
from bot.forges.gitlab.errors import refused, unreachable
from bot.forges.timeouts import Timeouts
from bot.services.ports import Meter

PUBLIC_URL = "https://gitlab.com"
PER_PAGE = 100
# Source: https://docs.gitlab.com/administration/settings/user_and_ip_rate_limits/#response-headers
_LEFT = "RateLimit-Remaining"


@dataclass(frozen=True)
class TokenLogin:
    """A personal, project, group or OAuth access token: GitLab takes all of them as a bearer's."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """GitLab's JSON, and the number of the page that follows (0: none; None: it does not say)."""

    data: object
    next_page: int | None = None


class Api(Answering):
    """GitLab's REST API on one server. `where` is how messages name it, `url` its web address."""

    def __init__(
        self, where: str, url: str, login: TokenLogin, timeouts: Timeouts, meter: Meter | None = None
    ) -> None:
        if not url.startswith(("https://", "http://")):
            raise ConfigError(f"{where}: its address should begin with https://, not {url!r}")
        if not login.token or not login.token.isascii() or not login.token.isprintable():
            raise ConfigError(f"{where}: the token is empty or has invalid characters")
        self.where = where
        self.meter = meter or self.meter
        self._url = url.rstrip("/")
        self._timeouts = (timeouts.connect, timeouts.read)
        # As a bearer token: unlike GitLab's own header, it is dropped on a redirect to another server.
        self._gitlab = Gitlab(url, oauth_token=login.token, user_agent="plangate")
        # python-gitlab's errors lack the headers that say how long to wait.
        self._gitlab.session.hooks["response"].append(_raise_refusal)

    def call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str | int | list[str]] | None = None,
        body: Mapping[str, object] | None = None,
        role: str = "Developer",
    ) -> Answer:
        """Make one call; `what` says in words what for. It needs a `role`, which an error names.

        Raises ForgeUnavailable, ForgeRefused, NotFound.
        """
        sent: dict[str, Any] = {"post_data": dict(body)} if body is not None else {}
        try:
            with self.counting() as answered:
                response = self._sent(method, path, answered, query_data=dict(query or {}), **sent)
            data = response.json() if response.content else None
        except _Refusal as refusal:
            raise refused(refusal.response, self.where, what, role) from None
        except RedirectError as error:
            raise ForgeRefused(
                f"{self.where} redirects when asked for {what}: use the address of the redirect, with https"
            ) from error
        except requests.JSONDecodeError as error:
            raise ForgeUnavailable(f"{self.where} answered without JSON when asked for {what}") from error
        except requests.RequestException as error:
            raise unreachable(error, self.where, what) from error
        except (GitlabError, RecursionError) as error:
            raise ForgeRefused(
                f"{self.where} could not be asked for {what}: {type(error).__name__}"
            ) from error
        return Answer(data, _next_page(response))

    def _sent(
        self, method: str, path: str, answered: Callable[[int, str | None], None], **sent: Any
    ) -> requests.Response:
        try:
            response = self._gitlab.http_request(
                method,
                path,
                timeout=self._timeouts,  # type: ignore[arg-type]  # both are requests' to understand
                # python-gitlab's own retry would sleep in a worker, and send a note twice on a 502.
                # The caller retries (promise 4).
                obey_rate_limit=False,
                retry_transient_errors=False,
                max_retries=0,
                **sent,
            )
        except _Refusal as refusal:
            answered(refusal.response.status_code, refusal.response.headers.get(_LEFT))
            raise
        answered(response.status_code, response.headers.get(_LEFT))
        return response

    def date(self) -> datetime:
        """Return the time by the server's clock; any answer will do, and no token is needed.

        Raises ForgeUnavailable, ForgeRefused.
        """
        what = "the time"
        try:
            answer = requests.get(f"{self._url}/api/v4/version", timeout=self._timeouts)
            found = parsedate_to_datetime(answer.headers.get("Date", ""))
        except requests.RequestException as error:
            raise unreachable(error, self.where, what) from error
        except ValueError as error:
            raise self.unexpected(what) from error
        return found.replace(tzinfo=found.tzinfo or UTC)

    def pages(
        self,
        path: str,
        what: str,
        query: Mapping[str, str | int] | None = None,
        role: str = "Developer",
    ) -> Iterator[list[object]]:
        """Yield a list's pages, asking for the next only when it is wanted."""
        page = 1
        while page:
            wanted = {**(query or {}), "per_page": PER_PAGE, "page": page}
            answer = self.call("get", path, what, query=wanted, role=role)
            if not isinstance(answer.data, list):
                raise self.unexpected(what)
            yield answer.data
            if answer.next_page is None:
                page = page + 1 if len(answer.data) >= PER_PAGE else 0
            else:
                page = answer.next_page


class _Refusal(Exception):
    """An answer that is none of success, with its headers."""

    def __init__(self, response: requests.Response) -> None:
        super().__init__(response.status_code)
        self.response = response


def _raise_refusal(response: requests.Response, **_: object) -> None:
    if response.status_code >= 400:
        raise _Refusal(response)


def _next_page(response: requests.Response) -> int | None:
    given = response.headers.get("X-Next-Page")
    if given is None:
        return None
    return int(given) if given.isascii() and given.isdigit() else 0
