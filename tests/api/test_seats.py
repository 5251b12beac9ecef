"""How many may wait at a time, and that nobody else notices when they are too many."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.api.seats import Seating, Seats
from app.database import Database
from app.settings import Settings
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, submit
from tests.api.test_validation import finish
from tests.applications import application
from tests.factories import issue_token
from tests.processes import wait_for

Auth = dict[str, str]
ITEM: dict[str, Any] = {"ruleset": "fx_rate", "item": GOOD_RATE}


def somebody(database: Database) -> Auth:
    return bearer(issue_token(database, client=f"client-{uuid4()}"))


@contextmanager
def house(settings: Settings, **seats: Any) -> Iterator[Flask]:
    with application(replace(settings, redis_namespace=f"seats-{uuid4().hex[:12]}", **seats)) as app:
        platform = app.extensions["platform"]
        platform.start()
        assert platform.hub.ready(timeout_s=20)
        yield app


@contextmanager
def waiting(app: Flask, auth: Auth) -> Iterator[list[TestResponse]]:
    """Have a request of this caller wait inside the block; its answer is in the list afterwards."""
    request = submit(app.test_client(), auth)
    replies: list[TestResponse] = []

    def wait() -> None:
        replies.append(app.test_client().get(f"{request['links']['result']}?wait=25", headers=auth))

    platform = app.extensions["platform"]
    before = platform.hub.waiters()
    thread = Thread(target=wait)
    thread.start()
    wait_for(lambda: platform.hub.waiters() == before + 1, what="the waiter")
    try:
        yield replies
    finally:
        finish(platform, request["id"])
        thread.join()


def test_a_client_with_all_its_seats_taken_is_refused_and_another_still_waits(
    settings: Settings, database: Database
) -> None:
    greedy, modest = somebody(database), somebody(database)

    with house(settings, client_waiters=2) as app:
        client = app.test_client()
        url = submit(client, greedy)["links"]["result"]
        with waiting(app, greedy) as first, waiting(app, greedy):
            refused = client.get(f"{url}?wait=1", headers=greedy)
            at_once = client.get(url, headers=greedy)
            with waiting(app, modest) as others:
                pass
        later = client.get(f"{url}?wait=1", headers=greedy)

    problem(refused, 429, "too_many_waiters")
    assert int(refused.headers["Retry-After"]) >= 1
    assert at_once.status_code == 202
    assert [reply.status_code for reply in (*others, *first)] == [200, 200]
    assert later.status_code == 202


def test_an_item_is_accepted_without_the_wait_when_there_is_no_seat(settings: Settings, database: Database) -> None:
    greedy = somebody(database)

    with house(settings, client_waiters=1) as app, waiting(app, greedy):
        reply = app.test_client().post(VALIDATE, json=ITEM, headers={**greedy, "Prefer": "wait=25"})

    assert reply.status_code == 202
    assert "Preference-Applied" not in reply.headers
    assert reply.headers["Location"]


def test_all_clients_together_have_so_many_seats(settings: Settings, database: Database) -> None:
    other = somebody(database)

    with house(settings, process_waiters=1) as app:
        client = app.test_client()
        url = submit(client, other)["links"]["result"]
        with waiting(app, somebody(database)):
            refused = client.get(f"{url}?wait=1", headers=other)

    problem(refused, 429, "too_many_waiters")


@pytest.mark.parametrize("path", ["/api/validation/requests/0/result?wait=1", f"{VALIDATE}?wait=1"])
def test_a_seat_is_free_again_also_after_an_error(settings: Settings, database: Database, path: str) -> None:
    auth = somebody(database)

    with house(settings, client_waiters=1) as app:
        client: FlaskClient = app.test_client()
        method = "POST" if path.startswith(VALIDATE) else "GET"
        statuses = {client.open(path, method=method, json={"ruleset": 1}, headers=auth).status_code for _ in range(3)}
        assert submit(client, auth)
        missing = client.post(f"{VALIDATE}?wait=25", json={"ruleset": "none", "item": 1}, headers=auth)
        reply = client.get(f"{submit(client, auth)['links']['result']}?wait=1", headers=auth)

    assert 429 not in statuses
    problem(missing, 422, "ruleset_unknown")
    assert reply.status_code == 202


def test_a_seat_is_left_once() -> None:
    seats, client = Seats(per_client=1, per_process=5), uuid4()
    seating = Seating(seats, client)
    seating.must_sit()
    assert not seats.take(client)

    seating.leave()
    seating.leave()

    assert seats.take(client)
    assert not seats.take(client)
