"""Traces: one trace from the caller's header to the worker's spans, with nothing in it that is a caller's."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Self
from uuid import uuid4

import dramatiq
import pytest
from dramatiq.brokers.stub import StubBroker
from flask import Flask
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from app import messages, spans
from app.auth import tokens
from app.auth.guard import public
from app.database import Database
from app.platform import Platform
from app.settings import Settings
from app.telemetry.traces import Traces
from app.telemetry.tracking import Tracking
from broker import Reschedule, Retries, TraceContext
from tasks import tracking
from tests.api.calls import GOOD_RATE, VALIDATE, bearer
from tests.applications import application
from tests.conftest import working
from tests.factories import issue_token

SETTINGS = Settings(
    database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing",
    redis_url="redis://127.0.0.1:1/0",
    otel_endpoint="http://unused",
)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE_ID = PARENT[3:35]
DOCUMENT = "/api/openapi.json"


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What takes the spans of this test, in place of a collector."""
    exporter = InMemorySpanExporter()

    def open_here(cls: type[Traces], settings: Settings, *, process: str) -> Traces:
        return cls(settings, SimpleSpanProcessor(exporter), process=process)

    monkeypatch.setattr(Traces, "open", classmethod(open_here))
    return exporter


@contextmanager
def traced_application(settings: Settings) -> Iterator[Flask]:
    """Yield an application whose requests are spans."""
    with application(settings) as app:
        try:
            yield app
        finally:
            app.extensions["tracking"].close()


def trace_id(span: ReadableSpan) -> str:
    """Return the name of the trace that the span is in."""
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


