"""Sending: one message and many, and what is known of them when Redis goes away in the middle."""

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import BrokerConnectionError
from dramatiq.middleware import Middleware

from broker import Interrupted, MessageTooLarge, RedisStreamsBroker
from broker.sending import CHUNK
from tests.broker.conftest import Note
from tests.broker.looks import message
from tests.broker.proxy import LossyProxy
from tests.broker.servers import Server, wait_for

OpenBroker = Callable[..., RedisStreamsBroker]


def test_many_messages_are_sent_in_their_order(
    broker: RedisStreamsBroker, start_worker: Callable[..., dramatiq.Worker], note: Note, seen: list[Any]
) -> None:
    total = 2 * CHUNK + 1
    sent = broker.enqueue_many(note.message(number) for number in range(total))

    assert [one.args for one in sent] == [(number,) for number in range(total)]
    start_worker(broker, threads=1)
    broker.join("default", timeout=20_000)
    assert seen == list(range(total))


def test_no_messages_are_sent_by_an_empty_iterable(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    assert broker.enqueue_many([]) == []
    assert redis_client.dbsize() == 0


def test_many_messages_may_be_for_any_mix_of_queues_lanes_and_delays(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    messages = [
        message("note", 1, queue="one"),
        message("note", 2, queue="two"),
        message("note", 3, queue="one", priority=-1),
        message("note", 4, queue="two", priority=1),
        message("note", 5, queue="one", eta=2**42),
        message("note", 6, queue="one"),
    ]

    sent = broker.enqueue_many(messages)

    one, two = broker.keys("one"), broker.keys("two")
    assert [one.args[0] for one in sent] == [1, 2, 3, 4, 5, 6]
    assert redis_client.xlen(one.stream) == 2
    assert redis_client.xlen(one.urgent) == 1
    assert redis_client.zcard(one.delayed) == 1
    assert redis_client.xlen(two.stream) == 1
    assert redis_client.xlen(two.bulk) == 1


def test_many_delayed_messages_come_due(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, note: Note, seen: list[Any]
) -> None:
    broker.enqueue_many([note.message(number) for number in range(20)], delay=50)

    broker.join("default", timeout=10_000)
    assert sorted(seen) == list(range(20))


def test_one_message_may_wait_more_than_once(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    seen = []

    @dramatiq.actor
    def note() -> None:
        seen.append(1)

    same = note.message()
    for _ in range(3):
        broker.enqueue(same, delay=50)

    broker.join("default", timeout=10_000)
    assert len(seen) == 3


def test_middleware_hears_of_each_of_many(broker: RedisStreamsBroker) -> None:
    heard: list[tuple[str, int, int | None]] = []

    class Listener(Middleware):
        def before_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
            message.options["seen"] = True
            heard.append(("before", message.args[0], delay))

        def after_enqueue(self, broker: dramatiq.Broker, message: Any, delay: int | None) -> None:
            heard.append(("after", message.args[0], delay))

    broker.add_middleware(Listener())

    sent = broker.enqueue_many([message("note", 1), message("note", 2)], delay=5)

    assert all(one.options["seen"] for one in sent)
    assert heard == [("before", 1, 5), ("before", 2, 5), ("after", 1, 5), ("after", 2, 5)]


def test_messages_before_a_faulty_one_are_sent(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    def faulty() -> Iterator[Any]:
        yield message("note", 1)
        yield message("note", 2)
        raise KeyError("row 3")

    with pytest.raises(KeyError, match="row 3") as raised:
        broker.enqueue_many(faulty())
    with pytest.raises(MessageTooLarge):
        broker.enqueue_many([message("note", 3), message("note", "x" * 2**20)])

    assert raised.value.__notes__ == ["2 messages were sent before"]
    assert redis_client.xlen("default") == 3


def test_a_lost_connection_says_what_was_sent_and_what_may_be(
    server: Server, open_broker: OpenBroker, redis_client: redis.Redis
) -> None:
    messages = [message("note", number) for number in range(CHUNK)]
    needle = [message("note", f"needle {number}") for number in range(CHUNK)]
    rest = [message("note", number) for number in range(CHUNK)]
    everything = itertools.chain(messages, needle, rest)
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url)

        proxy.lose_reply_to(b"needle")
        with pytest.raises(Interrupted) as raised:
            broker.enqueue_many(everything)

    assert raised.value.sent == messages
    assert raised.value.doubtful == needle
    assert raised.value.unsent == []
    assert list(everything) == rest
    wait_for(lambda: redis_client.xlen("default") == 2 * CHUNK, what="the chunk whose reply was lost")


def test_of_two_queues_only_the_interrupted_one_is_doubtful(server: Server, open_broker: OpenBroker) -> None:
    mixed = [message("note", "needle", queue="one"), message("note", 2, queue="two"), message("note", 3, queue="one")]
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url)

        proxy.lose_reply_to(b"needle")
        with pytest.raises(Interrupted) as raised:
            broker.enqueue_many(mixed)

    assert raised.value.sent == []
    assert raised.value.doubtful == [mixed[0], mixed[2]]
    assert raised.value.unsent == [mixed[1]]


@pytest.mark.parametrize("options", [{}, {"delay": 60_000}])
@pytest.mark.parametrize("extra", [{}, {"max_depth": 10}])
def test_a_lost_reply_is_raised_and_the_message_is_there_once(
    server: Server,
    open_broker: OpenBroker,
    redis_client: redis.Redis,
    options: dict[str, int],
    extra: dict[str, int],
) -> None:
    with LossyProxy(server.port) as proxy:
        broker = open_broker(proxy.url, **extra)
        broker.enqueue(message("note", 1), **options)

        proxy.lose_reply_to(b"needle")
        with pytest.raises(BrokerConnectionError):
            broker.enqueue(message("note", "needle"), **options)
        assert proxy.lost.wait(10)
        broker.enqueue(message("note", 3), **options)

    keys = broker.keys("default")
    entries: Any = redis_client.xrange("default")
    bodies: list[Any] = [fields[b"m"] for _, fields in entries if b"m" in fields]
    bodies += redis_client.hvals(keys.bodies)
    assert sorted(str(dramatiq.Message.decode(body).args[0]) for body in bodies) == ["1", "3", "needle"]


def test_a_redis_without_memory_takes_nothing_and_nothing_is_in_doubt(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    messages = [message("note", 1), message("note", 2, queue="other")]
    redis_client.config_set("maxmemory", "1")
    try:
        with pytest.raises(Interrupted, match="OOM") as raised:
            broker.enqueue_many(messages)
    finally:
        redis_client.config_set("maxmemory", "0")

    assert raised.value.unsent == messages
    assert raised.value.sent == raised.value.doubtful == []
    assert redis_client.xlen("default") == redis_client.xlen("other") == 0


def test_many_are_sent_from_many_threads(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    threads = [
        threading.Thread(target=broker.enqueue_many, args=([message("note", number) for number in range(700)],))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert redis_client.xlen("default") == 2_800
