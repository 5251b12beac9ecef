"""A line of waiting clients: as many connections as asked for, each with one GET that is held until there is an answer.

One thread and plain sockets, so that thousands of clients take little from the service that they wait for.
"""

from __future__ import annotations

import resource
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

import orjson

from ops.bench.load import parsed

#: Requests that are on their way to the service at a time, so that none of them is refused at its door.
PACE = 200
#: How long the whole line may take.
PATIENCE_S = 120.0


class Missed(AssertionError):
    """Somebody in the line was not answered."""


@dataclass(slots=True)
class Client:
    """One that waits."""

    socket: socket.socket
    heard: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True, slots=True)
class Answer:
    """What one of them was told, and when (monotonic, s)."""

    status: int
    body: Any
    at: float


class Line:
    """Clients on one port of this machine, all connected inside the `with`."""

    def __init__(self, port: int, token: str, paths: Sequence[str]) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._clients: list[Client] = []
        head = f" HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        self._requests = [f"GET {path}{head}".encode() for path in paths]

    def __enter__(self) -> Self:
        allow_files(len(self._requests) + 1_000)
        for place, request in enumerate(self._requests):
            client = Client(socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE_S))
            client.socket.sendall(request)
            client.socket.setblocking(False)
            self._selector.register(client.socket, selectors.EVENT_READ, client)
            self._clients.append(client)
            if place % PACE == PACE - 1:
                time.sleep(0.05)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        for client in self._clients:
            client.socket.close()
        self._selector.close()

    def answers(self) -> list[Answer]:
        """Return all answers, in the order in which they came. Raises Missed."""
        came: list[Answer] = []
        deadline = time.monotonic() + PATIENCE_S
        while len(came) < len(self._clients):
            if time.monotonic() > deadline:
                raise Missed(f"{len(self._clients) - len(came)} of {len(self._clients)} were not answered")
            for key, _ in self._selector.select(1):
                answer = self._hear(key.data)
                if answer is not None:
                    came.append(answer)
        return came

    def _hear(self, client: Client) -> Answer | None:
        piece = client.socket.recv(65_536)
        if not piece:
            raise Missed(f"a connection was closed after {bytes(client.heard)!r}")
        client.heard += piece
        reply = parsed(client.heard)
        if reply is None:
            return None
        self._selector.unregister(client.socket)
        return Answer(reply[0], orjson.loads(reply[1]), time.monotonic())


def allow_files(number: int) -> None:
    """This process, and those that it starts, may have so many files open. Raises ValueError when they may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
