"""Makes single and paged calls to GitHub's REST API, and translates the libraries' errors.

githubkit sends. Its models are not used, because they refuse an answer with one unknown field.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache

import httpx
from githubkit import GitHub, UnauthAuthStrategy
from githubkit.cache import MemCacheStrategy
from githubkit.exception import GitHubException, RequestFailed

from bot.domain.errors import ConfigError, ForgeUnavailable
from bot.forges.answers import Answering
from bot.forges.github.errors import translated
from bot.forges.timeouts import Timeouts, limited
from bot.services.ports import Meter

PUBLIC_API = "https://api.github.com"
API_VERSION = "2022-11-28"
PER_PAGE = 100
# Source: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
_LEFT = "x-ratelimit-remaining"


@dataclass(frozen=True)
class Ask:
    """A call: where to, and in words what for (`comment 7 of acme/infra`).

    With the `etag` of an earlier answer, GitHub answers only if the answer would be another one.
    """

    method: str
    path: str
    what: str
    query: Mapping[str, str | int] | None = None
    body: Mapping[str, object] | None = None
    etag: str = ""


@dataclass(frozen=True)
class Answer:
    """GitHub's JSON, and whether GitHub says that another page follows (None: it does not say).

    `following` is the address of that page, empty if there is none or GitHub does not say.
    Not `fresh` if it is what the call's `etag` stands for: then there is no JSON. `scopes` are those of a
    classic token, None if GitHub does not name them; `ends` is when a token does.
    """

    data: object
    more: bool | None = None
    scopes: frozenset[str] | None = None
    ends: datetime | None = None
    etag: str = ""
    fresh: bool = True
    following: str = ""


@cache
def _trusted() -> ssl.SSLContext:
    """Read the certificates once, not for each call: it takes longer than most calls."""
    return httpx.create_ssl_context()


def _ends(said: str | None) -> datetime | None:
    """Read when a token ends: `2026-12-24 13:37:00 UTC`, or with an offset."""
    try:
        found = datetime.fromisoformat(
            (said or "").replace(" UTC", "+00:00").replace(" -", "-").replace(" +", "+")
        )
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


class Api(Answering):
    """GitHub's REST API at one address. `where` is how messages name it."""

    def __init__(self, where: str, url: str, timeouts: Timeouts, meter: Meter | None = None) -> None:
        if not url.startswith(("https://", "http://")):
            raise ConfigError(f"{where}: the address of its API should begin with https://, not {url!r}")
        self.where = where
        self.meter = meter or self.meter
        self.url = url.rstrip("/")
        self._timeout = httpx.Timeout(timeouts.read, connect=timeouts.connect)
        self.github = GitHub(
            UnauthAuthStrategy(),
            base_url=url,
            user_agent="plangate",
            timeout=self._timeout,
            ssl_verify=_trusted(),
            # No caching: a cached answer would hide a person's recent edit of a comment.
            http_cache=False,
            # githubkit's own retry would send a comment three times on a 502. The caller retries (promise 4).
            auto_retry=False,
            # The shared default would hand one instance's App token to another's.
            cache_strategy=MemCacheStrategy(),
        )

    def call(self, token: str, ask: Ask) -> Answer:
        """Make one call. Raises ForgeUnavailable, ForgeRefused, NotFound."""
        headers = {"X-GitHub-Api-Version": API_VERSION}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if ask.etag:
            headers["If-None-Match"] = ask.etag
        try:
            with self.counting() as answered:
                response = self._sent(ask, headers, answered)
        except GitHubException as error:
            raise translated(error, self.where, ask.what) from error
        except (ValueError, OverflowError, OSError) as error:
            # githubkit reads `retry-after` as whole seconds and stumbles over a date.
            raise limited(self.where) from error
        try:
            data = response.json() if response.content else None
        except (ValueError, RecursionError) as error:
            raise ForgeUnavailable(f"{self.where} answered without JSON when asked for {ask.what}") from error
        named = response.headers.get("x-oauth-scopes")
        scopes = None if named is None else frozenset(filter(None, named.replace(",", " ").split()))
        more = "next" in response.links if response.links else None
        return Answer(
            data,
            more,
            scopes,
            _ends(response.headers.get("github-authentication-token-expiration")),
            response.headers.get("etag", ""),
            fresh=response.status_code != 304,
            following=response.links.get("next", {}).get("url", ""),
        )

    def _sent(
        self, ask: Ask, headers: Mapping[str, str], answered: Callable[[int, str | None], None]
    ) -> httpx.Response:
        try:
            response = self.github.request(
                ask.method, ask.path.lstrip("/"), params=ask.query, json=ask.body, headers=headers
            ).raw_response
        except RequestFailed as error:
            refused = error.response.raw_response
            answered(refused.status_code, refused.headers.get(_LEFT))
            raise
        answered(response.status_code, response.headers.get(_LEFT))
        return response

    def date(self) -> datetime:
        """Return the time by the server's clock; any answer will do, and no token is needed.

        Raises ForgeUnavailable, ForgeRefused.
        """
        try:
            # This address does not count against a limit.
            answer = httpx.get(f"{self.url}/rate_limit", timeout=self._timeout, verify=_trusted())
            date = parsedate_to_datetime(answer.headers.get("date", ""))
            return date.replace(tzinfo=date.tzinfo or UTC)
        except httpx.HTTPError as error:
            raise ForgeUnavailable(f"{self.where} cannot be reached: {type(error).__name__}") from error
        except ValueError as error:
            raise self.unexpected("the time") from error

    @contextmanager
    def one_connection(self) -> Iterator[None]:
        """Make the calls in the block over one connection; can't be nested."""
        with self.github:
            yield

    def pages(self, send: Callable[[Ask], Answer], ask: Ask) -> Iterator[list[object]]:
        """Yield a list's pages, sending for the next only when it is wanted."""
        page = 1
        while True:
            query = {**(ask.query or {}), "per_page": PER_PAGE, "page": page}
            answer = send(replace(ask, query=query))
            if not isinstance(answer.data, list):
                raise self.unexpected(ask.what)
            yield answer.data
            full = len(answer.data) >= PER_PAGE
            if not (full if answer.more is None else answer.more):
                return
            page += 1
