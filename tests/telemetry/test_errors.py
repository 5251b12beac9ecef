"""Errors: what nobody expected is reported, once, and with nothing in it that is a caller's."""

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
import redis
import structlog
from dramatiq.errors import ConnectionClosed
from flask import Flask, request
from flask.testing import FlaskClient

from app import messages
from app.auth import tokens
from app.auth.guard import public
from app.errors import DatabaseAway, UnknownRuleSet
from app.models.base import new_id
from app.platform import Platform
from app.settings import Settings, SettingsError
from app.telemetry import logs
from app.telemetry.errors import is_expected
from app.telemetry.tracking import Tracking
from broker import Cancelled, Reschedule
from tasks import tracking
from tests.applications import application, logging_kept
from tests.conftest import working
from tests.processes import wait_for
from tests.telemetry.collector import Collector

SETTINGS = Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing", redis_url="redis://127.0.0.1:1/0")
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@contextmanager
def tracked(settings: Settings, *, process: str = "test") -> Iterator[Tracking]:
    """Yield the tracking of these settings, closed afterwards: by then everything is sent."""
    opened = Tracking.open(settings, process=process)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def tracked_application(settings: Settings) -> Iterator[Flask]:
    """Yield an application, closed afterwards: by then everything is sent."""
    with application(settings) as app:
        try:
            yield app
        finally:
            app.extensions["tracking"].close()


def crashing(app: Flask) -> FlaskClient:
    """Return a client of the application, whose every answer at /healthz is a crash that tells all it knows."""

    @public("for a test")
    def crash() -> str:
        item, token = request.get_data(as_text=True), request.headers.get("Authorization")
        try:
            raise KeyError(f"{item} {token}")
        except KeyError as error:
            raise ValueError(f"{request.url}: {item} {token} {dict(request.headers)}") from error

    app.view_functions["health.healthz"] = crash
    return app.test_client()


