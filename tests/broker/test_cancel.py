"""Cancelling: in whatever state a message is, it does not start, come back or end in the dead letters any more."""

import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.encoder import PickleEncoder
from dramatiq.errors import QueueJoinTimeout
from dramatiq.message import get_encoder, set_encoder
from dramatiq.middleware import Middleware, Retries
from dramatiq.results import ResultFailure, Results
from dramatiq.results.backends import RedisBackend

from broker import Cancelled, CancelRunning, RedisStreamsBroker
from broker.cancel import State
from tests.broker.looks import dead_letters, message
from tests.broker.servers import Server, wait_for

OpenBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def fast(server: Server, open_broker: OpenBroker) -> RedisStreamsBroker:
    """A broker whose workers look every tenth of a second."""
    return open_broker(server.url, lease_ms=600)


@pytest.mark.parametrize("priority", [-1, 0, 1])
def test_a_delayed_message_is_removed_at_once(broker: RedisStreamsBroker, priority: int) -> None:
    sent = broker.enqueue(message("note", priority=priority), delay=60_000)
    broker.enqueue(message("note", sent.message_id, priority=priority), delay=60_000)

    assert broker.cancel("default", sent.message_id) is State.DELAYED
    assert broker.cancel("default", sent.message_id) is None
    keys = broker.keys("default")
    assert broker.client.zcard(keys.delayed) == broker.client.hlen(keys.bodies) == 1


@pytest.mark.parametrize("priority", [-1, 0, 1])
def test_a_waiting_message_is_removed_at_once_and_no_other(broker: RedisStreamsBroker, priority: int) -> None:
    numbers = range(250)
    sent = broker.enqueue_many(message("note", number, priority=priority) for number in numbers)
    mentions = broker.enqueue(message("note", {"parent": sent[200].message_id}, priority=priority))

    assert broker.cancel("default", sent[200].message_id) is State.WAITING
    assert broker.cancel("default", sent[200].message_id) is None
    assert broker.cancel("default", mentions.message_id) is State.WAITING
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=1)
    assert broker.client.xlen(broker.keys("default").lane({-1: "u", 0: "", 1: "b"}[priority])) == 249


def test_what_is_not_there_cannot_be_cancelled(broker: RedisStreamsBroker) -> None:
    broker.client.xadd("default", {"not": "a message"})
    broker.client.xadd("default", {"m": "{no JSON nowhere"})
    broker.client.xadd("default", {"m": "no JSON"})

    assert broker.cancel("default", "nowhere") is None
    assert broker.cancel("never-used", "nowhere") is None


def test_messages_of_any_encoding_are_found(broker: RedisStreamsBroker) -> None:
    before = get_encoder()
    set_encoder(PickleEncoder())
    try:
        sent = broker.enqueue(message("note"))
        odd = broker.enqueue(message("note").copy(message_id='ä"'))

        assert broker.cancel("default", sent.message_id) is State.WAITING
        assert broker.cancel("default", odd.message_id) is State.WAITING
    finally:
        set_encoder(before)

    odd = broker.enqueue(message("note").copy(message_id='ä"'))
    assert broker.cancel("default", odd.message_id) is State.WAITING


