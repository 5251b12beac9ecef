"""Limits of rate, time and age, and the interruption of what runs when a worker stops."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import RateLimitExceeded
from dramatiq.middleware import AsyncIO, Shutdown, ShutdownNotifications, TimeLimit, TimeLimitExceeded
from dramatiq.rate_limits import Barrier, BucketRateLimiter, WindowRateLimiter
from dramatiq.rate_limits.backends import RedisBackend

from broker import RedisStreamsBroker
from tests.broker.looks import dead_letters
from tests.broker.servers import Server, wait_for

StartWorker = Callable[..., dramatiq.Worker]


@pytest.fixture
def limits(server: Server) -> Any:
    """Where limits are kept."""
    backend: Any = RedisBackend
    return backend(url=server.url)


@pytest.mark.parametrize("kind", ["bucket", "window"])
def test_what_exceeds_its_rate_is_retried_until_all_is_done(
    kind: str, limits: Any, broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    # Untyped in Dramatiq.
    bucket: Any = BucketRateLimiter
    window: Any = WindowRateLimiter
    makers: dict[str, Any] = {
        "bucket": lambda: bucket(limits, "rate", limit=2, bucket=100),
        "window": lambda: window(limits, "rate", limit=2, window=1),
    }
    limiter = makers[kind]()
    done, refused = [], []

    @dramatiq.actor(max_retries=1000, min_backoff=20, max_backoff=50)
    def work(number: int) -> None:
        try:
            with limiter.acquire():
                done.append(number)
        except RateLimitExceeded:
            refused.append(number)
            raise

    for number in range(6):
        work.send(number)

    broker.join("default", timeout=20_000)
    assert sorted(done) == list(range(6))
    assert refused


def test_tasks_meet_at_a_barrier(limits: Any, broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    barrier: Any = Barrier(limits, "meeting", ttl=30_000)  # type: ignore[no-untyped-call]
    barrier.create(parties=2)
    passed = []

    @dramatiq.actor
    def meet(number: int) -> None:
        if barrier.wait(timeout=10_000):
            passed.append(number)

    meet.send(1)
    meet.send(2)

    broker.join("default", timeout=20_000)
    assert sorted(passed) == [1, 2]


def test_a_task_past_its_time_limit_is_interrupted(
    server: Server, open_broker: Callable[..., RedisStreamsBroker], start_worker: StartWorker, redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url)
    place = next(number for number, one in enumerate(broker.middleware) if isinstance(one, TimeLimit))
    broker.middleware[place] = TimeLimit(interval=20)
    interrupted = threading.Event()

    @dramatiq.actor(broker=broker, max_retries=0, time_limit=100)
    def spin() -> None:
        try:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                time.sleep(0.01)
        except TimeLimitExceeded:
            interrupted.set()
            raise

    broker.emit_after("process_boot")
    start_worker(broker)
    spin.send()

    assert interrupted.wait(5)
    broker.join("default", timeout=5_000)
    (letter,) = dead_letters(redis_client, broker)
    assert letter["error"].startswith(b"TimeLimitExceeded")


def test_a_task_is_told_of_the_shutdown_and_runs_again_elsewhere(
    server: Server, open_broker: Callable[..., RedisStreamsBroker]
) -> None:
    broker = open_broker(server.url, middleware=None)
    heard, started = threading.Event(), threading.Event()
    runs = []

    @dramatiq.actor(broker=broker, notify_shutdown=True, min_backoff=1, max_backoff=5)
    def work() -> None:
        runs.append(1)
        started.set()
        if len(runs) > 1:
            return
        try:
            until = time.monotonic() + 10
            while time.monotonic() < until:
                time.sleep(0.01)
        except Shutdown:
            heard.set()
            raise

    assert any(isinstance(one, ShutdownNotifications) for one in broker.middleware)
    first = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    first.start()
    work.send()
    assert started.wait(10)
    first.stop()
    assert heard.is_set()

    second = dramatiq.Worker(broker, worker_threads=1, worker_timeout=20)
    second.start()
    broker.join("default", timeout=10_000)
    second.stop()
    assert len(runs) == 2


def test_asynchronous_actors_run_side_by_side_and_are_retried(
    broker: RedisStreamsBroker, start_worker: StartWorker
) -> None:
    broker.add_middleware(AsyncIO())
    met = []
    waiting: list[asyncio.Event] = []
    runs = []

    @dramatiq.actor
    async def meet(number: int) -> None:
        if not waiting:
            waiting.append(asyncio.Event())
            await asyncio.wait_for(waiting[0].wait(), 10)
        else:
            waiting[0].set()
        met.append(number)

    @dramatiq.actor(min_backoff=1, max_backoff=5)
    async def fail_once() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError

    broker.emit_before("process_boot")
    start_worker(broker)
    meet.send(1)
    meet.send(2)
    fail_once.send()

    broker.join("default", timeout=20_000)
    assert sorted(met) == [1, 2]
    assert len(runs) == 2


def test_an_actor_knows_its_message(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    broker.add_middleware(dramatiq.middleware.CurrentMessage())
    known = []

    @dramatiq.actor
    def work() -> None:
        current = dramatiq.middleware.CurrentMessage.get_current_message()
        known.append(None if current is None else current.message_id)

    sent = work.send()

    broker.join("default", timeout=10_000)
    wait_for(lambda: known)
    assert known == [sent.message_id]
