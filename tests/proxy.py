"""A TCP proxy between the platform and Redis that can stop passing anything on: a network that swallows."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

#: Passed on at once.
BYTES = 65_536


class Proxy:
    """Passes bytes between its own port and another one on 127.0.0.1, until it is told to swallow them."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        """From now on every byte disappears, in both directions; connections stay open."""
        self._open.clear()

    def pass_on(self) -> None:
        """From now on bytes are passed on again."""
        self._open.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in self._sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                inside, _ = self._listener.accept()
                outside = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [inside, outside]
                self._join(inside, outside)

    def _join(self, inside: socket.socket, outside: socket.socket) -> None:
        for source, sink in ((inside, outside), (outside, inside)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(BYTES):
                if self._open.is_set():
                    sink.sendall(piece)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
