"""A small application that does what applications do to a server, the good and the bad, by its path."""

from collections.abc import Callable, Iterator
from typing import Any

from gevent.event import Event

SMALL = [("Content-Length", "2")]
#: What has happened to the answers that take their time.
goes_on, closed = Event(), Event()


def app(environ: dict[str, Any], start: Callable[..., Any]) -> Any:
    return VIEWS[environ["PATH_INFO"]](environ, start)


def echo(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """The body comes back."""
    body = environ["wsgi.input"].read()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def first(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """The first two bytes of the body come back; nothing more is read."""
    start("200 OK", SMALL)
    return [environ["wsgi.input"].read(2)]


def ignore(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """The body is not read."""
    start("200 OK", SMALL)
    return [b"ok"]


def stream(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    """Three pieces; the second and the third wait for /go."""
    start("200 OK", [("Content-Type", "text/event-stream")])
    try:
        for piece in (b"one", b"two", b"three"):
            yield piece
            goes_on.wait()
            goes_on.clear()
    finally:
        closed.set()


def go(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """The stream goes on."""
    goes_on.set()
    return ignore(environ, start)


def ended(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Whether the stream has been closed, which is forgotten when it was told."""
    start("200 OK", [("Content-Length", "2")])
    if not closed.is_set():
        return [b"no"]
    closed.clear()
    goes_on.clear()
    return [b"ok"]


def fail(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """The application breaks down before there is an answer."""
    raise RuntimeError("hunter2")


def leave(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """The application wants to end the process."""
    raise SystemExit(1)


def break_off(environ: dict[str, Any], start: Callable[..., Any]) -> Iterator[bytes]:
    """The application breaks down in the middle of its answer."""
    start("200 OK", [("Content-Length", "10")])
    yield b"half"
    raise RuntimeError("half an answer")


def fall_short(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """The answer is shorter than it says."""
    start("200 OK", [("Content-Length", "10")])
    return [b"half"]


def split(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """A field of the answer has the beginning of another one in it."""
    start("200 OK", [("X-A", "a\r\nSet-Cookie: b"), *SMALL])
    return [b"ok"]


def nothing(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """There is no content, though some is given."""
    start("204 No Content", SMALL)
    return [b"ok"]


def large(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
    """Many megabytes: more than a socket takes at once."""
    start("200 OK", [("Content-Length", str(8 << 20))])
    return [b"x" * (8 << 20)]


VIEWS = {
    "/echo": echo,
    "/first": first,
    "/ignore": ignore,
    "/stream": stream,
    "/go": go,
    "/ended": ended,
    "/fail": fail,
    "/leave": leave,
    "/break-off": break_off,
    "/fall-short": fall_short,
    "/split": split,
    "/nothing": nothing,
    "/large": large,
}
