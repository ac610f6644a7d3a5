"""A meter that keeps its counts in memory, for a test to read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from bot.services.metrics.series import part_of, parts_of_value
from bot.services.ports import Metric, MetricKind, SeriesPart


class FakeMeter:
    """Implements Meter."""

    def __init__(self) -> None:
        self._numbers: dict[SeriesPart, float] = {}

    def count(self, metric: Metric, amount: float = 1, /, **labels: str) -> None:
        self._add({part_of(metric, MetricKind.COUNTER, labels): amount})

    def observe(self, metric: Metric, value: float, /, **labels: str) -> None:
        self._add(parts_of_value(metric, value, labels))

    def set(self, metric: Metric, value: float, /, **labels: str) -> None:
        self._numbers[part_of(metric, MetricKind.GAUGE, labels)] = value

    def read(self) -> Mapping[SeriesPart, float]:
        return dict(self._numbers)

    def counted(self, metric: Metric) -> dict[tuple[str, ...], float]:
        """Return numbers by the values of the labels. For a histogram: how many values there were."""
        found: Counter[tuple[str, ...]] = Counter()
        for part, number in self._numbers.items():
            if part.metric == metric.name and part.part != "sum":
                found[part.values] += number  # type: ignore[assignment]
        return dict(found)

    def _add(self, parts: Mapping[SeriesPart, float]) -> None:
        for part, amount in parts.items():
            self._numbers[part] = self._numbers.get(part, 0) + amount