class Tree:
    """Spans by name, and who is whose parent."""

    def __init__(self, spans: Sequence[ReadableSpan]) -> None:
        self.spans = {span.name: span for span in spans}
        self._names = {span.context.span_id: span.name for span in spans if span.context}

    @property
    def edges(self) -> set[tuple[str, str]]:
        """Pairs of parent and child, by name; a parent that is not among the spans is `caller`."""
        return {
            (self._names.get(span.parent.span_id, "caller"), name) for name, span in self.spans.items() if span.parent
        }

    @classmethod
    def of(cls, exporter: InMemorySpanExporter) -> Self:
        """Return the spans that were recorded."""
        return cls(exporter.get_finished_spans())


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Return what the span says."""
    return dict(span.attributes or {})


def test_one_trace_goes_from_the_caller_to_the_worker(
    settings: Settings,
    database: Database,
    open_platform: Callable[[Settings], Platform],
    exporter: InMemorySpanExporter,
) -> None:
    settings, auth = replace(settings, otel_endpoint="http://unused"), bearer(issue_token(database))

    with traced_application(settings) as app, working(open_platform(settings)) as worker:
        tracking.install(worker.broker, Tracking(None, app.extensions["tracking"].traces))
        answer = app.test_client().post(
            f"{VALIDATE}?wait=20",
            json={"ruleset": "fx_rate", "item": GOOD_RATE},
            headers={**auth, "traceparent": PARENT, "X-Request-Id": "extension-42"},
        )
        worker.broker.join(messages.VALIDATION_REQUESTS, timeout=10_000)

    assert answer.status_code == 200
    recorded = exporter.get_finished_spans()
    assert {trace_id(span) for span in recorded} == {TRACE_ID}
    request, process = f"POST {VALIDATE}", f"process {messages.VALIDATION_REQUESTS}"
    tree = Tree.of(exporter)
    assert tree.edges >= {
        ("caller", request),
        (request, "commit"),
        (request, "send"),
        (request, "wait"),
        ("send", process),
        (process, "judge"),
        (process, "record"),
    }
    kinds = {name: tree.spans[name].kind for name in (request, "send", process, "judge")}
    assert list(kinds.values()) == [SpanKind.SERVER, SpanKind.PRODUCER, SpanKind.CONSUMER, SpanKind.INTERNAL]
    assert attributes(tree.spans[process])["rate.request_id"] == "extension-42"
    assert attributes(tree.spans[process])["rate.outcome"] == "done"
    assert attributes(tree.spans["judge"]) == {"rate.ruleset": "fx_rate@1", "rate.items": 1}


def test_a_request_is_named_by_its_route_and_says_nothing_of_the_caller(exporter: InMemorySpanExporter) -> None:
    canary, token = uuid4().hex, tokens.make()

    with traced_application(SETTINGS) as app:
        answer = app.test_client().get(
            f"/api/validation/requests/{canary}?canary={canary}",
            headers={"X-API-Key": token[:-1] + "_", "X-Canary": canary, "User-Agent": canary, "Host": canary},
        )

    assert answer.status_code == 401
    [span] = exporter.get_finished_spans()
    assert span.name == "GET /api/validation/requests/<request_id>"
    assert attributes(span) == {
        "http.request.method": "GET",
        "http.route": "/api/validation/requests/<request_id>",
        "http.response.status_code": 401,
        "url.scheme": "http",
        "rate.request_id": answer.headers["X-Request-Id"],
    }
    assert span.status.status_code is StatusCode.UNSET  # It is the caller who was wrong.
    assert canary not in span.to_json()
    assert token[:-1] not in span.to_json()


def test_an_error_is_told_by_its_kind_alone(exporter: InMemorySpanExporter) -> None:
    canary = uuid4().hex

    @public("for a test")
    def crash() -> str:
        with spans.span("step"):
            raise ZeroDivisionError(canary)

    with traced_application(SETTINGS) as app:
        app.view_functions[endpoint(app, DOCUMENT)] = crash
        assert app.test_client().get(DOCUMENT).status_code == 500

    tree = Tree.of(exporter)
    step, request = tree.spans["step"], tree.spans[f"GET {DOCUMENT}"]
    assert (step.status.status_code, attributes(step)["error.type"]) == (StatusCode.ERROR, "ZeroDivisionError")
    assert (request.status.status_code, attributes(request)["error.type"]) == (StatusCode.ERROR, "500")
    assert canary not in step.to_json() + request.to_json()


def endpoint(app: Flask, path: str) -> str:
    """Return the name of the view at a path without parameters."""
    return next(str(rule.endpoint) for rule in app.url_map.iter_rules() if rule.rule == path)


def test_what_strangers_make_up_names_no_span(exporter: InMemorySpanExporter) -> None:
    with traced_application(SETTINGS) as app:
        app.test_client().get("/wp-admin/setup.php")
        app.test_client().open(DOCUMENT, method="BREW")

    assert [span.name for span in exporter.get_finished_spans()] == ["GET", "_OTHER"]


def test_probes_are_no_spans(exporter: InMemorySpanExporter) -> None:
    with traced_application(SETTINGS) as app:
        for path in ("/healthz", "/readyz", "/metrics"):
            app.test_client().get(path)

    assert exporter.get_finished_spans() == ()


@pytest.mark.parametrize(
    "given", [None, "nonsense", PARENT.upper(), PARENT + "-more", PARENT.replace(TRACE_ID, "0" * 32)]
)
def test_a_request_without_a_sane_parent_begins_a_trace(exporter: InMemorySpanExporter, given: str | None) -> None:
    with traced_application(SETTINGS) as app:
        client = app.test_client()
        client.get(DOCUMENT, headers={"traceparent": PARENT})
        client.get(DOCUMENT, headers={"traceparent": given} if given else {})

    first, second = exporter.get_finished_spans()
    assert trace_id(first) == TRACE_ID
    assert trace_id(second) != TRACE_ID
    assert second.parent is None


def test_a_trace_that_its_caller_does_not_record_is_not_recorded(exporter: InMemorySpanExporter) -> None:
    with traced_application(SETTINGS) as app:
        app.test_client().get(DOCUMENT, headers={"traceparent": PARENT[:-2] + "00"})

    assert exporter.get_finished_spans() == ()


def test_a_callers_wish_counts_for_no_more_than_the_share(exporter: InMemorySpanExporter) -> None:
    with traced_application(replace(SETTINGS, trace_share=0.0)) as app:
        app.test_client().get(DOCUMENT, headers={"traceparent": PARENT})
        with spans.span("anything"):
            flags = int(spans.headers()["traceparent"][-2:], 16)
            assert not flags & 1, "the worker would record it"

    assert exporter.get_finished_spans() == ()


def test_a_worker_records_what_the_sender_does(exporter: InMemorySpanExporter) -> None:
    recorded = processed(replace(SETTINGS, trace_share=0.0), exporter, [PARENT, PARENT[:-2] + "00"])

    assert [span.name for span in recorded] == ["process default"]
    assert trace_id(recorded[0]) == TRACE_ID


def test_a_message_that_is_put_off_has_not_failed(exporter: InMemorySpanExporter) -> None:
    recorded = processed(SETTINGS, exporter, [PARENT], [Reschedule(1), ValueError("canary"), None])

    told = [(attributes(span)["rate.outcome"], span.status.status_code) for span in recorded]
    assert told == [("later", StatusCode.UNSET), ("failed", StatusCode.ERROR), ("done", StatusCode.UNSET)]
    assert attributes(recorded[1])["error.type"] == "ValueError"
    assert {trace_id(span) for span in recorded} == {TRACE_ID}
    assert "canary" not in "".join(span.to_json() for span in recorded)


def test_ticks_of_the_clock_are_no_spans(exporter: InMemorySpanExporter) -> None:
    assert processed(SETTINGS, exporter, [PARENT], queue=messages.UPKEEP) == []


def processed(
    settings: Settings,
    exporter: InMemorySpanExporter,
    parents: Sequence[str],
    outcomes: Sequence[Exception | None] = (),
    queue: str = "default",
) -> list[ReadableSpan]:
    """Return the spans of a worker that gets a message of each parent and fails as `outcomes` say, in turn."""
    broker, left = StubBroker(middleware=[Retries(min_backoff=1, max_backoff=5)]), list(outcomes)
    broker.add_middleware(TraceContext(spans.headers))  # As every platform's broker has it.
    opened = Tracking.open(settings, process="worker")
    tracking.install(broker, opened)

    @dramatiq.actor(broker=broker, queue_name=queue)
    def note() -> None:
        if left and (error := left.pop(0)):
            raise error

    for parent in parents:
        broker.enqueue(note.message_with_options(traceparent=parent))
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    try:
        broker.join(queue, timeout=10_000, fail_fast=False)
        worker.join()
    finally:
        worker.stop()
        opened.close()
    return list(exporter.get_finished_spans())


def test_log_lines_name_the_trace(exporter: InMemorySpanExporter, capsys: pytest.CaptureFixture[str]) -> None:
    with traced_application(replace(SETTINGS, log_format="json")) as app:
        app.test_client().get(DOCUMENT, headers={"traceparent": PARENT})
        app.test_client().get(DOCUMENT)

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = [line["trace_id"] for line in lines if line["event"] == "http.answered"]
    assert told == [trace_id(span) for span in exporter.get_finished_spans()]
    assert told[0] == TRACE_ID
