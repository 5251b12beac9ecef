"""Tracking of HTTP requests: each is a span where spans are recorded, and an error that no view expected is reported.

A request is named by its method and its route's pattern, since anything may be in a path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import structlog
from flask import Flask, Response, g, request

from app.api.access_log import PROBES
from app.telemetry.metrics import METHODS
from app.telemetry.tracking import Tracking

if TYPE_CHECKING:
    from app.telemetry.errors import Errors
    from app.telemetry.traces import Traces, Work


def install(app: Flask, tracking: Tracking) -> None:
    """Have every request to `app` tracked as far as this process tracks; what it does not costs nothing."""
    app.extensions["tracking"] = tracking
    if tracking.traces:
        record(app, tracking.traces)
    if tracking.errors:
        report(app, tracking.errors)


def record(app: Flask, traces: Traces) -> None:
    """Have every request to `app` be a span, from its id to its last function, save those that machines ask all day."""

    def begin() -> None:
        rule = route()
        if rule in PROBES:
            return
        attributes = {"http.request.method": method(), "url.scheme": request.scheme}
        if rule is not None:
            attributes["http.route"] = rule
        g.work = traces.serve(name(), attributes | {"rate.request_id": request_id()})
        structlog.contextvars.bind_contextvars(trace_id=g.work.trace_id)

    def answered(response: Response) -> Response:
        if work := working():
            status = response.status_code
            failure = str(status) if status >= 500 else None
            work.tell({"http.response.status_code": status}, failure=failure)
        return response

    def end(_error: BaseException | None) -> None:
        if work := working():
            work.end()

    app.before_request(begin)
    app.after_request(answered)
    app.teardown_request(end)


def report(app: Flask, errors: Errors) -> None:
    """Have errors reported that were meant for nobody: the caller gets a 500, or nothing at all."""

    def unexpected(error: BaseException | None) -> None:
        if error is not None:
            errors.report(error, place=name())

    app.teardown_request(unexpected)


def working() -> Work | None:
    """Return the current request's work, None where it is no span."""
    return cast("Work | None", g.get("work"))


def request_id() -> str:
    """Return the current request's id."""
    return str(structlog.contextvars.get_contextvars()["request_id"])


def name() -> str:
    """Return what the current request is called."""
    return f"{method()} {rule}" if (rule := route()) else method()


def route() -> str | None:
    """Return the pattern of the current request's route, None when no route is like its path."""
    return request.url_rule.rule if request.url_rule else None


def method() -> str:
    """Return the current request's method. One that HTTP does not define is a word of the caller's own."""
    return request.method if request.method in METHODS else "_OTHER"
