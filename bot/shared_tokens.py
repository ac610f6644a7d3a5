"""Access tokens that all processes share through Redis, encrypted.

A token of a GitHub App is good for an hour. Without this, each process of each run fetches its own. Redis is
only a cache here: without it, and without what it kept, each process fetches a token of its own.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from redis import Redis
from redis.exceptions import RedisError

from bot.domain.errors import PlangateError
from bot.services.ports import AccessToken, Clock, Vault

log = logging.getLogger(__name__)

_ANSWERS_WITHIN = 1.0
# A process that fetches a token is waited for this long, and is taken for lost after that.
_PATIENCE = timedelta(seconds=5)
_LOOK = timedelta(milliseconds=50)


class RedisTokens:
    """The AccessTokens port on Redis. What it stores is encrypted, with its name inside.

    Somebody who can write to Redis can neither invent a token nor pass one off under another name. Connects
    on first use, so that each fork has its own connection.
    """

    def __init__(self, redis_url: str, vault: Vault, clock: Clock) -> None:
        self._url = redis_url
        self._vault = vault
        self._clock = clock
        self._redis: Redis | None = None

    def get(self, name: str, spare: timedelta, fetch: Callable[[], AccessToken]) -> AccessToken:
        """Return a token that is valid for longer than `spare`. Raises what `fetch` raises.

        Processes that ask at once fetch one.
        """
        try:
            found = self._find(name, spare) or self._once_fetched(name, spare)
        except RedisError as error:
            log.warning("Redis does not answer, so this process fetches an access token itself: %s", error)
            return fetch()
        if found is not None:
            return found
        try:
            token = fetch()
            self._keep(name, spare, token)
        finally:
            self._release(name)
        return token

    def drop(self, name: str, token: str) -> None:
        """Delete a token that was refused. A newer one stays."""
        try:
            kept = self._read(name)
            if kept is not None and kept.token == token:
                self._connection().delete(_key(name))
        except RedisError as error:
            log.warning("Redis does not answer, so a refused access token stays there: %s", error)

    def _find(self, name: str, spare: timedelta) -> AccessToken | None:
        kept = self._read(name)
        return kept if kept is not None and kept.until - spare > self._clock.now() else None

    def _once_fetched(self, name: str, spare: timedelta) -> AccessToken | None:
        """Return the token that another process is fetching. None if this one should fetch it."""
        deadline = time.monotonic() + _PATIENCE.total_seconds()
        while not self._connection().set(_claim(name), 1, nx=True, px=_PATIENCE):
            if time.monotonic() > deadline:
                return None
            self._clock.wait(_LOOK)
            if found := self._find(name, spare):
                return found
        # The one that fetched may have finished between our look and our claim.
        found = self._find(name, spare)
        if found is not None:
            self._release(name)
        return found

    def _keep(self, name: str, spare: timedelta, token: AccessToken) -> None:
        length = token.until - spare - self._clock.now()
        if length <= timedelta(milliseconds=1):
            return
        content = {
            "name": name,
            "token": token.token,
            "since": token.since.timestamp(),
            "until": token.until.timestamp(),
        }
        try:
            self._connection().set(_key(name), self._vault.encrypt(json.dumps(content).encode()), px=length)
        except RedisError as error:
            log.warning("Redis does not answer, so an access token is not shared: %s", error)

    def _release(self, name: str) -> None:
        try:
            self._connection().delete(_claim(name))
        except RedisError as error:
            log.warning("Redis does not answer, so others wait some seconds for a token: %s", error)

    def _read(self, name: str) -> AccessToken | None:
        stored = self._connection().get(_key(name))
        if not isinstance(stored, bytes):
            return None
        try:
            found = json.loads(self._vault.decrypt(stored))
            if found["name"] != name:
                return None
            return AccessToken(found["token"], _moment(found["since"]), _moment(found["until"]))
        except (PlangateError, ValueError, TypeError, KeyError):
            # Encrypted with keys that are gone, or not written by us.
            return None

    def _connection(self) -> Redis:
        if self._redis is None:
            self._redis = Redis.from_url(
                self._url, socket_connect_timeout=_ANSWERS_WITHIN, socket_timeout=_ANSWERS_WITHIN
            )
        return self._redis


def _key(name: str) -> str:
    return f"plangate:token:{hashlib.sha256(name.encode()).hexdigest()}"


def _claim(name: str) -> str:
    return f"{_key(name)}:fetching"


def _moment(stamp: float) -> datetime:
    return datetime.fromtimestamp(stamp, UTC)
