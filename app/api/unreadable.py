"""Requests that cannot be read, answered as problems. The server in front of the application asks for it.

Nothing of such a request is repeated, neither to the caller nor in the log: there may be a token in it.
"""

from http import HTTPStatus

import structlog
from werkzeug.exceptions import default_exceptions

from app.api import problems, request_ids, security_headers
from app.models.base import new_id

log = structlog.get_logger(__name__)


def refuse(status: HTTPStatus, kind: str) -> bytes:
    """Return the whole answer to a request that has a fault of this kind, which is logged."""
    with structlog.contextvars.bound_contextvars(request_id=str(new_id())):
        log.info("http.unreadable", status=status.value, kind=kind)
        return answer(status, f"The request cannot be read ({kind}).")


def fail(error: BaseException) -> bytes:
    """Return the whole answer to a request that the server has broken down on; the error is logged."""
    with structlog.contextvars.bound_contextvars(request_id=str(new_id())):
        log.error("http.broken", exc_info=error)
        return answer(HTTPStatus.INTERNAL_SERVER_ERROR, None)


def answer(status: HTTPStatus, detail: str | None) -> bytes:
    """Return the problem as it goes over the wire."""
    response = security_headers.add(problems.from_http(default_exceptions[status](detail)))
    response.headers["Connection"] = "close"
    request_ids.show(response)
    response.content_length = len(response.get_data())
    return f"HTTP/1.1 {response.status}\r\n{response.headers}".encode("latin-1") + response.get_data()
