"""Dry runs: the verdict is the one that a worker would come to, and nothing is left of the question."""

from typing import Any

import pytest
import redis
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from werkzeug.test import TestResponse

from app import turns
from app.api.shapes import DryAnswer
from app.database import Database
from app.models import rulesets
from app.models.requests import State
from app.platform import Platform
from app.rules import RuleSet
from tests.api.authors import publish, unused
from tests.api.calls import GOOD_RATE, VALIDATE, bearer, problem, told
from tests.api.test_answers import CAREFUL, answer
from tests.factories import issue_token
from tests.processes import wait_for

Auth = dict[str, str]

#: Good, fixed, of each severity, of the wrong shape with a suggestion, and no object at all.
ITEMS: list[Any] = [{"a": 1}, {"a": 1, "unit": " kg "}, {"a": 11}, {"a": 2}, {"a": "x", "unit": "KG"}, None]


@pytest.fixture
def careful(app: Flask, database: Database) -> Platform:
    """The application's own platform, which knows the rule set `careful`."""
    with database.transaction() as session:
        rulesets.publish(session, CAREFUL)
    platform: Platform = app.extensions["platform"]
    return platform


def dry_run(client: FlaskClient, auth: Auth, *items: Any, query: str = "dry_run=true", **more: Any) -> TestResponse:
    return client.post(f"{VALIDATE}?{query}", json={"ruleset": "fx_rate", "items": items, **more}, headers=auth)


def everything(database: Database, client: redis.Redis, namespace: str) -> tuple[dict[str, int], dict[bytes, Any]]:
    """Return how many rows each table has, and each key of the namespace with its content."""
    tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with database.autocommit() as session:
        rows = {
            name: session.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one()
            for name in session.scalars(text(tables))
        }
    return rows, {key: client.dump(key) for key in client.scan_iter(f"*{namespace}*")}


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("fixes", [{}, {"autofix": "safe"}], ids=["as sent", "autofix"])
def test_the_verdict_is_the_one_that_a_worker_comes_to(
    client: FlaskClient, auth: Auth, careful: Platform, language: str, fixes: dict[str, str]
) -> None:
    real = answer(client, auth, careful, *ITEMS, language=language, **fixes)

    dry = dry_run(client, {**auth, "Accept-Language": language}, *ITEMS, ruleset="careful", **fixes)

    assert dry.status_code == 200
    assert dry.headers["Content-Language"] == language
    assert dry.headers["Cache-Control"] == "no-store"
    assert told(dry)["duration_ms"] > 0
    assert DryAnswer().validate(told(dry)) == {}
    of_requests = told(real).keys() - told(dry).keys()
    assert of_requests == {"id", "state", "source", "created_at", "finished_at", "links"}
    masked = {"duration_ms": None}
    assert told(dry) | masked == {name: value for name, value in told(real).items() if name not in of_requests} | masked
    assert told(dry)["verdict"] == "invalid"
    assert ("fixed" in told(dry)["items"][1]) == bool(fixes)


def test_one_item_or_several_are_judged_by_the_version_that_is_named(client: FlaskClient, author: Auth) -> None:
    name = unused()
    publish(client, author, name)
    publish(client, author, name, rules=[], examples=[])

    old, new = (
        told(client.post(f"{VALIDATE}?dry_run=true", json={"ruleset": each, "item": {"amount": 0}}, headers=author))
        for each in (f"{name}@1", name)
    )

    assert (old["ruleset"], old["verdict"], old["item_count"], old["invalid_count"]) == (f"{name}@1", "invalid", 1, 1)
    assert (new["ruleset"], new["verdict"], new["item_count"], new["invalid_count"]) == (f"{name}@2", "valid", 1, 0)


def test_the_tables_that_judged_are_told(client: FlaskClient, database: Database) -> None:
    scopes = ["rulesets:write", "rulesets:read", "validations:write", "reference:write"]
    auth = bearer(issue_token(database, client="keeper", scopes=scopes))
    name = unused()
    assert client.put(f"/api/reference/{name}", json=["A"], headers=auth).status_code == 201
    publish(client, auth, name, tables={"codes": name})

    reply = dry_run(client, auth, {"amount": 1}, ruleset=name)

    assert told(reply)["tables"] == {name: 1}


