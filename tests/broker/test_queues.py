"""Queues: declared, waited for until they are empty, and emptied."""

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import QueueJoinTimeout, QueueNotFound
from dramatiq.middleware import Middleware

from broker import RedisStreamsBroker
from tests.broker.conftest import Note
from tests.broker.looks import dead_letters
from tests.broker.servers import wait_for

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


def test_a_queue_that_was_not_declared_cannot_be_consumed(broker: RedisStreamsBroker) -> None:
    with pytest.raises(QueueNotFound):
        broker.consume("nowhere")


def test_a_queue_is_declared_once(broker: RedisStreamsBroker) -> None:
    declared = []

    class Listener(Middleware):
        def after_declare_queue(self, broker: dramatiq.Broker, queue_name: str) -> None:
            declared.append(queue_name)

    broker.add_middleware(Listener())

    broker.declare_queue("one")
    broker.declare_queue("one")

    assert declared == ["one"]
    assert broker.get_declared_queues() == {"one"}
    assert broker.get_declared_delay_queues() == set()


def test_join_counts_waiting_delayed_and_running_messages(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    running, release = threading.Event(), threading.Event()

    @dramatiq.actor
    def hold() -> None:
        running.set()
        release.wait(10)

    hold.send()
    assert running.wait(10)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)

    release.set()
    broker.join("default", timeout=10_000)

    hold.send_with_options(delay=60_000)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)


def test_join_never_misses_a_message_on_its_way_from_delayed_to_waiting(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, note: Note, seen: list[Any]
) -> None:
    for number in range(30):
        note.send_with_options(args=(number,), delay=1 + number % 7)
        broker.join("default", timeout=10_000)

        assert seen == list(range(number + 1))


def test_flush_empties_all_of_a_queue_and_only_that(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], redis_client: redis.Redis
) -> None:
    @dramatiq.actor(queue_name="doomed", max_retries=0)
    def fail() -> None:
        raise RuntimeError

    @dramatiq.actor(queue_name="spared")
    def spare() -> None:
        pass

    worker = start_worker(broker)
    fail.send()
    wait_for(lambda: dead_letters(redis_client, broker, "doomed"))
    worker.stop()
    fail.send()
    fail.send_with_options(delay=60_000)
    spare.send()

    broker.flush("doomed")

    broker.join("doomed", timeout=50)
    assert dead_letters(redis_client, broker, "doomed") == []
    with pytest.raises(QueueJoinTimeout):
        broker.join("spared", timeout=50)

    broker.flush_all()
    broker.join("spared", timeout=50)


def test_a_flushed_queue_goes_on_working(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen = []
    running, release = threading.Event(), threading.Event()

    @dramatiq.actor
    def note(number: int) -> None:
        running.set()
        release.wait(10)
        seen.append(number)

    note.send(1)
    assert running.wait(10)
    broker.flush("default")
    release.set()
    note.send(2)

    broker.join("default", timeout=10_000)
    wait_for(lambda: sorted(seen) == [1, 2])
