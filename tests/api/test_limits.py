"""How much may be asked for. No test depends on being quick: a debt of a hundred units lasts longer than any stall."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.auth.scopes import Scope
from app.database import Database
from app.settings import Settings
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem
from tests.applications import application
from tests.factories import issue_token

Auth = dict[str, str]
ANYTHING = "/api/validation/requests/0"


def somebody(database: Database) -> Auth:
    """Return the headers of a client that nobody has heard of yet."""
    return bearer(issue_token(database, client=f"client-{uuid4()}", scopes=list(Scope)))


@contextmanager
def limited(settings: Settings, **limits: Any) -> Iterator[FlaskClient]:
    with application(replace(settings, **limits)) as app:
        yield app.test_client()


def send(client: FlaskClient, auth: Auth, items: int) -> TestResponse:
    return client.post(VALIDATE, json={"ruleset": "fx_rate", "items": [GOOD_RATE] * items}, headers=auth)


def left(reply: TestResponse) -> tuple[str, int]:
    """Return the limit that the reply tells of, and how much of it is left."""
    found = re.fullmatch(r'"(\w+)";r=(\d+);t=[1-9]\d*', reply.headers["RateLimit"])
    assert found
    return found[1], int(found[2])


def test_a_client_over_its_limit_is_told_when_to_come_back_and_nobody_else_is_slowed(
    settings: Settings, database: Database
) -> None:
    greedy, modest = somebody(database), somebody(database)

    with limited(settings, client_requests_per_s=1) as client:
        assert send(client, greedy, items=100).status_code == 202
        refused = client.get(ANYTHING, headers=greedy)
        other = send(client, modest, items=1)

    problem(refused, 429, "too_many_requests")
    assert 1 <= int(refused.headers["Retry-After"]) <= 99
    assert left(refused) == ("client", 0)
    assert refused.headers["RateLimit-Policy"] == '"client";q=2;w=2'
    assert other.status_code == 202


def test_all_clients_together_have_a_limit_too(settings: Settings, database: Database) -> None:
    with limited(settings, client_requests_per_s=0, process_requests_per_s=1) as client:
        assert send(client, somebody(database), items=100).status_code == 202
        refused = client.get(ANYTHING, headers=somebody(database))

    problem(refused, 429, "too_many_requests")
    assert left(refused) == ("process", 0)


def test_whoever_is_refused_uses_nothing_up(settings: Settings, database: Database) -> None:
    greedy = somebody(database)

    with limited(settings, client_requests_per_s=1, process_requests_per_s=100) as client:
        send(client, greedy, items=100)
        refused = [client.get(ANYTHING, headers=greedy).status_code for _ in range(300)]
        other = client.get(ANYTHING, headers=somebody(database))

    assert set(refused) == {429}
    assert other.status_code == 404


def test_trying_many_rows_costs_more_than_trying_one(settings: Settings, database: Database) -> None:
    auth = somebody(database)

    with limited(settings, client_requests_per_s=1) as client:
        tried = client.post("/api/rulesets/fx_rate/try", json={"items": [GOOD_RATE] * 100}, headers=auth)
        refused = client.get(ANYTHING, headers=auth)

    assert tried.status_code == 200
    problem(refused, 429, "too_many_requests")


def test_a_dry_run_costs_what_a_call_costs(settings: Settings, database: Database) -> None:
    auth = somebody(database)

    with limited(settings, client_requests_per_s=1) as client:
        sent = {"ruleset": "fx_rate", "items": [GOOD_RATE] * 100}
        dry = client.post(f"{VALIDATE}?dry_run=true", json=sent, headers=auth)
        refused = send(client, auth, items=1)

    assert (dry.status_code, left(dry)) == (200, ("client", 0))
    problem(refused, 429, "too_many_requests")


def test_who_has_no_token_is_counted_by_address_and_machines_that_ask_all_day_are_not(settings: Settings) -> None:
    with limited(settings, client_requests_per_s=1) as client:
        statuses = [client.get("/api/openapi.json").status_code for _ in range(30)]
        elsewhere = client.get("/api/openapi.json", environ_base={"REMOTE_ADDR": "192.0.2.7"})
        probes = [client.get("/healthz") for _ in range(30)]

    assert set(statuses) == {200, 429}
    assert elsewhere.status_code == 200
    assert {probe.status_code for probe in probes} == {200}
    assert "RateLimit" not in probes[0].headers


def test_no_limit_is_no_limit(settings: Settings, database: Database) -> None:
    auth = somebody(database)

    with limited(settings, client_requests_per_s=0, process_requests_per_s=0) as client:
        replies = [send(client, auth, items=100) for _ in range(3)]

    assert {reply.status_code for reply in replies} == {202}
    assert "RateLimit" not in replies[0].headers


def test_what_is_a_draft_can_be_switched_off(settings: Settings, database: Database) -> None:
    auth = somebody(database)

    with limited(settings, client_requests_per_s=1, rate_limit_headers="off") as client:
        send(client, auth, items=100)
        refused = client.get(ANYTHING, headers=auth)

    problem(refused, 429, "too_many_requests")
    assert "Retry-After" in refused.headers
    assert not {"RateLimit", "RateLimit-Policy"} & set(refused.headers.keys())


@pytest.mark.parametrize("path", ["/nothing", "/api/validation"])
def test_a_path_that_nothing_has_is_not_counted(settings: Settings, path: str) -> None:
    with limited(settings, client_requests_per_s=1) as client:
        replies = [client.get(path) for _ in range(20)]

    assert {reply.status_code for reply in replies} == {404}
