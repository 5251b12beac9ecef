"""The server that holds a queue dies or freezes, and its replica takes over: nothing is lost, no worker goes deaf."""

import logging
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import dramatiq
import pytest
import redis
from dramatiq.errors import BrokerConnectionError

from broker import RedisStreamsBroker
from tests.broker.looks import message
from tests.broker.servers import Server, wait_for
from tests.broker.topologies import formations
from tests.broker.topologies.formations import Formation

StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture(params=["sentinel", "cluster"])
def formation(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Formation]:
    """A formation that the test may harm."""
    with getattr(formations, request.param)(tmp_path) as formation:
        yield formation


@pytest.fixture
def broker(formation: Formation, open_broker: Callable[..., RedisStreamsBroker]) -> RedisStreamsBroker:
    """A broker on the formation, whose workers' leases are short."""
    return open_broker(formation.url, lease_ms=1_000)


def holder(formation: Formation, broker: RedisStreamsBroker) -> Server:
    """Return the server that holds the default queue."""
    stream = broker.keys("default").stream.encode()
    for server in formation.servers:
        with server.client() as client:
            if client.role()[0] == b"master" and stream in set(client.keys()):
                return server
    raise AssertionError(f"nobody holds {stream!r}")


def replicated(server: Server) -> None:
    """The replica of a server has all that the server has."""
    with server.client() as client:
        # WAIT would look at what this connection has written, which is nothing.
        written = int(client.role()[1])

        def has_all() -> bool:
            (replica,) = client.role()[2]
            return int(replica[2]) >= written

        wait_for(has_all, what="the replica catching up")


def send(broker: RedisStreamsBroker, number: int) -> None:
    """The message is sent, however often that has to be tried."""

    def tried() -> bool:
        with suppress(BrokerConnectionError):
            broker.enqueue(message("note", number))
            return True
        return False

    wait_for(tried, what="sending")


def test_a_failover_loses_nothing_and_is_logged_once(
    broker: RedisStreamsBroker, formation: Formation, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    runs: Counter[int] = Counter()
    running, release = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        runs[number] += 1
        if number == 0:
            running.set()
            release.wait(20)

    start_worker(broker)
    note.send(0)
    assert running.wait(10)
    for number in range(1, 10):
        note.send_with_options(args=(number,), delay=1_500)
    lost = holder(formation, broker)
    replicated(lost)

    lost.kill()
    for number in range(10, 20):
        send(broker, number)
    release.set()

    broker.join("default", timeout=20_000)
    wait_for(lambda: set(runs) == set(range(20)))
    assert [runs[number] for number in range(10)] == [1] * 10, "what nobody sent twice ran once"
    assert caplog.text.count("Redis is away") == 1
    assert caplog.text.count("Redis is back") == 1


def demoted(server: Server) -> bool:
    """Tell whether the server is a replica now. Who demotes it also cuts all its connections."""
    with suppress(redis.ConnectionError), server.client() as client:
        return bool(client.role()[0] == b"slave")
    return False


def test_a_master_that_froze_and_was_demoted_keeps_no_worker_and_no_sender(
    broker: RedisStreamsBroker, formation: Formation, start_worker: StartWorker
) -> None:
    runs: Counter[int] = Counter()

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        runs[number] += 1

    start_worker(broker)
    note.send(1)
    wait_for(lambda: runs[1])
    frozen = holder(formation, broker)
    replicated(frozen)

    frozen.signal(signal.SIGSTOP)
    send(broker, 2)
    frozen.signal(signal.SIGCONT)
    wait_for(lambda: demoted(frozen), what="the demotion")
    send(broker, 3)
    note.send_with_options(args=(4,), delay=10)

    wait_for(lambda: set(runs) == {1, 2, 3, 4})
    broker.join("default", timeout=10_000)


def test_a_broker_that_starts_during_a_failover_works_after_it(
    broker: RedisStreamsBroker, formation: Formation, start_worker: StartWorker
) -> None:
    seen = threading.Event()

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.set()

    broker.enqueue(message("note", 1))
    lost = holder(formation, broker)
    replicated(lost)
    lost.kill()

    start_worker(broker)

    assert seen.wait(20)
