"""Answers as they go over the wire (RFC 9112). The head leaves together with the first piece of the body: one packet.

What may surprise: fields that are the connection's and not the answer's (`Connection`, `Date`, …) are dropped where the
application gives them, as by gunicorn: they are the server's to say.
"""

import re
import time
from collections.abc import Callable
from email.utils import formatdate
from http import HTTPMethod, HTTPStatus
from typing import Any

from gunicorn import SERVER

from ops.serving.plain import TEXT

STATUS = re.compile(r"[0-9]{3}(?: [ \t\x21-\x7e\x80-\xff]*)?")
#: A token (RFC 9110 §5.6.2).
NAME = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-zA-Z]+")

#: What a field is: of the answer, the answer's length, or not the application's to say.
PLAIN, LENGTH, SERVERS = "plain", "length", "server's"
NOT_PLAIN = {"content-length": LENGTH} | dict.fromkeys(
    (
        "connection",
        "date",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "server",
        "te",
        "trailers",
        "transfer-encoding",
        "upgrade",
    ),
    SERVERS,
)
#: So many names are remembered. They are the application's and its libraries' constants.
MOST_NAMES = 500
_kinds: dict[str, str] = {}

#: The second that it is, and how an answer states it.
_now = (0, "")


class Gone(Exception):
    """Whom the answer was for has left."""


class Answer:
    """The answer to one request: started by the application, sent piece by piece, ended."""

    __slots__ = (
        "_chunked",
        "_fields",
        "_has_body",
        "_length",
        "_method",
        "_protocol",
        "_sent",
        "_socket",
        "_status",
        "_stays",
        "began",
        "is_last",
    )

    def __init__(self, socket: Any, environ: dict[str, Any], stays: Callable[[], bool]) -> None:
        """The answer to the request of this environ; `stays` tells whether the connection is for more requests."""
        self._socket = socket
        self._method: str = environ["REQUEST_METHOD"]
        # One who speaks a later HTTP/1 than ours is answered in ours (RFC 9110 §2.5).
        self._protocol = "HTTP/1.0" if environ["SERVER_PROTOCOL"] == "HTTP/1.0" else "HTTP/1.1"
        self._stays = stays
        self._status = ""
        self._length: int | None = None
        self._sent = 0
        #: Something of it is on its way.
        self.began = False
        #: The connection ends with it.
        self.is_last = False

    def start(self, status: str, headers: list[tuple[str, str]], error: Any = None) -> Callable[[bytes], None]:
        """Keep the head, which goes out with the first piece: the application's start_response (PEP 3333).

        Raises ValueError for what cannot be sent, a line end in a field above all: it would begin a field that nobody
        has meant.
        """
        if error is not None and self.began:
            raise error[1]
        if error is None and self._status:
            raise AssertionError("The answer has been started before.")
        if not STATUS.fullmatch(status):
            raise ValueError("The answer has a status that is none.")
        code = int(status[:3])
        may_have_length = code >= HTTPStatus.OK and code != HTTPStatus.NO_CONTENT
        self._length, lines = None, []
        for name, value in headers:
            kind = _kinds.get(name) or learn(name)
            if kind is SERVERS:
                continue
            if kind is LENGTH:
                if not may_have_length:
                    continue
                self._length = int(value)
            lines.append(f"{name}: {value}\r\n")
        fields = "".join(lines).encode("latin-1")
        if len(fields.translate(None, TEXT)) != 2 * len(lines):
            raise ValueError("The answer has a field with a control character.")
        self._status, self._fields = status, fields
        self._has_body = may_have_length and code != HTTPStatus.NOT_MODIFIED and self._method != HTTPMethod.HEAD
        self._chunked = self._has_body and self._length is None and self._protocol == "HTTP/1.1"
        return self.write

    def write(self, piece: bytes) -> None:
        """Send a piece of the body, and the head before it if that has not been sent. Raises Gone."""
        if not isinstance(piece, bytes):
            raise TypeError("A piece of an answer must be bytes.")
        head = b"" if self.began else self._head()
        if not self._has_body:
            piece = b""
        elif self._length is not None:
            piece = piece[: self._length - self._sent]
            self._sent += len(piece)
        elif self._chunked and piece:  # An empty chunk would be the last one.
            piece = b"%X\r\n%b\r\n" % (len(piece), piece)
        self._send(head + piece)

    def end(self) -> None:
        """Have sent all of it. Raises Gone."""
        if not self.began:
            self.write(b"")
        if self._chunked:
            self._send(b"0\r\n\r\n")
        elif self._has_body and self._length is not None and self._sent < self._length:
            self.is_last = True  # The next answer would pass for the rest of this one.

    def _head(self) -> bytes:
        if not self._status:
            raise AssertionError("The answer has not been started.")
        self.began = True
        ends_with_connection = self._has_body and self._length is None and not self._chunked
        self.is_last = ends_with_connection or not self._stays()
        connection = "close" if self.is_last else "keep-alive"
        head = f"{self._protocol} {self._status}\r\nServer: {SERVER}\r\nDate: {date()}\r\nConnection: {connection}\r\n"
        coding = b"Transfer-Encoding: chunked\r\n" if self._chunked else b""
        return b"%b%b%b\r\n" % (head.encode("latin-1"), coding, self._fields)

    def _send(self, data: bytes) -> None:
        if not data:
            return
        try:
            sent = self._socket.send(data)
            if sent < len(data):
                self._socket.sendall(memoryview(data)[sent:])
        except OSError as error:
            raise Gone from error


def learn(name: str) -> str:
    """Return what a field of this name is. Raises ValueError where it is no name."""
    if not NAME.fullmatch(name):
        raise ValueError("The answer has a field whose name is none.")
    kind = NOT_PLAIN.get(name.lower(), PLAIN)
    if len(_kinds) < MOST_NAMES:
        _kinds[name] = kind
    return kind


def date() -> str:
    """Return the time as answers state it (RFC 9110 §6.6.1), written once a second."""
    global _now
    second = int(time.time())
    if _now[0] != second:
        _now = second, formatdate(second, usegmt=True)
    return _now[1]
