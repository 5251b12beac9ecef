import threading
from dataclasses import replace

from flask import Flask, request

from app.factory import create_app
from app.settings import Settings

SETTINGS = Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/nothing", redis_url="redis://127.0.0.1:1/0")
FORWARDED = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "rates.example"}


def seen(app: Flask) -> tuple[str | None, str, str]:
    """Return who called, how, and for which host, as a view of `app` sees it."""
    found: list[tuple[str | None, str, str]] = []

    def look() -> None:
        found.append((request.remote_addr, request.scheme, request.host))

    app.before_request(look)
    app.test_client().get("/healthz", headers=FORWARDED)
    return found[0]


def test_nobody_is_believed_who_says_he_forwards() -> None:
    assert seen(create_app(SETTINGS)) == ("127.0.0.1", "http", "localhost")


def test_a_trusted_proxy_is_believed() -> None:
    assert seen(create_app(replace(SETTINGS, trusted_proxies=1))) == ("203.0.113.7", "https", "rates.example")


def test_an_application_starts_no_thread_before_its_first_request() -> None:
    before = set(threading.enumerate())

    app = create_app(SETTINGS)

    assert set(threading.enumerate()) == before
    app.test_client().get("/healthz")
    started = {thread.name for thread in set(threading.enumerate()) - before}
    app.extensions["platform"].close()
    assert {"hub", "outbox"} <= started
