"""Dashboard, alert rules and reference use the metrics that there are, with the labels they have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from bot.services.metrics.catalogue import COUNTED, MEASURED
from bot.services.ports import Metric, MetricKind
from tests.support.docs import ROOT, page

METRICS = {metric.name: metric for metric in (*COUNTED, *MEASURED)}
BOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/plangate.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]
# Labels that PromQL or a histogram adds.
_ADDED = {"le"}


def expressions() -> Iterator[tuple[str, str]]:
    yield from ((rule["alert"], rule["expr"]) for rule in RULES)
    for panel in BOARD["panels"]:
        yield from ((panel["title"], target["expr"]) for target in panel["targets"])


def used(expression: str) -> Iterator[tuple[str, Metric | None]]:
    """The names in an expression, each with its metric; None where there is none."""
    for name in re.findall(r"\bplangate_\w+", expression):
        metric = METRICS.get(name)
        histogram = METRICS.get(re.sub(r"_(bucket|sum|count)$", "", name))
        if metric is None and histogram is not None and histogram.kind is MetricKind.HISTOGRAM:
            metric = histogram
        yield name, metric


def labels(expression: str) -> set[str]:
    """The labels that an expression groups by or selects."""
    grouped = re.findall(r"by \(([^)]*)\)", expression)
    selected = re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression)
    return {label.strip() for group in grouped for label in group.split(",")} | set(selected)


def test_the_reference_describes_every_metric_and_no_other() -> None:
    rows = [line for line in page("reference/metrics").splitlines() if line.startswith("| `plangate_")]
    assert rows == [
        f"| `{m.name}` | {m.kind.value} | {', '.join(f'`{label}`' for label in m.labels)} | {m.meaning} |"
        for m in (*COUNTED, *MEASURED)
    ]


def test_the_reference_says_what_to_do_for_every_alert_and_no_other() -> None:
    described = re.findall(r"^\| `(Plangate\w+)`", page("reference/metrics"), re.MULTILINE)
    assert described == [rule["alert"] for rule in RULES]


def test_dashboard_and_alerts_use_only_metrics_that_there_are() -> None:
    found = [(where, name, metric) for where, text in expressions() for name, metric in used(text)]
    assert [(where, name) for where, name, metric in found if metric is None] == []
    # A histogram itself has no series, only its parts have.
    bare = [
        name for _, name, metric in found if metric is not None and metric.buckets and name == metric.name
    ]
    assert bare == []
    gauges = [
        text
        for _, text in expressions()
        if re.search(r"(rate|increase)\(plangate_\w+(?<!_total)(?<!_bucket)\[", text)
    ]
    assert gauges == [], "only counters have a rate"


def test_dashboard_and_alerts_use_only_labels_that_their_metrics_have() -> None:
    wrong = []
    for where, text in expressions():
        has = {label for _, metric in used(text) if metric for label in metric.labels} | _ADDED
        wrong += [f"{where}: {label}" for label in labels(text) - has]
    assert wrong == []


def test_what_an_alert_says_names_labels_that_its_expression_keeps() -> None:
    for rule in RULES:
        named = set(re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])))
        assert named <= labels(rule["expr"]), rule["alert"]
        assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_metric_is_on_the_dashboard_or_in_an_alert() -> None:
    shown = {metric.name for _, text in expressions() for _, metric in used(text) if metric}
    assert set(METRICS) - shown == set()


def test_panels_do_not_cover_each_other_and_ask_the_chosen_prometheus() -> None:
    places = [tuple(panel["gridPos"].values()) for panel in BOARD["panels"]]
    assert len(places) == len(set(places))
    assert {panel["datasource"]["uid"] for panel in BOARD["panels"]} == {"${datasource}"}
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])
