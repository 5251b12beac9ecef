"""Every test of the broker runs on each Redis version that is installed, beginning with an empty server."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis

from broker import RedisStreamsBroker
from tests.broker.processes import Start, starting
from tests.broker.servers import Server, versions

#: What the fixture `note` is.
Note = dramatiq.Actor[[Any], None]


@pytest.fixture(scope="session", params=sorted(versions()))
def version(request: pytest.FixtureRequest) -> str:
    """The Redis version."""
    return str(request.param)


@pytest.fixture(scope="session")
def shared_server(version: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests that do it no harm."""
    with Server(versions()[version], tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def server(shared_server: Server) -> Server:
    """An empty server."""
    with shared_server.client() as client:
        client.flushall()
    return shared_server


@pytest.fixture
def own_server(version: str, tmp_path: Path) -> Iterator[Server]:
    """A server that the test may kill."""
    with Server(versions()[version], tmp_path / "redis") as server:
        yield server


@pytest.fixture
def redis_client(server: Server) -> Iterator[redis.Redis]:
    """A look at the server past the broker."""
    with server.client() as client:
        yield client


@pytest.fixture
def open_broker() -> Iterator[Callable[..., RedisStreamsBroker]]:
    """Open brokers that are closed at the end of the test."""
    with contextlib.ExitStack() as stack:

        def open_one(url: str, **options: Any) -> RedisStreamsBroker:
            broker = RedisStreamsBroker(url=url, **options)
            stack.callback(broker.close)
            return broker

        yield open_one


@pytest.fixture
def broker(server: Server, open_broker: Callable[..., RedisStreamsBroker]) -> Iterator[RedisStreamsBroker]:
    """A broker with the default options, which is also Dramatiq's global one."""
    before = dramatiq.broker.global_broker
    broker = open_broker(server.url)
    dramatiq.set_broker(broker)
    yield broker
    dramatiq.broker.global_broker = before


@pytest.fixture
def seen() -> list[Any]:
    """What `note` was called with, in the order in which it was."""
    return []


@pytest.fixture
def note(broker: RedisStreamsBroker, seen: list[Any]) -> Note:
    """An actor that writes down its argument."""

    @dramatiq.actor(broker=broker)
    def note(what: Any) -> None:
        seen.append(what)

    return note


@pytest.fixture
def start_worker() -> Iterator[Callable[..., dramatiq.Worker]]:
    """Start workers that are stopped at the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(broker: dramatiq.Broker, *, threads: int = 8, timeout_ms: int = 10) -> dramatiq.Worker:
            worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=timeout_ms)
            worker.start()
            stack.callback(worker.stop, timeout=5_000)
            return worker

        yield start


@pytest.fixture
def worker(broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]) -> dramatiq.Worker:
    """A running worker of eight threads."""
    return start_worker(broker)


@pytest.fixture
def start(server: Server) -> Iterator[Start]:
    """Start worker processes, each the leader of a group; whatever is left at the end is killed."""
    with starting(server.url) as start:
        yield start


@pytest.fixture
def diary(redis_client: redis.Redis) -> Callable[[str], list[str]]:
    """Read what the processes' actors wrote."""

    def read(name: str) -> list[str]:
        entries: Any = redis_client.lrange(name, 0, -1)
        return [entry.decode() for entry in entries]

    return read
