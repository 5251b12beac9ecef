"""The migrations: they make what the models say, on the oldest and the newest PostgreSQL, also twice at once."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect, text

from app import release
from app.database import Database
from app.models.base import Base
from app.models.months import GROWING, attached
from app.settings import Settings, sqlalchemy_url
from ops.embedded import PostgresServer
from tests.conftest import CARELESS, scratch_database
from tests.debian import POSTGRES_15, required
from tests.processes import ROOT


@pytest.fixture(scope="module", params=["18", "15"])
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of each supported end of PostgreSQL's versions."""
    if request.param == "18":
        yield request.getfixturevalue("postgres_url")
        return
    bin_dir = required(POSTGRES_15, "postgresql-15")
    with PostgresServer(tmp_path_factory.mktemp("postgres15"), bin_dir=bin_dir, settings=CARELESS) as server:
        yield server.url


@pytest.fixture
def settings(server_url: str) -> Iterator[Settings]:
    """Settings for an empty database."""
    with scratch_database(server_url) as url:
        yield Settings(database_url=url, redis_url="redis://unused")


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The way to the empty database."""
    database = Database.from_settings(settings, name="test")
    yield database
    database.close()


def test_a_released_database_is_what_the_models_say(settings: Settings, database: Database) -> None:
    release.run(settings, database)

    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={"include_object": lambda _, name, kind, *rest: not (kind == "table" and is_partition(name))},
        )
        difference = compare_metadata(context, Base.metadata)

    assert difference == []


def test_a_release_makes_this_month_and_those_ahead(settings: Settings, database: Database) -> None:
    release.run(settings, database)

    with database.engine.connect() as connection:
        for table in GROWING:
            assert len(attached(connection, table)) == 1 + settings.partition_months_ahead


def test_a_second_release_finds_nothing_to_do(settings: Settings, database: Database) -> None:
    release.run(settings, database)

    done = release.run(settings, database)

    assert done == [f"database at {release.head()}"]


def test_two_releases_at_once_do_not_disturb_each_other(settings: Settings) -> None:
    program = (
        "from app import release; from app.database import Database; from app.settings import Settings;"
        "s = Settings.from_env(); release.run(s, Database.from_settings(s, name='test'))"
    )
    env = {**os.environ, "DATABASE_URL": settings.database_url, "REDIS_URL": settings.redis_url}

    releases = [subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=env) for _ in range(2)]

    assert [process.wait(timeout=60) for process in releases] == [0, 0]


def test_uuidv7_is_there_and_tells_the_time(settings: Settings, database: Database) -> None:
    release.run(settings, database)

    with database.engine.connect() as connection:
        ids: list[UUID] = list(connection.execute(text("SELECT uuidv7() FROM generate_series(1, 100)")).scalars())

    assert {made.version for made in ids} == {7}
    assert {made.variant for made in ids} == {"specified in RFC 4122"}
    assert all(abs((made.int >> 80) - time.time() * 1000) < 60_000 for made in ids)
    assert len(set(ids)) == 100


def test_every_migration_can_be_taken_back(settings: Settings, database: Database) -> None:
    release.run(settings, database)

    command.downgrade(release.alembic_config(settings), "base")

    with database.engine.connect() as connection:
        assert inspect(connection).get_table_names() == ["alembic_version"]


def test_a_migration_does_not_wait_long_for_a_lock(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    release.run(settings, database)
    blocker = create_engine(sqlalchemy_url(settings.database_url))

    with blocker.connect() as held:
        held.execute(text("LOCK TABLE tokens IN ACCESS SHARE MODE"))
        started = time.monotonic()
        with pytest.raises(Exception, match="lock timeout"):
            command.downgrade(release.alembic_config(settings), "base")

    assert time.monotonic() - started < 20
    blocker.dispose()


def test_numbers_follow_one_another() -> None:
    files = sorted(path.name for path in (release.MIGRATIONS / "versions").glob("[0-9]*.py"))

    assert [name[:4] for name in files] == [f"{number:04}" for number in range(1, len(files) + 1)]
    assert release.head() == files[-1][:4]


def is_partition(name: str | None) -> bool:
    """Return whether a table is one month of another."""
    return any((name or "").startswith(f"{table}_2") for table in GROWING)


def test_the_migrations_folder_is_where_the_release_looks() -> None:
    assert (Path(release.MIGRATIONS) / "env.py").is_file()
