"""`/metrics`: every metric in Prometheus's text format, for programs that have the token.

Any web process answers for the whole installation, so one address is enough for a monitoring system.
"""

from __future__ import annotations

import hmac
import math
from collections.abc import Iterable, Iterator, Mapping

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from bot.domain.errors import NotFound
from bot.services.metrics.measure import Reading
from bot.services.metrics.series import MORE, SUM
from bot.services.ports import Metric, MetricKind
from bot.web.request.bodies import bearer
from bot.web.request.services import services

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

blueprint = Blueprint("metrics", __name__)


@blueprint.get("/metrics")
def metrics() -> Response:
    """Return every metric. 401 without the right token, 404 if PLANGATE_METRICS_TOKEN is not set."""
    tokens = services().config.metrics_tokens
    if not tokens:
        raise NotFound("there is no such page")
    given = (bearer() or "").encode("utf-8", "surrogateescape")
    # All are compared, so that the time tells nothing.
    if not sum(hmac.compare_digest(given, token.encode()) for token in tokens):
        return Response(
            "send the token of PLANGATE_METRICS_TOKEN: Authorization: Bearer ...\n",
            401,
            {"WWW-Authenticate": "Bearer"},
            content_type="text/plain; charset=utf-8",
        )
    return Response(written(services().measurements.read()), content_type=CONTENT_TYPE)


def written(readings: Iterable[Reading]) -> bytes:
    """Return readings in Prometheus's text format.

    Source: https://prometheus.io/docs/instrumenting/exposition_formats/
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Readings(readings))
    return generate_latest(registry)


class _Readings(Collector):
    """Hands readings to the library that writes them."""

    def __init__(self, readings: Iterable[Reading]) -> None:
        self._readings = readings

    def collect(self) -> Iterator[Family]:
        """Yield a family for each metric."""
        for reading in self._readings:
            yield _family(reading)


def _family(reading: Reading) -> Family:
    metric, help_text = reading.metric, reading.metric.meaning.replace("`", "")
    if metric.kind is MetricKind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, help_text, labels=metric.labels)
        for values, parts in reading.numbers.items():
            histogram.add_metric(values, _buckets(metric, parts), parts.get(SUM, 0.0))
        return histogram
    kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, help_text, labels=metric.labels)
    for values, parts in reading.numbers.items():
        family.add_metric(values, parts.get("", 0.0))
    return family


def _buckets(metric: Metric, parts: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return the buckets, each with the values up to its bound.

    A bound of another version of Plangate counts for the next larger one.
    """
    known = [(_bound(part), number) for part, number in parts.items() if part != SUM]
    bounds = [(f"{bound:g}", bound) for bound in metric.buckets] + [(MORE, math.inf)]
    return [(name, sum(number for at, number in known if at <= bound)) for name, bound in bounds]


def _bound(part: str) -> float:
    try:
        return float(part)
    except ValueError:
        return math.inf
