"""A TCP proxy that can lose a reply: the command has arrived, and the connection breaks."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class LossyProxy:
    """Passes bytes on between its own port and a server's, and on demand loses what the server answers."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._losing = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.lost = threading.Event()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"

    def lose_reply_to(self, words: bytes) -> None:
        """The next command that contains `words` is done, and its connection breaks before the reply."""
        self.lost.clear()
        self._losing = words

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
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
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [client, server]
                doomed = threading.Event()
                threading.Thread(target=self._ask, args=(client, server, doomed), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client, doomed), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while piece := client.recv(65_536):
                if self._losing and self._losing in piece:
                    self._losing = b""
                    doomed.set()
                server.sendall(piece)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while piece := server.recv(65_536):
                if doomed.is_set():
                    self.lost.set()
                    break
                client.sendall(piece)
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
