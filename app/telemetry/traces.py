"""Traces: OpenTelemetry spans, sent to a collector in batches. Imported only by a process that has a collector.

An HTTP request is one span, its message another one in the worker, and both are in the trace that the caller has begun,
if he says so in `traceparent`. What may surprise: a failed span tells the kind of the error and never its text, which
OpenTelemetry would record by itself.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass
from typing import Self

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.errors import AppError
from app.settings import Settings, SettingsError
from broker import trace

#: A batch that the collector does not take within this time is lost; a process that ends waits as long for each.
EXPORT_TIMEOUT_S = 3.0
#: Where a collector takes traces, below its address (OTLP/HTTP).
PATH = "/v1/traces"

#: Attributes are of the OpenTelemetry conventions where there is one, else they begin with this.
PREFIX = "rate."
#: Spans that are more than a step inside of the process.
KINDS = {"send": SpanKind.PRODUCER}

Attributes = Mapping[str, str | int]

_W3C = TraceContextTextMapPropagator()


class Traces:
    """Records the spans of one process. It is the `spans.Recorder`."""

    def __init__(self, settings: Settings, processor: SpanProcessor, *, process: str) -> None:
        share = TraceIdRatioBased(settings.trace_share)
        # A caller's wish to be recorded counts for no more than the share. Of a message, its sender has decided.
        sampler = ParentBased(share, remote_parent_sampled=share if process == "web" else ALWAYS_ON)
        self._provider = TracerProvider(sampler, resource(settings, process), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("app")

    @classmethod
    def open(cls, settings: Settings, *, process: str) -> Self:
        """Return the recorder whose spans go to the collector. It makes a thread, and so belongs after a fork.

        Raises:
            SettingsError: the collector's address is none.
        """
        if not settings.otel_endpoint.startswith(("http://", "https://")):
            raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT must begin with http:// or https://.")
        exporter = OTLPSpanExporter(settings.otel_endpoint.rstrip("/") + PATH, timeout=EXPORT_TIMEOUT_S)
        return cls(settings, BatchSpanProcessor(exporter), process=process)

    @contextmanager
    def span(self, name: str, attributes: Attributes) -> Iterator[None]:
        """Record the block as a part of what is going on."""
        with self._tracer.start_as_current_span(
            name,
            kind=KINDS.get(name, SpanKind.INTERNAL),
            attributes={PREFIX + key: value for key, value in attributes.items()},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except Exception as error:
                if not isinstance(error, AppError) or error.retryable:  # Else it is an answer to the caller.
                    fail(span, type(error).__name__)
                raise

    def headers(self) -> Mapping[str, str]:
        """Return the headers that make others' work a part of the current span, or those that came in."""
        told: dict[str, str] = {}
        _W3C.inject(told)
        return told or trace.carried()

    def serve(self, name: str, attributes: Attributes) -> "Work":
        """Return the work on an HTTP request: current until its end, in the trace that came with it or in a new one."""
        return self._begin(name, SpanKind.SERVER, attributes)

    def process(self, name: str, attributes: Attributes) -> "Work":
        """Return the work on a message: current until its end, in the trace that came with it or in a new one."""
        return self._begin(name, SpanKind.CONSUMER, attributes)

    def close(self) -> None:
        """Send what there is, and record no more."""
        self._provider.shutdown()

    def _begin(self, name: str, kind: SpanKind, attributes: Attributes) -> "Work":
        span = self._tracer.start_span(name, _W3C.extract(trace.carried(), Context()), kind, attributes)
        return Work(span, context.attach(set_span_in_context(span)))


@dataclass(frozen=True)
class Work:
    """A request or a message in the doing."""

    _span: Span
    _token: Token[Context]

    @property
    def trace_id(self) -> str:
        """The name of the trace it belongs to."""
        return format_trace_id(self._span.get_span_context().trace_id)

    def tell(self, attributes: Attributes, *, failure: str | None = None) -> None:
        """Have the span say this too. `failure` is the kind of what went wrong."""
        self._span.set_attributes(attributes)
        if failure is not None:
            fail(self._span, failure)

    def end(self) -> None:
        """Have it over, and no more be current. Belongs into the thread (the greenlet) where it began."""
        self._span.end()
        context.detach(self._token)


def fail(span: Span, kind: str) -> None:
    """Have the span say that it failed, and how."""
    span.set_status(StatusCode.ERROR)
    span.set_attribute("error.type", kind)


def resource(settings: Settings, process: str) -> Resource:
    """Return who speaks. The standard `OTEL_RESOURCE_ATTRIBUTES` may add to it."""
    told = {
        "service.namespace": "rate-platform",
        "service.name": f"rate-platform-{process}",
        "deployment.environment.name": settings.environment,
    }
    if settings.release:
        told["service.version"] = settings.release
    return Resource.create(told)
