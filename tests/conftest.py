"""What most tests stand on: a real Postgres, a real Redis, and the platform on both.

Servers live as long as the run and are the embedded ones unless `DATABASE_URL` / `REDIS_URL` name others. A test gets
a database of its own, copied from a migrated one, and a Redis namespace of its own.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import dramatiq
import hypothesis
import pytest
from sqlalchemy import create_engine, make_url, text

from app import release
from app.database import Database
from app.platform import Platform
from app.settings import Settings, sqlalchemy_url
from ops.embedded import PostgresServer, RedisServer
from tasks import worker
from tests.factories import issue_token
from tests.processes import Clock, Web, Worker, environment, together

# A slow machine is no reason for an example to fail.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")

#: Postgres without its care for a power cut: a test never outlives one.
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Postgres server for the whole run."""
    if url := os.environ.get("DATABASE_URL"):
        yield url
        return
    with PostgresServer(tmp_path_factory.mktemp("postgres"), settings=CARELESS) as server:
        yield server.url


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis server for the whole run."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        return
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis server that this test may kill, empty and restart."""
    with RedisServer(tmp_path / "redis") as server:
        yield server


@contextmanager
def scratch_database(server_url: str, *, template: str | None = None) -> Iterator[str]:
    """Yield the URL of a new database on the server, gone afterwards; a copy of `template` when that is given."""
    name = f"rate_test_{uuid4().hex[:12]}"
    admin = create_engine(sqlalchemy_url(server_url), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}" + (f" TEMPLATE {template}" if template else "")))
    try:
        yield make_url(sqlalchemy_url(server_url)).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


@pytest.fixture(scope="session")
def migrated(postgres_url: str) -> Iterator[str]:
    """The name of a database that is released and otherwise empty, for others to be copied from."""
    with scratch_database(postgres_url) as url:
        settings = Settings(database_url=url, redis_url="redis://unused")
        database = Database.from_settings(settings, name="test")
        release.run(settings, database)
        database.close()
        yield make_url(url).database or ""


@pytest.fixture
def database_url(postgres_url: str, migrated: str) -> Iterator[str]:
    """A released database of this test's own."""
    with scratch_database(postgres_url, template=migrated) as url:
        yield url


@pytest.fixture
def settings(database_url: str, redis_url: str) -> Settings:
    """Settings for this test's own database and Redis namespace, quick to rescue and to give up."""
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        redis_namespace=f"test-{uuid4().hex[:12]}",
        validation_retries=2,
        validation_backoff_ms=20,
        rescue_after_ms=500,
        lease_ms=2_000,
        log_format="console",
    )


@pytest.fixture
def database(settings: Settings) -> Iterator[Database]:
    """The way to this test's database."""
    database = Database.from_settings(settings, name="test")
    yield database
    database.close()


@pytest.fixture
def open_platform() -> Iterator[Callable[[Settings], Platform]]:
    """Open platforms that are closed at the end of the test."""
    opened: list[Platform] = []

    def open_one(settings: Settings) -> Platform:
        opened.append(Platform.open(settings, name="test"))
        return opened[-1]

    yield open_one
    for platform in opened:
        platform.close()


@pytest.fixture
def platform(settings: Settings, open_platform: Callable[[Settings], Platform]) -> Platform:
    """The platform as a web process holds it, its hub and outbox running."""
    platform = open_platform(settings)
    platform.start()
    assert platform.hub.ready(timeout_s=5)
    return platform


@contextmanager
def working(platform: Platform) -> Iterator[dramatiq.Worker]:
    """Have a worker, all actors declared, take messages off the platform's broker in this process."""
    worker.declare(platform)
    running = dramatiq.Worker(platform.broker, worker_threads=4, worker_timeout=100)
    running.start()
    try:
        yield running
    finally:
        running.stop(timeout=10_000)


@pytest.fixture
def running_worker(settings: Settings, open_platform: Callable[[Settings], Platform]) -> Iterator[dramatiq.Worker]:
    """A worker for this test's queues, with a platform of its own, like a process of its own."""
    with working(open_platform(settings)) as running:
        yield running


@pytest.fixture(scope="session")
def web_settings(postgres_url: str, redis_url: str, migrated: str) -> Iterator[Settings]:
    """Settings that the processes behind `web` share."""
    with scratch_database(postgres_url, template=migrated) as url:
        yield Settings(database_url=url, redis_url=redis_url, redis_namespace=f"web-{uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def web(web_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Web]:
    """The whole platform in processes of its own, for tests that only use it."""
    folder = tmp_path_factory.mktemp("processes")
    env = environment(web_settings)
    web, worker, clock = Web(env, folder), Worker(env, folder), Clock(env, folder)
    with together(web, worker, clock):
        yield web


@pytest.fixture(scope="session")
def token(web_settings: Settings) -> str:
    """A client's token for `web`. Only its hash is stored, so this is the one moment in which it can be seen."""
    database = Database.from_settings(web_settings, name="test")
    token = issue_token(database)
    database.close()
    return token
