"""Pausing a queue: nothing new is started anywhere, what runs ends, sending goes on."""

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import redis

from broker import RedisStreamsBroker
from broker.keys import SHELF
from tests.broker.conftest import Note
from tests.broker.looks import message, pending
from tests.broker.servers import Server, wait_for


def blocked(client: redis.Redis) -> int:
    """Return how many consumers wait for a message."""
    return sum(one["cmd"] == "xreadgroup" for one in client.client_list())


def test_a_paused_queue_keeps_what_is_sent_until_it_is_resumed(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis, note: Note, seen: list[Any]
) -> None:
    broker.pause("default")
    for number in range(5):
        note.send(number)
    wait_for(lambda: blocked(redis_client) == 0, what="all consumers having heard of it")

    assert seen == []
    broker.resume("default")
    broker.join("default", timeout=10_000)
    assert sorted(seen) == list(range(5))


def test_consumers_that_were_blocked_start_nothing_after_the_pause(
    server: Server,
    open_broker: Callable[..., RedisStreamsBroker],
    start_worker: Callable[..., dramatiq.Worker],
    redis_client: redis.Redis,
) -> None:
    seen: list[int] = []
    one, other = open_broker(server.url), open_broker(server.url)
    for broker in (one, other):
        dramatiq.actor(broker=broker, actor_name="note")(seen.append)
        start_worker(broker, timeout_ms=300)
    wait_for(lambda: blocked(redis_client) == 2)

    one.pause("default")
    for number in range(2):
        one.enqueue(message("note", number))

    wait_for(lambda: pending(redis_client, one) == {SHELF: 2} or blocked(redis_client) == 0, what="handing back")
    assert seen == []
    other.resume("default")
    one.join("default", timeout=10_000)
    assert sorted(seen) == [0, 1]


def test_what_runs_ends_and_is_settled_while_the_queue_is_paused(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    started, release = threading.Event(), threading.Event()

    @dramatiq.actor
    def hold() -> None:
        started.set()
        release.wait(10)

    hold.send()
    assert started.wait(10)

    broker.pause("default")
    release.set()

    broker.join("default", timeout=5_000)


def test_a_pause_outlives_flush_and_is_ended_by_resume_alone(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    broker.pause("default")

    broker.flush("default")

    assert redis_client.exists(broker.keys("default").paused)
    broker.resume("default")
    broker.resume("default")
    assert not redis_client.exists(broker.keys("default").paused)
