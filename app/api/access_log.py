"""The access log: one line per request: method, route, status, time, client. Never a token, a body or a header's value.

The route is logged as its pattern and unknown paths not at all, since whatever a caller types would be in them.
"""

import logging

import structlog
from flask import Flask, Response, request

from app.telemetry import timing

log = structlog.get_logger(__name__)

#: Asked every few seconds by machines: worth a line only to somebody who debugs.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def install(app: Flask) -> None:
    """Have every request to `app` logged once it is answered."""
    app.before_request(start)
    app.after_request(write)


def start() -> None:
    """Take the time."""
    timing.begin(request.environ)


def write(response: Response) -> Response:
    """Write the line."""
    rule = request.url_rule.rule if request.url_rule else None
    answered(request.method, rule, response.status_code, timing.elapsed_s(request.environ))
    return response


def answered(method: str, rule: str | None, status: int, seconds: float) -> None:
    """Log that a request was answered. Its id and its client come from the context."""
    log.log(level(rule, status), "http.answered", method=method, rule=rule, status=status, ms=round(seconds * 1000, 1))


def level(rule: str | None, status: int) -> int:
    """Return how much a line matters."""
    if status >= 500:
        return logging.WARNING
    return logging.DEBUG if rule in PROBES else logging.INFO
