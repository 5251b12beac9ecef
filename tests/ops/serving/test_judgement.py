"""Whatever comes over a connection: ours tells the application what gunicorn's own would, and answers the same."""

import re
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers.ggevent import GeventWorker
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ops import gunicorn as ours
from ops.serving import plain
from ops.serving.connections import Connection
from ops.serving.terms import Terms

ADDRESS = ("0.0.0.0", 8000)
PROXY, STRANGER = ("127.0.0.1", 50_000), ("192.0.2.7", 50_000)
#: What each server has of its own. All else that an application can see must be the same.
OWN = {"wsgi.input", "wsgi.errors", "wsgi.early_hints", "gunicorn.socket"}

Seen = list[Any]


class Client:
    """A client that says what it has to say in these pieces, and then no more; in place of a socket."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]
        self.received = b""

    def recv(self, size: int) -> bytes:
        if not self._pieces:
            return b""
        piece, self._pieces[0] = self._pieces[0][:size], self._pieces[0][size:]
        if not self._pieces[0]:
            del self._pieces[0]
        return piece

    def send(self, data: bytes) -> int:
        self.received += data
        return len(data)

    def sendall(self, data: bytes) -> None:
        self.received += data

    def setblocking(self, flag: bool) -> None:
        pass

    def settimeout(self, seconds: float | None) -> None:
        pass

    def shutdown(self, how: int) -> None:
        pass

    def close(self) -> None:
        pass


def configuration() -> Config:
    """Return gunicorn's settings, with the limits of ours."""
    cfg = Config()
    for limit in ("limit_request_line", "limit_request_fields", "limit_request_field_size"):
        cfg.set(limit, getattr(ours, limit))
    cfg.set("keepalive", 100)
    return cfg


CFG = configuration()
TERMS = Terms.of(CFG, ADDRESS)


#: What applications answer: with and without a length, in any number of pieces, more and less than they should.
ANSWERS = [
    ("200 OK", [("Content-Length", "2"), ("X-A", "b\u00e9")], [b"ok"]),
    ("200 OK", [("Content-Type", "text/plain")], [b"first", b"", b"second"]),
    (
        "200 OK",
        [("content-length", "4"), ("Connection", "keep-alive"), ("Date", "now")],
        [b"ok", b"ok"],
    ),
    ("200 OK", [("Content-Length", "2")], [b"more", b"than", b"said"]),
    ("200 OK", [("Content-Length", "0")], []),
    ("404 ", [], []),
    ("204 No Content", [("Content-Length", "2")], [b"ok"]),
    ("304 Not Modified", [("Content-Length", "2"), ("ETag", '"a"')], []),
    ("500 \u00e9", [("Transfer-Encoding", "chunked")], [b"", b"late"]),
]
DATE = re.compile(rb"Date: [^\r]*")
LATER = re.compile(rb"HTTP/1\.[2-9]")


def application(seen: Seen) -> Callable[..., list[bytes]]:
    """Return an application that keeps what it sees: each request's environ, and its body or why that was not read."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        try:
            body = environ["wsgi.input"].read()
        except Exception as error:
            body = type(error).__name__
        seen.append(({key: value for key, value in environ.items() if key not in OWN}, body))
        status, headers, pieces = ANSWERS[(len(environ["PATH_INFO"]) + len(body)) % len(ANSWERS)]
        start(status, list(headers))
        return pieces

    return answer


def server(seen: Seen) -> dict[str, Any]:
    """Return what both servers are given."""
    return {
        "cfg": CFG,
        "log": Logger(CFG),
        "alive": True,
        "nr": 0,
        "max_requests": 10**9,
        "wsgi": application(seen),
        "handle_error": lambda request, client, address, error: seen.append(type(error).__name__),
    }


def by_ours(pieces: Iterable[bytes], address: tuple[str, int]) -> Seen:
    """Return what the application sees of a connection of ours, the fault if any, and what the client receives."""
    seen: Seen = []
    host: Any = SimpleNamespace(**server(seen), waiting={}, count=lambda: None)
    client = Client(pieces)
    Connection(host, TERMS, client, address).serve()
    assert host.waiting == {}
    return [*seen, DATE.sub(b"", client.received)]


def by_gunicorn(pieces: Iterable[bytes], address: tuple[str, int]) -> Seen:
    """Return the same of gunicorn's."""
    seen: Seen = []
    worker = GeventWorker.__new__(GeventWorker)
    vars(worker).update(server(seen))
    client = Client(pieces)
    worker.handle(SimpleNamespace(getsockname=lambda: ADDRESS), client, address)
    # We answer in the version that is ours, whatever later HTTP/1 the client speaks.
    return [*seen, LATER.sub(b"HTTP/1.1", DATE.sub(b"", client.received))]


