"""Delayed messages: in Redis, by Redis's clock, each exactly once."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import dramatiq
import redis

from broker import RedisStreamsBroker
from tests.broker.conftest import Note
from tests.broker.servers import Server, wait_for


def test_a_delayed_message_is_processed_when_it_is_due(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    late = []

    # The clock that Redis has.
    @dramatiq.actor
    def note(due: float) -> None:
        late.append(time.time() - due)

    for delay in range(50, 400, 10):
        note.send_with_options(args=(time.time() + delay / 1000,), delay=delay)

    broker.join("default", timeout=10_000)
    assert len(late) == 35
    assert min(late) >= 0
    # A busy machine may keep some waiting.
    assert sorted(late)[2] < 0.05


def test_messages_are_due_in_the_order_of_their_delays(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], note: Note, seen: list[Any]
) -> None:
    for delay in (150, 100, 50):
        note.send_with_options(args=(delay,), delay=delay)

    start_worker(broker, threads=1)

    broker.join("default", timeout=10_000)
    assert seen == [50, 100, 150]


def test_a_delayed_message_does_not_hold_up_others(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis, note: Note, seen: list[Any]
) -> None:
    note.send_with_options(args=(1,), delay=60_000)
    note.send(2)

    wait_for(lambda: seen == [2])
    assert redis_client.zcard(broker.keys("default").delayed) == 1


def test_a_message_that_is_due_sooner_wakes_a_consumer_that_waits_for_a_later_one(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], note: Note, seen: list[Any]
) -> None:
    start_worker(broker, timeout_ms=1_000)
    note.send_with_options(args=("later",), delay=60_000)
    wait_for(lambda: broker._process.holdings["default"].clock_ms is not None, what="looking at the delayed messages")
    note.send_with_options(args=("sooner",), delay=50)

    # By itself it would look again after 20 seconds.
    wait_for(lambda: seen == ["sooner"], timeout_s=10)


def test_many_workers_promote_each_message_once(
    server: Server, open_broker: Callable[..., RedisStreamsBroker], start_worker: Callable[..., dramatiq.Worker]
) -> None:
    runs: Counter[int] = Counter()
    brokers = [open_broker(server.url) for _ in range(3)]
    for broker in brokers:

        @dramatiq.actor(broker=broker)
        def note(number: int) -> None:
            runs[number] += 1

        start_worker(broker, threads=2)

    for number in range(300):
        brokers[0].enqueue(note.message(number), delay=1 + number % 50)

    brokers[0].join("default", timeout=20_000)
    assert runs == Counter(range(300))
    assert brokers[0].client.hlen(brokers[0].keys("default").bodies) == 0


def test_more_messages_are_due_at_once_than_a_worker_holds(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]
) -> None:
    runs: Counter[int] = Counter()

    @dramatiq.actor
    def note(number: int) -> None:
        runs[number] += 1

    for number in range(350):
        note.send_with_options(args=(number,), delay=5)

    start_worker(broker, threads=1)
    broker.join("default", timeout=20_000)
    assert runs == Counter(range(350))


def test_a_delay_of_nothing_is_no_delay(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    @dramatiq.actor
    def note() -> None:
        pass

    note.send_with_options(delay=0)

    assert redis_client.xlen("default") == 1


def test_messages_with_the_same_id_are_delayed_independently(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker]
) -> None:
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(1)

    same: Any = note.message()
    broker.enqueue(same, delay=5)
    broker.enqueue(same, delay=10)

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert len(seen) == 2
