"""One database for all tests of authoring: each begins without the rule set that they write, `tiny`."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from app.database import Database
from app.settings import Settings
from tests.conftest import scratch_database


@pytest.fixture(scope="package")
def shared(postgres_url: str, migrated: str) -> Iterator[Database]:
    """The way to the database."""
    with scratch_database(postgres_url, template=migrated) as url:
        database = Database.from_settings(Settings(database_url=url, redis_url="redis://unused"), name="test")
        yield database
        database.close()


@pytest.fixture
def database(shared: Database) -> Database:
    """The way to the database, in which there is no rule set `tiny`."""
    with shared.transaction() as session:
        for table in ("rulesets", "ruleset_drafts"):
            session.execute(text(f"DELETE FROM {table} WHERE name = 'tiny'"))
    return shared
