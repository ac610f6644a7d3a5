"""Counting what happens: the metrics that an operator watches, and the port that counts them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, Protocol


class MetricKind(StrEnum):
    """How a metric's values behave. The words are Prometheus's."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric. `labels` are the names of its labels, in their order.

    `buckets` are the upper bounds of a histogram's buckets, growing, in the metric's unit. Each label has few
    values: a forge, a queue, a status. Never one for each change, run or person: Prometheus keeps each
    combination for ever.

    `always` has the values of labels of series that exist from the start, at 0. Otherwise Prometheus
    would not see the first count as an increase.
    """

    name: str
    kind: MetricKind
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    always: tuple[tuple[str, ...], ...] = ()


class SeriesPart(NamedTuple):
    """One stored number: the metric's name, which part of it, and the values of its labels in their order.

    The part is empty for counters and gauges. For histograms it is `sum`, or the upper bound of a bucket,
    whose number counts only what falls into that bucket.
    """

    metric: str
    part: str
    values: tuple[str, ...]


class Spans(Protocol):
    """Traces the work at hand: how long its parts took, over processes."""

    def span(self, name: str, *, last: bool = False) -> AbstractContextManager[None]:
        """Trace the work in the block. `last`: the process may end after it."""
        ...

    def past(self, name: str, begun: datetime, ended: datetime) -> None:
        """Add work that is done already."""
        ...


class Meter(Protocol):
    """Counts for all processes together. Never raises, and never delays work: a lost count does no harm.

    The labels' names are those of the metric: ValueError, if not.
    """

    def count(self, metric: Metric, amount: float = 1, /, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Add a value to a histogram."""
        ...

    def set(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Set a gauge."""
        ...

    def read(self) -> Mapping[SeriesPart, float]:
        """Return every number. Raises ConnectionError if they can't be read."""
        ...
