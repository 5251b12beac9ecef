import threading
from dataclasses import replace

from flask import Flask, request

from app.settings import Settings
from tests.applications import application

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
    with application(SETTINGS) as app:
        assert seen(app) == ("127.0.0.1", "http", "localhost")


def test_a_trusted_proxy_is_believed() -> None:
    with application(replace(SETTINGS, trusted_proxies=1)) as app:
        assert seen(app) == ("203.0.113.7", "https", "rates.example")


def test_an_application_starts_no_thread_before_its_first_request() -> None:
    before = set(threading.enumerate())

    with application(SETTINGS) as app:
        opened = set(threading.enumerate())
        app.test_client().get("/healthz")
        served = {thread.name for thread in set(threading.enumerate()) - before}

    assert opened <= before  # Others may have ended meanwhile.
    assert {"hub", "outbox"} <= served
