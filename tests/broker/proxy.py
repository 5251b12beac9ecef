"""A TCP proxy that can lose a reply: the command has arrived, and the connection breaks."""

import socket
import threading
from contextlib import suppress

from tests.proxy import BYTES, Proxy


class LossyProxy(Proxy):
    """Passes bytes on between its own port and a server's, and on demand loses what the server answers."""

    def __init__(self, port: int) -> None:
        self._losing = b""
        self.lost = threading.Event()
        super().__init__(port)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def lose_reply_to(self, words: bytes) -> None:
        """The next command that contains `words` is done, and its connection breaks before the reply."""
        self.lost.clear()
        self._losing = words

    def _join(self, client: socket.socket, server: socket.socket) -> None:
        doomed = threading.Event()
        threading.Thread(target=self._ask, args=(client, server, doomed), daemon=True).start()
        threading.Thread(target=self._answer, args=(server, client, doomed), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while piece := client.recv(BYTES):
                if self._losing and self._losing in piece:
                    self._losing = b""
                    doomed.set()
                server.sendall(piece)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, server: socket.socket, client: socket.socket, doomed: threading.Event) -> None:
        with suppress(OSError):
            while piece := server.recv(BYTES):
                if doomed.is_set():
                    self.lost.set()
                    break
                client.sendall(piece)
        for one in (client, server):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
