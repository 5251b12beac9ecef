"""Limits of rate, time and age, and the interruption of what runs when a worker stops."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import RateLimitExceeded
from dramatiq.middleware import AsyncIO, Shutdown, ShutdownNotifications, TimeLimit, TimeLimitExceeded
from dramatiq.rate_limits import Barrier, BucketRateLimiter, ConcurrentRateLimiter, WindowRateLimiter
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


def test_a_mutex_lets_one_of_many_pass(limits: Any, broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    mutex: Any = ConcurrentRateLimiter(limits, "mutex", limit=1)  # type: ignore[no-untyped-call]
    passed: list[int] = []
    refused: list[int] = []
    release = threading.Event()

    @dramatiq.actor
    def work(number: int) -> None:
        with mutex.acquire(raise_on_failure=False) as acquired:
            (passed if acquired else refused).append(number)
            if acquired:
                assert release.wait(20)

    for number in range(8):
        work.send(number)
    wait_for(lambda: len(passed) + len(refused) == 8)
    release.set()
    broker.join("default", timeout=10_000)
    work.send(8)
    broker.join("default", timeout=10_000)

    assert len(refused) == 7
    assert passed[1:] == [8], "it was released"


def test_nobody_comes_to_a_barrier(limits: Any, broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    barrier: Any = Barrier(limits, "lonely", ttl=30_000)  # type: ignore[no-untyped-call]
    assert barrier.create(parties=2)
    assert not barrier.create(parties=10)
    met = []

    @dramatiq.actor
    def meet() -> None:
        met.append(barrier.wait(timeout=1_000))

    meet.send()

    broker.join("default", timeout=10_000)
    assert met == [False]


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


@pytest.mark.parametrize("whose", ["the actor's", "the message's"])
def test_a_task_past_its_time_limit_is_interrupted(
    server: Server,
    open_broker: Callable[..., RedisStreamsBroker],
    start_worker: StartWorker,
    redis_client: redis.Redis,
    whose: str,
) -> None:
    broker = open_broker(server.url)
    place = next(number for number, one in enumerate(broker.middleware) if isinstance(one, TimeLimit))
    broker.middleware[place] = TimeLimit(interval=20)
    interrupted = threading.Event()
    limit: dict[str, Any] = {"time_limit": 100}

    @dramatiq.actor(broker=broker, max_retries=0, **(limit if whose == "the actor's" else {}))
    def spin() -> None:
        try:
            until = time.monotonic() + 20
            while time.monotonic() < until:
                time.sleep(0.01)
        except TimeLimitExceeded:
            interrupted.set()
            raise

    broker.emit_after("process_boot")
    start_worker(broker)
    broker.enqueue(spin.message_with_options(**({} if whose == "the actor's" else limit)))

    assert interrupted.wait(10)
    broker.join("default", timeout=10_000)
    (letter,) = dead_letters(redis_client, broker)
    assert letter["error"].startswith(b"TimeLimitExceeded")


@pytest.mark.parametrize(
    ("actors", "messages", "told"),
    [(True, None, True), (True, False, False), (None, True, True), (False, True, True), (None, None, False)],
)
def test_a_task_is_told_of_the_shutdown_if_its_actor_or_message_asks_for_it(
    broker: RedisStreamsBroker, actors: bool | None, messages: bool | None, told: bool
) -> None:
    started, release = threading.Event(), threading.Event()
    heard, ended, done = [], [], []

    @dramatiq.actor(notify_shutdown=actors, max_retries=0)
    def work() -> None:
        started.set()
        try:
            while not release.wait(0.01):
                pass
        except Shutdown:
            heard.append(1)
            raise
        ended.append(1)

    @dramatiq.actor(notify_shutdown=True)
    def short() -> None:
        done.append(1)

    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=20)
    worker.start()
    short.send()
    broker.join("default", timeout=10_000)
    own: dict[str, Any] = {} if messages is None else {"notify_shutdown": messages}
    broker.enqueue(work.message_with_options(**own))
    assert started.wait(10)

    stopping = threading.Thread(target=worker.stop)
    stopping.start()
    # The notification comes before threads are told to stop.
    wait_for(lambda: not any(thread.running for thread in worker.workers), what="being told to stop")
    if not told:
        release.set()
    stopping.join(20)
    release.set()

    assert (heard, ended, done) == (([1], [], [1]) if told else ([], [1], [1]))
    broker.join("default", timeout=1_000)


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


def test_as_many_run_at_once_as_a_limit_allows_and_all_are_done(
    limits: Any, broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    one_at_a_time: Any = ConcurrentRateLimiter
    limiter = one_at_a_time(limits, "one", limit=1)
    running, most, done = Counter[str](), [0], []

    @dramatiq.actor(min_backoff=5, max_backoff=20, max_retries=1000)
    def work(number: int) -> None:
        with limiter.acquire():
            running["now"] += 1
            most[0] = max(most[0], running["now"])
            time.sleep(0.005)
            running["now"] -= 1
            done.append(number)

    for number in range(10):
        work.send(number)

    broker.join("default", timeout=20_000)
    assert most[0] == 1
    assert sorted(done) == list(range(10))
