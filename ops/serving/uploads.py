"""Uploads: bodies that are not all there when the application is called, and are received as it reads them.

They are read by gunicorn's readers, by length or by chunks, which hold no more than the application asks for.
"""

from typing import Any

import gevent
from gunicorn.http.body import Body
from gunicorn.http.errors import ParseException
from gunicorn.http.unreader import SocketUnreader

#: What the application leaves is received for so long: a client that sends first and reads then shall get its answer.
DRAIN_S = 5.0
DRAINED = 65_536


class Invitation:
    """A body that the client sends only when told to (RFC 9110 §10.1.1): the first who reads it tells."""

    def __init__(self, socket: Any, reader: Any) -> None:
        self._socket = socket
        self._reader = reader
        self.is_sent = False

    def read(self, size: int) -> bytes:
        """Return so many bytes of the body, fewer at its end, having invited the client before."""
        if not self.is_sent:
            self.is_sent = True
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        data: bytes = self._reader.read(size)
        return data


class Upload:
    """The body of one request, and what is received after it."""

    __slots__ = ("_body", "_invitation", "_unreader")

    def __init__(self, body: Body, unreader: SocketUnreader, invitation: Invitation | None = None) -> None:
        self._body = body
        self._unreader = unreader
        self._invitation = invitation
        if invitation is not None:
            body.reader = invitation

    @property
    def is_awaited(self) -> bool:
        """Whether the client still waits to be told that it may send."""
        return self._invitation is not None and not self._invitation.is_sent

    def finish(self) -> bytes | None:
        """Return what has come after the body, None where its end was not to be found."""
        if self.is_awaited or self._body.failed:
            return None
        try:
            with gevent.Timeout(DRAIN_S, False):
                while self._body.read(DRAINED):
                    pass
                rest: bytes = self._unreader.take_buffered()
                return rest
        except (ParseException, OSError):
            pass
        return None