def test_nothing_is_stored_and_nothing_is_sent(own_app: Flask) -> None:
    platform: Platform = own_app.extensions["platform"]
    client, database, settings = own_app.test_client(), platform.database, platform.settings
    auth = bearer(issue_token(database))
    platform.start()
    wait_for(lambda: platform.outbox.epoch is not None)  # Which a process writes when it starts.
    with redis.Redis.from_url(settings.redis_url) as server:
        before = everything(database, server, settings.redis_namespace)

        for more in ({}, {"Prefer": "wait=20"}, {"Prefer": "respond-async"}, {"Idempotency-Key": "one"}):
            for query in ("dry_run=true", "dry_run=true&wait=20"):
                reply = dry_run(client, auth | more, GOOD_RATE, {}, query=query, autofix="safe")
                assert (reply.status_code, told(reply)["verdict"]) == (200, "invalid")
                assert not {"Location", "Preference-Applied", "Idempotency-Replayed"} & set(reply.headers.keys())

        assert everything(database, server, settings.redis_namespace) == before
        # A look that sees what a call without leaves behind.
        assert dry_run(client, auth | {"Idempotency-Key": "one"}, GOOD_RATE, query="dry_run=false").status_code == 202
        rows, keys = everything(database, server, settings.redis_namespace)
    assert rows["validation_requests"] == before[0]["validation_requests"] + 1
    assert rows["idempotency_keys"] == before[0]["idempotency_keys"] + 1
    assert keys != before[1]


def test_false_is_a_call_like_any_other(client: FlaskClient, auth: Auth) -> None:
    reply = dry_run(client, auth, GOOD_RATE, query="dry_run=false")

    assert reply.status_code == 202
    assert told(client.get(reply.headers["Location"], headers=auth))["state"] == State.PENDING


@pytest.mark.parametrize(
    "query", ["dry_run", "dry_run=", "dry_run=1", "dry_run=True", "dry_run=yes", "dry_run=false&dry_run=true"]
)
def test_any_other_word_is_refused(client: FlaskClient, auth: Auth, query: str) -> None:
    [fault] = problem(dry_run(client, auth, GOOD_RATE, query=query), 422, "invalid_request")["errors"]

    assert fault["params"] == {"parameter": "dry_run"}


def test_what_a_call_may_not_have_a_dry_run_may_not_have_either(client: FlaskClient, auth: Auth) -> None:
    problem(dry_run(client, auth, GOOD_RATE, query="dry_run=true&wait=soon"), 422, "invalid_request")
    problem(dry_run(client, auth | {"Idempotency-Key": ""}, GOOD_RATE), 400, "idempotency_key_invalid")
    problem(dry_run(client, auth, GOOD_RATE, ruleset="nothing"), 422, "ruleset_unknown")
    problem(dry_run(client, auth, GOOD_RATE, autofix="all"), 422, "invalid_request")


def test_part_of_the_items_is_no_verdict(client: FlaskClient, auth: Auth, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "TIME_S", -1.0)  # It is up when the first item is done.

    one, more = dry_run(client, auth, GOOD_RATE), dry_run(client, auth, GOOD_RATE, GOOD_RATE)

    assert (one.status_code, told(one)["verdict"]) == (200, "valid")
    [fault] = problem(more, 422, "dry_run_too_slow")["errors"]
    assert (fault["pointer"], fault["params"]) == ("/items", {"judged": 1})


def test_rules_that_break_down_are_a_problem_and_have_no_connection_meanwhile(
    app: Flask, client: FlaskClient, auth: Auth, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []

    def broken(*_: Any) -> None:
        held.append(app.extensions["platform"].database.engine.pool.checkedout())
        raise ZeroDivisionError

    monkeypatch.setattr(RuleSet, "check", broken)

    problem(dry_run(client, auth, GOOD_RATE), 500, "internal_error")
    assert held == [0]
