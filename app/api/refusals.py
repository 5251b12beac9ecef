"""Refusals: what the server turns away before the application has seen it (a header that is too long, no HTTP at all).

Gunicorn would answer with a page of HTML; here these are problems like all others. Its own words are left out: they
repeat what was sent, and a token may be in that.
"""

import socket

import structlog
from flask import Response
from gunicorn import util
from werkzeug.exceptions import InternalServerError, default_exceptions

from app.api import problems, request_ids, security_headers
from app.models.base import new_id


def install() -> None:
    """Have this process's gunicorn refuse with problems."""
    util.write_error = write


def write(connection: socket.socket, status: int, reason: str, _words: str) -> None:
    """Answer with the problem; gunicorn closes the connection then."""
    answer = problem(status)
    lines = [
        f"HTTP/1.1 {status} {reason}",
        "Connection: close",
        *(f"{name}: {value}" for name, value in answer.headers),
    ]
    util.write_nonblock(connection, "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.get_data())


def problem(status: int) -> Response:
    """Return the problem for a status."""
    request_id = str(new_id())
    with structlog.contextvars.bound_contextvars(request_id=request_id):
        answer = problems.from_http(default_exceptions.get(status, InternalServerError)())
    answer.headers[request_ids.HEADER] = request_id
    return security_headers.add(answer)