#: Of each part of a request what is usual, and what is strange or wrong.
METHODS = (
    ["GET", "POST", "PUT", "HEAD", "OPTIONS"],
    ["get", "PRI", "CONNECT", "TRACE", "G", " GET", "GE\tT", "POST\0", "X" * 21, "PROPFIND", "", "\r\nGET", "\nGET"],
)
SPACES = ([" "], ["  ", "\t", ""])
TARGETS = (
    ["/", "/api/validation/validate", "/a?b=c", "/a%20b?c=%20", "/a?b?c", "/?"],
    [
        *("//evil/a", "/a//b", "/a#b", "/a?b#c", "*", "http://host/a", "http://host", "host:80", "a", "", "/a b"),
        *("/a\tb", "/\x7f", "/\xe4", "/%", "/%zz", "/%00", "/a\\b", "/;a=b", "/[", "//[", "/:80", "/\0", "/a\rb"),
        *("/a\nb", "/" + "a" * 4_079, "/" + "a" * 4_080, '/a^|`{}"<>'),
    ],
)
VERSIONS = (
    ["HTTP/1.1"],
    ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/9.9", "http/1.1", "HTTP/1.10", "HTTP/1.1 ", ""],
)
ENDS = (["\r\n"], ["\n", "\r", "\r\r\n", "\n\r\n", ""])
NAMES = (
    ["Host", "Accept", "X-Api-Key", "Prefer", "content-type", "Cookie"],
    [
        *(
            "X_Api_Key",
            "HOST",
            "Content_Length",
            "SCRIPT_NAME",
            "PATH_INFO",
            "Script-Name",
            "Proxy",
            "",
            " Host",
            "Host ",
        ),
        *("Ho st", "H\xf6st", "Host\0", "Ho\tst", "X-Forwarded-Proto", "X-Forwarded-Ssl", "X-Forwarded-Protocol"),
        *("Expect", "Connection", "Upgrade", "Transfer-Encoding", "Content-Length", "Trailer", "TE", "a!b"),
        *("Wsgi.Input", "Server-Name", "Request-Method"),
    ],
)
COLONS = ([": ", ":"], [" :", "", "::", "\t:", ":\t"])
VALUES = (
    ["a", "127.0.0.1:8000", "application/json", "wait=20", " a ", "\ta\t", ""],
    [
        *("a\0b", "a\rb", "a\nb", "a\x7f", "a\x80", "a\xa0", "a\x0bb", "a\x0c", "a\r\n b", "a\r\n\tb", "a:b", ": "),
        *("a" * 8_180, "a" * 8_200),
    ],
)
#: What these fields say matters, so they come with what may be said in them.
TELLING = [
    *(f"X-Forwarded-{name}: {value}\r\n" for name in ("Proto", "Ssl", "Protocol") for value in ("https", "on", "ssl")),
    *(f"Connection: {value}\r\n" for value in ("close", "keep-alive", "Close", "keep-alive, close", "upgrade")),
    *(
        f"Content-Length: {value}\r\n"
        for value in ("5", "+5", "-5", "5 ", "0x5", "5,5", "5, 5", "\xb2", "9" * 20, "005")
    ),
    *(
        f"Transfer-Encoding: {value}\r\n"
        for value in ("chunked", "gzip, chunked", "chunked, gzip", "identity", "xchunked")
    ),
    *(f"Expect: {value}\r\n" for value in ("100-continue", "100-Continue", "200-ok")),
]
BODIES = (
    ["Content-Length: 5\r\n\r\nhello", "\r\n", "Content-Length: 0\r\n\r\n"],
    [
        "hello",
        "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "transfer-encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: b\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n",
        "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        "Expect: 100-continue\r\nContent-Length: 5\r\n\r\nhello",
        "Content-Length: 50\r\n\r\nhello",
        "Content-Length: 5\n\nhello",
        "\n",
        "Accept: a\r\n\n",
        "Accept: a\n\r\n",
        "Content-Length: 70000\r\n\r\n" + "x" * 70_000,
    ],
)
#: A request in its parts: the line, three fields, and the end of the head with what comes after it.
FIELD = (NAMES, COLONS, VALUES, ENDS)
PARTS = (METHODS, SPACES, TARGETS, SPACES, VERSIONS, ENDS, *FIELD, *FIELD, BODIES)


