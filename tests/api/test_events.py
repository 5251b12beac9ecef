"""Server-Sent Events, in the application and behind a real server."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.api import events
from app.database import Database
from app.platform import Platform
from app.settings import Settings
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, submit
from tests.api.test_seats import house, somebody, waiting
from tests.api.test_validation import fail, finish
from tests.factories import issue_token
from tests.processes import Web, environment, wait_for

Auth = dict[str, str]


@pytest.fixture
def platform(app: Flask) -> Platform:
    """The application's own platform."""
    platform: Platform = app.extensions["platform"]
    platform.start()
    assert platform.hub.ready(timeout_s=20)
    return platform


def url(accepted: dict[str, Any]) -> str:
    return f"{accepted['links']['self']}/events"


def parsed(text: str) -> list[dict[str, str]]:
    """Return the blocks of a stream, each as its fields; a comment is the field with no name."""
    blocks = [block for block in text.split("\n\n") if block]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def kinds(text: str) -> list[str]:
    """Return what the blocks of a stream are."""
    return [block.get("event") or ("comment" if "" in block else "retry") for block in parsed(text)]


def test_the_answer_to_a_request_that_has_ended_is_the_one_event(
    client: FlaskClient, auth: Auth, platform: Platform
) -> None:
    accepted = submit(client, auth)
    finish(platform, accepted["id"])

    reply = client.get(url(accepted), headers=auth)

    assert (reply.status_code, reply.mimetype) == (200, "text/event-stream")
    assert reply.headers["X-Accel-Buffering"] == "no"
    [done] = parsed(reply.text)
    assert (done["event"], done["id"]) == ("done", "done")
    assert json.loads(done["data"]) == client.get(accepted["links"]["result"], headers=auth).json


def test_whoever_listens_is_told_the_state_and_then_the_answer(
    client: FlaskClient, auth: Auth, platform: Platform
) -> None:
    accepted = submit(client, auth)

    def end() -> None:
        wait_for(lambda: platform.hub.waiters() == 1, what="the listener")
        fail(platform, accepted["id"])

    worker = Thread(target=end)
    worker.start()
    text = client.get(url(accepted), headers=auth).text
    worker.join()

    _, state, done = parsed(text)
    assert (state["event"], state["id"], json.loads(state["data"])) == ("state", "pending", accepted)
    assert (done["event"], done["id"], json.loads(done["data"])["reason"]) == (
        "done",
        "failed",
        "The rules broke down.",
    )
    assert platform.hub.waiters() == 0


def test_who_comes_back_is_told_only_what_is_new(client: FlaskClient, auth: Auth, platform: Platform) -> None:
    accepted = submit(client, auth)
    finish(platform, accepted["id"])

    after_state = client.get(url(accepted), headers={**auth, "Last-Event-ID": "pending"})
    after_end = client.get(url(accepted), headers={**auth, "Last-Event-ID": "done"})
    after_nonsense = client.get(url(accepted), headers={**auth, "Last-Event-ID": "nonsense"})

    assert kinds(after_state.text) == kinds(after_nonsense.text) == ["done"]
    assert (after_end.status_code, after_end.text) == (204, "")


def test_a_stream_that_is_silent_says_so_and_ends_after_a_while(
    client: FlaskClient, auth: Auth, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "SILENT_S", 0.01)
    accepted = submit(client, auth)

    first = client.get(url(accepted), headers=auth).text
    second = client.get(url(accepted), headers={**auth, "Last-Event-ID": "pending"}).text

    assert kinds(first) == ["retry", "state", *["comment"] * events.PAUSES, "retry"]
    assert kinds(second) == ["retry", *["comment"] * events.PAUSES, "retry"]


def test_nobody_listens_to_the_request_of_another(client: FlaskClient, auth: Auth, database: Database) -> None:
    accepted = submit(client, auth)

    problem(client.get(url(accepted), headers=somebody(database)), 404, "request_not_found")
    problem(client.get("/api/validation/requests/0/events", headers=auth), 404, "request_not_found")


def test_listening_takes_a_seat_until_the_stream_is_closed(settings: Settings, database: Database) -> None:
    auth = somebody(database)

    with house(settings, client_waiters=1) as app:
        client = app.test_client()
        accepted = submit(client, auth)
        with waiting(app, auth):
            problem(client.get(url(accepted), headers=auth), 429, "too_many_waiters")
        listening = client.get(url(accepted), headers=auth)
        problem(client.get(f"{accepted['links']['result']}?wait=1", headers=auth), 429, "too_many_waiters")
        listening.close()
        client.head(url(accepted), headers=auth).close()
        assert client.get(f"{accepted['links']['result']}?wait=1", headers=auth).status_code == 202


def test_a_server_streams_the_answer_the_moment_it_is_there(web: Web, token: str) -> None:
    with httpx.Client(base_url=web.url, headers=bearer(token), timeout=40) as client:
        accepted = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE}).json()
        with client.stream("GET", url(accepted)) as stream:
            text = "".join(stream.iter_text())

    assert kinds(text)[-1] == "done"
    assert json.loads(parsed(text)[-1]["data"])["verdict"] == "valid"


def test_a_server_that_is_to_end_ends_its_streams_first(settings: Settings, tmp_path: Path, database: Database) -> None:
    namespace = {"RATE_REDIS_NAMESPACE": f"events-{uuid4().hex[:12]}"}

    with (
        Web(environment(settings) | namespace, tmp_path) as web,
        httpx.Client(base_url=web.url, headers=bearer(issue_token(database)), timeout=40) as client,
    ):
        accepted = client.post(VALIDATE, json={"ruleset": "fx_rate", "item": GOOD_RATE}).json()
        # Nothing more comes over this connection: gunicorn would wait for a while whether it does.
        with client.stream("GET", url(accepted), headers={"Connection": "close"}) as stream:
            chunks: Iterator[str] = stream.iter_text()
            text = ""
            while "event: state" not in text:
                text += next(chunks)
            web.signal(signal.SIGTERM)
            text += "".join(chunks)
        assert web.stop() == 0

    assert kinds(text) == ["retry", "state", "retry"]
