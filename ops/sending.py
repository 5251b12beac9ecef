"""Sending answers: gunicorn's way, but the head of an answer goes out together with the first piece of its body.

One system call and one packet in place of two, for the client as well: all of what most answers are. When the process
is to stop, each answer says that it is the last one of its connection.
"""

from typing import Any

from gunicorn.http import wsgi


class Pieces(list[bytes]):
    """What would have been sent, in place of a socket."""

    def sendall(self, piece: bytes) -> None:
        """Keep it."""
        self.append(piece)


class Response(wsgi.Response):  # type: ignore[misc]  # untyped library
    """Gunicorn's writer of one answer."""

    sock: Any
    #: Whether every answer is the last one of its connection, whatever was meant when its request came.
    is_last = False

    def default_headers(self) -> list[str]:
        """Return the first lines of the answer, which say whether the connection is closed after it."""
        if self.is_last:  # Not asked any later: who has been told that it stays open may have sent the next request.
            self.force_close()
        return list(super().default_headers())

    def write(self, arg: Any) -> None:
        """Send a piece of the body, and the head before it if that has not been sent."""
        if self.headers_sent:
            super().write(arg)
            return
        socket, pieces = self.sock, Pieces()
        self.sock = pieces
        try:
            super().write(arg)
        finally:
            self.sock = socket
        socket.sendall(b"".join(pieces))


def install() -> None:
    """Have this process send its answers so. Gunicorn has no setting for it, and looks the class up by its name."""
    wsgi.Response = Response


def end() -> None:
    """Have every answer that has not begun yet be the last one of its connection."""
    Response.is_last = True