@st.composite
def requests(draw: st.DrawFn) -> str:
    """A request of which at most two parts are strange, so that most strange things are seen in good company."""
    strange = draw(st.sets(st.integers(0, len(PARTS) - 1), max_size=2))
    parts = [draw(st.sampled_from(part[place in strange])) for place, part in enumerate(PARTS)]
    telling = draw(st.lists(st.sampled_from(TELLING), max_size=2))
    return "".join([*parts[:-1], *telling, parts[-1]])


TALKS = st.lists(requests(), min_size=1, max_size=3).map(lambda talk: "".join(talk).encode("latin-1"))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return the data in pieces, cut at these places."""
    ends = [*sorted(places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a/b?c=d HTTP/1.1\r\nHost: rates\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello" + GET


@settings(max_examples=400)
@given(TALKS, st.lists(st.integers(0, 400), max_size=3), st.sampled_from([PROXY, STRANGER]))
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [], STRANGER)
@example(b"GET /\r\n\r\n", [], STRANGER)
@example(GET * 3, [], STRANGER)
@example(GET + GET[:-2], [], STRANGER)
@example(b"GET / HTTP/1.1\r\n" + b"".join(b"A%d: b\r\n" % number for number in range(65)) + b"\r\n", [], STRANGER)
@example(b"GET /%b HTTP/1.1\r\n\r\n" % (b"a" * 4_081), [], STRANGER)
@example(b"GET / HTTP/1.1\r\nContent-Length: +5\r\n\r\nhello", [], STRANGER)
@example(b"GET / HTTP/1.1\r\nX: %b\r\n\r\n" % (b"a" * 8_186), [], STRANGER)
@example(b"GET / HTTP/1.1\r\nX_Api_Key: b\r\n\r\n", [], STRANGER)
@example(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", [], STRANGER)
@example(b"GET / HTTP/1.1\r\nX-Api-Key: a\r\nX_Api_Key: b\r\n\r\n", [], STRANGER)
@example(b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\n\r\n", [], PROXY)
@example(b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off\r\n\r\n", [], PROXY)
@example(b"GET / HTTP/1.1\r\nX-Forwarded-Proto: https\r\n\r\n", [], STRANGER)
def test_ours_and_gunicorns_connection_are_of_one_mind(
    data: bytes, places: list[int], address: tuple[str, int]
) -> None:
    pieces = cut(data, places)

    assert by_ours(pieces, address) == by_gunicorn(pieces, address)


@settings(max_examples=200)
@given(st.data())
def test_ours_and_gunicorns_connection_agree_about_a_byte_that_is_out_of_place(draws: st.DataObject) -> None:
    place, left_out = draws.draw(st.integers(0, len(POST))), draws.draw(st.integers(0, 2))
    byte = draws.draw(st.binary(max_size=1) | st.sampled_from([b"\r\n", b"\r", b"\n", b" ", b":"]))
    talk = POST[:place] + byte + POST[place + left_out :]

    assert by_ours([talk], STRANGER) == by_gunicorn([talk], STRANGER)


@pytest.mark.parametrize(
    "fields",
    [
        "Host: rates\r\nAuthorization: Bearer abc\r\nContent-Type: application/json\r\nContent-Length: 5",
        "host: rates\r\nx-forwarded-for: 192.0.2.7\r\nx-forwarded-proto: https\r\ncontent-length: 5",
        'Host: rates\r\nUser-Agent: curl/8.0\r\nAccept: */*\r\nIf-None-Match: "abc"\r\nConnection: keep-alive',
    ],
)
def test_what_people_send_is_plain(fields: str) -> None:
    head = f"POST /api/validation/requests/0198-a?wait=20 HTTP/1.1\r\n{fields}".encode()

    assert plain.read(head, TERMS, trusted=True) is not None


def test_names_that_callers_think_up_are_not_all_remembered() -> None:
    for number in range(2 * plain.MOST_NAMES):
        plain.read(b"GET / HTTP/1.1\r\nX-%d: a" % number, TERMS, trusted=False)

    assert len(plain._keys) <= plain.MOST_NAMES
    assert plain.read(GET[:-4], TERMS, trusted=False) is not None
