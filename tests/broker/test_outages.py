"""Redis away, emptied, full, read-only, slow: nothing is lost, nothing doubled, and no worker goes deaf."""

import logging
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import BrokerConnectionError

from broker import RedisStreamsBroker, connect
from broker.errors import translate
from tests.broker.looks import dead_letters, message, pending
from tests.broker.proxy import LossyProxy
from tests.broker.servers import Server, wait_for

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


def counting(broker: RedisStreamsBroker) -> Counter[int]:
    """Declare an actor `note` that counts its arguments; return the counts."""
    runs: Counter[int] = Counter()

    def note(number: int) -> None:
        runs[number] += 1

    dramatiq.actor(broker=broker)(note)
    return runs


def test_a_worker_listens_again_after_redis_was_away_and_says_so_once(
    own_server: Server, open_broker: OpenBroker, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    broker = open_broker(own_server.url)
    runs = counting(broker)
    start_worker(broker)
    broker.enqueue(message("note", 1))
    wait_for(lambda: runs[1])

    own_server.kill()
    with pytest.raises(BrokerConnectionError):
        broker.enqueue(message("note", 2))
    wait_for(lambda: "is away" in caplog.text)
    time.sleep(0.5)
    own_server.start()
    broker.enqueue(message("note", 3))

    wait_for(lambda: runs[3], timeout_s=5)
    wait_for(lambda: "is back" in caplog.text)
    assert caplog.text.count("is away") == 1
    assert runs[2] == 0


def test_a_worker_that_starts_before_redis_waits_for_it(
    own_server: Server, open_broker: OpenBroker, start_worker: StartWorker
) -> None:
    own_server.kill()
    broker = open_broker(own_server.url)
    runs = counting(broker)
    start_worker(broker)

    own_server.start()
    broker.enqueue(message("note", 1))

    wait_for(lambda: runs[1])


def test_what_ended_while_redis_was_away_is_settled_when_it_is_back(
    own_server: Server, open_broker: OpenBroker, start_worker: StartWorker
) -> None:
    # A frozen Redis forgets nothing, so what was not settled would show.
    broker = open_broker(own_server.url + "?socket_timeout=1")
    running, release = threading.Barrier(3), threading.Event()

    @dramatiq.actor(broker=broker, max_retries=0)
    def work(fails: bool) -> None:
        running.wait(10)
        release.wait(10)
        if fails:
            raise RuntimeError

    work.send(True)
    work.send(False)
    start_worker(broker)
    running.wait(10)

    own_server.signal(signal.SIGSTOP)
    release.set()
    wait_for(lambda: broker._process.turns.outage.lasts)
    own_server.signal(signal.SIGCONT)

    broker.join("default", timeout=10_000)
    with own_server.client() as client:
        assert pending(client, broker) == {}
        assert len(dead_letters(client, broker)) == 1


def test_a_queue_survives_that_redis_was_emptied(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    runs = counting(broker)
    start_worker(broker)
    broker.enqueue(message("note", 1))
    wait_for(lambda: runs[1])

    redis_client.flushall()
    broker.enqueue(message("note", 2))
    broker.enqueue(message("note", 3), delay=50)

    wait_for(lambda: runs[2] and runs[3])
    broker.join("default", timeout=1_000)


def test_nothing_is_lost_when_all_connections_break_again_and_again(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    runs: Counter[int] = Counter()

    @dramatiq.actor(min_backoff=1, max_backoff=5)
    def work(number: int) -> None:
        runs[number] += 1
        if number % 5 == 0 and runs[number] == 1:
            raise RuntimeError

    for number in range(400):
        work.send(number)
    start_worker(broker)
    for _ in range(10):
        redis_client.client_kill_filter(_type="normal", skipme=True)
        time.sleep(0.03)

    broker.join("default", timeout=20_000)
    assert set(runs) == set(range(400))
    assert pending(redis_client, broker) == {}


@pytest.mark.parametrize("words", [b"XREADGROUP", b"EVALSHA"])
def test_messages_whose_delivery_got_lost_are_found_without_waiting_for_a_lease(
    server: Server, open_broker: OpenBroker, start_worker: StartWorker, words: bytes
) -> None:
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url)
        runs = counting(broker)
        start_worker(broker)
        broker.enqueue(message("note", 0))
        wait_for(lambda: runs[0])
        stream = broker.keys("default").stream

        with server.client() as client:
            proxy.lose_reply_to(words)
            for number in range(1, 20):
                client.xadd(stream, {b"m": message("note", number).encode()})
            wait_for(proxy.lost.is_set)

        wait_for(lambda: set(runs) == set(range(20)), timeout_s=10)
        assert max(runs.values()) == 1


def test_a_lost_reply_doubles_neither_a_retry_nor_a_dead_letter(
    server: Server, open_broker: OpenBroker, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url)
        runs = []

        @dramatiq.actor(broker=broker, max_retries=3, min_backoff=300, max_backoff=400)
        def fail(name: str) -> None:
            runs.append(name)
            # What comes next on the wire is the settlement of this run.
            proxy.lose_reply_to(name.encode())
            raise RuntimeError

        start_worker(broker)
        fail.send("needle")

        broker.join("default", timeout=20_000)
        assert len(runs) == 4
        assert len(dead_letters(redis_client, broker)) == 1


def test_a_lost_reply_to_an_enqueue_is_raised_and_the_message_is_there_once(
    server: Server, open_broker: OpenBroker, redis_client: redis.Redis
) -> None:
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url)

        proxy.lose_reply_to(b"XADD")
        with pytest.raises(BrokerConnectionError):
            broker.enqueue(message("note", 1))
        proxy.lose_reply_to(b"LATER")
        proxy.lose_reply_to(b"needle")
        with pytest.raises(BrokerConnectionError):
            broker.enqueue(message("note", "needle"), delay=60_000)

    wait_for(lambda: redis_client.xlen("default") >= 1)
    assert redis_client.xlen("default") == 1
    assert redis_client.zcard(broker.keys("default").delayed) == 1


@pytest.fixture
def full(redis_client: redis.Redis) -> Any:
    """Make the server refuse whatever needs memory."""

    def fill() -> None:
        redis_client.config_set("maxmemory", "1")

    yield fill
    redis_client.config_set("maxmemory", "0")


def test_without_memory_acknowledgements_go_on_and_retries_wait(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis, full: Callable[[], None]
) -> None:
    runs: Counter[str] = Counter()
    barrier = threading.Barrier(3)

    @dramatiq.actor(min_backoff=1, max_backoff=2)
    def work(name: str) -> None:
        runs[name] += 1
        if runs[name] == 1:
            barrier.wait(10)
            barrier.wait(10)
        if name == "fails" and runs[name] == 1:
            raise RuntimeError

    work.send("fails")
    work.send("works")
    start_worker(broker)
    barrier.wait(10)
    full()
    with pytest.raises(BrokerConnectionError):
        broker.enqueue(message("work", "more"))
    with pytest.raises(BrokerConnectionError):
        broker.enqueue(message("work", "more"), delay=5)
    barrier.wait(10)

    wait_for(lambda: redis_client.xlen("default") == 1, what="the acknowledgement")
    redis_client.config_set("maxmemory", "0")
    broker.join("default", timeout=10_000)
    assert runs == {"fails": 2, "works": 1}


def test_a_due_message_waits_for_memory(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis, full: Callable[[], None]
) -> None:
    runs = counting(broker)
    start_worker(broker)
    broker.enqueue(message("note", 1), delay=1_000)
    full()
    upcoming: Any = redis_client.zrange(broker.keys("default").delayed, 0, -1, withscores=True)
    wait_for(lambda: redis_client.time()[0] * 1000 > upcoming[0][1] + 300, what="being due")

    assert runs[1] == 0
    assert redis_client.zcard(broker.keys("default").delayed) == 1
    redis_client.config_set("maxmemory", "0")
    wait_for(lambda: runs[1])


def test_a_worker_outlives_that_redis_is_a_replica_for_a_while(
    own_server: Server, open_broker: OpenBroker, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    broker = open_broker(own_server.url)
    runs = counting(broker)
    start_worker(broker)
    broker.enqueue(message("note", 1))
    wait_for(lambda: runs[1])

    with own_server.client() as client:
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(BrokerConnectionError):
            broker.enqueue(message("note", 2))
        wait_for(lambda: "is away" in caplog.text)
        client.replicaof("NO", "ONE")
    broker.enqueue(message("note", 3))

    wait_for(lambda: runs[3])


def test_a_stuck_reader_is_connected_anew(
    broker: RedisStreamsBroker,
    start_worker: StartWorker,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("broker.leases._DEAF_S", 0.3)
    runs = counting(broker)
    start_worker(broker)
    broker.enqueue(message("note", 1))
    wait_for(lambda: runs[1])
    holding = broker._process.holdings["default"]

    holding.heard_at = float("-inf")
    broker._process.keeper._unstick(holding, time.monotonic())
    broker.enqueue(message("note", 2))

    wait_for(lambda: runs[2])
    assert "connecting anew" in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        redis.ConnectionError("gone"),
        redis.TimeoutError("slow"),
        redis.exceptions.ReadOnlyError("replica"),
        redis.exceptions.OutOfMemoryError("full"),
        redis.exceptions.ClusterDownError("election"),
        redis.exceptions.BusyLoadingError("loading"),
        redis.AuthenticationError("who"),
        redis.ResponseError("ERR Error running script (call to f_1): @user_script:1: -OOM command not allowed"),
        redis.ResponseError("MISCONF Redis is configured to save RDB snapshots"),
        redis.ResponseError("NOREPLICAS Not enough good replicas to write."),
    ],
)
def test_errors_that_pass_are_dramatiqs_own(error: Exception) -> None:
    assert isinstance(translate(error), BrokerConnectionError)


def test_errors_that_stay_are_shown_as_they_are(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    redis_client.set(broker.keys("default").stream, "no stream")

    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        broker.enqueue(message("note", 1))


def test_clients_repeat_nothing_and_speak_bytes() -> None:
    client = connect("redis://127.0.0.1:1/0", read_timeout_s=7, connect_timeout_s=2)

    options = client.connection_pool.connection_kwargs
    assert options["retry"].get_retries() == 0
    assert (options["socket_timeout"], options["socket_connect_timeout"]) == (7, 2)
    assert options["protocol"] == 2
    assert options["socket_keepalive"] is True
    with pytest.raises(ValueError, match="bytes"):
        connect("redis://127.0.0.1:1/0?decode_responses=true")
