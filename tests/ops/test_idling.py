"""How a web process stops: idle connections are closed at once, and whatever has begun ends properly."""

import json
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse
from pathlib import Path

import pytest

from app.database import Database
from app.settings import Settings
from tests.factories import issue_token
from tests.processes import Web, environment, wait_for

IDLE = 500
ITEM = {"date": "2026-11-20", "base": "EUR", "quote": "USD", "rate": "1.0842", "source": "ECB"}
BODY = json.dumps({"ruleset": "fx_rate", "item": ITEM}).encode()
PROBE = b"GET /healthz HTTP/1.1\r\nHost: rates\r\n\r\n"
#: A slow machine's patience for what takes a moment.
PATIENCE_S = 20


class Line:
    """A connection that a client keeps."""

    def __init__(self, web: Web) -> None:
        self.socket = socket.create_connection(("127.0.0.1", web.port), timeout=PATIENCE_S)

    def answer(self) -> HTTPResponse:
        """Return the next answer, read to its end."""
        reply = HTTPResponse(self.socket)
        reply.begin()
        self.text = reply.read().decode()
        return reply

    def probe(self) -> None:
        """Send a request that is answered at once; after it, the connection is idle."""
        self.socket.sendall(PROBE)
        reply = self.answer()
        assert (reply.status, reply.getheader("Connection")) == (200, "keep-alive")

    def is_closed(self) -> bool:
        """Return whether the server has closed the connection, properly and without a word."""
        return self.socket.recv(1) == b""


@pytest.fixture
def lines() -> Iterator[ExitStack]:
    """Where connections are kept until the end of the test."""
    with ExitStack() as stack:
        yield stack


def validate(token: str, *more: str) -> bytes:
    """Return the head of a request that sends an item."""
    lines = [
        "POST /api/validation/validate HTTP/1.1",
        "Host: rates",
        f"X-API-Key: {token}",
        "Content-Type: application/json",
        f"Content-Length: {len(BODY)}",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def test_idle_connections_are_closed_and_requests_are_answered_when_the_process_is_told_to_stop(
    settings: Settings, database: Database, tmp_path: Path, lines: ExitStack
) -> None:
    token = issue_token(database)

    def line() -> Line:
        made = Line(web)
        lines.enter_context(closing(made.socket))
        return made

    with Web(environment(settings), tmp_path) as web:
        idle = [line() for _ in range(IDLE)]
        for each in idle:
            each.probe()
        new = line()
        # No worker runs, so the answer would take all of the 25 seconds.
        poll = line()
        poll.socket.sendall(validate(token, "Prefer: wait=25") + BODY)
        wait_for(lambda: web.says("validation.accepted"), what="the request that waits")
        upload = line()
        upload.socket.sendall(validate(token, "Expect: 100-continue"))
        assert upload.socket.recv(1_000).startswith(b"HTTP/1.1 100 ")  # It is being read.
        upload.socket.sendall(BODY[:20])
        begun = line()
        begun.probe()
        begun.socket.sendall(PROBE[:30])
        for each in idle[:2]:  # When these are answered, the beginning has been read.
            each.probe()
        told = time.monotonic()

        web.signal(signal.SIGTERM)

        # All of it while the process is alive, since two requests are not read to their end.
        assert all(each.is_closed() for each in idle)
        assert new.is_closed()
        waited = poll.answer()
        assert (waited.status, waited.getheader("Connection")) == (202, "close")
        assert json.loads(poll.text)["state"] == "pending"
        assert poll.is_closed()
        begun.socket.sendall(PROBE[30:])
        assert (begun.answer().status, begun.is_closed()) == (200, True)
        upload.socket.sendall(BODY[20:])
        accepted = upload.answer()
        assert (accepted.status, accepted.getheader("Connection")) == (202, "close")
        assert upload.is_closed()
        assert web.stop() == 0
        assert not web.says("Traceback")
        # Gunicorn's own patience with connections is 25 seconds.
        assert time.monotonic() - told < PATIENCE_S


def test_requests_that_are_sent_without_waiting_for_answers_are_all_answered(web: Web) -> None:
    line = Line(web)
    with closing(line.socket):
        line.socket.sendall(PROBE * 3)

        assert line.socket.recv(1, socket.MSG_PEEK) == b"H"
        wait_for(lambda: line.socket.recv(65_536, socket.MSG_PEEK).count(b"HTTP/1.1 200 OK") == 3, what="the answers")
