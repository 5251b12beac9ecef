"""Requests that cannot be read: gunicorn ends them before the application sees them, so their answer is made here.

It is a problem like every other one. What may surprise: nothing of such a request is repeated, neither to the caller
nor in the log, where gunicorn would quote the line that it cannot read; there may be a token in it.
"""

from contextlib import suppress
from http import HTTPStatus
from socket import socket
from typing import Any

from gunicorn.http.errors import (
    ExpectationFailed,
    InvalidResponseHeader,
    InvalidResponseHeaderName,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)
from gunicorn.workers.ggevent import GeventWorker

#: What is no fault of the caller's, though gunicorn names it like one.
OURS = (InvalidResponseHeader, InvalidResponseHeaderName)
#: Every other fault is 400.
STATUSES: dict[type[Exception], HTTPStatus] = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


class Worker(GeventWorker):  # type: ignore[misc]  # untyped library
    """Gunicorn's worker on gevent, discreet about what it cannot read."""

    def handle_error(self, _request: Any, connection: socket, _address: Any, error: BaseException) -> None:
        """Answer the request, whose connection is closed afterwards."""
        # Here, since the master has loaded this file and must not load the application.
        from app.api import unreadable

        status = fault(error)
        answer = unreadable.fail(error) if status is None else unreadable.refuse(status, type(error).__name__)
        with suppress(OSError):  # Most of those who cannot speak HTTP do not wait for an answer either.
            connection.sendall(answer)


def fault(error: BaseException) -> HTTPStatus | None:
    """Return the status that tells the caller of its fault, None where it is not the caller's."""
    if not isinstance(error, ParseException) or isinstance(error, OURS):
        return None
    return STATUSES.get(type(error), HTTPStatus.BAD_REQUEST)
