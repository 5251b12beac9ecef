"""One database for all tests of the folder, emptied before each: to make one takes longer than most of them."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from sqlalchemy import text

from app.database import Database
from app.settings import Settings
from tests.conftest import scratch_database


@pytest.fixture(scope="package")
def shared_url(postgres_url: str, migrated: str) -> Iterator[str]:
    """The database."""
    with scratch_database(postgres_url, template=migrated) as url:
        yield url


@pytest.fixture
def settings(shared_url: str, redis_url: str) -> Settings:
    """Settings for the database, and for a Redis namespace of this test's own."""
    return Settings(database_url=shared_url, redis_url=redis_url, redis_namespace=f"comparison-{uuid4().hex[:12]}")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The way to the database, in which nothing has happened yet."""
    database = Database.from_settings(settings, name="test")
    with database.transaction() as session:
        for table in ("comparisons", "ruleset_drafts", "findings", "validation_responses", "validation_requests"):
            session.execute(text(f"DELETE FROM {table}"))
        session.execute(text("DELETE FROM rulesets WHERE name = 'toll'"))
    yield database
    database.close()