def test_a_process_without_addresses_does_not_even_import_the_libraries() -> None:
    program = """
import sys
from app.factory import create_app
from app.settings import Settings
import tasks.clock, tasks.worker
app = create_app(Settings(database_url="postgresql+psycopg://127.0.0.1:1/none", redis_url="redis://127.0.0.1:1/0"))
assert (app.extensions["tracking"].errors, app.extensions["tracking"].traces) == (None, None)
print([name for name in sys.modules if name.startswith(("sentry_sdk", "opentelemetry.exporter", "app.telemetry.tr"))])
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.strip() == "['app.telemetry.tracking']"


def test_an_error_that_no_view_expected_is_reported_once(collector: Collector) -> None:
    settings = replace(SETTINGS, sentry_dsn=collector.dsn, environment="staging", release="rates@42")

    with tracked_application(settings) as app:
        headers = {"X-Request-Id": "extension-42", "traceparent": PARENT}
        assert crashing(app).get("/healthz", headers=headers).status_code == 500

    [event] = collector.events
    assert (event["environment"], event["release"], event["level"]) == ("staging", "rates@42", "error")
    assert event["transaction"] == "GET /healthz"
    assert event["tags"] == {"process": "web", "request_id": "extension-42", "trace_id": PARENT[3:35]}
    assert event["contexts"]["trace"] == {"trace_id": PARENT[3:35], "span_id": PARENT[36:52]}
    assert [value["type"] for value in event["exception"]["values"]] == ["KeyError", "ValueError"]
    last = event["exception"]["values"][-1]["stacktrace"]["frames"][-1]
    assert last["function"] == "crash"
    assert last["context_line"].strip().startswith("raise ValueError")


def test_nothing_of_a_callers_leaves_the_process(collector: Collector) -> None:
    canary, token = uuid4().hex, tokens.make()

    with tracked_application(replace(SETTINGS, sentry_dsn=collector.dsn, otel_endpoint=collector.url)) as app:
        client = crashing(app)
        client.set_cookie("session", canary)
        client.get(
            f"/healthz?key={canary}",
            json={"amount": canary},
            headers={"Authorization": f"Bearer {token}", "X-Canary": canary, "tracestate": f"canary={canary}"},
        )
        client.get(f"/{canary}", headers={"Authorization": f"Bearer {token}", "traceparent": PARENT + f"-{canary}"})

    assert len(collector.events) == 1
    assert [span.name for span in collector.spans] == ["GET"]
    assert canary not in collector.text
    assert token not in collector.text


def test_what_is_no_surprise_is_not_reported(collector: Collector) -> None:
    with tracked_application(replace(SETTINGS, sentry_dsn=collector.dsn)) as app:
        client = app.test_client()
        answers = [client.get(path).status_code for path in ("/nothing", "/statusz", "/readyz")]

    assert answers == [404, 401, 503]
    assert collector.events == []


def test_a_message_is_reported_once_when_it_is_given_up(
    settings: Settings,
    open_platform: Callable[[Settings], Platform],
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    canary, tries = uuid4().hex, []

    def crash(ruleset: object, items: list[object], *_: object) -> None:
        tries.append(items)
        raise ZeroDivisionError(f"of {items}")

    monkeypatch.setattr("tasks.validation.judge", crash)
    platform = open_platform(settings)

    with tracked(replace(settings, sentry_dsn=collector.dsn), process="worker") as opened, working(platform):
        tracking.install(platform.broker, opened)
        with structlog.contextvars.bound_contextvars(request_id="extension-42"):
            platform.intake.accept(new_id(), client_id=new_id(), source="api", ruleset="fx_rate", items=[canary])
        platform.broker.join(messages.VALIDATION_REQUESTS, timeout=20_000)

    assert len(tries) == 1 + settings.validation_retries
    [event] = collector.events
    assert event["transaction"] == messages.VALIDATE
    assert event["exception"]["values"][-1]["type"] == "ZeroDivisionError"
    tags = event["tags"]
    assert (tags["process"], tags["actor"], tags["request_id"]) == ("worker", messages.VALIDATE, "extension-42")
    assert canary not in collector.text


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DatabaseAway("away"), True),
        (redis.ConnectionError("away"), True),
        (redis.TimeoutError("away"), True),
        (ConnectionClosed("away"), True),  # type: ignore[no-untyped-call]  # theirs
        (Reschedule(5), True),
        (Cancelled("by hand"), True),
        (SystemExit(0), True),
        (redis.ResponseError("WRONGTYPE"), False),
        (UnknownRuleSet("gone"), False),
        (RuntimeError("broken"), False),
    ],
)
def test_outages_and_wishes_are_expected(error: BaseException, expected: bool) -> None:
    assert is_expected(error) is expected


def test_an_error_that_is_logged_with_its_traceback_is_reported(collector: Collector) -> None:
    with logging_kept(), tracked(replace(SETTINGS, sentry_dsn=collector.dsn)):
        logs.configure(SETTINGS)
        try:
            raise ValueError("broken")
        except ValueError as error:
            structlog.stdlib.get_logger("app.anything").exception("went.wrong", item="canary")
            logging.getLogger("apscheduler.executors.default").error("Job raised", exc_info=error)
            logging.getLogger("library").warning("Nothing to speak of", exc_info=True)
            logging.getLogger("dramatiq.worker.WorkerThread").error("Failed, to be tried again", exc_info=True)
        logging.getLogger("library").error("Without a traceback")

    assert [event["transaction"] for event in collector.events] == ["app.anything", "apscheduler.executors.default"]
    assert "canary" not in collector.text.replace('item="canary"', "").replace('item=\\"canary\\"', "")


def test_an_error_that_ends_a_thread_is_reported(collector: Collector) -> None:
    told: list[threading.ExceptHookArgs] = []
    before, threading.excepthook = threading.excepthook, told.append

    def crash() -> None:
        raise ValueError

    try:
        with tracked(replace(SETTINGS, sentry_dsn=collector.dsn)):
            thread = threading.Thread(target=crash, name="hub")
            thread.start()
            thread.join()
        assert threading.excepthook == told.append
    finally:
        threading.excepthook = before

    assert [event["transaction"] for event in collector.events] == ["hub"]
    assert [args.exc_type for args in told] == [ValueError]  # It is still told to whoever was told before.


def test_an_error_that_ends_the_process_is_reported_before_its_end(collector: Collector) -> None:
    program = f"""
from app.settings import Settings
from app.telemetry.tracking import Tracking
Tracking.open(Settings(database_url="", redis_url="", sentry_dsn={collector.dsn!r}), process="clock")
raise RuntimeError("broken")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert run.returncode == 1
    assert "RuntimeError: broken" in run.stderr
    wait_for(lambda: len(collector.events) == 1, what="the report")
    assert collector.events[0]["tags"] == {"process": "clock"}


def test_a_server_that_is_away_is_nobodys_trouble() -> None:
    with tracked(replace(SETTINGS, sentry_dsn="http://key@127.0.0.1:1/1")) as opened:
        assert opened.errors is not None
        opened.errors.report(ValueError(), place="test")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (replace(SETTINGS, sentry_dsn="https://sentry.example/hunter2"), "SENTRY_DSN must be a DSN"),
        (replace(SETTINGS, otel_endpoint="hunter2:4318"), "OTEL_EXPORTER_OTLP_ENDPOINT must begin with http"),
    ],
)
def test_an_address_that_is_none_is_refused_at_the_start(settings: Settings, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as raised:
        Tracking.open(settings, process="test")

    assert "hunter2" not in str(raised.value)
