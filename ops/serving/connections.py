"""One client's connection: its requests are read, given to the application and answered, one after the other."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from io import BytesIO
from logging import Logger
from socket import SHUT_RD
from time import monotonic
from typing import Any, Protocol, cast

from gunicorn.http import wsgi
from gunicorn.http.body import Body, LengthReader
from gunicorn.http.message import Request
from gunicorn.http.unreader import SocketUnreader
from gunicorn.util import close_graceful

from ops.serving import plain
from ops.serving.answers import Answer, Gone
from ops.serving.terms import Terms
from ops.serving.uploads import Invitation, Upload

#: Bytes that are received at once.
RECEIVED = 16_384
#: A body of no more bytes than these is received before the application is called.
SMALL = 65_536
#: What ends a head.
END = b"\r\n\r\n"


class Server(Protocol):
    """The process that serves, to one of its connections."""

    #: The application (PEP 3333).
    wsgi: Callable[..., Iterable[bytes]]
    log: Logger
    #: False from when it is to stop.
    alive: bool
    #: The connections whose next request has not all come, each with the moment since when: the longest wait first.
    waiting: dict["Connection", float]

    def count(self) -> None:
        """Have one more request counted."""

    def handle_error(self, request: None, client: Any, address: Any, error: BaseException, /) -> None:
        """Answer a request that has ended so."""


class Connection:
    """A client that has connected. There may be thousands, nearly all of them waiting: each has little of its own."""

    __slots__ = (
        "_address",
        "_is_trusted",
        "_lingers",
        "_server",
        "_socket",
        "_terms",
        "_unread",
        "_upload",
        "_wants_more",
        "is_silent",
    )

    def __init__(self, server: Server, terms: Terms, socket: Any, address: tuple[Any, ...]) -> None:
        self._server = server
        self._terms = terms
        self._socket = socket
        self._address = address
        self._is_trusted = terms.trusts(address)
        #: What has been received of the next request.
        self._unread = b""
        #: The body of this request, where it was not all there with its head.
        self._upload: Upload | None = None
        #: The client is to have more requests after this one.
        self._wants_more = True
        #: The client may still be sending what nobody reads.
        self._lingers = False
        #: Nothing of a next request has come.
        self.is_silent = True

    def serve(self) -> None:
        """Have answered what the client has asked. The connection is closed."""
        try:
            while self._turn():
                pass
        except Gone:
            pass
        except (Exception, SystemExit) as error:
            self._server.handle_error(None, self._socket, self._address, error)
            self._lingers = True
        finally:
            if self._lingers:
                close_graceful(self._socket)
            else:
                self._socket.close()

    def hang_up(self) -> None:
        """Have the client's next words go unheard: to whoever reads the connection it ends here."""
        with suppress(OSError):
            # Gevent's own would fail the waiting recv, also where a request has come that it has not yet seen.
            self._socket._sock.shutdown(SHUT_RD)

    def _turn(self) -> bool:
        """Answer one request; return whether there may be another one."""
        self._wait()
        try:
            environ = self._request()
        finally:
            del self._server.waiting[self]
        if environ is None:
            return False
        answer = Answer(self._socket, environ, self._stays)
        try:
            self._call(environ, answer)
        except Gone:
            raise
        except (Exception, SystemExit):
            if not answer.began:
                raise
            # Whatever was sent more would pass for a part of the answer; cut off, it is seen to be none.
            self._server.log.exception("An answer broke off.")
            return False
        return self._finish() and not answer.is_last

    def _wait(self) -> None:
        """Be the last of those who wait for a request, and have all the time for it."""
        self._server.waiting.pop(self, None)
        self._server.waiting[self] = monotonic()

    def _request(self) -> dict[str, Any] | None:
        """Return the environ of the next request, None where no more comes."""
        data = self._unread
        if not data:
            self.is_silent = True
            data = self._receive()
            self.is_silent = False
        if not data:
            return None
        end = data.find(END)
        environ = plain.read(data[:end], self._terms, trusted=self._is_trusted) if end > 0 else None
        if environ is None:
            return self._parse(data)
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self._address[0], str(self._address[1])
        self._wants_more = environ.get("HTTP_CONNECTION", "").lower() != "close"
        environ["wsgi.input"] = self._body(data, end + len(END), int(environ.get("CONTENT_LENGTH", 0)))
        return environ

    def _body(self, data: bytes, start: int, length: int) -> Any:
        """Return the body that begins there in what has been received."""
        end = start + length
        if len(data) < end and length > SMALL:
            unreader = SocketUnreader(self._socket)
            unreader.unread(data[start:])
            body = Body(LengthReader(unreader, length))
            self._unread, self._upload = b"", Upload(body, unreader)
            return body
        if len(data) < end:
            self._wait()  # It may have begun late.
        while len(data) < end and (piece := self._receive()):
            data += piece
        self._unread = data[end:]
        return BytesIO(data[start:end])

    def _parse(self, data: bytes) -> dict[str, Any]:
        """Return the environ of the request that begins so, as gunicorn reads it; raises what gunicorn raises."""
        self._wait()  # It may have begun late, and have more to come.
        unreader = SocketUnreader(self._socket)
        unreader.unread(data)
        cfg = self._terms.cfg
        try:
            request = Request(cfg, unreader, self._address)
        except OSError as error:
            raise Gone from error
        invitation = Invitation(self._socket, request.body.reader) if request._expected_100_continue else None
        request._expected_100_continue = False  # It is for the invitation to say when.
        _, environ = wsgi.create(request, self._socket, self._address, self._terms.address, cfg)
        environ["wsgi.multithread"] = True
        self._wants_more = not request.should_close()
        self._unread, self._upload = b"", Upload(request.body, unreader, invitation)
        return cast(dict[str, Any], environ)

    def _receive(self) -> bytes:
        """Return what has come, nothing at the end."""
        try:
            return cast(bytes, self._socket.recv(RECEIVED))
        except OSError as error:
            raise Gone from error

    def _stays(self) -> bool:
        """Return whether the connection is to stay open after this request."""
        is_awaited = self._upload is not None and self._upload.is_awaited
        return self._wants_more and self._server.alive and self._terms.keepalive_s > 0 and not is_awaited

    def _call(self, environ: dict[str, Any], answer: Answer) -> None:
        self._server.count()
        pieces = self._server.wsgi(environ, answer.start)
        try:
            for piece in pieces:
                answer.write(piece)
            answer.end()
        finally:
            if hasattr(pieces, "close"):
                pieces.close()

    def _finish(self) -> bool:
        """Have received this request to its end; return whether that is so."""
        if self._upload is None:
            return True
        rest, self._upload = self._upload.finish(), None
        self._lingers = rest is None
        self._unread = rest or b""
        return not self._lingers
