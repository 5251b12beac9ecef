"""Sending answers: gunicorn's way, but the head of an answer goes out together with the first piece of its body.

One system call and one packet in place of two, for the client as well: all of what most answers are.
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
