"""The application that commands are called on: one of a test's own, or one that tests share which only add to it."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from flask import Flask

from app.settings import Settings
from tests.applications import application
from tests.conftest import scratch_database


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application on this test's own database."""
    with application(settings) as app:
        yield app


@pytest.fixture(scope="package")
def shared_app(postgres_url: str, redis_url: str, migrated: str) -> Iterator[Flask]:
    """The application on a database that is not this test's own."""
    with scratch_database(postgres_url, template=migrated) as url:
        namespace = f"cli-{uuid4().hex[:12]}"
        with application(Settings(database_url=url, redis_url=redis_url, redis_namespace=namespace)) as app:
            yield app
