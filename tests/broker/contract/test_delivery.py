"""Delivery: what waits, is held, comes back and is counted, by the words of Dramatiq's Redis and RabbitMQ brokers."""

import gc
import logging
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import BrokerConnectionError, QueueJoinTimeout
from dramatiq.middleware import AsyncIO

from broker import RedisStreamsBroker
from broker.keys import SHELF
from tests.broker.conftest import Note
from tests.broker.consumers import fetch, fetch_many
from tests.broker.looks import dead_letters, message, pending
from tests.broker.servers import Server, wait_for

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]

#: More than the 8,000 values that Lua can put on its stack at once.
MANY = 9_000


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Only what is referred to by nothing is freed meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def waiting(client: redis.Redis) -> list[int]:
    """Return the first argument of each message in the stream; what is there only to wake somebody is none."""
    entries: Any = client.xrange("default")
    return [dramatiq.Message.decode(fields[b"m"]).args[0] for _, fields in entries if b"m" in fields]


def test_many_messages_are_handed_back_together_and_taken_in_their_order(
    server: Server, open_broker: OpenBroker, redis_client: redis.Redis
) -> None:
    leaving, staying = open_broker(server.url), open_broker(server.url)
    for broker in (leaving, staying):
        dramatiq.actor(broker=broker, actor_name="note")(lambda number: None)
    leaving.enqueue_many(message("note", number) for number in range(MANY))
    consumer = leaving.consume("default", prefetch=MANY, timeout=20)
    held = fetch_many(consumer, MANY)

    consumer.requeue(held)
    consumer.close()

    assert pending(redis_client, leaving) == {SHELF: MANY}
    heir = staying.consume("default", prefetch=MANY, timeout=20)
    assert [one.args[0] for one in fetch_many(heir, MANY)] == list(range(MANY))
    heir.close()
    staying.flush("default")
    assert redis_client.xlen("default") == 0
    staying.join("default", timeout=1_000)


def test_many_old_dead_letters_leave_when_others_come(
    server: Server, open_broker: OpenBroker, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url, dead_max_age_ms=60_000)
    with redis_client.pipeline(transaction=False) as old:
        for number in range(MANY):
            old.xadd(broker.keys("default").dead, {"reason": "failed"}, id=f"1-{number + 1}")
        old.execute()

    @dramatiq.actor(broker=broker, max_retries=0)
    def fail() -> None:
        raise RuntimeError("new")

    # A thousand at most leave for one that comes.
    for _ in range(MANY // 1_000):
        fail.send()

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert {letter.get("error") for letter in dead_letters(redis_client, broker)} == {b"RuntimeError: new"}


def test_a_stopped_worker_leaves_what_waits_and_what_is_delayed(
    broker: RedisStreamsBroker, redis_client: redis.Redis
) -> None:
    running, release = threading.Event(), threading.Event()
    ended = []

    @dramatiq.actor
    def hold(number: int) -> None:
        running.set()
        assert release.wait(20)
        ended.append(number)

    for number in range(5):
        hold.send(number)
    hold.send_with_options(args=(5,), delay=60_000)
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    assert running.wait(10)

    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    wait_for(lambda: not worker.workers[0].running, what="being told to stop")
    release.set()
    stopping.join(20)

    assert ended == [0]
    assert waiting(redis_client) == [1, 2, 3, 4]
    assert set(pending(redis_client, broker)) <= {SHELF}
    assert redis_client.zcard(broker.keys("default").delayed) == 1


def test_a_worker_that_takes_over_keeps_the_order(broker: RedisStreamsBroker, redis_client: redis.Redis) -> None:
    ended: list[int] = []

    @dramatiq.actor
    def note(number: int) -> None:
        ended.append(number)

    for number in range(20):
        note.send(number)
    first = broker.consume("default", prefetch=7, timeout=20)
    first.requeue(fetch_many(first, 7))
    first.close()

    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    broker.join("default", timeout=10_000)
    worker.stop()

    assert ended == list(range(20))


@pytest.mark.parametrize("verb", ["ack", "nack"])
def test_settling_what_is_not_there_any_more_does_nothing(
    broker: RedisStreamsBroker, redis_client: redis.Redis, verb: str
) -> None:
    @dramatiq.actor
    def nothing() -> None:
        pass

    nothing.send()
    consumer = broker.consume("default", timeout=20)
    held = fetch(consumer)
    broker.flush("default")
    nothing.send()

    getattr(consumer, verb)(held)
    getattr(consumer, verb)(held)
    consumer.close()

    assert redis_client.xlen("default") == 1
    assert dead_letters(redis_client, broker) == []


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("fails", [True, False])
def test_what_is_settled_while_redis_is_not_reached_is_settled_once_it_is(
    own_server: Server, open_broker: OpenBroker, start_worker: StartWorker, fails: bool, retries: int
) -> None:
    broker = open_broker(own_server.url + "?socket_timeout=0.5")
    runs: list[int] = []
    running, release = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker, max_retries=retries, min_backoff=1, max_backoff=5)
    def work() -> None:
        runs.append(1)
        running.set()
        assert release.wait(20)
        if fails:
            raise RuntimeError

    start_worker(broker, threads=1)
    work.send()
    assert running.wait(10)

    own_server.signal(signal.SIGSTOP)
    wait_for(lambda: broker._process.turns.outage.lasts, what="noticing")
    release.set()
    holding = broker._process.holdings["default"]
    wait_for(lambda: not holding.held(), what="the end of the actor")
    assert not holding.empty, "it is still to be settled"
    own_server.signal(signal.SIGCONT)

    broker.join("default", timeout=20_000)
    wait_for(lambda: holding.empty)
    assert len(runs) == (1 + retries if fails else 1)
    with own_server.client() as client:
        assert len(dead_letters(client, broker)) == fails


