"""Counts that all processes share through Redis: the Meter port.

A worker runs each plan and apply in a process of its own, which ends. So a count leaves the process at once.
Any web process can answer for the whole installation, and no machine needs a port for its workers.

Losing what Redis has makes counters start again at zero. Monitoring systems expect that after a restart.
"""

from __future__ import annotations

import json
import logging
import math
import os
import threading
import time
from collections.abc import Mapping

from redis import Redis
from redis.exceptions import RedisError, ResponseError

from bot.services.metrics.series import part_of, parts_of_value
from bot.services.ports import Metric, MetricKind, SeriesPart

log = logging.getLogger(__name__)

_HASH = "plangate:counts"
_ANSWERS_WITHIN = 1.0
# In seconds: without Redis, counting must not cost each caller a timeout.
_PAUSE = 5.0
# Parts that a process keeps while Redis is away. There are fewer series than that.
_MOST_KEPT = 2000


class RedisMeter:
    """Counts in one hash of Redis. Connects on first use, so that each fork has its own connection.

    While Redis is away, the counts wait in the process. They are lost only if it ends before Redis is back.
    """

    def __init__(self, redis_url: str) -> None:
        self._url = redis_url
        self._redis: Redis | None = None
        self._reset()

    def count(self, metric: Metric, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter. Raises ValueError if the labels are not the metric's."""
        self._send({part_of(metric, MetricKind.COUNTER, labels): amount}, {})

    def observe(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Add a value to a histogram. Raises ValueError if the labels are not the metric's."""
        self._send(parts_of_value(metric, value, labels), {})

    def set(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Set a gauge. Raises ValueError if the labels are not the metric's."""
        self._send({}, {part_of(metric, MetricKind.GAUGE, labels): value})

    def read(self) -> Mapping[SeriesPart, float]:
        """Return every number that can be read as one. Raises ConnectionError."""
        try:
            stored: Mapping[bytes, bytes] = self._connection().hgetall(_HASH)  # type: ignore[assignment]  # of all its kinds, this one
        except RedisError as error:
            raise ConnectionError(f"Redis does not answer: {error}") from error
        found = ((_part(field), _number(value)) for field, value in stored.items())
        return {part: number for part, number in found if part is not None and number is not None}

    def try_again(self) -> None:
        """Send at the next count, also if Redis was away a moment ago."""
        self._not_before = 0.0

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._added: dict[SeriesPart, float] = {}
        self._levels: dict[SeriesPart, float] = {}
        self._not_before = 0.0

    def _send(self, added: Mapping[SeriesPart, float], levels: Mapping[SeriesPart, float]) -> None:
        if self._pid != os.getpid():
            # A fork: what its parent still keeps is the parent's to send.
            self._reset()
        with self._lock:
            self._levels.update(levels)
            self._added = _sum(self._added, added)
            if time.monotonic() < self._not_before:
                return
            added, levels = self._added, self._levels
            self._added, self._levels = {}, {}
        try:
            self._write(added, levels)
        except ResponseError as error:
            log.warning("metrics are not counted, for Redis refuses them: %s", error)
        except RedisError as error:
            self._keep(added, levels, error)

    def _write(self, added: Mapping[SeriesPart, float], levels: Mapping[SeriesPart, float]) -> None:
        together = self._connection().pipeline(transaction=False)
        for part, amount in added.items():
            together.hincrbyfloat(_HASH, _field(part), amount)
        for part, value in levels.items():
            together.hset(_HASH, _field(part), repr(float(value)))
        together.execute()

    def _keep(
        self, added: Mapping[SeriesPart, float], levels: Mapping[SeriesPart, float], error: RedisError
    ) -> None:
        with self._lock:
            self._not_before = time.monotonic() + _PAUSE
            if len(self._added) + len(added) <= _MOST_KEPT:
                self._added = _sum(self._added, added)
            self._levels = {**levels, **self._levels}
        log.warning("Redis does not answer, so metrics are counted later: %s", error)

    def _connection(self) -> Redis:
        if self._redis is None:
            self._redis = Redis.from_url(
                self._url, socket_connect_timeout=_ANSWERS_WITHIN, socket_timeout=_ANSWERS_WITHIN
            )
        return self._redis


def _sum(one: Mapping[SeriesPart, float], other: Mapping[SeriesPart, float]) -> dict[SeriesPart, float]:
    return {part: one.get(part, 0) + other.get(part, 0) for part in {**one, **other}}


def _field(part: SeriesPart) -> str:
    return json.dumps([part.metric, part.part, *part.values], separators=(",", ":"))


def _part(field: bytes) -> SeriesPart | None:
    """Read a field. None if it is not ours: the text may be hostile."""
    try:
        found = json.loads(field)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or len(found) < 2 or not all(isinstance(each, str) for each in found):
        return None
    return SeriesPart(found[0], found[1], tuple(found[2:]))


def _number(value: bytes) -> float | None:
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
