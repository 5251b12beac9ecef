"""Whatever comes over a connection: ours gives the application what gunicorn's own would, and refuses the same."""

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

    def recv(self, size: int) -> bytes:
        if not self._pieces:
            return b""
        piece, self._pieces[0] = self._pieces[0][:size], self._pieces[0][size:]
        if not self._pieces[0]:
            del self._pieces[0]
        return piece

    def send(self, data: bytes) -> int:
        return len(data)

    def sendall(self, data: bytes) -> None:
        pass

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


def application(seen: Seen) -> Callable[..., list[bytes]]:
    """Return an application that keeps what it sees: each request's environ, and its body or why that was not read."""

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        try:
            body = environ["wsgi.input"].read()
        except Exception as error:
            body = type(error).__name__
        seen.append(({key: value for key, value in environ.items() if key not in OWN}, body))
        start("200 OK", [("Content-Length", "2")])
        return [b"ok"]

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
    """Return what the application sees of a connection of ours, and the name of the fault that ends it, if any."""
    seen: Seen = []
    host: Any = SimpleNamespace(**server(seen), waiting={}, count=lambda: None)
    Connection(host, TERMS, Client(pieces), address).serve()
    assert host.waiting == {}
    return seen


def by_gunicorn(pieces: Iterable[bytes], address: tuple[str, int]) -> Seen:
    """Return the same of gunicorn's."""
    seen: Seen = []
    worker = GeventWorker.__new__(GeventWorker)
    vars(worker).update(server(seen))
    worker.handle(SimpleNamespace(getsockname=lambda: ADDRESS), Client(pieces), address)
    return seen


def often(usual: list[str], strange: list[str]) -> st.SearchStrategy[str]:
    """Return a strategy of the usual, and sometimes of the strange."""
    return st.one_of(st.sampled_from(usual), st.sampled_from(usual), st.sampled_from(usual), st.sampled_from(strange))


METHODS = often(
    ["GET", "POST", "PUT", "HEAD", "OPTIONS"],
    [
        "get",
        "PRI",
        "CONNECT",
        "TRACE",
        "G",
        "GET ",
        " GET",
        "GE\tT",
        "POST\0",
        "X" * 21,
        "PROPFIND",
        "",
        "\r\nGET",
        "\nGET",
    ],
)
TARGETS = often(
    ["/", "/api/validation/validate", "/a?b=c", "/a%20b?c=%20", "/a?b?c", "/?"],
    [
        "//evil/a", "/a//b", "/a#b", "/a?b#c", "*", "http://host/a", "http://host", "host:80", "a", "", "/a b", "/a\tb",
        "/\x7f", "/ä", "/%", "/%zz", "/%00", "/a\\b", "/;a=b", "/[", "//[", "/:80", "/\x00", "/a\rb", "/a\nb",
        "/" + "a" * 4_080, "/" + "a" * 4_060, "/a^|`{}\"<>",
    ],
)  # fmt: skip
VERSIONS = often(
    ["HTTP/1.1"],
    ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "HTTP/9.9", "http/1.1", "HTTP/1.10", "HTTP/1.1 ", " HTTP/1.1", ""],
)
NAMES = often(
    ["Host", "Accept", "X-Api-Key", "Prefer", "content-type", "Cookie"],
    [
        "X_Api_Key", "HOST", "Content-Type", "Content_Length", "SCRIPT_NAME", "PATH_INFO", "Script-Name", "Proxy", "",
        " Host", "Host ", "Ho st", "Höst", "Host\0", "Ho\tst", "X-Forwarded-Proto", "X-Forwarded-Ssl",
        "X-Forwarded-Protocol", "Expect", "Connection", "Upgrade", "Transfer-Encoding", "Content-Length", "Trailer",
        "a!b", "Wsgi.Input", "Server-Name", "Request-Method", "TE", "X-Forwarded-For",
    ],
)  # fmt: skip
VALUES = often(
    ["a", "127.0.0.1:8000", "application/json", "wait=20", " a ", "\ta\t", ""],
    [
        "a\x00b", "a\rb", "a\nb", "a\x7f", "a\x80", "a\x0bb", "a\r\n b", "a\r\n\tb", "https", "on", "ssl", "http",
        "off", "100-continue", "close", "keep-alive", "Close", "keep-alive, close", "chunked", "gzip, chunked",
        "chunked, gzip", "chunked, chunked", "identity", "xchunked", "5", "+5", "-5", "5 ", "0x5", "5,5", "5, 5", "²",
        "9" * 20, "a" * 8_180, "a" * 8_200, "h2c", "a:b", ": ", "0", "00005",
    ],
)  # fmt: skip
ENDS = often(["\r\n"], ["\n", "\r", "\r\r\n", "\n\r\n", ""])
COLONS = often([": ", ":"], [" :", "", "::", "\t:", ":\t"])
FIELDS = st.tuples(NAMES, COLONS, VALUES, ENDS).map("".join)
FRAMES = often(
    ["Content-Length: 5\r\n\r\nhello", "Host: a\r\n\r\n", "Content-Length: 0\r\n\r\n"],
    [
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
        "Connection: close\r\n\r\n",
        "Content-Length: 50\r\n\r\nhello",
        "Content-Length: 5\n\nhello",
        "\r\n",
        "\n",
        "Host: a\r\n\n",
        "Host: a\n\r\n",
        "Content-Length: 70000\r\n\r\n" + "x" * 70_000,
    ],
)
REQUESTS = st.tuples(
    METHODS,
    often([" "], ["  ", "\t", ""]),
    TARGETS,
    often([" "], ["  ", "\t", ""]),
    VERSIONS,
    ENDS,
    st.lists(FIELDS, max_size=5).map("".join),
    FRAMES,
).map("".join)
TALKS = st.lists(REQUESTS, min_size=1, max_size=3).map(lambda requests: "".join(requests).encode("latin-1"))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Return the data in pieces, cut at these places."""
    ends = [*sorted(places), len(data)]
    return [data[start:end] for start, end in zip([0, *ends], ends, strict=False)]


GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /a/b?c=d HTTP/1.1\r\nHost: rates\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello" + GET


@settings(max_examples=600)
@given(TALKS, st.lists(st.integers(0, 400), max_size=3), st.sampled_from([PROXY, STRANGER]))
@example(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [], STRANGER)
@example(b"GET /\r\n\r\n", [], STRANGER)
@example(GET * 3, [], STRANGER)
@example(GET + GET[:-2], [], STRANGER)
@example(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 65 + b"\r\n", [], STRANGER)
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


@settings(max_examples=300)
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