def test_a_message_that_waits_for_its_retry_is_removed_at_once(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    @dramatiq.actor(min_backoff=60_000)
    def fail() -> None:
        raise RuntimeError

    sent = fail.send()
    wait_for(lambda: redis_client.zcard(broker.keys("default").delayed))

    assert broker.cancel("default", sent.message_id) is State.RETRYING
    broker.join("default", timeout=50)
    assert dead_letters(redis_client, broker) == []


def test_a_dead_letter_stays(broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis) -> None:
    @dramatiq.actor(max_retries=0)
    def fail() -> None:
        raise RuntimeError

    sent = fail.send()
    broker.join("default", timeout=10_000)

    assert broker.cancel("default", sent.message_id) is None
    assert len(dead_letters(redis_client, broker)) == 1


def test_what_a_worker_fetched_and_did_not_start_never_starts(
    fast: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    started: list[int] = []
    release = threading.Event()

    @dramatiq.actor(broker=fast)
    def hold(number: int) -> None:
        started.append(number)
        release.wait(20)

    first, *others = fast.enqueue_many(hold.message(number) for number in range(3))
    worker = start_worker(fast, threads=1)
    wait_for(lambda: started and worker.work_queue.qsize() == 1)

    states = [fast.cancel("default", one.message_id) for one in others]
    holding = fast._process.holding("default")
    wait_for(lambda: len(holding.held()) == 1, what="the worker hearing of it")
    release.set()

    fast.join("default", timeout=10_000)
    wait_for(lambda: worker.work_queue.unfinished_tasks == 0)
    assert State.HELD in states
    assert started == [0]
    assert dead_letters(redis_client, fast) == []
    assert "nothing done" not in caplog.text
    assert fast.cancel("default", first.message_id) is None


@pytest.mark.parametrize("retries", [None, Retries])
def test_a_running_message_is_interrupted_and_not_tried_again(
    server: Server,
    open_broker: OpenBroker,
    start_worker: StartWorker,
    redis_client: redis.Redis,
    retries: type[Retries] | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = open_broker(server.url, lease_ms=600, middleware=None if retries is None else [retries()])
    broker.add_middleware(CancelRunning())
    running = threading.Event()
    ended: list[type[BaseException] | None] = []

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=2)
    def work(number: int) -> None:
        running.set()
        try:
            until = time.monotonic() + (20 if number == 1 else 0)
            while time.monotonic() < until:
                time.sleep(0.001)
        except BaseException as error:
            ended.append(type(error))
            raise
        ended.append(None)

    sent = work.send(1)
    worker = start_worker(broker, threads=1)
    assert running.wait(10)

    assert broker.cancel("default", sent.message_id) is State.HELD
    wait_for(lambda: ended == [Cancelled])
    work.send(2)

    broker.join("default", timeout=10_000)
    wait_for(lambda: worker.work_queue.unfinished_tasks == 0)
    assert ended == [Cancelled, None]
    assert dead_letters(redis_client, broker) == []
    assert "unhandled exception" not in caplog.text


def test_without_the_middleware_a_running_message_ends_and_does_not_come_back(
    fast: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    running, release, runs = threading.Event(), threading.Event(), []

    @dramatiq.actor(broker=fast, min_backoff=1, max_backoff=2)
    def work() -> None:
        runs.append(1)
        running.set()
        release.wait(20)
        raise RuntimeError

    sent = work.send()
    worker = start_worker(fast)
    assert running.wait(10)

    assert fast.cancel("default", sent.message_id) is State.HELD
    # Whether the worker has heard of it or not: here it has not, for sure.
    release.set()

    wait_for(lambda: worker.work_queue.unfinished_tasks == 0)
    fast.join("default", timeout=10_000)
    assert runs == [1]
    assert dead_letters(redis_client, fast) == []


def test_an_asynchronous_actor_is_interrupted(fast: RedisStreamsBroker, start_worker: StartWorker) -> None:
    import asyncio

    fast.add_middleware(dramatiq.middleware.AsyncIO())
    fast.add_middleware(CancelRunning())
    running, ended = threading.Event(), []

    @dramatiq.actor(broker=fast)
    async def work() -> None:
        running.set()
        try:
            await asyncio.sleep(20)
        except asyncio.CancelledError:
            ended.append(1)
            raise

    sent = work.send()
    start_worker(fast)
    assert running.wait(10)

    fast.cancel("default", sent.message_id)

    wait_for(lambda: ended == [1])


@pytest.mark.parametrize("delay", [None, 60_000])
def test_whoever_waits_for_the_result_hears_of_it(
    server: Server, broker: RedisStreamsBroker, delay: int | None
) -> None:
    broker.add_middleware(Results(backend=RedisBackend(url=server.url), store_results=True))  # type: ignore[no-untyped-call]
    heard = []

    class Listener(Middleware):
        def before_nack(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append(("before", message.failed))

        def after_nack(self, broker: dramatiq.Broker, message: Any) -> None:
            heard.append(("after", message.failed))

    broker.add_middleware(Listener())

    @dramatiq.actor
    def note() -> None:
        pass

    sent = note.send_with_options(delay=delay)
    broker.cancel("default", sent.message_id)

    with pytest.raises(ResultFailure, match="Cancelled"):
        sent.get_result(block=True, timeout=5_000)
    assert heard == [("before", True), ("after", True)]


def test_the_key_of_a_cancelled_unique_message_is_free(broker: RedisStreamsBroker) -> None:
    first = broker.enqueue(message("note", unique_key="a"))
    broker.cancel("default", first.message_id)
    second = broker.enqueue(message("note", unique_key="a"), delay=60_000)
    broker.cancel("default", second.message_id)

    third = broker.enqueue(message("note", unique_key="a"))

    assert len({first.message_id, second.message_id, third.message_id}) == 3


def test_what_workers_are_to_hear_is_kept_for_a_while_only(
    fast: RedisStreamsBroker, start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    release = threading.Event()

    @dramatiq.actor(broker=fast)
    def hold() -> None:
        release.wait(20)

    sent = hold.send()
    start_worker(fast)
    wait_for(lambda: fast._process.holdings.get("default") and fast._process.holding("default").held())
    fast.cancel("default", sent.message_id)

    lifetime_ms = redis_client.pttl(fast.keys("default").cancelled)
    release.set()
    assert 0 < lifetime_ms <= 60_000
