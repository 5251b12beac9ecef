"""Connections of a real server, over bare sockets: what client and application may do to each other."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from http.client import HTTPResponse, parse_headers
from pathlib import Path
from typing import Self

import pytest

from ops import gunicorn as ours
from ops import leash
from ops.embedded import free_ports
from tests.processes import ROOT, wait_for

CHUNKED = "Transfer-Encoding: chunked"


class Talk:
    """A conversation with the server."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.file = self.socket.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def say(self, data: bytes) -> None:
        """Send this."""
        self.socket.sendall(data)

    def ask(self, path: str, *fields: str, method: str = "POST", version: str = "HTTP/1.1") -> None:
        """Send the head of a request."""
        self.say("\r\n".join([f"{method} {path} {version}", "Host: test", *fields, "", ""]).encode())

    def hear(self, *, has_body: bool = True) -> tuple[int, dict[str, str], bytes]:
        """Return an answer that has a length: its status, its fields, its body."""
        _, status, _ = self.file.readline().split(b" ", 2)
        fields = {name.lower(): value for name, value in parse_headers(self.file).items()}
        length = int(fields.get("content-length", 0))
        return int(status), fields, self.file.read(length if has_body else 0)

    def hear_out(self) -> bytes:
        """Return all that comes until the server ends the conversation."""
        return self.file.read()

    def is_over(self) -> bool:
        """Return whether the server ends the conversation without another word, for which this waits."""
        return self.hear_out() == b""


