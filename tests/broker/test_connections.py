"""What a broker connects with, when, and in which process and namespace."""

import os
from collections.abc import Callable

import dramatiq
import pytest
import redis
from dramatiq.errors import QueueJoinTimeout

from broker import RedisStreamsBroker
from tests.broker.looks import message
from tests.broker.servers import Server

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


def test_nothing_connects_until_a_message_is_sent() -> None:
    broker = RedisStreamsBroker(url="redis://127.0.0.1:1/0")

    dramatiq.actor(broker=broker)(lambda: None)

    with pytest.raises(dramatiq.errors.BrokerConnectionError):
        broker.enqueue(message("nobody"))
    broker.close()


def test_a_broker_takes_either_a_url_or_a_client(server: Server) -> None:
    with pytest.raises(ValueError, match="either"):
        RedisStreamsBroker()
    with server.client() as client, pytest.raises(ValueError, match="either"):
        RedisStreamsBroker(url=server.url, client=client)


def test_a_client_that_decodes_is_refused(server: Server) -> None:
    with redis.Redis(port=server.port, decode_responses=True) as client, pytest.raises(ValueError, match="bytes"):
        RedisStreamsBroker(client=client)


@pytest.mark.parametrize("protocol", [2, 3])
def test_any_client_of_the_users_own_will_do(
    server: Server, start_worker: Callable[..., dramatiq.Worker], protocol: int
) -> None:
    seen = []
    with redis.Redis(port=server.port, protocol=protocol) as client:
        broker = RedisStreamsBroker(client=client)

        @dramatiq.actor(broker=broker)
        def note(number: int) -> None:
            seen.append(number)

        note.send(1)
        note.send_with_options(args=(2,), delay=20)

        start_worker(broker)
        broker.join("default", timeout=10_000)
    assert seen == [1, 2]


def test_namespaces_keep_brokers_apart(
    server: Server, open_broker: Callable[..., RedisStreamsBroker], start_worker: Callable[..., dramatiq.Worker]
) -> None:
    seen = []
    ours, theirs = open_broker(server.url, namespace="ours"), open_broker(server.url, namespace="theirs")

    @dramatiq.actor(broker=ours)
    def note() -> None:
        seen.append(1)

    note.send()
    theirs.declare_queue("default")

    start_worker(theirs)
    theirs.join("default", timeout=1_000)
    assert seen == []
    with pytest.raises(QueueJoinTimeout):
        ours.join("default", timeout=50)


def test_a_forked_process_is_a_consumer_of_its_own(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    broker.declare_queue("default")
    parent = broker._process
    broker.enqueue(message("note", 1))

    child = os.fork()
    if child == 0:
        code = 1
        try:
            broker.enqueue(message("note", 2))
            code = 0 if broker._process.name != parent.name and not broker._process.holdings else 2
        finally:
            os._exit(code)

    assert os.waitpid(child, 0)[1] == 0
    assert broker._process is parent
    broker.enqueue(message("note", 3))
    assert redis_client.xlen("default") == 3


def test_an_evicting_redis_is_warned_of(
    broker: RedisStreamsBroker, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis_client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        broker.warn_of_eviction()
    finally:
        redis_client.config_set("maxmemory-policy", "noeviction")

    assert "allkeys-lru" in caplog.text
