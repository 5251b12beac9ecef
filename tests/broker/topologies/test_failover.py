"""The server that holds a queue dies or freezes, and its replica takes over: nothing is lost, no worker goes deaf."""

import logging
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import dramatiq
import pytest
from dramatiq.errors import BrokerConnectionError

from broker import RedisStreamsBroker
from ops.chaos.broker import World
from ops.chaos.formations import Formation, Node
from ops.chaos.grounds import Replicated
from tests.broker.looks import message
from tests.broker.servers import DEBIAN, wait_for
from tests.broker.topologies.conftest import formed

StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture(scope="module", params=["sentinel", "cluster"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Formation]:
    """A formation that tests may harm."""
    with formed(request.param, tmp_path_factory.mktemp(request.param)) as formation:
        yield formation


@pytest.fixture
def formation(kept: Formation) -> Formation:
    """An empty formation, in which whatever earlier tests have broken is whole again."""
    kept.heal()
    kept.empty()
    return kept


@pytest.fixture
def broker(formation: Formation, open_broker: Callable[..., RedisStreamsBroker]) -> RedisStreamsBroker:
    """A broker on the formation, whose workers' leases are short."""
    return open_broker(formation.url, lease_ms=1_000)


def holder(formation: Formation, broker: RedisStreamsBroker) -> Node:
    """Return the server that holds the default queue."""
    stream = broker.keys("default").stream.encode()
    for master in formation.masters:
        with master.client() as client:
            if stream in set(client.keys()):
                return master
    raise AssertionError(f"nobody holds {stream!r}")


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
    lost.replicate()

    lost.kill()
    for number in range(10, 20):
        send(broker, number)
    release.set()

    broker.join("default", timeout=20_000)
    wait_for(lambda: set(runs) == set(range(20)))
    assert [runs[number] for number in range(10)] == [1] * 10, "what nobody sent twice ran once"
    assert caplog.text.count("Redis is away") == 1
    assert caplog.text.count("Redis is back") == 1


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
    frozen.replicate()

    frozen.tell(signal.SIGSTOP)
    send(broker, 2)
    frozen.tell(signal.SIGCONT)
    wait_for(lambda: frozen not in formation.masters, what="the demotion")
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
    lost.replicate()
    lost.kill()

    start_worker(broker)

    assert seen.wait(20)


def test_nothing_is_lost_when_workers_die_beside_their_master(formation: Formation, tmp_path: Path) -> None:
    # The short form of `python -m ops.chaos.broker`.
    with Node(tmp_path / "diary", binary=DEBIAN) as diary, closing(World(Replicated(formation), diary)) as world:
        world.send_for(0.2)
        wait_for(world.runs, timeout_s=60, what="the first worker")
        world.send_for(0.2)

        world.kill_a_worker()
        world.kill_redis()
        world.kill_a_worker()

        assert world.settle()
        assert world.sent <= set(world.runs())
