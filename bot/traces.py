"""Traces by OpenTelemetry, sent to a collector by OTLP over HTTP. Needs the extra `plangate[otel]`."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from bot.domain.errors import ConfigError
from bot.services.tracing import context

try:
    from opentelemetry.context import Context
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.trace import Span, StatusCode, set_span_in_context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ModuleNotFoundError:  # pragma: no cover -- without the extra
    _MISSING = True
else:
    _MISSING = False

log = logging.getLogger(__name__)

# In seconds. A collector that is away must not delay work for long.
_PATIENCE = 2
_NANOSECONDS = 1_000_000_000


class CollectedSpans:
    """The Spans port: sends spans to a collector. `address` is its base, such as `http://collector:4318`."""

    def __init__(self, address: str, version: str) -> None:
        if _MISSING:
            raise ConfigError(
                "PLANGATE_TRACES is set, but OpenTelemetry is not installed: install plangate[otel], or "
                "unset PLANGATE_TRACES"
            )
        exporter = OTLPSpanExporter(endpoint=f"{address}/v1/traces", timeout=_PATIENCE)
        # Nothing of the machine: the default resource reads the environment.
        about = Resource({"service.name": "plangate", "service.version": version})
        self._provider = TracerProvider(resource=about, shutdown_on_exit=True)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("plangate")
        self._header = TraceContextTextMapPropagator()

    @contextmanager
    def span(self, name: str, *, last: bool = False) -> Iterator[None]:
        """Trace the work in the block, as a part of what `context.traceparent` names.

        `last`: the process may end after it, so the span is sent before the block is left.
        """
        span = self._tracer.start_span(name, self._parent(), attributes=_attributes())
        try:
            with context.traced_from(self._place(span)):
                yield
        except BaseException as error:
            # Only the kind: an error's words may quote what is secret.
            span.set_status(StatusCode.ERROR, type(error).__name__)
            raise
        finally:
            span.end()
            if last:
                self._provider.force_flush(_PATIENCE * 1000)

    def past(self, name: str, begun: datetime, ended: datetime) -> None:
        """Add a span of work that is done, as a part of the work at hand."""
        start, end = (int(at.timestamp() * _NANOSECONDS) for at in (begun, max(begun, ended)))
        self._tracer.start_span(name, self._parent(), attributes=_attributes(), start_time=start).end(end)

    def _parent(self) -> Context:
        return self._header.extract({"traceparent": context.traceparent()}, Context())

    def _place(self, span: Span) -> str:
        carrier: dict[str, str] = {}
        self._header.inject(carrier, set_span_in_context(span, Context()))
        return carrier.get("traceparent", "")


def _attributes() -> dict[str, str]:
    return {f"plangate.{name}": value for name, value in context.ids().items()}
