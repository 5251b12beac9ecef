"""Retries, rescheduling, delays and dead letters: what becomes of a message that is not done yet, or never will be."""

import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import RateLimitExceeded
from dramatiq.middleware import AgeLimit, CurrentMessage, Middleware, default_middleware
from dramatiq.middleware import Retries as DramatiqRetries

from broker import RedisStreamsBroker, Reschedule, Retries
from tests.broker.looks import dead_letters
from tests.broker.servers import Server, wait_for


def test_a_failed_message_is_retried_with_backoff(broker: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    runs = []

    @dramatiq.actor(min_backoff=50, max_backoff=500)
    def work() -> None:
        runs.append(time.monotonic())
        if len(runs) < 4:
            raise RuntimeError

    work.send()

    broker.join("default", timeout=10_000)
    waits = [after - before for before, after in pairwise(runs)]
    assert len(waits) == 3
    assert all(wait >= least for wait, least in zip(waits, (0.05, 0.1, 0.2), strict=True))


def test_a_message_that_fails_for_the_last_time_is_a_dead_letter(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=2)
    def work(number: int) -> None:
        raise ValueError(f"no {number}")

    began_ms = redis_client.time()[0] * 1000
    sent = work.send(7)

    broker.join("default", timeout=10_000)
    (letter,) = dead_letters(redis_client, broker)
    assert letter["reason"] == b"failed"
    assert letter["error"] == b"ValueError: no 7"
    assert b'raise ValueError(f"no {number}")' in letter["traceback"]
    assert letter["actor"] == b"work"
    assert letter["queue"] == b"default"
    assert letter["message_id"] == sent.message_id.encode()
    assert letter["retries"] == b"2"
    assert began_ms <= int(letter["enqueued_ms"]) <= int(letter["died_ms"])
    assert dramatiq.Message.decode(letter["message"]).args == (7,)


def test_dead_letters_are_kept_by_number(
    server: Server, open_broker: Callable[..., Any], start_worker: Callable[..., Any], redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url, dead_max_number=3)

    @dramatiq.actor(max_retries=0, broker=broker)
    def fail(number: int) -> None:
        raise RuntimeError(number)

    for number in range(5):
        fail.send(number)

    start_worker(broker, threads=1)
    broker.join("default", timeout=10_000)
    assert [letter["error"] for letter in dead_letters(redis_client, broker)] == [
        b"RuntimeError: 2",
        b"RuntimeError: 3",
        b"RuntimeError: 4",
    ]


def test_dead_letters_are_kept_by_age(
    server: Server, open_broker: Callable[..., Any], start_worker: Callable[..., Any], redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url, dead_max_age_ms=60_000)
    redis_client.xadd(broker.keys("default").dead, {"reason": "failed"}, id=f"{redis_client.time()[0] - 61}000-0")

    @dramatiq.actor(max_retries=0, broker=broker)
    def fail() -> None:
        raise RuntimeError

    fail.send()

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert [letter["error"] for letter in dead_letters(redis_client, broker)] == [b"RuntimeError: "]


def test_a_message_whose_options_cannot_be_encoded_is_kept_as_it_was(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    class Spoiler(Middleware):
        def before_process_message(self, broker: dramatiq.Broker, message: Any) -> None:
            message.options["spoilt"] = object()

    broker.add_middleware(Spoiler())

    @dramatiq.actor
    def fail() -> None:
        raise RuntimeError("no")

    sent = fail.send()

    broker.join("default", timeout=10_000)
    (letter,) = dead_letters(redis_client, broker)
    assert letter["message"] == sent.encode()
    assert letter["error"] == b"RuntimeError: no"


def test_a_message_past_its_age_limit_is_a_dead_letter(
    broker: RedisStreamsBroker, start_worker: Callable[..., Any], redis_client: redis.Redis
) -> None:
    @dramatiq.actor(max_age=1)
    def work() -> None:
        raise AssertionError

    work.send()
    time.sleep(0.01)

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert [letter["reason"] for letter in dead_letters(redis_client, broker)] == [b"failed"]


def test_rescheduling_counts_no_retry(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, caplog: pytest.LogCaptureFixture
) -> None:
    runs, retries = [], []
    broker.add_middleware(CurrentMessage())

    @dramatiq.actor(max_retries=0)
    def work() -> None:
        runs.append(time.monotonic())
        current = CurrentMessage.get_current_message()
        assert current is not None
        retries.append(current.options.get("retries"))
        if len(runs) < 4:
            raise Reschedule(20)

    work.send()

    broker.join("default", timeout=10_000)
    assert retries == [None] * 4
    assert all(after - before >= 0.02 for before, after in pairwise(runs))
    assert "exception" not in caplog.text


@pytest.mark.parametrize("retries", [Retries, DramatiqRetries])
@pytest.mark.parametrize("last", [True, False])
def test_retries_are_as_safe_in_any_place_among_middleware(
    server: Server,
    open_broker: Callable[..., Any],
    start_worker: Callable[..., Any],
    retries: type[DramatiqRetries],
    last: bool,
) -> None:
    others = [kind() for kind in default_middleware if kind is not DramatiqRetries]
    mine = retries(min_backoff=5, max_backoff=10)
    broker = open_broker(server.url, middleware=[*others, mine] if last else [mine, *others])
    runs: Counter[int] = Counter()

    @dramatiq.actor(broker=broker)
    def work(number: int) -> None:
        runs[number] += 1
        if runs[number] == 1:
            raise RuntimeError
        if runs[number] == 2:
            raise Reschedule(5)

    for number in range(20):
        work.send(number)

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert runs == Counter(dict.fromkeys(range(20), 3))


def test_without_retries_a_failed_message_is_done(
    server: Server, open_broker: Callable[..., Any], start_worker: Callable[..., Any], redis_client: redis.Redis
) -> None:
    broker = open_broker(server.url, middleware=[AgeLimit()])

    @dramatiq.actor(broker=broker)
    def fail() -> None:
        raise RuntimeError

    fail.send()

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert dead_letters(redis_client, broker) == []


def test_a_retry_is_sent_in_the_same_step_as_the_acknowledgement(
    broker: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    seen = []

    class Peeper(Middleware):
        def before_ack(self, broker: Any, message: Any) -> None:
            seen.append((redis_client.xlen("default"), redis_client.zcard(broker.keys("default").delayed)))

    broker.add_middleware(Peeper())

    @dramatiq.actor(max_retries=1, min_backoff=60_000)
    def fail() -> None:
        raise RuntimeError

    fail.send()

    wait_for(lambda: redis_client.zcard(broker.keys("default").delayed))
    assert seen == [(1, 0)], "before the acknowledgement, nothing is sent"
    assert redis_client.xlen("default") == 0
    assert redis_client.hlen(broker.keys("default").bodies) == 1


def test_what_an_actor_sends_again_by_hand_goes_with_its_acknowledgement(
    broker: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    runs = []
    broker.add_middleware(CurrentMessage())

    @dramatiq.actor
    def work() -> None:
        runs.append(1)
        if len(runs) == 1:
            current: Any = CurrentMessage.get_current_message()
            broker.enqueue(current)
            broker.enqueue(current, delay=10)

    work.send()

    broker.join("default", timeout=10_000)
    assert len(runs) == 3


@pytest.mark.parametrize("reschedules", [True, False])
def test_a_rate_limited_message_may_wait_without_burning_a_retry(
    server: Server,
    open_broker: Callable[..., Any],
    start_worker: Callable[..., Any],
    redis_client: redis.Redis,
    reschedules: bool,
) -> None:
    chosen = (RateLimitExceeded,) if reschedules else ()
    broker = open_broker(server.url, middleware=[Retries(reschedule_on=chosen, reschedule_ms=5, max_retries=0)])
    runs = []

    @dramatiq.actor(broker=broker)
    def work() -> None:
        runs.append(1)
        if len(runs) < 4:
            raise RateLimitExceeded("later")  # type: ignore[no-untyped-call]

    work.send()

    start_worker(broker)
    broker.join("default", timeout=10_000)
    assert len(runs) == (4 if reschedules else 1)
    assert len(dead_letters(redis_client, broker)) == (0 if reschedules else 1)
