"""The access log: one line per request: method, route, status, time, client. Never a token, a body or a header's value.

The route is logged as its pattern and unknown paths not at all, since whatever a caller types would be in them.
"""

import logging
import time

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger(__name__)

#: Asked every few seconds by machines: worth a line only to somebody who debugs.
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


def install(app: Flask) -> None:
    """Have every request to `app` logged once it is answered."""
    app.before_request(start)
    app.after_request(write)


def start() -> None:
    """Take the time."""
    g.started = time.perf_counter()


def write(response: Response) -> Response:
    """Write the line. The request's id and its client come from the context."""
    rule = request.url_rule.rule if request.url_rule else None
    log.log(
        level(rule, response.status_code),
        "http.answered",
        method=request.method,
        rule=rule,
        status=response.status_code,
        ms=round((time.perf_counter() - g.started) * 1000, 1),
    )
    return response


def level(rule: str | None, status: int) -> int:
    """Return how much a line matters."""
    if status >= 500:
        return logging.WARNING
    return logging.DEBUG if rule in PROBES else logging.INFO
