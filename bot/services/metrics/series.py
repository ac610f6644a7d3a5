"""Where a count belongs: the stored numbers of a metric, shared by every implementation of the Meter port."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping

from bot.services.ports import Metric, MetricKind, SeriesPart

SUM = "sum"
MORE = "+Inf"
"""The bucket for what is above every bound."""

LONGEST_VALUE = 100
"""Characters of a label's value. Longer ones are cut."""


def part_of(metric: Metric, kind: MetricKind, labels: Mapping[str, str], part: str = "") -> SeriesPart:
    """Return the stored number of a metric. Raises ValueError if its kind or its labels are others."""
    if metric.kind is not kind:
        raise ValueError(f"{metric.name} is a {metric.kind}, not a {kind}")
    if set(labels) != set(metric.labels):
        raise ValueError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
    return SeriesPart(metric.name, part, tuple(labels[name][:LONGEST_VALUE] for name in metric.labels))


def parts_of_value(metric: Metric, value: float, labels: Mapping[str, str]) -> Mapping[SeriesPart, float]:
    """Return what a histogram's value adds to its stored numbers. Raises ValueError as `part_of`."""
    index = bisect_left(metric.buckets, value)
    bucket = f"{metric.buckets[index]:g}" if index < len(metric.buckets) else MORE
    kind = MetricKind.HISTOGRAM
    return {part_of(metric, kind, labels, bucket): 1, part_of(metric, kind, labels, SUM): value}


class SilentMeter:
    """A Meter that counts nothing, for commands that serve nobody."""

    def count(self, metric: Metric, amount: float = 1, /, **labels: str) -> None:
        """Count nothing."""

    def observe(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Count nothing."""

    def set(self, metric: Metric, value: float, /, **labels: str) -> None:
        """Keep nothing."""

    def read(self) -> Mapping[SeriesPart, float]:
        """Return nothing."""
        return {}
