"""Limits: a queue that is full and a message that is too large are refused, and nothing that comes back is."""

from collections.abc import Callable

import dramatiq
import pytest
import redis
from dramatiq.errors import BrokerConnectionError

from broker import MessageTooLarge, QueueFull, RedisStreamsBroker
from tests.broker.looks import message
from tests.broker.servers import Server, wait_for

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


def test_a_full_queue_takes_no_more(server: Server, open_broker: OpenBroker, redis_client: redis.Redis) -> None:
    broker = open_broker(server.url, max_depth=3)
    broker.enqueue(message("note", 1))
    broker.enqueue(message("note", 2, priority=-1))
    broker.enqueue(message("note", 3), delay=60_000)

    with pytest.raises(QueueFull, match="'default' is full: it may have 3") as raised:
        broker.enqueue(message("note", 4))
    with pytest.raises(QueueFull):
        broker.enqueue(message("note", 4), delay=1)

    assert (raised.value.queue_name, raised.value.depth) == ("default", 3)
    assert not isinstance(raised.value, BrokerConnectionError)
    assert redis_client.xlen("default") == 1
    assert redis_client.zcard(broker.keys("default").delayed) == 1


def test_a_limit_may_be_for_one_queue(server: Server, open_broker: OpenBroker) -> None:
    broker = open_broker(server.url, max_depth={"small": 0})

    broker.enqueue(message("note", queue="large"))
    with pytest.raises(QueueFull):
        broker.enqueue(message("note", queue="small"))


def test_a_queue_that_was_worked_off_takes_messages_again(
    server: Server, open_broker: OpenBroker, start_worker: StartWorker
) -> None:
    broker = open_broker(server.url, max_depth=1)

    @dramatiq.actor(broker=broker)
    def note() -> None:
        pass

    note.send()
    with pytest.raises(QueueFull):
        note.send()
    start_worker(broker)
    broker.join("default", timeout=10_000)

    note.send()
    broker.join("default", timeout=10_000)


def test_of_many_as_many_are_sent_as_there_is_room_for(
    server: Server, open_broker: OpenBroker, redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url, max_depth={"small": 2})
    messages = [message("note", number, queue="small") for number in range(5)]
    others = [message("note", number, queue="large") for number in range(2)]

    with pytest.raises(QueueFull) as raised:
        broker.enqueue_many([*others, *messages])

    assert raised.value.sent == [*others, *messages[:2]]
    assert raised.value.unsent == messages[2:]
    assert redis_client.xlen("small") == 2
    assert redis_client.xlen("large") == 2


def test_a_retry_is_taken_by_a_full_queue(server: Server, open_broker: OpenBroker, start_worker: StartWorker) -> None:
    broker = open_broker(server.url, max_depth=1, max_message_bytes=400)
    runs = []

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=5)
    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            open_broker(server.url).enqueue(message("work"))
            raise RuntimeError("x" * 400)

    work.send()

    start_worker(broker)
    wait_for(lambda: len(runs) == 3, what="the retry, and the message that another producer sent")
    broker.join("default", timeout=10_000)


def test_a_message_that_is_too_large_is_not_sent(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    with pytest.raises(MessageTooLarge, match=r"has \d+ bytes of 1048576 allowed") as raised:
        broker.enqueue(message("note", "x" * 1024 * 1024))

    assert raised.value.size > raised.value.limit == 1024 * 1024
    assert redis_client.dbsize() == 0
