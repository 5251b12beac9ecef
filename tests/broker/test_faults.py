"""Redis killed, frozen, cut off under load: what was sent is done, and what was sent once is done once."""

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
from tests.broker.looks import dead_letters, message, pending
from tests.broker.proxy import LossyProxy
from tests.broker.servers import Server, versions, wait_for

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def durable(version: str, tmp_path: Path) -> Iterator[Server]:
    """A server that has on disk what it answered for."""
    with Server(versions()[version], tmp_path / "redis", "--appendonly", "yes", "--appendfsync", "always") as server:
        yield server


def send(broker: RedisStreamsBroker, number: int, **options: int) -> None:
    """The message is sent, however often that has to be tried."""

    def tried() -> bool:
        with suppress(BrokerConnectionError):
            broker.enqueue(message("note", number), **options)
            return True
        return False

    wait_for(tried, what="sending")


def test_a_durable_redis_that_is_killed_loses_nothing(
    durable: Server, open_broker: OpenBroker, start_worker: StartWorker, caplog: pytest.LogCaptureFixture
) -> None:
    broker = open_broker(durable.url, lease_ms=1_000)
    runs: Counter[int] = Counter()
    running, release = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=10)
    def note(number: int) -> None:
        runs[number] += 1
        if number == 0:
            running.set()
            release.wait(20)
        if number == 1 and runs[1] == 1:
            release.wait(20)
            raise RuntimeError

    start_worker(broker)
    note.send(0)
    note.send(1)
    assert running.wait(10)
    for number in range(2, 10):
        note.send_with_options(args=(number,), delay=300)

    durable.kill()
    wait_for(lambda: broker._process.turns.outage.lasts)
    release.set()
    durable.start()
    for number in range(10, 30):
        send(broker, number)

    broker.join("default", timeout=20_000)
    assert set(runs) == set(range(30))
    assert runs[0] == 1, "it ended, though Redis was away"
    assert runs[1] == 2
    assert caplog.text.count("Redis is away") == 1
    with durable.client() as client:
        assert pending(client, broker) == {}
        assert dead_letters(client, broker) == []


def stumbling(broker: RedisStreamsBroker) -> Counter[int]:
    """Count the runs of an actor `note` of which every fifth message fails the first time."""
    runs: Counter[int] = Counter()

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=5)
    def note(number: int) -> None:
        runs[number] += 1
        if number % 5 == 0 and runs[number] == 1:
            raise RuntimeError

    return runs


def test_a_redis_that_freezes_again_and_again_doubles_nothing_that_was_answered(
    own_server: Server, open_broker: OpenBroker, start_worker: StartWorker
) -> None:
    broker = open_broker(own_server.url + "?socket_timeout=1")
    runs = stumbling(broker)

    start_worker(broker)
    unsure = set()
    for round_ in range(3):
        numbers = range(round_ * 50, round_ * 50 + 50)
        for number in numbers[:49]:
            broker.enqueue(message("note", number))
        own_server.signal(signal.SIGSTOP)
        # Nobody knows whether it arrived.
        with suppress(BrokerConnectionError):
            broker.enqueue(message("note", numbers[49]))
        unsure.add(numbers[49])
        wait_for(lambda: broker._process.turns.outage.lasts)
        own_server.signal(signal.SIGCONT)
        wait_for(lambda: not broker._process.turns.outage.lasts)

    broker.join("default", timeout=20_000)
    expected = {number: 2 if number % 5 == 0 else 1 for number in range(150) if number not in unsure}
    assert {number: times for number, times in runs.items() if number not in unsure} == expected
    assert all(runs[number] <= 1 for number in unsure)


@pytest.mark.parametrize("words", [b"XREADGROUP", b"EVALSHA"])
def test_replies_lost_under_load_lose_nothing_and_double_nothing(
    server: Server, open_broker: OpenBroker, start_worker: StartWorker, redis_client: redis.Redis, words: bytes
) -> None:
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url)
        runs = stumbling(broker)
        sender = open_broker(server.url)
        start_worker(broker)
        for round_ in range(5):
            proxy.lose_reply_to(words)
            for number in range(round_ * 20, round_ * 20 + 20):
                sender.enqueue(message("note", number))
            wait_for(proxy.lost.is_set)

        broker.join("default", timeout=20_000)
        assert runs == {number: 2 if number % 5 == 0 else 1 for number in range(100)}
        assert pending(redis_client, broker) == {}


def test_many_messages_whose_answer_is_lost_are_not_sent_again(
    server: Server, open_broker: OpenBroker, redis_client: redis.Redis
) -> None:
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url)
        # Redis knows the script from now on.
        broker.enqueue_many([message("note", 0)])

        proxy.lose_reply_to(b"needle")
        with pytest.raises(BrokerConnectionError):
            broker.enqueue_many([message("note", f"needle {number}") for number in range(10)])

    assert redis_client.xlen(broker.keys("default").stream) == 11