class Served:
    """A server with the small application, by our worker and with our limits."""

    def __init__(self, folder: Path, *, keepalive_s: int = 100) -> None:
        self.port = next(free_ports())
        self.log = folder / "log"
        with self.log.open("wb") as log:
            self.child = subprocess.Popen(
                [
                    *leash.command(signal.SIGKILL),
                    *(sys.executable, "-m", "gunicorn", "--no-control-socket", "--worker-class", ours.worker_class),
                    *("--bind", f"127.0.0.1:{self.port}", "--keep-alive", str(keepalive_s)),
                    *("--limit-request-fields", str(ours.limit_request_fields)),
                    "tests.ops.serving.application:app",
                ],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def __enter__(self) -> Self:
        wait_for(lambda: self.says("Booting worker"), what="the server")
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait()

    def says(self, words: str) -> bool:
        """Return whether the server has logged these words."""
        return words in self.log.read_text(errors="replace")

    def ask(self, path: str) -> bytes:
        """Return the body of the answer, on a connection of its own."""
        with Talk(self.port) as talk:
            talk.ask(path, "Connection: close")
            return talk.hear()[2]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for most of this file."""
    with Served(tmp_path_factory.mktemp("serving")) as served:
        yield served


@pytest.fixture
def talk(served: Served) -> Iterator[Talk]:
    with Talk(served.port) as talk:
        yield talk


@pytest.mark.parametrize("size", [0, 5, 60_000, 70_000, 1_000_000])
def test_a_body_is_read_wherever_it_was_cut(talk: Talk, size: int) -> None:
    body = bytes(range(250)) * (size // 250) + b"x" * (size % 250)

    for place in (0, 1, size // 2, size):
        talk.ask("/echo", f"Content-Length: {size}")
        talk.say(body[:place])
        talk.say(body[place:])

        assert talk.hear()[2] == body


def test_a_body_in_chunks_is_put_together(talk: Talk) -> None:
    talk.ask("/echo", CHUNKED)
    for piece in (b"5\r", b"\nhel", b"lo\r\n6\r\n world", b"\r\n0\r\n", b"A: b\r\n\r\n"):
        talk.say(piece)

    assert talk.hear()[2] == b"hello world"


def test_requests_that_come_at_once_are_answered_one_after_the_other(talk: Talk) -> None:
    one = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
    chunked = b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nfou\r\n0\r\n\r\n"

    talk.say(one + b"one" + one + b"two" + one + b"thr" + chunked + one + b"fiv")

    assert [talk.hear()[2] for _ in range(5)] == [b"one", b"two", b"thr", b"fou", b"fiv"]


def test_a_head_may_come_letter_by_letter(talk: Talk) -> None:
    for letter in b"GET /ignore HTTP/1.1\r\nHost: a\r\n\r\n":
        talk.say(bytes([letter]))

    assert talk.hear()[2] == b"ok"


@pytest.mark.parametrize("path", ["/first", "/ignore"])
@pytest.mark.parametrize("framed", ["by length", "by chunks"])
def test_what_the_application_does_not_read_is_not_taken_for_a_request(talk: Talk, path: str, framed: str) -> None:
    body = b"GET /fail HTTP/1.1\r\n\r\n" * 10_000
    if framed == "by length":
        talk.ask(path, f"Content-Length: {len(body)}")
        talk.say(body)
    else:
        talk.ask(path, CHUNKED)
        talk.say(b"%X\r\n%b\r\n0\r\n\r\n" % (len(body), body))
    talk.ask("/ignore", method="GET")

    assert (talk.hear()[0], talk.hear()[2]) == (200, b"ok")


def test_an_upload_is_invited_when_the_application_begins_to_read_it(talk: Talk) -> None:
    talk.ask("/echo", "Expect: 100-continue", "Content-Length: 5")
    invitation = talk.file.read(25)
    talk.say(b"hello")

    assert invitation == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert talk.hear()[2] == b"hello"


def test_an_upload_that_nobody_wants_is_not_invited(talk: Talk) -> None:
    talk.ask("/ignore", "Expect: 100-continue", "Content-Length: 5")

    status, fields, body = talk.hear()

    assert (status, fields["connection"], body) == (200, "close", b"ok")
    assert talk.is_over()


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        ("HTTP/1.1", [], "keep-alive"),
        ("HTTP/1.1", ["Connection: close"], "close"),
        ("HTTP/1.0", [], "close"),
        ("HTTP/1.0", ["Connection: keep-alive"], "keep-alive"),
    ],
)
def test_a_connection_ends_when_the_client_wants_it(talk: Talk, version: str, asked: list[str], told: str) -> None:
    talk.ask("/ignore", *asked, method="GET", version=version)

    assert talk.hear()[1]["connection"] == told
    if told == "close":
        assert talk.is_over()
    else:
        talk.ask("/ignore", method="GET")
        assert talk.hear()[2] == b"ok"


def test_an_answer_to_head_has_no_body_and_its_length(talk: Talk) -> None:
    talk.ask("/ignore", method="HEAD")
    status, fields, _ = talk.hear(has_body=False)
    talk.ask("/ignore", method="GET")

    assert (status, fields["content-length"]) == (200, "2")
    assert talk.hear()[2] == b"ok"


def test_where_there_is_no_content_nothing_is_sent_and_no_length(talk: Talk) -> None:
    talk.ask("/nothing")
    status, fields, body = talk.hear()
    talk.ask("/ignore")

    assert (status, body) == (204, b"")
    assert not {"content-length", "transfer-encoding"} & set(fields)
    assert talk.hear()[2] == b"ok"


def test_each_piece_of_a_stream_is_sent_at_once(served: Served, talk: Talk) -> None:
    talk.ask("/stream", method="GET")
    with closing(HTTPResponse(talk.socket)) as reply:
        reply.begin()
        pieces = [reply.read(3)]
        for size in (3, 5):
            served.ask("/go")
            pieces.append(reply.read(size))
        served.ask("/go")

        assert pieces == [b"one", b"two", b"three"]
        assert reply.getheader("Transfer-Encoding") == "chunked"
        assert reply.read() == b""
    wait_for(lambda: served.ask("/ended") == b"ok", what="the end of the stream")


def test_a_stream_in_old_http_ends_with_its_connection(served: Served, talk: Talk) -> None:
    talk.ask("/stream", method="GET", version="HTTP/1.0")

    def has_ended() -> bool:
        served.ask("/go")
        return served.ask("/ended") == b"ok"

    wait_for(has_ended, what="the end of the stream")
    said = talk.hear_out()
    assert b"Connection: close" in said
    assert said.endswith(b"\r\n\r\nonetwothree")


def test_a_stream_whose_listener_is_gone_is_closed(served: Served, talk: Talk) -> None:
    talk.ask("/stream", method="GET")
    talk.socket.recv(1)
    talk.file.close()
    talk.socket.close()

    def has_ended() -> bool:
        served.ask("/go")
        return served.ask("/ended") == b"ok"

    wait_for(has_ended, what="the end of the stream")
    assert not served.says("BrokenPipe")


def test_an_answer_that_is_larger_than_a_socket_takes_arrives_whole(talk: Talk) -> None:
    talk.ask("/large")

    assert len(talk.hear()[2]) == 8 << 20


@pytest.mark.parametrize("path", ["/fail", "/leave", "/split"])
def test_an_application_that_breaks_down_is_answered_for(served: Served, talk: Talk, path: str) -> None:
    talk.ask(path)

    status, fields, body = talk.hear()

    assert (status, fields["content-type"], fields["connection"]) == (500, "application/problem+json", "close")
    assert b"hunter2" not in body
    assert "set-cookie" not in fields
    assert talk.is_over()
    assert served.ask("/ignore") == b"ok"


@pytest.mark.parametrize("path", ["/break-off", "/fall-short"])
def test_after_half_an_answer_the_connection_ends(talk: Talk, path: str) -> None:
    talk.ask(path)
    talk.ask("/ignore")

    assert talk.hear_out().endswith(b"\r\n\r\nhalf")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("GET / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 400),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nTransfer-Encoding: hunter2\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: a\r\n hunter2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: hunter2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost : hunter2\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: hunter2\0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nA: hunter2\rb\r\n\r\n", 400),
        ("GET / HTTP/1.1\nA: hunter2\n\n", 400),
        ("GET /hunter2\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("GET hunter2:80 HTTP/1.1\r\n\r\n", 400),
        ("GET /{} HTTP/1.1\r\n\r\n".format("hunter2" * 600), 414),
        ("GET / HTTP/1.1\r\n{}\r\n".format("".join(f"A{n}: hunter2\r\n" for n in range(65))), 431),
        ("GET / HTTP/1.1\r\nA: {}\r\n\r\n".format("hunter2" * 1200), 431),
        ("GET / HTTP/1.1\r\nExpect: hunter2\r\n\r\n", 417),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(
    served: Served, talk: Talk, head: str, status: int
) -> None:
    talk.say(head.encode())
    talk.ask("/ignore")

    said = talk.hear_out()

    assert said.startswith(b"HTTP/1.1 %d " % status)
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"hunter2" not in said
    assert not served.says("hunter2hunter2")


def test_who_says_nothing_for_too_long_is_let_go(tmp_path: Path) -> None:
    with Served(tmp_path, keepalive_s=1) as served, Talk(served.port) as silent, Talk(served.port) as slow:
        slow.say(b"GET /ignore HTTP/1.1\r\nHo")

        assert silent.is_over()
        assert slow.is_over()
        assert served.ask("/ignore") == b"ok"


def test_a_server_that_is_to_stop_lets_the_idle_go_and_finishes_what_has_begun(tmp_path: Path) -> None:
    body = b"x" * 100_000
    with Served(tmp_path) as served, ExitStack() as stack:
        idle = [stack.enter_context(Talk(served.port)) for _ in range(300)]
        upload = stack.enter_context(Talk(served.port))
        idle[7].ask("/ignore")
        idle[7].hear()
        upload.ask("/echo", "Expect: 100-continue", f"Content-Length: {len(body)}")
        upload.file.read(25)
        upload.say(body[:50_000])

        served.child.terminate()

        assert all(talk.is_over() for talk in idle)
        upload.say(body[50_000:])
        _, fields, echo = upload.hear()
        assert (fields["connection"], echo) == ("close", body)
        assert served.child.wait(60) == 0
        assert not served.says("graceful timeout")
