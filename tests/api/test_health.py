from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from app.auth.scopes import Scope
from app.database import Database
from app.errors import DatabaseAway
from app.settings import Settings
from tests.api.calls import VALIDATE, bearer, problem, told
from tests.applications import application
from tests.conftest import scratch_database
from tests.factories import issue_token

#: Nothing listens there.
NOWHERE_DATABASE, NOWHERE_REDIS = "postgresql+psycopg://nobody@127.0.0.1:1/nothing", "redis://127.0.0.1:1/0"


@pytest.fixture
def lost(settings: Settings) -> Iterator[FlaskClient]:
    """A client of an application whose servers are both away."""
    with application(replace(settings, database_url=NOWHERE_DATABASE, redis_url=NOWHERE_REDIS)) as app:
        yield app.test_client()


def test_a_process_lives_whatever_happens_to_its_servers(lost: FlaskClient) -> None:
    assert lost.get("/healthz").json == {"status": "ok"}


def test_a_process_is_ready_when_the_database_is_migrated(client: FlaskClient) -> None:
    reply = client.get("/readyz")

    assert (reply.status_code, told(reply)) == (200, {"status": "ok"})


def test_a_process_is_not_ready_before_the_migrations(settings: Settings, postgres_url: str) -> None:
    with scratch_database(postgres_url) as empty, application(replace(settings, database_url=empty)) as app:
        reply = app.test_client().get("/readyz")

    problem(reply, 503, "not_ready")


def test_a_process_is_not_ready_while_the_database_is_a_migration_behind(own_app: Flask) -> None:
    with own_app.extensions["platform"].database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0001'"))

    problem(own_app.test_client().get("/readyz"), 503, "not_ready")


def test_a_process_is_ready_on_a_database_that_a_newer_release_has_migrated(own_app: Flask) -> None:
    with own_app.extensions["platform"].database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    assert own_app.test_client().get("/readyz").status_code == 200


def test_a_process_that_was_ready_stays_so_when_the_database_goes_away(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: Database) -> None:
        raise DatabaseAway("The database cannot be reached right now.")

    assert client.get("/readyz").status_code == 200

    monkeypatch.setattr(Database, "transaction", away)

    assert client.get("/readyz").status_code == 200


def test_a_process_that_cannot_see_the_migrations_is_not_ready(lost: FlaskClient) -> None:
    problem(lost.get("/readyz"), 503, "database_unavailable")


def test_a_process_is_ready_while_redis_is_away(settings: Settings) -> None:
    with application(replace(settings, redis_url=NOWHERE_REDIS)) as app:
        assert app.test_client().get("/readyz").status_code == 200


def test_a_process_that_is_to_end_is_not_ready(own_app: Flask) -> None:
    client = own_app.test_client()
    own_app.extensions["platform"].hub.drain()

    problem(client.get("/readyz"), 503, "not_ready")
    assert client.get("/healthz").status_code == 200


def test_the_status_shows_which_servers_can_be_reached(client: FlaskClient, database: Database) -> None:
    operator = bearer(issue_token(database, scopes=[Scope.STATUS_READ]))

    status = told(client.get("/statusz", headers=operator))

    assert status["database"]["reachable"] is True
    assert status["redis"]["reachable"] is True
    assert 0 < status["disk"]["free_bytes"] <= status["disk"]["total_bytes"]
    assert (status["draining"], status["waiters"]) == (False, 0)


def test_the_status_shows_that_redis_is_away(settings: Settings, database: Database) -> None:
    operator = bearer(issue_token(database, scopes=[Scope.STATUS_READ]))

    with application(replace(settings, redis_url=NOWHERE_REDIS)) as app:
        reply = app.test_client().get("/statusz", headers=operator)

    assert reply.status_code == 200
    assert told(reply)["redis"]["reachable"] is False
    assert told(reply)["database"]["reachable"] is True


def test_the_numbers_of_requests_are_told_by_route(own_app: Flask) -> None:
    client, database = own_app.test_client(), own_app.extensions["platform"].database
    scraper = bearer(issue_token(database, scopes=[Scope.METRICS_READ]))
    client.get("/healthz")
    client.get("/an/unknown/path")
    client.get("/another/unknown/path")
    client.post(VALIDATE)
    client.open("/healthz", method="BREW")

    reply = client.get("/metrics", headers=scraper)

    assert reply.status_code == 200
    assert reply.mimetype == "text/plain"
    count = "rate_http_request_duration_seconds_count"
    assert f'{count}{{method="GET",status="200",url_rule="/healthz"}} 1.0' in reply.text
    assert f'{count}{{method="GET",status="404",url_rule="unmatched"}} 2.0' in reply.text
    assert f'{count}{{method="POST",status="401",url_rule="{VALIDATE}"}} 1.0' in reply.text
    assert "unknown/path" not in reply.text
    assert "BREW" not in reply.text
