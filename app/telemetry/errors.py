"""Errors: what nobody expected, reported to a Sentry-compatible server. Imported only by a process that has a DSN.

What may surprise: the text of an exception never leaves the process, because it may quote an item, a token or an
address. Its kind is told, and the lines of code it came through; the rest is in the log, under the same request id.
"""

import logging
import sys
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, cast

import redis
import structlog
from dramatiq import BrokerConnectionError
from dramatiq.errors import Retry
from sentry_sdk import Client
from sentry_sdk.types import Event, Hint
from sentry_sdk.utils import BadDsn, capture_internal_exceptions, event_from_exception

from app import spans
from app.auth import tokens
from app.errors import AppError
from app.settings import Settings, SettingsError
from broker import Cancelled

#: How long a process that ends waits for what it still has to report.
FLUSH_S = 2.0
#: These log errors that are reported where more is known of them (Flask those of views, Dramatiq every failed attempt),
#: or that cannot be, since they are of the reporting itself.
TOLD_ELSEWHERE = frozenset({"app", "dramatiq.worker.WorkerThread", "sentry_sdk.errors"})
#: A server is away, or somebody wanted it so. Metrics and alerts tell of these, and nothing in the code is wrong.
EXPECTED = (BrokerConnectionError, Cancelled, Retry, redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError)

#: What of our own context goes along, as tags.
CONTEXT = ("request_id", "trace_id", "client", "actor", "message")
#: All that is kept of an event, of an exception, of how it was caught, and of a line of code it came through.
KEPT = (
    *("event_id", "timestamp", "level", "platform", "release", "environment", "server_name", "sdk"),
    *("transaction", "logger", "tags", "contexts"),
)
KEPT_OF_EXCEPTION = ("type", "module")
KEPT_OF_MECHANISM = ("type", "handled", "exception_id", "parent_id", "is_exception_group")
KEPT_OF_FRAME = ("filename", "function", "module", "lineno", "in_app", "pre_context", "context_line", "post_context")


class Errors:
    """Reports errors, from a thread of its own, so that nobody waits for the server."""

    def __init__(self, settings: Settings, *, process: str) -> None:
        self._process = process
        try:
            self._client = Client(
                dsn=settings.sentry_dsn,
                environment=settings.environment,
                # Nothing: the SDK looks for what the platform says of it (a commit, mostly).
                release=settings.release or None,
                in_app_include=["app", "broker", "tasks"],
                before_send=scrub,
                # Nothing is patched and nothing collected: what is reported is said by `report` alone. Personal data
                # are left out by the SDK as long as nobody asks for them, and by `scrub` in any case.
                default_integrations=False,
                auto_enabling_integrations=False,
                include_local_variables=False,
                max_request_body_size="never",
                max_breadcrumbs=0,
                auto_session_tracking=False,
                send_client_reports=False,
                enable_backpressure_handling=False,
            )
        except BadDsn:
            raise SettingsError("SENTRY_DSN must be a DSN, such as https://KEY@HOST/PROJECT.") from None
        self._logged = Logged(self)
        self._hooks = (sys.excepthook, threading.excepthook)

    def listen(self) -> None:
        """From now on errors that are logged with their traceback, and those that nobody catches, are reported."""
        logging.getLogger().addHandler(self._logged)
        sys.excepthook = self._uncaught
        threading.excepthook = self._uncaught_in_thread

    def report(self, error: BaseException, *, place: str, traceparent: str | None = None) -> None:
        """Have the error reported, unless it is an expected one. `place` says what went wrong: a route, an actor.

        What the log lines of this moment say of it goes along (`CONTEXT`). `traceparent` is the span that it belongs to
        where that is not the current one. Never raises.
        """
        if is_expected(error):
            return
        with capture_internal_exceptions():
            bound = structlog.contextvars.get_contextvars()
            known = {name: str(bound[name]) for name in CONTEXT if name in bound}
            event, hint = event_from_exception(error, client_options=self._client.options)
            event["transaction"] = place
            event["tags"] = {"process": self._process, **known}
            if parent := traceparent or spans.headers().get("traceparent"):
                _, trace_id, span_id, _ = parent.split("-")[:4]
                event["contexts"] = {"trace": {"trace_id": trace_id, "span_id": span_id}}
            self._client.capture_event(event, hint)

    def close(self) -> None:
        """Send what there is, for `FLUSH_S` at most, and report no more."""
        logging.getLogger().removeHandler(self._logged)
        sys.excepthook, threading.excepthook = self._hooks
        self._client.close(timeout=FLUSH_S)

    def _uncaught(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        self.report(error, place=self._process)
        self._hooks[0](kind, error, trace)

    def _uncaught_in_thread(self, told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            self.report(told.exc_value, place=told.thread.name if told.thread else self._process)
        self._hooks[1](told)


class Logged(logging.Handler):
    """Reports errors that somebody has caught and logged with their traceback, at ERROR or worse."""

    def __init__(self, errors: Errors) -> None:
        super().__init__(logging.ERROR)
        self._errors = errors

    def emit(self, record: logging.LogRecord) -> None:
        """Report the error that the record carries, if there is one."""
        error = carried(record)
        if error is not None and record.name not in TOLD_ELSEWHERE:
            self._errors.report(error, place=record.name)


def carried(record: logging.LogRecord) -> BaseException | None:
    """Return the error that was logged. structlog leaves it in the event, which is the record's message."""
    given: Any = record.exc_info or (record.msg.get("exc_info") if isinstance(record.msg, dict) else None)
    if given is True:
        return sys.exc_info()[1]
    if isinstance(given, tuple):
        return cast(BaseException | None, given[1])
    return given if isinstance(given, BaseException) else None


def is_expected(error: BaseException) -> bool:
    """Return whether the error says nothing about the code: an outage, or somebody's wish."""
    return not isinstance(error, Exception) or isinstance(error, EXPECTED) or retryable(error)


def retryable(error: BaseException) -> bool:
    """Return whether the error is one of ours that says that a later try may do."""
    return isinstance(error, AppError) and error.retryable


def scrub(event: Event, _hint: Hint) -> Event:
    """Return what may leave the process. All that is not named here is left out, whoever put it there."""
    given = cast(Mapping[str, Any], event)
    told = only(KEPT, given)
    told["tags"] = {name: tokens.blot(str(value)) for name, value in dict(given.get("tags") or {}).items()}
    values = (given.get("exception") or {}).get("values") or []
    told["exception"] = {"values": [bare(value) for value in values]}
    return cast(Event, told)


def bare(exception: Mapping[str, Any]) -> dict[str, Any]:
    """Return the exception without its text and without the values of variables."""
    frames = (exception.get("stacktrace") or {}).get("frames") or []
    return {
        **only(KEPT_OF_EXCEPTION, exception),
        "mechanism": only(KEPT_OF_MECHANISM, exception.get("mechanism") or {"type": "generic"}),
        "stacktrace": {"frames": [only(KEPT_OF_FRAME, frame) for frame in frames]},
    }


def only(names: tuple[str, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `given` has under these names."""
    return {name: given[name] for name in names if name in given}
