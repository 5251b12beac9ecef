"""Idempotency keys: a call that is repeated is done once, whoever repeats it, however often, and at whatever moment."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text, update
from werkzeug.test import TestResponse

from app.database import Database
from app.models import idempotency, requests
from app.models.base import new_id
from app.models.idempotency import IdempotencyKey
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, told
from tests.factories import issue_token

BODY = {"ruleset": "fx_rate", "item": GOOD_RATE}
OTHER = {"ruleset": "fx_rate", "item": {**GOOD_RATE, "rate": "1.09"}}
CALLERS = 20


@pytest.fixture
def own(database: Database) -> tuple[dict[str, str], UUID]:
    """The headers of a client that nobody else is, and its id."""
    name = f"idempotent-{new_id()}"
    auth = bearer(issue_token(database, client=name))
    with database.transaction() as session:
        return auth, UUID(str(session.scalar(text("SELECT id FROM clients WHERE name = :name"), {"name": name})))


def post(client: FlaskClient, auth: dict[str, str], key: str, body: Any = BODY, query: str = "") -> TestResponse:
    return client.post(VALIDATE + query, json=body, headers={**auth, "Idempotency-Key": key})


def stored(database: Database, client_id: UUID) -> int:
    """Return how many requests the client has in the ledger."""
    with database.transaction() as session:
        count = select(func.count()).select_from(requests.Request).where(requests.Request.client_id == client_id)
        return session.execute(count).scalar_one()


@contextmanager
def being_claimed(database: Database, client_id: UUID, key: str) -> Iterator[None]:
    """Have another transaction in the middle of claiming the key."""
    claim = idempotency.Key(client_id, f"POST {VALIDATE}", key, b"", timedelta(hours=1))
    with database.transaction() as session:
        idempotency.claim(session, claim, new_id())
        yield
        session.rollback()


def test_a_repeat_is_answered_with_the_request_that_was_made_first(
    client: FlaskClient, database: Database, own: tuple[dict[str, str], UUID]
) -> None:
    auth, client_id = own

    first, second = post(client, auth, "k"), post(client, auth, "k")

    assert (first.status_code, second.status_code) == (202, 202)
    assert told(first) == told(second)
    assert first.headers["Location"] == second.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert stored(database, client_id) == 1


def test_a_repeat_of_what_is_done_is_answered_with_the_answer(
    app: Flask, client: FlaskClient, own: tuple[dict[str, str], UUID]
) -> None:
    auth, _ = own
    first = told(post(client, auth, "k"))
    with app.extensions["platform"].database.transaction() as session:
        assert requests.fail(session, UUID(first["id"]), "The rules broke down.")

    reply = post(client, auth, "k", query="?wait=20")

    assert reply.status_code == 200
    assert (told(reply)["id"], told(reply)["state"]) == (first["id"], "failed")


def test_the_same_body_in_other_words_is_the_same_body(client: FlaskClient, own: tuple[dict[str, str], UUID]) -> None:
    auth, _ = own
    first = post(client, auth, "k")
    reordered = {"item": dict(reversed(GOOD_RATE.items())), "source": "api", "ruleset": "fx_rate"}

    assert told(post(client, auth, "k", reordered))["id"] == told(first)["id"]


def test_another_body_under_the_same_key_is_refused(
    client: FlaskClient, database: Database, own: tuple[dict[str, str], UUID]
) -> None:
    auth, client_id = own
    post(client, auth, "k")

    problem(post(client, auth, "k", OTHER), 422, "idempotency_key_reused")
    assert stored(database, client_id) == 1


def test_a_repeat_that_comes_while_the_first_is_worked_on_is_told_to_come_back(
    client: FlaskClient, database: Database, own: tuple[dict[str, str], UUID]
) -> None:
    auth, client_id = own

    with being_claimed(database, client_id, "k"):
        reply = post(client, auth, "k")

    problem(reply, 409, "idempotency_key_busy")
    assert int(reply.headers["Retry-After"]) > 0
    assert post(client, auth, "k").status_code == 202  # The other one came to nothing.


def test_many_at_once_make_one_request(app: Flask, database: Database, own: tuple[dict[str, str], UUID]) -> None:
    auth, client_id = own

    with ThreadPoolExecutor(CALLERS) as callers:
        replies = list(callers.map(lambda _: post(app.test_client(), auth, "k"), range(CALLERS)))

    assert {reply.status_code for reply in replies} <= {202, 409}
    taken = [reply for reply in replies if reply.status_code == 202]
    assert len({told(reply)["id"] for reply in taken}) == 1
    assert sum("Idempotency-Replayed" not in reply.headers for reply in taken) == 1
    assert stored(database, client_id) == 1


def test_many_that_repeat_at_once_what_is_through_are_all_answered(
    app: Flask, own: tuple[dict[str, str], UUID]
) -> None:
    auth, _ = own
    first = post(app.test_client(), auth, "k")

    with ThreadPoolExecutor(CALLERS) as callers:
        replies = list(callers.map(lambda _: post(app.test_client(), auth, "k"), range(CALLERS)))

    assert {reply.status_code for reply in replies} == {202}
    assert {told(reply)["id"] for reply in replies} == {told(first)["id"]}


def test_a_key_is_its_clients_own(client: FlaskClient, own: tuple[dict[str, str], UUID], auth: dict[str, str]) -> None:
    mine, _ = own
    key = str(new_id())

    theirs = post(client, auth, key, OTHER)

    assert told(post(client, mine, key))["id"] != told(theirs)["id"]


def test_a_request_that_was_refused_leaves_its_key_free(client: FlaskClient, own: tuple[dict[str, str], UUID]) -> None:
    auth, _ = own

    problem(post(client, auth, "k", {"ruleset": "nothing", "item": 1}), 422, "ruleset_unknown")

    assert post(client, auth, "k").status_code == 202


def test_a_key_stands_for_nothing_once_its_time_is_over(
    client: FlaskClient, database: Database, own: tuple[dict[str, str], UUID]
) -> None:
    auth, client_id = own
    first = post(client, auth, "k")
    with database.transaction() as session:
        session.execute(
            update(IdempotencyKey)
            .where(IdempotencyKey.client_id == client_id)
            .values(created_at=func.clock_timestamp() - timedelta(hours=24, seconds=1))
        )

    second, third = post(client, auth, "k", OTHER), post(client, auth, "k", OTHER)

    assert told(first)["id"] != told(second)["id"] == told(third)["id"]


@pytest.mark.parametrize("key", ["", "x" * 256, "two words", "caf\u00e9"], ids=["none", "long", "space", "accent"])
def test_a_key_that_cannot_be_one_is_refused(client: FlaskClient, auth: dict[str, str], key: str) -> None:
    problem(post(client, auth, key), 400, "idempotency_key_invalid")


def test_a_token_in_the_wrong_header_is_not_stored(
    client: FlaskClient, database: Database, own: tuple[dict[str, str], UUID]
) -> None:
    auth, client_id = own

    problem(post(client, auth, auth["Authorization"].removeprefix("Bearer ")), 400, "idempotency_key_invalid")

    assert stored(database, client_id) == 0


def test_a_key_may_be_as_long_as_is_said(client: FlaskClient, own: tuple[dict[str, str], UUID]) -> None:
    auth, _ = own

    assert post(client, auth, "~" * 255).status_code == 202
