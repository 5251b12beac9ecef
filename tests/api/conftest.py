"""The application as a whole, called without a server in between.

One application serves all tests of a folder, on one database: each test makes its own requests, and clients see only
their own. A test that breaks something takes `own_settings`.
"""

from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.auth.scopes import Scope
from app.database import Database
from app.settings import Settings
from tests.api.calls import bearer
from tests.applications import application
from tests.conftest import scratch_database
from tests.factories import issue_token


@pytest.fixture(scope="package")
def settings(postgres_url: str, redis_url: str, migrated: str) -> Iterator[Settings]:
    """Settings for a database and a Redis namespace that these tests share."""
    with scratch_database(postgres_url, template=migrated) as url:
        yield Settings(
            database_url=url, redis_url=redis_url, redis_namespace=f"api-{uuid4().hex[:12]}", log_format="console"
        )


@pytest.fixture
def own_settings(settings: Settings, database_url: str) -> Settings:
    """Settings for a database that this test may break."""
    return replace(settings, database_url=database_url, redis_namespace=f"own-{uuid4().hex[:12]}")


@pytest.fixture(scope="package")
def app(settings: Settings) -> Iterator[Flask]:
    """The application."""
    with application(settings) as app:
        yield app


@pytest.fixture
def own_app(own_settings: Settings) -> Iterator[Flask]:
    """An application that this test may break."""
    with application(own_settings) as app:
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A client of the application."""
    return app.test_client()


@pytest.fixture(scope="package")
def database(settings: Settings) -> Iterator[Database]:
    """A way of the tests' own to the application's database."""
    database = Database.from_settings(settings, name="test")
    yield database
    database.close()


@pytest.fixture(scope="package")
def auth(database: Database) -> dict[str, str]:
    """The headers of a caller who may send and read validations."""
    return bearer(issue_token(database))


@pytest.fixture(scope="package")
def author(database: Database) -> dict[str, str]:
    """The headers of a caller who may write and read rule sets, and have items judged by them."""
    scopes = [Scope.RULESETS_READ, Scope.RULESETS_WRITE, Scope.VALIDATIONS_READ, Scope.VALIDATIONS_WRITE]
    return bearer(issue_token(database, client="author", scopes=scopes))
