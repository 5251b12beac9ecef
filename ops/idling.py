"""Idle connections: kept for a client's next request, and closed at once when the process is to stop.

Gunicorn would wait for their clients as it waits for requests that are being answered, until its patience is over. A
connection is idle from the end of an answer to the first byte of the next request; one of which that byte has come is
left alone. What may surprise: a connection on which nothing has come yet is given a moment. Its client has connected
to send a request, which is on its way.
"""

import fcntl
import sys
import termios
from contextlib import suppress
from socket import SHUT_RD
from typing import Any, ClassVar

import gevent
from gunicorn.http import message, parser

#: Seconds for the first request of a new connection to arrive.
ARRIVAL_S = 0.5


class Idle:
    """The idle connections of one process."""

    def __init__(self) -> None:
        #: By connection: whether it is new.
        self._there: dict[Any, bool] = {}
        self._closing = False

    def first_piece(self, unreader: Any, *, is_new: bool) -> bytes:
        """Return the first piece of the next request, nothing when there will be none. Until then it is idle."""
        connection = unreader.sock
        self._there[connection] = is_new
        try:
            if self._closing:
                self._dismiss(connection, is_new)
            return bytes(unreader.chunk())
        finally:
            del self._there[connection]

    def close(self) -> None:
        """Have the connections closed that are idle, and from now on those that become so."""
        self._closing = True
        for connection, is_new in tuple(self._there.items()):
            self._dismiss(connection, is_new)

    def _dismiss(self, connection: Any, is_new: bool) -> None:
        if is_new:
            gevent.spawn_later(ARRIVAL_S, self._hang_up, connection)
        else:
            self._hang_up(connection)

    def _hang_up(self, connection: Any) -> None:
        if connection not in self._there:
            return
        with suppress(OSError):  # The client may have been faster.
            if unread(connection):  # That begins a request, the rest of which would be lost.
                return
            # Whoever waits for the connection reads that it is at its end, and closes it. By a double: gevent would
            # wake him with an error.
            with connection.dup() as double:
                double.shutdown(SHUT_RD)


def unread(connection: Any) -> int:
    """Return how many bytes have come on the connection that nobody has read."""
    return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


class Request(message.Request):  # type: ignore[misc]  # untyped library
    """Gunicorn's reader of one request, which knows when it begins."""

    idle: ClassVar[Idle]

    def parse(self, unreader: Any) -> Any:
        """Return what has been read of the body with the head."""
        if not unreader.buf.getvalue():  # There is something when the client has not waited for the answer before.
            piece = self.idle.first_piece(unreader, is_new=self.req_number == 1)
            if not piece:
                raise StopIteration  # As gunicorn ends a connection on which no further request comes.
            unreader.unread(piece)
        return super().parse(unreader)


def install() -> Idle:
    """Return the idle connections of this process, known from now on. Gunicorn has no setting for it."""
    Request.idle = Idle()
    parser.RequestParser.mesg_class = Request
    return Request.idle
