"""Messages on their way from a sender to an actor."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import QueueJoinTimeout

from broker import RedisStreamsBroker
from tests.broker.conftest import Note
from tests.broker.looks import message

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


def test_every_message_sent_is_processed_once(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen: Counter[int] = Counter()

    @dramatiq.actor
    def note(number: int) -> None:
        seen[number] += 1

    for number in range(100):
        note.send(number)

    broker.join(note.queue_name, timeout=10_000)
    assert seen == Counter(range(100))


def test_messages_sent_before_the_first_worker_are_processed(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], note: Note, seen: list[Any]
) -> None:
    note.send(1)

    start_worker(broker)
    broker.join(note.queue_name, timeout=10_000)
    assert seen == [1]


def test_one_thread_processes_messages_in_order(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], note: Note, seen: list[Any]
) -> None:
    for number in range(200):
        note.send(number)

    start_worker(broker, threads=1)
    broker.join(note.queue_name, timeout=10_000)
    assert seen == list(range(200))


def test_a_worker_can_be_paused_and_resumed(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.05)

    @dramatiq.actor
    def note(number: int) -> None:
        seen.append(number)

    note.send(1)
    broker.join("default", timeout=10_000)
    worker.pause()
    note.send(2)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=300)

    worker.resume()
    broker.join("default", timeout=10_000)
    assert seen == [1, 2]


def test_a_message_with_an_eta_waits_in_redis_and_not_in_a_worker(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(time.time())

    eta = time.time() + 0.2

    broker.enqueue(note.message_with_options(eta=eta * 1000))

    assert redis_client.zcard(broker.keys("default").delayed) == 1
    broker.join("default", timeout=10_000)
    assert seen[0] >= eta


def test_a_message_that_names_another_queue_does_not_kill_the_worker(
    broker: RedisStreamsBroker,
    start_worker: Callable[..., dramatiq.Worker],
    redis_client: redis.Redis,
    note: Note,
    seen: list[Any],
) -> None:
    stray = message("note", 1, queue="elsewhere")
    redis_client.xadd(broker.keys("default").stream, {b"m": stray.encode()})

    start_worker(broker, threads=1)
    note.send(2)

    broker.join("default", timeout=10_000)
    assert seen == [1, 2]
