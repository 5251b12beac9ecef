"""Faults: requests that cannot be read. Gunicorn's parser finds them before the application sees anything.

What may surprise: nothing of such a request is repeated, neither to the caller nor in the log, where gunicorn would
quote the line that it cannot read; there may be a token in it.
"""

from http import HTTPStatus

from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
    UnsupportedTransferCoding,
)

#: Every other fault is 400.
STATUSES: dict[type[Exception], HTTPStatus] = {
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}


def answer(error: BaseException) -> bytes:
    """Return the whole answer to the request that has ended so: a problem, like every other one."""
    # Here, since the master has loaded this file and must not load the application.
    from app.api import unreadable

    status = fault(error)
    return unreadable.fail(error) if status is None else unreadable.refuse(status, type(error).__name__)


def fault(error: BaseException) -> HTTPStatus | None:
    """Return the status that tells the caller of its fault, None where it is not the caller's."""
    if not isinstance(error, ParseException):
        return None
    return STATUSES.get(type(error), HTTPStatus.BAD_REQUEST)
