"""The worker: whom it lets go of, when it stops, and what it leaves to gunicorn."""

import logging
from collections.abc import Callable
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn.config import Config

from ops.serving import connections
from ops.serving.connections import Connection
from ops.serving.terms import Terms
from ops.serving.worker import Worker, are_ours


class Waiting:
    """A connection that waits for a request."""

    def __init__(self, *, is_silent: bool = True) -> None:
        self.is_silent = is_silent
        self.is_over = False

    def hang_up(self) -> None:
        self.is_over = True


def worker(waiting: dict[Any, float], **state: Any) -> Worker:
    worker = Worker.__new__(Worker)
    since = {connection: monotonic() - waited_s for connection, waited_s in waiting.items()}
    worker.__dict__.update(cfg=SimpleNamespace(keepalive=100), waiting=since, log=logging.getLogger(__name__))
    worker.__dict__.update({"alive": True, "nr": 0, "max_requests": 10, **state})
    return worker


def test_a_process_that_stops_lets_go_of_who_is_silent_and_not_of_who_has_just_been_answered() -> None:
    slow, silent, busy = Waiting(is_silent=False), Waiting(), Waiting()

    worker({slow: 60, silent: 60, busy: 0}, alive=False).dismiss()

    assert (slow.is_over, silent.is_over, busy.is_over) == (False, True, False)


def test_a_process_that_goes_on_waits_for_as_long_as_the_setting_says() -> None:
    late, slow, early = Waiting(), Waiting(is_silent=False), Waiting()

    worker({late: 200, slow: 150, early: 50}).dismiss()

    assert (late.is_over, slow.is_over, early.is_over) == (True, True, False)


@pytest.mark.parametrize(
    ("begun", "rest"),
    [
        (b"GET / HTTP/1.1\r\nHo", b"st: a\r\n\r\n"),
        (b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhe", b"llo"),
        (b"POST / HTTP/1.1\r\nContent-Length: 70000\r\n\r\nhe", b"llo" + b"x" * 69_995),
    ],
    ids=["head", "body", "large body"],
)
def test_who_begins_late_has_as_much_time_as_everybody(
    begun: bytes, rest: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, bodies, pieces = [0.0], [], iter([begun, rest, b""])
    monkeypatch.setattr(connections, "monotonic", lambda: now[0])

    def app(environ: dict[str, Any], start: Callable[..., Any]) -> list[bytes]:
        bodies.append(environ["wsgi.input"].read())
        start("204 No Content", [])
        return []

    serving = worker({}, wsgi=app)

    def receive(size: int) -> bytes:
        assert set(serving.waiting.values()) <= {now[0]}, "it has waited for longer"
        now[0] += 99
        return next(pieces)

    client = SimpleNamespace(recv=receive, send=len, close=lambda: None)
    Connection(serving, Terms.of(Config(), ("0.0.0.0", 8000)), client, ("192.0.2.7", 50_000)).serve()

    assert len(bodies) == 1


def test_after_so_many_requests_the_worker_is_replaced() -> None:
    tired = worker({}, max_requests=2)

    tired.count()
    assert tired.alive
    tired.count()
    assert not tired.alive


def test_our_own_settings_are_served_by_us() -> None:
    cfg = Config()
    cfg.set("accesslog", None)

    assert are_ours(cfg)


@pytest.mark.parametrize(
    ("name", "value"),
    [("certfile", "a.pem"), ("accesslog", "-"), ("proxy_protocol", "v1"), ("http2_cleartext", "both")],
)
def test_what_we_do_not_know_is_left_to_gunicorn(name: str, value: str) -> None:
    cfg = Config()
    cfg.set(name, value)

    assert not are_ours(cfg)


def test_an_application_below_a_path_is_left_to_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPT_NAME", "/rates")

    assert not are_ours(Config())
