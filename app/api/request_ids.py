"""Request ids: the name of one HTTP request, from the caller if he gives a sane one, in every log line and answer.

It goes with the validation to the worker, whose lines then carry it too.
"""

import re

import structlog
from flask import Flask, Response, request

from app.auth import tokens
from app.models.base import new_id
from broker import trace

HEADER = "X-Request-Id"
#: Visible ASCII, so that it can go into a header and on one line of a log; the length keeps both readable.
SANE = re.compile(r"[!-~]{1,128}")


def install(app: Flask) -> None:
    """Have every request to `app` named, as the first thing that happens to it."""
    app.before_request(bind)
    app.after_request(show)
    app.teardown_request(forget)


def bind() -> None:
    """Give this request its id, and with it all log lines until it is forgotten."""
    structlog.contextvars.clear_contextvars()
    bound = {"request_id": chosen(request.headers.get(HEADER))}
    # The caller's trace (W3C), whether or not this process records spans: the lines of all who work for it have its id.
    if parent := trace.adopt(request.environ.get("HTTP_TRACEPARENT")):
        bound["trace_id"] = parent.trace_id
    structlog.contextvars.bind_contextvars(**bound)


def chosen(given: str | None) -> str:
    """Return the caller's id if it is sane and not a token put into the wrong header, else a new one."""
    if given and SANE.fullmatch(given) and tokens.blot(given) == given:
        return given
    return str(new_id())


def show(response: Response) -> Response:
    """Tell the caller the id."""
    response.headers[HEADER] = structlog.contextvars.get_contextvars()["request_id"]
    return response


def forget(_error: BaseException | None) -> None:
    """Leave nothing for the next request that the same greenlet serves."""
    structlog.contextvars.clear_contextvars()
    trace.adopt(None)