def test_sending_works_again_after_a_connection_broke(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis, note: Note, seen: list[Any]
) -> None:
    note.send(1)
    wait_for(lambda: seen == [1])
    redis_client.client_kill_filter(_type="normal", skipme=True)

    def sent() -> bool:
        try:
            note.send(2)
        except BrokerConnectionError:
            return False
        return True

    wait_for(sent, what="sending")
    wait_for(lambda: seen == [1, 2])


def test_a_stream_that_was_deleted_is_made_again(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis, note: Note, seen: list[Any]
) -> None:
    note.send(1)
    wait_for(lambda: seen == [1])
    broker.join("default", timeout=10_000)

    def came(number: int) -> bool:
        return bool(seen[-1] == number)

    for number in (2, 3):
        redis_client.delete(*broker.keys("default").lanes)
        note.send(number)
        wait_for(partial(came, number))

    broker.join("default", timeout=10_000)
    assert seen == [1, 2, 3]


def test_entries_that_nobody_can_read_do_not_hold_up_others(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis, note: Note, seen: list[Any]
) -> None:
    for number in range(20):
        redis_client.xadd("default", {b"m": b"{" * number})
        note.send(number)

    broker.join("default", timeout=10_000)
    assert sorted(seen) == list(range(20))
    assert [letter["reason"] for letter in dead_letters(redis_client, broker)] == [b"undecodable"] * 20


def test_join_never_sees_nothing_between_a_message_and_the_one_that_it_sends(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    seen = []

    @dramatiq.actor
    def pass_on(number: int) -> None:
        seen.append(number)
        if number:
            pass_on.send_with_options(args=(number - 1,), delay=number % 4)

    for _ in range(10):
        seen.clear()
        pass_on.send(12)

        broker.join("default", timeout=10_000)

        assert seen == list(range(12, -1, -1))


def test_join_counts_as_long_as_anything_is_held_anywhere(server: Server, open_broker: OpenBroker) -> None:
    holding, asking = open_broker(server.url), open_broker(server.url)
    for broker in (holding, asking):
        dramatiq.actor(broker=broker, actor_name="note")(lambda: None)
    asking.enqueue(message("note"))
    consumer = holding.consume("default", timeout=20)
    held = fetch(consumer)

    with pytest.raises(QueueJoinTimeout):
        asking.join("default", timeout=50)
    consumer.ack(held)

    asking.join("default", timeout=10_000)
    consumer.close()


def test_an_exception_is_gone_when_its_message_is(
    uncollected: None, broker: RedisStreamsBroker, caplog: pytest.LogCaptureFixture
) -> None:
    # Records of the log would keep it.
    caplog.set_level(logging.CRITICAL)
    raised: list[weakref.ref[BaseException]] = []

    class Heavy(Exception):
        def __init__(self) -> None:
            raised.append(weakref.ref(self))

    @dramatiq.actor(max_retries=2, min_backoff=1, max_backoff=5)
    def fail() -> None:
        raise Heavy

    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    fail.send()
    broker.join("default", timeout=10_000)
    worker.stop()

    assert [one() for one in raised] == [None] * 3


def test_what_an_asynchronous_actor_failed_with_is_gone_when_its_message_is(
    broker: RedisStreamsBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    broker.add_middleware(AsyncIO())
    loads: list[weakref.ref[Any]] = []

    class Load:
        """Something large."""

    class Heavy(Exception):
        def __init__(self, load: Load) -> None:
            self.load = load

    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=5)
    async def fail() -> None:
        load = Load()
        loads.append(weakref.ref(load))
        raise Heavy(load)

    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    worker.start()
    fail.send()
    broker.join("default", timeout=10_000)
    worker.stop()
    # Tracebacks of coroutines are cycles.
    gc.collect()

    assert [one() for one in loads] == [None] * 2
