"""Dramatiq's options of retrying: all of them hold over this broker."""

import time
from collections import Counter

import dramatiq
import pytest
import redis
from dramatiq.errors import Retry

from broker import RedisStreamsBroker, Retries
from tests.broker.looks import dead_letters
from tests.broker.servers import wait_for


@pytest.fixture(params=["ours", "dramatiq's"])
def retrying(request: pytest.FixtureRequest, broker: RedisStreamsBroker) -> RedisStreamsBroker:
    """A broker with our middleware of retries, or with Dramatiq's own in its place."""
    if request.param == "dramatiq's":
        place = next(number for number, one in enumerate(broker.middleware) if isinstance(one, Retries))
        broker.middleware[place] = dramatiq.middleware.Retries()
    return broker


def test_an_actor_without_retries_runs_once(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    runs = []

    @dramatiq.actor(max_retries=0)
    def fail() -> None:
        runs.append(1)
        raise RuntimeError

    fail.send()

    retrying.join("default", timeout=10_000)
    assert runs == [1]
    assert len(dead_letters(redis_client, retrying)) == 1


def test_a_message_may_have_retries_of_its_own(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    runs = []

    @dramatiq.actor(max_retries=0)
    def fail() -> None:
        runs.append(1)
        raise RuntimeError

    fail.send_with_options(max_retries=3, min_backoff=1, max_backoff=5)

    retrying.join("default", timeout=10_000)
    assert len(runs) == 4


def test_an_exception_that_an_actor_throws_on_purpose_is_not_retried(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker, redis_client: redis.Redis
) -> None:
    runs = []

    @dramatiq.actor(throws=(ValueError,), min_backoff=1, max_backoff=5)
    def fail() -> None:
        runs.append(1)
        raise ValueError("on purpose")

    fail.send()

    retrying.join("default", timeout=10_000)
    assert runs == [1]
    (letter,) = dead_letters(redis_client, retrying)
    assert letter["error"] == b"ValueError: on purpose"


def test_a_predicate_may_decide_about_retries(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    runs = []
    asked = []

    def once(retries: int, error: BaseException) -> bool:
        asked.append((retries, type(error)))
        return retries < 1

    @dramatiq.actor(retry_when=once, max_retries=0, min_backoff=1, max_backoff=5)
    def fail() -> None:
        runs.append(1)
        raise ValueError

    fail.send()

    retrying.join("default", timeout=10_000)
    assert len(runs) == 2
    assert asked == [(0, ValueError), (1, ValueError)]


def test_an_actor_may_say_when_it_is_retried(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    started = []

    @dramatiq.actor(max_retries=1, min_backoff=60_000)
    def work() -> None:
        started.append(time.monotonic())
        if len(started) == 1:
            raise Retry("later", delay=150)

    work.send()

    retrying.join("default", timeout=10_000)
    assert len(started) == 2
    assert started[1] - started[0] >= 0.145


def test_another_actor_hears_that_retries_are_exhausted(retrying: RedisStreamsBroker, worker: dramatiq.Worker) -> None:
    heard = []

    @dramatiq.actor
    def mourn(message: dict[str, object], counts: dict[str, int]) -> None:
        heard.append((message["actor_name"], counts))

    @dramatiq.actor(max_retries=1, min_backoff=1, max_backoff=5, on_retry_exhausted="mourn")
    def fail() -> None:
        raise RuntimeError

    fail.send()

    wait_for(lambda: heard)
    assert heard == [("fail", {"retries": 1, "max_retries": 1})]


def test_retries_of_many_messages_wait_for_none_of_each_other(
    retrying: RedisStreamsBroker, worker: dramatiq.Worker
) -> None:
    runs: Counter[int] = Counter()

    @dramatiq.actor(max_retries=5, min_backoff=1, max_backoff=10)
    def work(number: int) -> None:
        runs[number] += 1
        if runs[number] <= number % 3:
            raise RuntimeError

    for number in range(60):
        work.send(number)

    retrying.join("default", timeout=20_000)
    assert runs == {number: 1 + number % 3 for number in range(60)}
