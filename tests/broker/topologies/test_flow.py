"""What a broker does on one Redis it does over Sentinel, on a cluster and over TLS."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import QueueJoinTimeout

from broker import RedisStreamsBroker, connect
from broker.client import disconnect, read_timeout_ms, twin
from broker.cluster import Cluster
from ops import leash
from ops.chaos.formations import Formation
from tests.broker.looks import dead_letters, message, pending
from tests.broker.servers import wait_for

ROOT = Path(__file__).parents[3]

StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def broker(formation: Formation, open_broker: Callable[..., RedisStreamsBroker]) -> RedisStreamsBroker:
    """A broker on the formation, whose workers' leases are short."""
    return open_broker(formation.url, lease_ms=600)


@pytest.fixture
def past(formation: Formation) -> Iterator[redis.Redis]:
    """A look at what is stored, past the broker."""
    client = connect(formation.url)
    yield client
    client.close()


def test_messages_of_several_queues_are_processed_once(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    seen: Counter[tuple[str, int]] = Counter()
    queues = [f"queue{number}" for number in range(5)]
    for name in queues:

        def note(number: int, name: str = name) -> None:
            seen[name, number] += 1

        dramatiq.actor(broker=broker, queue_name=name, actor_name=name)(note)

    for name in queues:
        for number in range(20):
            broker.enqueue(message(name, number, queue=name))
    start_worker(broker)

    for name in queues:
        broker.join(name, timeout=10_000)
    assert seen == Counter({(name, number): 1 for name in queues for number in range(20)})


def test_a_delayed_message_is_on_time_and_a_failed_one_is_retried_and_then_dead(
    broker: RedisStreamsBroker, start_worker: StartWorker, past: redis.Redis
) -> None:
    started: list[float] = []
    runs: Counter[str] = Counter()

    @dramatiq.actor(broker=broker)
    def punctual() -> None:
        started.append(time.time())

    @dramatiq.actor(broker=broker, max_retries=2, min_backoff=5, max_backoff=20)
    def work(name: str) -> None:
        runs[name] += 1
        if name == "never works" or runs[name] == 1:
            raise RuntimeError(name)

    start_worker(broker)
    due = time.time() + 0.2
    punctual.send_with_options(delay=200)
    work.send("works later")
    work.send("never works")

    broker.join("default", timeout=10_000)
    assert runs == {"works later": 2, "never works": 3}
    assert started[0] >= due
    (letter,) = dead_letters(past, broker)
    assert letter["error"] == b"RuntimeError: never works"
    assert pending(past, broker) == {}


def test_urgent_messages_come_first_and_bulk_last(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    seen = []

    @dramatiq.actor(broker=broker)
    def note(name: str) -> None:
        seen.append(name)

    sent = broker.enqueue_many(
        message("note", name, priority=priority)
        for name, priority in (("bulk", 5), ("usual", 0), ("urgent", -5), ("more bulk", 5))
    )
    start_worker(broker, threads=1)

    broker.join("default", timeout=10_000)
    assert seen == ["urgent", "usual", "bulk", "more bulk"]
    assert len(sent) == 4


def test_a_queue_is_paused_for_all_and_resumed(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    seen = threading.Event()

    @dramatiq.actor(broker=broker)
    def note() -> None:
        seen.set()

    broker.pause("default")
    start_worker(broker)
    note.send()
    assert not seen.wait(0.5)

    broker.resume("default")
    assert seen.wait(10)


def test_join_waits_for_all_and_flush_empties_all(broker: RedisStreamsBroker, past: redis.Redis) -> None:
    broker.declare_queue("default")
    broker.enqueue(message("nobody"))
    broker.enqueue(message("nobody"), delay=60_000)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)

    broker.flush("default")

    broker.join("default", timeout=50)
    assert past.xlen(broker.keys("default").stream) == 0


def test_what_a_killed_worker_held_is_taken_over(broker: RedisStreamsBroker, formation: Formation) -> None:
    doomed = start_program(formation.url)
    diary = connect(formation.url)
    try:
        broker.enqueue(message("hold", "long", 600))
        wait_for(lambda: diary.lrange("started", 0, -1) == [b"long"])
        doomed.kill()
        doomed.wait()
        heir = start_program(formation.url)
        try:
            wait_for(lambda: diary.lrange("started", 0, -1) == [b"long", b"long"], what="taking over")
        finally:
            heir.kill()
            heir.wait()
    finally:
        doomed.kill()
        diary.close()


def start_program(url: str) -> subprocess.Popen[bytes]:
    """Start a worker process that ends with this one."""
    command = [*leash.command(signal.SIGKILL), sys.executable, "-m", "tests.broker.program"]
    return subprocess.Popen(command, cwd=ROOT, env={**os.environ, "BROKER_URL": url}, stderr=subprocess.DEVNULL)


def test_nothing_is_lost_when_all_connections_break(
    broker: RedisStreamsBroker, start_worker: StartWorker, formation: Formation
) -> None:
    runs: Counter[int] = Counter()

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=5)
    def work(number: int) -> None:
        runs[number] += 1
        if number % 5 == 0 and runs[number] == 1:
            raise RuntimeError

    for number in range(100):
        work.send(number)
    start_worker(broker)
    for _ in range(5):
        for server in formation.servers:
            with server.client() as client:
                client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(0.03)

    broker.join("default", timeout=20_000)
    assert set(runs) == set(range(100))


def test_a_reader_that_waits_can_be_cut_off_and_listens_again(
    broker: RedisStreamsBroker, start_worker: StartWorker
) -> None:
    seen = threading.Event()

    @dramatiq.actor(broker=broker)
    def note() -> None:
        seen.set()

    start_worker(broker, timeout_ms=1_000)
    wait_for(lambda: broker._process.holdings and broker._process.holdings["default"].client is not None)
    disconnect(broker._process.holdings["default"].client)
    note.send()

    assert seen.wait(10)


def test_a_broker_opens_nothing_before_it_is_used_and_may_be_used_after_it_was_closed(formation: Formation) -> None:
    broker = RedisStreamsBroker(url=formation.url)

    broker.declare_queue("default")
    assert not connected(broker.client)

    for _ in range(2):
        broker.enqueue(message("nobody"))
        assert connected(broker.client)
        broker.close()
        assert not connected(broker.client)


def connected(client: Any) -> bool:
    """Whether a client has an open connection."""
    nodes = client.nodes() if isinstance(client, Cluster) else [client]
    pools = [node.connection_pool for node in nodes]
    connections = [one for pool in pools for one in (*pool._available_connections, *pool._in_use_connections)]
    return any(one._sock is not None for one in connections)


def test_any_client_of_the_users_own_will_do(formation: Formation, start_worker: StartWorker) -> None:
    client = users_own(formation)
    broker = RedisStreamsBroker(client=client)
    seen = []

    @dramatiq.actor(broker=broker)
    def note(number: int) -> None:
        seen.append(number)

    worker = start_worker(broker)
    note.send(1)
    broker.join("default", timeout=10_000)
    worker.stop()
    broker.close()
    client.close()

    assert seen == [1]
    assert read_timeout_ms(broker.client) == read_timeout_ms(twin(client)) == 3_000


def users_own(formation: Formation) -> Any:
    """Return a client as an application makes it, with redis-py's own defaults."""
    port = formation.servers[0].port
    if formation.url.startswith("redis+cluster:"):
        return redis.RedisCluster("127.0.0.1", port, socket_timeout=3)
    if formation.url.startswith("redis+sentinel:"):
        hosts = formation.url.split("/")[2].split(",")
        addresses = [(host.split(":")[0], int(host.split(":")[1])) for host in hosts]
        own: Any = redis.Sentinel(addresses, socket_timeout=3).master_for("main")  # type: ignore[no-untyped-call]
        return own
    return redis.Redis.from_url(formation.url, socket_timeout=3)
