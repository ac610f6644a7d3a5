"""Reads every metric: what processes counted, and what is measured now."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.domain.errors import PlangateError
from bot.services.metrics.catalogue import (
    BUILD,
    COUNTED,
    DATABASE_SECONDS,
    DATABASE_UP,
    DELIVERIES_OLDEST_SECONDS,
    DELIVERIES_WAITING,
    QUEUE_JOBS,
    QUEUE_OLDEST_SECONDS,
    REDIS_SECONDS,
    REDIS_UP,
    REPORTS_OLDEST_SECONDS,
    REPORTS_WAITING,
    RUNS,
    SWEEP_AGE_SECONDS,
    WORKERS,
)
from bot.services.ports import Clock, Meter, Metric, Queues, RunsOfProject, SeriesPart, Store, WaitingWork

log = logging.getLogger(__name__)

OTHERS = "(others)"
"""The label of the projects that have no series of their own."""

MOST_PROJECTS = 50
MOST_SERIES = 1000
"""Series of one metric. What is counted stays far below it. It limits what somebody wrote into Redis."""


@dataclass(frozen=True)
class Reading:
    """A metric and its numbers: by the values of its labels, and then by part (`SeriesPart.part`)."""

    metric: Metric
    numbers: Mapping[tuple[str, ...], Mapping[str, float]]


class Measurements:
    """Reads the metrics of the whole installation. Any process can do it."""

    def __init__(self, store: Store, queues: Queues, clock: Clock, meter: Meter, version: str) -> None:
        self._store = store
        self._queues = queues
        self._clock = clock
        self._meter = meter
        self._version = version

    def read(self) -> list[Reading]:
        """Return every metric that can be read now. What needs a part that does not answer is missing."""
        return [Reading(BUILD, {(self._version,): {"": 1}}), *self._of_database(), *self._of_redis()]

    def _of_database(self) -> Iterator[Reading]:
        begun = self._clock.now()
        try:
            with self._store.reading() as tx:
                runs, deliveries, reports = tx.backlog.runs(), tx.backlog.deliveries(), tx.backlog.reports()
        except PlangateError as error:
            log.warning("the database does not answer, so its metrics are missing: %s", error)
            yield _single(DATABASE_UP, 0)
            return
        yield _single(DATABASE_UP, 1)
        yield _single(DATABASE_SECONDS, self._since(begun))
        yield Reading(RUNS, _by_project(runs))
        yield from self._waiting(DELIVERIES_WAITING, DELIVERIES_OLDEST_SECONDS, deliveries)
        yield from self._waiting(REPORTS_WAITING, REPORTS_OLDEST_SECONDS, reports)

    def _of_redis(self) -> Iterator[Reading]:
        begun = self._clock.now()
        try:
            load, swept, counted = self._queues.load(), self._queues.swept_at(), self._meter.read()
        except ConnectionError as error:
            log.warning("Redis does not answer, so its metrics are missing: %s", error)
            yield _single(REDIS_UP, 0)
            return
        yield _single(REDIS_UP, 1)
        yield _single(REDIS_SECONDS, self._since(begun))
        yield Reading(QUEUE_JOBS, {(name,): {"": each.jobs} for name, each in load.items()})
        waits = {(name,): each.since for name, each in load.items()}
        yield Reading(
            QUEUE_OLDEST_SECONDS, {name: {"": self._since(at) if at else 0} for name, at in waits.items()}
        )
        yield Reading(WORKERS, {(name,): {"": each.workers} for name, each in load.items()})
        if swept is not None:
            yield _single(SWEEP_AGE_SECONDS, self._since(swept))
        yield from _counted(counted)

    def _waiting(self, count: Metric, oldest: Metric, found: WaitingWork) -> Iterator[Reading]:
        yield _single(count, found.count)
        yield _single(oldest, self._since(found.since) if found.since else 0)

    def _since(self, at: datetime) -> float:
        return max((self._clock.now() - at).total_seconds(), 0.0)


def _single(metric: Metric, number: float) -> Reading:
    return Reading(metric, {(): {"": number}})


def _by_project(runs: Sequence[RunsOfProject]) -> Mapping[tuple[str, ...], Mapping[str, float]]:
    """Count runs by status and project. The smaller projects count together."""
    sizes: Counter[str] = Counter()
    for each in runs:
        sizes[each.project] += each.count
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:MOST_PROJECTS]
    found: Counter[tuple[str, str]] = Counter()
    for each in runs:
        found[each.status.value, each.project if each.project in largest else OTHERS] += each.count
    return {labels: {"": count} for labels, count in found.items()}


def _counted(numbers: Mapping[SeriesPart, float]) -> Iterator[Reading]:
    """Sort the stored numbers by metric. Numbers that fit no metric of this version are left out."""
    found: dict[str, dict[tuple[str, ...], dict[str, float]]] = {}
    for part in sorted(numbers):
        found.setdefault(part.metric, {}).setdefault(part.values, {})[part.part] = numbers[part]
    for metric in COUNTED:
        fitting = [
            (values, parts)
            for values, parts in found.get(metric.name, {}).items()
            if len(values) == len(metric.labels)
        ]
        zeros = {values: {"": 0.0} for values in metric.always}
        yield Reading(metric, zeros | dict(fitting[:MOST_SERIES]))
