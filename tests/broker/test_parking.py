"""Messages for actors that nobody knows here: parked for those who may know them, and then dead-lettered."""

from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import ActorNotFound
from dramatiq.middleware import Middleware

from broker import RedisStreamsBroker
from tests.broker.looks import dead_letters, message
from tests.broker.servers import Server, wait_for

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


def test_a_message_for_an_unknown_actor_waits_for_a_worker_that_knows_it(
    server: Server,
    open_broker: Callable[..., RedisStreamsBroker],
    start_worker: Callable[..., dramatiq.Worker],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("broker.delays._SHORTEST_PARK_MS", 100)
    seen = []
    old = open_broker(server.url)
    old.declare_queue("default")
    old.enqueue(message("note", 1))
    start_worker(old)
    wait_for(lambda: old.client.zcard(old.keys("default").delayed))
    parked = old.client.hgetall(old.keys("default").parked)

    new = open_broker(server.url)

    @dramatiq.actor(broker=new)
    def note(number: int) -> None:
        seen.append(number)

    start_worker(new)
    wait_for(lambda: seen == [1], what="the new worker getting the message")
    assert len(parked) == 1
    assert old.client.hgetall(old.keys("default").parked) == {}


def test_a_message_for_an_actor_that_never_comes_is_dead_lettered(
    server: Server,
    open_broker: Callable[..., RedisStreamsBroker],
    start_worker: Callable[..., dramatiq.Worker],
    redis_client: redis.Redis,
) -> None:
    rejected = []

    class Listener(Middleware):
        def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
            rejected.append(type(message._exception))

    broker = open_broker(server.url, unknown_actor_ms=20)
    broker.add_middleware(Listener())
    broker.declare_queue("default")
    sent = broker.enqueue(message("nobody"))

    start_worker(broker)
    broker.join("default", timeout=10_000)

    (letter,) = dead_letters(redis_client, broker)
    assert letter["reason"] == b"unknown_actor"
    assert letter["message"] == sent.encode()
    assert rejected == [ActorNotFound]
