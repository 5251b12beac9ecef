"""Request ids: the name of one HTTP request, from the caller if he gives a sane one, in every log line and answer.

It goes with the validation to the worker, whose lines then carry it too.
"""

import re
from collections.abc import Mapping
from typing import Any

import structlog
from flask import Flask, Response, request

from app.auth import tokens
from app.models.base import new_name
from broker import trace

HEADER = "X-Request-Id"
WSGI_NAME = "HTTP_X_REQUEST_ID"
#: Visible ASCII, so that it can go into a header and on one line of a log; the length keeps both readable.
SANE = re.compile(r"[!-~]{1,128}")


def install(app: Flask) -> None:
    """Have every request to `app` named, as the first thing that happens to it."""
    app.before_request(begin)
    app.after_request(show)
    app.teardown_request(end)


def begin() -> None:
    """Name the request."""
    bind(request.environ)


def bind(environ: Mapping[str, Any]) -> str:
    """Return the id of the request with this WSGI environment. All log lines have it, until it is forgotten."""
    structlog.contextvars.clear_contextvars()
    request_id = chosen(environ.get(WSGI_NAME))
    bound = {"request_id": request_id}
    # The caller's trace (W3C), whether or not this process records spans: the lines of all who work for it have its id.
    if parent := trace.adopt(environ.get("HTTP_TRACEPARENT")):
        bound["trace_id"] = parent.trace_id
    structlog.contextvars.bind_contextvars(**bound)
    return request_id


def chosen(given: str | None) -> str:
    """Return the caller's id if it is sane and not a token put into the wrong header, else a new one."""
    if given and SANE.fullmatch(given) and tokens.blot(given) == given:
        return given
    return new_name()


def show(response: Response) -> Response:
    """Tell the caller the id."""
    response.headers[HEADER] = structlog.contextvars.get_contextvars()["request_id"]
    return response


def end(_error: BaseException | None) -> None:
    """Have done with the request."""
    forget()


def forget() -> None:
    """Leave nothing for the next request that the same greenlet serves."""
    structlog.contextvars.clear_contextvars()
    trace.adopt(None)
